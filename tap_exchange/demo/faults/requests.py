"""Which requests a fault strikes, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.requestlog import Request

SYNC_CALLS = ("SyncFolderItems", "SyncFolderHierarchy")


@dataclass(slots=True)
class On:
    """The requests that a fault strikes: those of which all that is given is true; nothing given is every one.

    Attributes:
        operation: the name of an operation, or several.
        folder: the folder that is synced, listed or asked for.
        items: the request asks for any of these.
        asking: the request asks for any of these properties, by FieldURI (or MAPI tag).
        state: True only with a sync state, False only without.
        page_over: only a sync call for pages larger than this.
        where: anything else that is true of the request.
        skip: so many such requests are left alone first.
        times: and after so many strikes all are left alone.
        every: of the rest each n-th is struck, beginning with the first.
        chance: of the rest so many are struck, as the seed will have it.
        struck: how often the fault struck so far.
    """

    operation: str | Collection[str] = ()
    folder: Folder | None = None
    items: Iterable[Item] = ()
    asking: str | Collection[str] = ()
    state: bool | None = None
    page_over: int | None = None
    where: Callable[[Request], bool] | None = None
    skip: int = 0
    times: int | None = None
    every: int = 1
    chance: float = 1.0
    seed: int = 0
    struck: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)
    _ids: frozenset[str] = field(init=False)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Read the ids of the items once."""
        self.operation = _names(self.operation)
        self.asking = _names(self.asking)
        self._ids = frozenset(item.id for item in self.items)
        self._random = random.Random(self.seed)

    def fits(self, request: Request) -> bool:
        """Tell whether a request is one of these, however often it was struck."""
        return (
            (not self.operation or request.operation in self.operation)
            and (self.folder is None or self.folder.id in request.folders)
            and (not self._ids or not self._ids.isdisjoint(request.ids))
            and (not self.asking or not frozenset(self.asking).isdisjoint(request.properties))
            and (self.state is None or self.state == request.had_state)
            and (self.page_over is None or (request.max_changes or 0) > self.page_over)
            and (self.where is None or self.where(request))
        )

    def strikes(self, request: Request) -> bool:
        """Tell whether the fault strikes now, and count it."""
        if not self.fits(request) or (self.times is not None and self.struck >= self.times):
            return False
        self._seen += 1
        turn = self._seen - self.skip - 1
        if turn < 0 or turn % self.every or (self.chance < 1 and self._random.random() >= self.chance):
            return False
        self.struck += 1
        return True


def _names(given: str | Collection[str]) -> frozenset[str]:
    return frozenset({given} if isinstance(given, str) else given)
