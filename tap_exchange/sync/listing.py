"""Complete listings: what a folder holds, for folders without a feed of their own.

What is new or changed since the last listing is loaded in pieces, each a page of its own, and then the listing is
written. It counts from the moment that `listed_at` moves to its time: one that is broken off leaves that of before, and
the next run lists anew and loads what is not loaded yet.

The mark knows what was loaded by 8 bytes for each version of an item, which stand for how it was asked for, too:
`listed` holds what was known when the listing began, `listing` that of each page since; it is there as long as a
listing is under way. A version that is known means: the item's row in the tables is of this version, asked for in this
way. Nothing tells which item a version is of, and a load of the item in another way makes it untrue: were it kept, and
the next run asked in the former way again, the item would pass for loaded. Hence the rule: before the first load the
known are cut down to those that the listing at hand has, asked for as now. What is dropped is loaded again at worst.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import FolderError
from tap_exchange.sync.keys import holds, short_hash
from tap_exchange.sync.packed import FoundItems
from tap_exchange.sync.page import Page, Row
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.ews.ask import Restriction
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.store import StoreSync

OLDEST_FIRST = (("item:DateTimeCreated", False),)
"""New items come last, so that they shift nothing that is still to be read."""

TRIES = 5
PIECE = 512
"""Items of one page: between pages a STATE may be written, and the run may end."""


async def listed_ids(
    folder: FolderSync, shape: Shape | None = None, restriction: Restriction | None = None
) -> FoundItems:
    """Return every item of a folder, or those of a restriction, IdOnly unless a shape is given, oldest first.

    Each page begins with the last item of the one before: when it does not, something was deleted meanwhile and an
    item may have slipped through, so the listing begins again. It is not broken off when the run is to end: half of
    it is worth nothing. Raises FolderError when it never comes out whole.
    """
    for _ in range(TRIES):
        items = await _list_once(folder, shape, restriction)
        if items is not None:
            return items
    raise FolderError("The folder changes faster than it can be listed; run again later.", code="ErrorListingMoved")


async def _list_once(folder: FolderSync, shape: Shape | None, restriction: Restriction | None) -> FoundItems | None:
    ignored = frozenset(folder.store.run.settings.ignore_item_ids)
    items = FoundItems()
    last: str | None = None
    offset = 0
    while True:
        folder.tally.requests += 1
        page = await folder.store.run.conveyor.call(
            partial(
                folder.wire.find_items,
                folder.place.folder_id,
                offset=offset,
                restriction=restriction,
                order=OLDEST_FIRST,
                shape=shape,
            )
        )
        if last is not None and (not page.items or page.items[0].item_id != last):
            return None
        is_last = page.last or page.next_offset is None or not page.items
        told = page.items if is_last else page.items[:-1]  # the next page begins with the last
        items.extend(item for item in told if item.item_id not in ignored)
        if is_last or page.next_offset is None:
            return items
        last = page.items[-1].item_id
        following = page.next_offset - 1
        if following <= offset:
            raise FolderError(
                "The server gives the same page of a listing again and again.", code="ErrorListingRepeats"
            )
        offset = following


class Versions:
    """Tells of listed items whether their present versions were loaded, and notes those that are."""

    def __init__(self, folder: FolderSync) -> None:
        """Take what the folder's mark knows."""
        selection, since = folder.selection, folder.since.start
        self._mark = folder.mark
        self._stream_of = selection.stream_of
        self._asked = {stream: f"{selection.version_of(stream)}{since}" for stream in selection.columns}
        self._known = known_versions(folder.mark)
        self._pending = _pending_ids(folder.mark)
        self._stayed = array("Q")
        self._changed = 0

    def changed(self, found: Iterable[FoundItem]) -> FoundItems:
        """Return the items that are to be loaded; those to be tried again count as not loaded."""
        changed = FoundItems()
        for item in found:
            version = self._of(item)
            if item.item_id not in self._pending and holds(self._known, version):
                self._stayed.append(version)
            else:
                changed.add(item)
        self._changed += len(changed)
        return changed

    @property
    def moved(self) -> bool:
        """Whether the items told of differ from those that were known."""
        return self._changed > 0 or len(self._stayed) != len(self._known)

    def cut_down(self) -> None:
        """Let the mark know no other versions than those told of, and that a listing is under way."""
        self._mark["listed"] = pack(self._stayed)
        self._mark["listing"] = []

    def note(self, items: Iterable[FoundItem]) -> None:
        """Let the mark know the versions of items whose page was just written, but for those to be tried again."""
        pending = _pending_ids(self._mark)
        loaded = [self._of(item) for item in items if item.item_id not in pending]
        if loaded:
            self._mark.setdefault("listing", []).append(pack(loaded))

    def _of(self, item: FoundItem) -> int:
        """Return 64 bits that stand for an item's version, and for whether and how it is asked for."""
        asked = self._asked.get(self._stream_of(item.element), "")
        return short_hash(f"{item.item_id}\0{item.change_key}\0{asked}")


async def list_contents(folder: FolderSync) -> bool:
    """Write a folder's complete listing to listed_items, and load what is new or changed since the last one.

    Returns whether that is done: not when the run is to end before, or the store is down.
    """
    found = await listed_ids(folder)
    versions = Versions(folder)
    changed = await folder.store.run.conveyor.call(versions.changed, found)
    return await write_listing(folder, found, versions, changed)


async def write_listing(
    folder: FolderSync,
    found: FoundItems,
    versions: Versions,
    changed: FoundItems,
    then: Callable[[], None] = lambda: None,
) -> bool:
    """Load what changed of a complete listing, and write it; return whether that is done.

    `then` moves the mark besides.
    """
    put = folder.store.run.conveyor.put
    await put(beginning(folder, versions))
    if not await load_pieces(folder, versions, ((folder, piece) for piece in in_pieces(changed))):
        return False
    await (await put(listing_page(folder, found, then)))
    return True


async def end_listing(folder: FolderSync) -> None:
    """Write what a folder holds whose listing was broken off, and whose feed works again and was followed.

    What was loaded for a listing is shown as long as one names it, and the feed would tell of it only when it changes.
    """
    if "listing" in folder.mark:
        found = await listed_ids(folder)
        await (await folder.store.run.conveyor.put(listing_page(folder, found)))


def beginning(folder: FolderSync, versions: Versions) -> Page:
    """Return the page that goes before the loads of a complete listing."""

    def advance() -> None:
        versions.cut_down()
        if versions.moved:
            folder.outdate_view()
        if "dates" in folder.mark:  # the listing may bring older items than the feed's date let in
            folder.mark["dates"]["lowest"] = min(folder.mark["dates"]["lowest"], folder.since.start)

    return Page(advance=advance)


async def load_pieces(
    folder: FolderSync, versions: Versions, pieces: Iterable[tuple[FolderSync, Sequence[FoundItem]]]
) -> bool:
    """Load pieces of a listing, each of the folder that it stands in; tell whether all were loaded.

    The first is loaded in any case, lest a run with little time never gets on.
    """
    written: asyncio.Future[None] | None = None
    is_whole = True
    for place, piece in pieces:
        if written is not None and (folder.must_stop() or place.must_stop()):
            is_whole = False
            break
        written = await place.put(listed_work(place, piece, partial(versions.note, piece)))
    if written is not None:
        await written
    return is_whole and not folder.blocked


def in_pieces(items: Iterable[FoundItem]) -> Iterator[list[FoundItem]]:
    """Yield items as many at a time as make a page."""
    left = iter(items)
    while piece := list(islice(left, PIECE)):
        yield piece


def known_versions(mark: FolderMark) -> array[int]:
    """Return, sorted, what stands for the versions of items that were loaded for a folder's listings."""
    return array("Q", sorted(chain(unpack(mark.get("listed", "")), *map(unpack, mark.get("listing", ())))))


def _pending_ids(mark: FolderMark) -> set[str]:
    return {item[0] for item in mark.get("pending", ())}


def listed_work(folder: FolderSync, found: Iterable[FoundItem], then: Callable[[], None] = lambda: None) -> PageWork:
    """Return the work of loading items that a listing found."""
    changes = [ItemChange("create", item.item_id, item.change_key, item.element) for item in found]
    return PageWork(folder, changes, then=then, origin="listing", told=False)


def is_listed_long_ago(store: StoreSync, mark: FolderMark) -> bool:
    """Return whether a folder's last complete listing is older than `listing_hours`."""
    age = datetime.now(timezone.utc) - moment_of(mark["listed_at"])
    return age >= timedelta(hours=store.run.settings.listing_hours)


def moment_of(text: str) -> datetime:
    """Return the moment of a time in RFC 3339."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def listing_page(folder: FolderSync, found: Iterable[FoundItem], then: Callable[[], None] = lambda: None) -> Page:
    """Return the page that writes a complete listing whose items were loaded before it."""
    stamps: list[str] = []

    def opening() -> Iterator[Row]:
        stamps.append(folder.stamp())
        for item in found:
            yield listing_row(folder, item, stamps[0])

    def advance() -> None:
        folder.mark["listed_at"] = stamps[0]
        settle_versions(folder.mark)
        then()

    return Page(opening=opening, advance=advance)


def settle_versions(mark: FolderMark) -> None:
    """Note that a listing is done: what was loaded for it is known as what was before."""
    mark["listed"] = pack(known_versions(mark))
    mark.pop("listing", None)


def listing_row(folder: FolderSync, item: FoundItem, stamp: str) -> Row:
    """Return the row of an item that a listing holds."""
    return Row(
        "listed_items",
        {
            **folder.place.columns(),
            "item_key": folder.place.key(item.item_id),
            "item_id": item.item_id,
            "change_key": item.change_key,
            "stream": folder.selection.stream_of(item.element),
            "listed_at": stamp,
        },
    )


def pack(hashes: Iterable[int]) -> str:
    """Return hashes as text for a mark."""
    return b64encode(array("Q", sorted(hashes)).tobytes()).decode()


def unpack(text: str) -> array[int]:
    """Return the hashes of a mark's text."""
    hashes = array("Q")
    hashes.frombytes(b64decode(text))
    return hashes
