"""A stream or column selected later: the folder is walked once more, and only what is new is loaded."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from tap_exchange.sync.changes import net
from tap_exchange.sync.keys import holds, short_hash
from tap_exchange.sync.watch import watch_new
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import ItemChange
    from tap_exchange.sync.folder import FolderSync


class IdSet:
    """Item ids as sorted 64-bit hashes: 8 bytes each, for folders of a million items."""

    def __init__(self) -> None:
        """Begin empty."""
        self._hashes = array("Q")
        self._sorted = True

    def update(self, ids: Iterable[str]) -> None:
        """Add ids."""
        self._hashes.extend(map(short_hash, ids))
        self._sorted = False

    def __contains__(self, item_id: str) -> bool:
        """Return whether an id was added."""
        if not self._sorted:
            self._hashes = array("Q", sorted(self._hashes))
            self._sorted = True
        return holds(self._hashes, short_hash(item_id))


async def fill(folder: FolderSync, stale: frozenset[str]) -> None:
    """Load what `stale` streams lack in a folder whose feed was just followed to its end.

    A walk from no state gives a new state and loads, as origin `fill`, the items of the stale streams; then the
    rest of the old feed is written as one page, at whose end the new state is adopted. Items that the new state
    does not hold are left to it: adopted, it will report them itself. Until then the bookmark keeps the old state,
    and the stale streams' rows of an interrupted fill are void by the next fill's reset.
    """
    await folder.reset(stale)
    known = IdSet()
    state: str | None = None
    while True:
        answer = await folder.ask(state)
        changes = net(answer.changes)
        known.update(change.item_id for change in changes)
        wanted = [
            change
            for change in changes
            if folder.is_loaded(change) and folder.selection.stream_of(change.element) in stale
        ]
        for work in filling(folder, wanted):
            await folder.put(work)
        state = answer.sync_state
        if answer.last:
            break
        if folder.must_stop():
            return
    rest = [change for change in await drain(folder) if change.kind == "delete" or change.item_id in known]
    new_state = state

    def adopt() -> None:
        folder.move(new_state)
        folder.adopt_selection()

    await (await folder.put(PageWork(folder, rest, then=adopt)))
    await watch_new(folder)


def filling(folder: FolderSync, wanted: Sequence[ItemChange], *, decided: bool = False) -> Iterator[PageWork]:
    """Yield the work of loading what a fill lacks.

    Of an item that the run's own feed named first, an older state tells nothing: its row is of that feed, lest it
    stays when STATE is lost and the item deleted. All else the older state holds: it is the row of an item that was
    there before, and stays valid whatever the next run is given.
    """
    for origin, is_new in (("fill", False), ("feed", True)):
        if changes := [change for change in wanted if (change.item_id in folder.came) is is_new]:
            yield PageWork(folder, changes, then=lambda: None, origin=origin, told=False, decided=decided)


async def drain(folder: FolderSync) -> list[ItemChange]:
    """Return the changes since the bookmark's state, without moving it."""
    changes: list[ItemChange] = []
    state = folder.mark["sync_state"]
    while True:
        answer = await folder.ask(state)
        changes += answer.changes
        state = answer.sync_state
        if answer.last:
            return net(changes)
