"""Folders whose SyncFolderItems fails or never ends, and a store that is down.

A folder that fails with its state and succeeds without one, one that fails always, and one that gives only
small pages are `codes.FolderFails`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults.requests import On
from tap_exchange.demo.soap import M, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_exchange.demo.changelog import Change
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.soap import Call


@dataclass(eq=False)
class FeedBreaks(Fault):
    """A page of SyncFolderItems fails while it would tell of one of these items, unless Ignore names it.

    The page fails with a code, or its answer is changed, `change=cut()` say. GetItem and FindItem know
    nothing of it: the items may load well.
    """

    items: Iterable[Item]
    code: str = "ErrorCorruptData"
    change: Callable[[Answer], Answer] | None = None
    on: On = field(default_factory=On)

    def __post_init__(self) -> None:
        """Note the items."""
        self._numbers = {(item.folder.id, item.number) for item in self.items}
        self._broken: Call | None = None

    @property
    def struck(self) -> int:
        """Tell how many pages failed."""
        return self.on.struck

    def changes(self, call: Call, folder: Folder, changes: list[Change]) -> None:
        """Fail the page."""
        if any((folder.id, change.number) in self._numbers for change in changes) and self.on.strikes(call.record):
            if self.change is None:
                raise ServiceError(self.code)
            self._broken = call

    def after(self, call: Call, answer: Answer) -> Answer:
        """Change the answer of a page that is to fail so."""
        if self.change is None or self._broken is not call:
            return answer
        return self.change(answer)


@dataclass(eq=False)
class StateNeverMoves(Fault):
    """A sync call gives back the state that it was given and says that more follows, for ever."""

    on: On = field(default_factory=lambda: On("SyncFolderItems"))

    @property
    def struck(self) -> int:
        """Tell how many answers went nowhere."""
        return self.on.struck

    def body(self, call: Call, body: str) -> str:
        """Put the old state into the answer."""
        old = call.body.findtext(f"{M}SyncState")
        if not old or not self.on.strikes(call.record):
            return body
        body = re.sub(r"<m:SyncState>[^<]*", f"<m:SyncState>{old}", body)
        return re.sub(r"(<m:IncludesLast(?:Item|Folder)InRange>)true", r"\1false", body)


@dataclass(eq=False)
class StoreIsDown(Fault):
    """Each item of a mailbox answers ErrorItemNotFound, as a frozen store does; its folders and feeds go on."""

    which: Mailbox
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how many items were not found."""
        return self.on.struck

    def item(self, call: Call, item: Item, shape: object) -> None:  # noqa: ARG002 - the place's
        """Find nothing."""
        if item.folder.store.owner == self.which.address and self.on.strikes(call.record):
            raise ServiceError("ErrorItemNotFound")
