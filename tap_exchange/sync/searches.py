"""Search folders: what they hold comes and goes without being changed, and no feed tells of it.

They stand outside the hierarchy that is synced, below the distinguished folder `searchfolders`; some servers show such
folders within it, too. One FindFolder in each run finds them, and tells for each when something in it last changed and
how much was deleted. Only one that may have changed is listed, whole, into `listed_items`, after the feeds of the run.

Most of what they hold stands in folders with a feed, which loads it. Loaded here are members in other folders: such as
the user's patterns do not name. What `folders_exclude` names is not loaded by a back door.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import Answer
from tap_exchange.ews.errors import MailboxError, SurvivableError, TransientError
from tap_exchange.ews.shapes import ContentSettings, folder_shape, shape
from tap_exchange.sync.found import keep_found
from tap_exchange.sync.hierarchy import left_out_row
from tap_exchange.sync.keys import short_hash
from tap_exchange.sync.listing import (
    Versions,
    beginning,
    in_pieces,
    is_listed_long_ago,
    listed_ids,
    listing_page,
    load_pieces,
)
from tap_exchange.sync.packed import FoundItems
from tap_exchange.sync.page import Page, Place
from tap_exchange.sync.scope import WITHOUT_FEED
from tap_exchange.sync.tally import Outcome, Tally, folder_sync_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.page import Row
    from tap_exchange.sync.store import StoreSync

SEARCH = "SearchFolder"
FINDER = "searchfolders"
"""The distinguished folder below which search folders stand."""

COMMITTED, DELETED = "local_commit_time_max", "deleted_count_total"
TICK = 1.05
"""Seconds after which a server's clock, which tells whole seconds, has moved on: a folder that is listed so long after
it was probed shows the same time again only when nothing changed since the listing."""


@dataclass(frozen=True, slots=True)
class Searches:
    """What a probe tells of each search folder, and when it was made, in seconds of the monotonic clock."""

    probes: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0


async def find_searches(store: StoreSync) -> Searches:
    """Find the search folders of a mailbox, write their rows, and probe them."""
    run = store.run
    if store.name != "primary" or run.sample or store.must_stop():
        return Searches()
    if not run.settings.search_folders:
        await _leave_out(store)
        return Searches()
    asked = folder_shape({*run.folder_shape.columns, COMMITTED, DELETED})
    try:
        found = await _find(store, asked)
        at = time.monotonic()
        within = [key for key, mark in store.mark["folders"].items() if mark.get("type") == SEARCH and key not in found]
        if within:
            answers = await run.conveyor.call(store.wire.get_folders, within, asked)
            found |= {answer.id: answer for answer in answers if answer.record is not None}
    except (MailboxError, TransientError):
        raise
    except SurvivableError as error:
        text = f"The search folders cannot be found: {error}"
        (store.warn if error.code == "ErrorAccessDenied" else store.fail_folder)(text)
        return Searches()
    basis = _basis(store)
    return Searches({key: _probe(answer, basis) for key, answer in found.items() if answer.element == SEARCH}, at)


async def list_searches(store: StoreSync, searches: Searches) -> None:
    """List the search folders that may have changed, a few at a time."""
    folders = store.mark["folders"]
    due = [
        (key, folders[key])
        for key, probe in searches.probes.items()
        if key in folders and not folders[key].get("excluded") and _is_due(store, folders[key], probe)
    ]
    if not due or store.must_stop():
        return
    await asyncio.sleep(max(0.0, searches.at + TICK - time.monotonic()))

    async def one(job: tuple[str, FolderMark]) -> None:
        await store.sync_folder(job, partial(_list_members, probe=searches.probes[job[0]]))

    store.run.progress.folders += len(due)
    await store.run.each(due, one)


async def _find(store: StoreSync, asked: Shape) -> dict[str, Answer]:
    """Return the search folders below their root, with what the server tells of them now."""
    call, folders = store.run.conveyor.call, store.mark["folders"]
    known = {key: mark for key, mark in folders.items() if "seen" in mark}
    finder = next((key for key, mark in known.items() if mark.get("dn") == FINDER and mark["seen"]), None)
    told: dict[str, Answer] = {}
    if finder is None:
        answer = await call(store.wire.named_folder, FINDER, asked)
        if answer is None or answer.record is None:
            return {}
        finder = str(answer.record["folder_id"])
        told[finder] = replace(answer, id=finder)
    offset: int | None = 0
    found: dict[str, Answer] = {}
    while offset is not None:
        page = await call(partial(store.wire.find_folders, finder, offset=offset, shape=asked))
        found |= {
            folder.folder_id: Answer(folder.folder_id, folder.element, folder.record)
            for folder in page.folders
            if folder.element == SEARCH
        }
        offset = page.next_offset
    missing = known.keys() - found.keys() - {finder}
    await keep_found(store, told | found, missing=missing, distinguished={finder: FINDER})
    return found


def _basis(store: StoreSync) -> str:
    """Return what else decides about what is loaded of a search folder: the selection, the folders with a feed."""
    followed = sorted(key for key, mark in store.mark["folders"].items() if has_feed(mark))
    settings = store.run.settings
    told = [store.run.fingerprint, *followed, *settings.folders_exclude, str(settings.start_date)]
    return f"{short_hash(chr(0).join(told)):016x}"


def _probe(answer: Answer, basis: str) -> str:
    record = answer.record or {}
    told = (record.get(COMMITTED), record.get(DELETED), record.get("total_count"), record.get("unread_count"))
    return " ".join([*(str(one) for one in told), basis])


def has_feed(mark: FolderMark) -> bool:
    """Return whether a folder is followed."""
    return mark.get("type") not in WITHOUT_FEED and "seen" not in mark and not mark.get("excluded")


def _is_due(store: StoreSync, mark: FolderMark, probe: str) -> bool:
    """Return whether a search folder may have changed, could not be loaded whole, or was listed long ago."""
    if mark.get("probe") != probe or mark.get("pending") or "listed_at" not in mark:
        return True
    return is_listed_long_ago(store, mark)


async def _list_members(folder: FolderSync, probe: str) -> None:
    """List a search folder, and load what is new or changed of what no feed brings."""
    found = await listed_ids(folder, _with_parents())
    folder.mark.pop("probe", None)
    folder.mark.pop("pending", None)  # they are not among the known
    versions = Versions(folder)
    changed = {parent: versions.changed(items) for parent, items in _not_followed(folder, found).items()}
    parts = [
        replace(folder, place=place, loader=replace(folder.loader, place=place))
        for place in (Place.of(folder.place.mailbox, folder.place.store, parent) for parent in changed)
    ]
    await folder.store.run.conveyor.put(beginning(folder, versions))
    pieces = ((part, piece) for part, items in zip(parts, changed.values(), strict=True) for piece in in_pieces(items))
    is_whole = await load_pieces(folder, versions, pieces)
    for part in parts:
        if part.error is not None:
            folder.fail(part.error)
        folder.blocked = folder.blocked or part.blocked
    if not is_whole or folder.blocked:
        return

    def then() -> None:
        if folder.error is None:
            folder.mark["probe"] = probe

    await (await folder.store.run.conveyor.put(listing_page(folder, found, then)))
    if folder.error is None:
        folder.outcome = Outcome("listed")


def _with_parents() -> Shape:
    """Return the shape of a listing that tells in which folder each item stands."""
    least = shape("other_items", ("folder_id",), settings=ContentSettings())
    return least.without(least.columns)


def _not_followed(folder: FolderSync, found: Iterable[FoundItem]) -> dict[str, FoundItems]:
    """Return by folder the items that no feed brings and no pattern forbids."""
    store = folder.store
    folders = store.mark["folders"]
    theirs: dict[str, FoundItems] = {}
    for item in found:
        parent = (item.record or {}).get("folder_id") or folder.place.folder_id
        theirs.setdefault(str(parent), FoundItems()).add(item)
    return {
        parent: items
        for parent, items in theirs.items()
        if parent not in folders
        or not (has_feed(folders[parent]) or store.run.scope.forbids(parent, folders))
        or parent == folder.place.folder_id
    }


async def _leave_out(store: StoreSync) -> None:
    """Take out what was written of search folders that are not wanted any more."""
    gone = [(key, mark) for key, mark in store.mark["folders"].items() if "seen" in mark]
    listed = [(key, mark) for key, mark in store.mark["folders"].items() if mark.get("type") == SEARCH]
    listed = [(key, mark) for key, mark in listed if "listed_at" in mark or "listed" in mark]
    if not gone and not listed:
        return

    def opening() -> Iterator[Row]:
        for key, mark in listed:
            place, stamp = Place.of(store.mailbox, store.name, key), store.run.clock.stamp()
            empty: FolderMark = {**mark, "listed_at": stamp}
            times = {"started_at": stamp, "ended_at": stamp}
            outcome = Outcome("skipped", None, "Search folders are not wanted.")
            yield folder_sync_row(place, empty, Tally(), outcome, times, store.run.run_id)
        for key, mark in gone:
            yield left_out_row(store, key, mark)

    def advance() -> None:
        for _, mark in listed:
            for name in ("listed", "listing", "listed_at", "probe"):
                mark.pop(name, None)  # type: ignore[misc]
        for key, _ in gone:
            store.mark["folders"].pop(key, None)

    await (await store.run.conveyor.put(Page(opening=opening, advance=advance)))
