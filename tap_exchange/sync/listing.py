"""Complete listings: what a folder holds, for folders without a feed of their own."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import FolderError
from tap_exchange.sync.keys import short_hash
from tap_exchange.sync.page import Page, Row
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.ews.ask import Restriction
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.store import StoreSync

OLDEST_FIRST = (("item:DateTimeCreated", False),)
"""New items come last, so that they shift nothing that is still to be read."""

TRIES = 5


async def listed_ids(
    folder: FolderSync, shape: Shape | None = None, restriction: Restriction | None = None
) -> list[FoundItem]:
    """Return every item of a folder, or those of a restriction, IdOnly unless a shape is given, oldest first.

    Each page begins with the last item of the one before: when it does not, something was deleted meanwhile and an
    item may have slipped through, so the listing begins again. Raises FolderError when it never comes out whole.
    """
    for _ in range(TRIES):
        items = await _list_once(folder, shape, restriction)
        if items is not None:
            return items
    raise FolderError("The folder changes faster than it can be listed; run again later.", code="ErrorListingMoved")


async def _list_once(
    folder: FolderSync, shape: Shape | None, restriction: Restriction | None
) -> list[FoundItem] | None:
    ignored = frozenset(folder.store.run.settings.ignore_item_ids)
    items: dict[str, FoundItem] = {}
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
        items.update((item.item_id, item) for item in page.items)
        if page.last or page.next_offset is None or not page.items:
            return [item for item in items.values() if item.item_id not in ignored]
        last = page.items[-1].item_id
        following = page.next_offset - 1
        if following <= offset:
            raise FolderError(
                "The server gives the same page of a listing again and again.", code="ErrorListingRepeats"
            )
        offset = following


async def list_contents(folder: FolderSync) -> None:
    """Write a folder's complete listing to listed_items, and load what is new or changed since the last one.

    The mark keeps 8 bytes for each version of an item that was loaded, and for how it was asked for. The listing
    counts from the moment that `listed_at` moves to its time: before, the rows of the listing before it count.
    """
    found = await listed_ids(folder)
    versions = versions_of(folder, found)
    known = known_versions(folder.mark)
    changed = [item for item in found if versions[item.item_id] not in known]

    def then() -> None:
        if known != set(versions.values()):
            folder.outdate_view()
        if "dates" in folder.mark:  # the listing may have brought older items than the feed's date let in
            folder.mark["dates"]["lowest"] = min(folder.mark["dates"]["lowest"], folder.since.start)

    await (await folder.put(listed_work(folder, changed)))
    if folder.blocked:
        return
    await (await folder.store.run.conveyor.put(listing_page(folder, found, versions, then)))


def known_versions(mark: FolderMark) -> set[int]:
    """Return what `versions_of` told of the items that were loaded for a folder's last listing."""
    return set(unpack(mark.get("listed", "")))


def listed_work(folder: FolderSync, found: Iterable[FoundItem]) -> PageWork:
    """Return the work of loading items that a listing found."""
    changes = [ItemChange("create", item.item_id, item.change_key, item.element) for item in found]
    return PageWork(folder, changes, then=lambda: None, origin="listing", told=False)


def is_listed_long_ago(store: StoreSync, mark: FolderMark) -> bool:
    """Return whether a folder's last complete listing is older than `listing_hours`."""
    age = datetime.now(timezone.utc) - moment_of(mark["listed_at"])
    return age >= timedelta(hours=store.run.settings.listing_hours)


def moment_of(text: str) -> datetime:
    """Return the moment of a time in RFC 3339."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def listing_page(
    folder: FolderSync, found: Sequence[FoundItem], versions: Mapping[str, int], then: Callable[[], None]
) -> Page:
    """Return the page that writes a complete listing; `versions` are those of the items that were loaded before it.

    Items that are to be tried again count as not loaded.
    """
    stamps: list[str] = []

    def opening() -> Iterator[Row]:
        stamps.append(folder.stamp())
        for item in found:
            yield listing_row(folder, item, stamps[0])

    def advance() -> None:
        pending = {item[0] for item in folder.mark.get("pending", ())}
        folder.mark["listed_at"] = stamps[0]
        folder.mark["listed"] = pack(version for item_id, version in versions.items() if item_id not in pending)
        then()

    return Page(opening=opening, advance=advance)


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


def versions_of(folder: FolderSync, found: Iterable[FoundItem]) -> dict[str, int]:
    """Return 64 bits for each item that stand for its version, and for whether and how it is asked for."""
    since = folder.since.start
    asked = {stream: f"{folder.selection.version_of(stream)}{since}" for stream in folder.selection.columns}
    return {item.item_id: _version(item, asked.get(folder.selection.stream_of(item.element), "")) for item in found}


def _version(item: FoundItem, asked: str) -> int:
    return short_hash(f"{item.item_id}\0{item.change_key}\0{asked}")


def pack(hashes: Iterable[int]) -> str:
    """Return hashes as text for a mark."""
    return b64encode(array("Q", sorted(hashes)).tobytes()).decode()


def unpack(text: str) -> array[int]:
    """Return the hashes of a mark's text."""
    hashes = array("Q")
    hashes.frombytes(b64decode(text))
    return hashes
