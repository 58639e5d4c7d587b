"""Public folders: no feed tells of them, neither of the tree nor of what is in it.

The tree is found level by level in each run. Of each folder a run lists what was modified since the last one, by the
server's own times; whatever that leaves unseen (what was deleted, what came in with an older time) a complete listing
finds, every `listing_hours`. Both go into `listed_items`; only what is new or changed is loaded.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tap_exchange.ews import ask
from tap_exchange.ews.answers import Answer
from tap_exchange.ews.errors import MailboxError, SurvivableError, TransientError
from tap_exchange.ews.routing import CONTENT_MAILBOX, ReplicaShape, content_address
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.sync.calendar import view_calendar
from tap_exchange.sync.found import keep_found
from tap_exchange.sync.listing import (
    Versions,
    in_pieces,
    is_listed_long_ago,
    listed_ids,
    listed_work,
    listing_row,
    moment_of,
    settle_versions,
    write_listing,
)
from tap_exchange.sync.page import Page
from tap_exchange.sync.scope import descendants
from tap_exchange.sync.tally import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.page import Row
    from tap_exchange.sync.store import StoreSync

PUBLIC = "public_folders"
MODIFIED = "last_modified_time"
SKEW = timedelta(minutes=5)
"""Items modified later than this from now carry a time that no later change can be told from."""

SAMPLED = 10


async def find_public_folders(store: StoreSync) -> None:
    """Find all public folders, level by level, and write those that are new or changed."""
    root = store.mark["root"]
    found: dict[str, Answer] = {}
    hidden: set[str] = set()
    level = [root]
    while level and not store.must_stop():
        below: list[Answer] = []
        for parent, answers in zip(level, await asyncio.gather(*map(partial(_below, store), level)), strict=True):
            if answers is None:
                hidden.add(parent)
            else:
                below += answers
        found |= {answer.id: answer for answer in below}
        level = [answer.id for answer in below if (answer.record or {}).get("child_folder_count")]
    if store.must_stop():
        return
    folders = store.mark["folders"]
    unseen = hidden if root not in hidden else hidden | folders.keys()
    missing = folders.keys() - found.keys() - unseen - set(descendants(frozenset(unseen), folders))
    contents = {key: (answer.record or {}).pop(CONTENT_MAILBOX, None) for key, answer in found.items()}
    await keep_found(store, found, missing=missing, anew="reset_at" not in store.mark)
    for key, mailbox in contents.items():
        mark = store.mark["folders"].get(key)
        if mark is not None and mailbox is not None:
            mark["content"] = content_address(mailbox, store.mailbox)


async def _below(store: StoreSync, parent: str) -> list[Answer] | None:
    """Return the folders right below one, None when that cannot be told."""
    answers: list[Answer] = []
    offset: int | None = 0
    asked = ReplicaShape(store.run.folder_shape)
    while offset is not None:
        find = partial(store.wire.find_folders, parent, offset=offset, shape=asked)
        try:
            page = await store.run.conveyor.call(find)
        except (MailboxError, TransientError):
            raise
        except SurvivableError as error:
            text = f"What is below a public folder cannot be told: {error}"
            (store.warn if error.code == "ErrorAccessDenied" else store.fail_folder)(text)
            return None
        answers += [Answer(folder.folder_id, folder.element, folder.record) for folder in page.folders]
        offset = page.next_offset
    return answers


async def sync_public(folder: FolderSync) -> None:
    """Bring the tables to what a public folder holds now, but for what was deleted since its last complete listing."""
    if folder.store.run.sample:
        await _sample(folder)
        return
    is_done = await (_list_all if _is_due(folder) else _list_modified)(folder)
    if not is_done or folder.error is not None or folder.blocked:
        return
    folder.outcome = Outcome("listed")
    await view_calendar(folder, partial(_list_modified, folder))


def _is_due(folder: FolderSync) -> bool:
    """Return whether a folder is to be listed whole: long after the last time, or when that was not enough."""
    mark = folder.mark
    if "listed_at" not in mark or not mark.get("modified") or mark.get("pending"):
        return True
    if mark.get("probe") != _basis(folder):
        return True
    return is_listed_long_ago(folder.store, mark)


def _basis(folder: FolderSync) -> str:
    """Return what decides about what is loaded: the selection, and how old items may be."""
    return f"{folder.store.run.fingerprint} {folder.since.start}"


async def _list_all(folder: FolderSync) -> bool:
    """Write a complete listing, and load what is new or changed; tell whether that is done."""
    call = folder.store.run.conveyor.call
    found = await listed_ids(folder, _modified_shape())
    folder.mark.pop("modified", None)
    folder.mark.pop("pending", None)  # they are not among the known
    versions = Versions(folder)
    changed = await call(versions.changed, found)
    basis, newest = _basis(folder), await call(_newest, found, None)

    def then() -> None:
        folder.mark["probe"] = basis
        _reach(folder, newest)

    folder.tally.changes += len(changed)
    return await write_listing(folder, found, versions, changed, then)


async def _list_modified(folder: FolderSync) -> bool:
    """List and load what was modified since the last time; tell whether that is done.

    What is new counts to the last complete listing: its rows are written before its versions are known.
    """
    since = folder.mark.get("modified")
    if since is None:
        return await _list_all(folder)
    found = await listed_ids(folder, _modified_shape(), ask.at_least("item:LastModifiedTime", since))
    versions = Versions(folder)
    changed = versions.changed(found)
    if not changed:
        return True
    newest = _newest(found, since)
    folder.tally.changes += len(changed)
    put = folder.store.run.conveyor.put
    written: asyncio.Future[None] | None = None
    for piece in in_pieces(changed):
        if written is not None and folder.must_stop():
            await written
            return False
        await folder.put(listed_work(folder, piece))
        written = await put(_adding(folder, versions, piece))

    def advance() -> None:
        if not folder.blocked:
            settle_versions(folder.mark)
            _reach(folder, newest)

    await (await put(Page(advance=advance)))
    return True


def _adding(folder: FolderSync, versions: Versions, loaded: Sequence[FoundItem]) -> Page:
    """Return the page that adds items to the last complete listing, right after they were loaded."""

    def opening() -> Iterator[Row]:
        if not folder.blocked:
            for item in loaded:
                yield listing_row(folder, item, folder.mark["listed_at"])

    def advance() -> None:
        if not folder.blocked:
            versions.note(loaded)
            folder.outdate_view()

    return Page(opening=opening, advance=advance)


def _reach(folder: FolderSync, newest: str | None) -> None:
    """Note up to when modifications are known, unless something has to be tried again."""
    if newest is not None and folder.error is None and not folder.mark.get("pending"):
        folder.mark["modified"] = newest


def _modified_shape() -> Shape:
    return shape("other_items", (MODIFIED,), settings=ContentSettings())


def _newest(found: Iterable[FoundItem], before: str | None) -> str | None:
    """Return the latest time of modification, by the server's clock."""
    latest = datetime.now(timezone.utc) + SKEW
    times = (item.record[MODIFIED] for item in found if item.record and item.record.get(MODIFIED))
    return max(
        (time for time in chain(times, [before]) if time and moment_of(time) <= latest), key=moment_of, default=None
    )


async def _sample(folder: FolderSync) -> None:
    find = partial(folder.wire.find_items, folder.place.folder_id, page_size=SAMPLED)
    page = await folder.store.run.conveyor.call(find)
    await (await folder.put(listed_work(folder, page.items)))
