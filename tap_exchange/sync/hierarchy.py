"""The folder tree kept true: its feed, the folders' properties, what a rename or a new scope changes below."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import Names
from tap_exchange.ews.errors import ExchangeError, MailboxError, StateError
from tap_exchange.ews.faults import Action, action_of
from tap_exchange.sync.folder import REFUSALS
from tap_exchange.sync.keys import surrogate
from tap_exchange.sync.page import Page, Row
from tap_exchange.sync.scope import descendants, path_of
from tap_exchange.sync.walk import ENDLESS, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_exchange.ews.answers import Answer, FolderChange, HierarchyPage
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.store import StoreSync

FOLDERS_PER_REQUEST = 100
"""Folders of one GetFolder: a folder's properties come from one table, unlike an item's."""

LACKS = (
    "SyncFolderHierarchy of {}: {}: this server seems to have no SyncFolderHierarchy, which the tap needs; "
    "if it is Exchange, it is in trouble: run again later"
)


@dataclass(slots=True)
class Tree:
    """The hierarchy as it will stand at the end of the page that tells its changes."""

    folders: dict[str, FolderMark]
    records: dict[str, Answer] = field(default_factory=dict)
    fed: set[str] = field(default_factory=set)
    gone: dict[str, FolderMark] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    """Folders that are there, and whose properties could not be read: their rows are owed."""


async def sync_hierarchy(store: StoreSync) -> None:
    """Follow the hierarchy's feed, write the folders that changed, and keep the new tree in the bookmark."""
    changes, state, anew = await _changes(store)
    before = store.mark["folders"]
    tree = Tree(_not_fed(before) if anew else dict(before))
    asks_names = anew or "names_due" in store.mark
    names = await store.run.conveyor.call(store.wire.distinguished) if asks_names else Names({}, whole=True)
    latest = {change.folder_id: change for change in changes}
    tree.fed = {folder_id for folder_id, change in latest.items() if change.kind != "delete"}
    for folder_id, change in latest.items():
        if change.kind == "delete" and folder_id in tree.folders:
            tree.gone[folder_id] = tree.folders.pop(folder_id)
        elif change.kind == "delete":
            tree.gone[folder_id] = {}
    tree.fed |= {folder_id for folder_id, mark in tree.folders.items() if mark.get("unread")}
    tree.fed |= {
        key for key, name in names.names.items() if key in tree.folders and tree.folders[key].get("dn") != name
    }
    await _load(store, tree, tree.fed, told=True)
    for folder_id in tree.fed & tree.unread:
        tree.folders[folder_id] = {"parent": store.mark["root"], "name": "", **before.get(folder_id, {})}
    for folder_id in tree.fed & tree.records.keys():
        adopt(tree, folder_id, before.get(folder_id), names.names.get(folder_id), latest.get(folder_id))
    if (root := tree.folders.get(store.mark["root"])) is not None:
        root["top"] = True
    if any(not tree.folders[folder_id]["parent"] for folder_id in tree.fed & tree.records.keys()):
        store.warn("The server does not tell the parents of folders: they count as standing directly below the root.")
    await _follow_moves(store, tree, before)
    decide_scope(store, tree)
    rewritten = {
        folder_id
        for folder_id, mark in tree.folders.items()
        if folder_id not in tree.records
        and folder_id not in tree.unread
        and bool(mark.get("excluded")) != bool(before.get(folder_id, {}).get("excluded"))
    }
    await _load(store, tree, rewritten)
    for folder_id in tree.unread & tree.folders.keys():
        tree.folders[folder_id] = {**tree.folders[folder_id], "unread": True}
    if tree.records or tree.gone or anew or state != store.mark.get("hierarchy"):
        await (await store.run.conveyor.put(page_of(store, tree, state, anew=anew)))
    _note_due(store, unread=bool(tree.unread), names=anew and not names.whole)


def _note_due(store: StoreSync, *, unread: bool, names: bool) -> None:
    """Note what the next run has to ask for though the feed tells nothing; for names, that once more and no more."""
    store.mark.pop("names_due", None)
    store.mark.pop("hierarchy_due", None)
    if names:
        store.mark["names_due"] = True
    if unread or names:
        store.mark["hierarchy_due"] = True


def _not_fed(folders: dict[str, FolderMark]) -> dict[str, FolderMark]:
    """Return the folders that the hierarchy's feed does not tell of, their rows to be written anew."""
    kept = {folder_id: mark.copy() for folder_id, mark in folders.items() if "seen" in mark}
    for mark in kept.values():
        mark["seen"] = ""
    return kept


async def refresh(store: StoreSync, counts: Mapping[str, int]) -> None:
    """Write folders once more whose counts may have changed; the hierarchy's feed does not tell those.

    `counts` says how many items each should hold by its own feed. A folder that holds more or less was worked in
    since: as the feed need not tell of what comes and goes again, its row is owed to the next run, too.
    """
    tree = Tree(dict(store.mark["folders"]))
    await _load(store, tree, {key for key in counts if key in tree.folders and not tree.folders[key].get("unread")})

    def advance() -> None:
        _settle(tree)
        for folder_id in tree.records.keys() & tree.folders.keys():
            if tree.folders[folder_id]["count"] != counts[folder_id]:
                tree.folders[folder_id]["owed"] = True

    if tree.records:
        await (await store.run.conveyor.put(Page(opening=partial(_rows, store, tree), advance=advance)))


def _settle(tree: Tree) -> None:
    """Note that the rows of the loaded folders are owed no more."""
    for folder_id in tree.records.keys() & tree.folders.keys():
        tree.folders[folder_id].pop("owed", None)
        tree.folders[folder_id].pop("unread", None)


async def _changes(store: StoreSync) -> tuple[list[FolderChange], str, bool]:
    """Return all changes since the bookmark, the new state, and whether the hierarchy begins anew."""
    old = store.mark.get("hierarchy")
    if old is not None:
        try:
            return *(await _drain(store, old)), False
        except StateError:
            store.warn("The hierarchy's sync state is refused: the hierarchy is started over.")
    try:
        return *(await _drain(store, None)), True
    except StateError as error:
        raise MailboxError(str(error), code=error.code) from error
    except ExchangeError as error:
        if old is None and error.unsupported:
            raise MailboxError(LACKS.format(store.mailbox, error.code), code=error.code) from error
        raise


async def _drain(store: StoreSync, state: str | None) -> tuple[list[FolderChange], str]:
    changes: list[FolderChange] = []
    walk = Walk()
    while True:
        page = await _ask(store, state)
        changes += page.changes
        if walk.is_endless(state, page):
            raise MailboxError(ENDLESS, code="SyncStateNeverMoves")
        state = page.sync_state
        if page.last:
            return changes, state


async def _ask(store: StoreSync, state: str | None) -> HierarchyPage:
    """Return the next page; raises StateError when the state is refused three times, in whatever words."""
    for pause in (*REFUSALS, None):
        try:
            return await _call(store, state)
        except ExchangeError as error:  # noqa: PERF203
            if state is None or not await _is_refusal(store, error):
                raise
            if pause is None:
                raise StateError("The hierarchy's sync state is refused.", code=error.code) from error
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def _is_refusal(store: StoreSync, error: ExchangeError) -> bool:
    """Return whether it is the state that a server refuses: because it says so, or answers without one."""
    if isinstance(error, StateError):
        return True
    if not error.may_mean_state:
        return False
    try:
        await _call(store, None)
    except ExchangeError as again:
        if not again.may_mean_state:
            raise
        return False
    return True


async def _call(store: StoreSync, state: str | None) -> HierarchyPage:
    return await store.run.conveyor.call(store.wire.sync_hierarchy, store.mark["root"], state)


async def _load(store: StoreSync, tree: Tree, folder_ids: Iterable[str], *, told: bool = False) -> None:
    """Load folders' properties into the tree's records; a folder that is gone by now is left out of the tree.

    Of those that the feed has just told to be there an answer that says otherwise is not believed.
    """
    wanted = [folder_id for folder_id in folder_ids if folder_id not in tree.records]
    shape = store.run.folder_shape
    slices = [wanted[start : start + FOLDERS_PER_REQUEST] for start in range(0, len(wanted), FOLDERS_PER_REQUEST)]
    calls = [store.run.conveyor.call(store.wire.get_folders, ids, shape) for ids in slices]
    for answers in await asyncio.gather(*calls):
        for answer in answers:
            if answer.record is not None:
                tree.records[answer.id] = answer
            elif action_of(answer.code or "") in {Action.FOLDER_GONE, Action.ITEM_GONE} and not told:
                tree.folders.pop(answer.id, None)
            else:
                store.warn(f"A folder's properties cannot be read ({answer.code}); the next run asks again.")
                tree.unread.add(answer.id)


def adopt(
    tree: Tree,
    folder_id: str,
    before: FolderMark | None,
    distinguished: str | None,
    told: FolderChange | None = None,
) -> None:
    """Put a loaded folder's place, name and class into the tree, keeping what its bookmark holds.

    What its properties lack the feed may have told; a folder whose parent nobody tells counts as below the root.
    """
    answer = tree.records[folder_id]
    record = answer.record or {}
    mark: FolderMark = {**(before or {})}
    mark["parent"] = record.get("parent_folder_id") or (told and told.parent_id) or ""
    mark["name"] = record.get("name") or (told and told.name) or ""
    mark["type"] = answer.element or "Folder"
    mark["cls"] = record.get("folder_class")
    if distinguished or record.get("distinguished_name"):
        mark["dn"] = distinguished or record.get("distinguished_name")
    tree.folders[folder_id] = mark


async def _follow_moves(store: StoreSync, tree: Tree, before: dict[str, FolderMark]) -> None:
    """Load what stands below folders that were renamed, moved or deleted: their paths are told by rows too."""
    moved = {
        folder_id
        for folder_id in tree.fed
        if folder_id in tree.folders
        and folder_id in before
        and (before[folder_id].get("name"), before[folder_id].get("parent"))
        != (tree.folders[folder_id].get("name"), tree.folders[folder_id].get("parent"))
    }
    below = descendants(frozenset(moved | tree.gone.keys()), tree.folders)
    held = {folder_id: tree.folders[folder_id] for folder_id in below}
    await _load(store, tree, below)
    for folder_id, mark in held.items():
        if folder_id not in tree.folders:
            tree.gone[folder_id] = mark


def decide_scope(store: StoreSync, tree: Tree) -> None:
    """Mark the folders that the user's patterns leave out; a folder that comes back begins anew."""
    for folder_id, mark in list(tree.folders.items()):
        excluded = store.run.scope.excludes(folder_id, tree.folders)
        if excluded and not mark.get("excluded"):
            kept: FolderMark = {**mark, "excluded": "new"}
            for name in ("sync_state", "pending", "selection", "filling", "listed", "listing", "probe"):
                kept.pop(name, None)  # type: ignore[misc]
            tree.folders[folder_id] = kept
        elif not excluded and mark.get("excluded"):
            back: FolderMark = {**mark}
            back.pop("excluded")
            tree.folders[folder_id] = back


def page_of(store: StoreSync, tree: Tree, state: str | None, *, anew: bool) -> Page:
    """Return the page that tells a new tree and makes it the bookmark's; `state` is the feed's, if there is one."""
    stamps: dict[str, str] = {}

    def opening() -> Iterator[Row]:
        if anew:
            stamps["reset_at"] = store.run.clock.stamp()
            yield store.row(reset_at=stamps["reset_at"])
        for mark in tree.folders.values():
            if mark.get("excluded") == "new":
                mark["excluded"] = store.run.clock.stamp()
        yield from _rows(store, tree)
        for folder_id, mark in tree.gone.items():
            yield gone_row(store, folder_id, mark)

    def advance() -> None:
        _settle(tree)
        store.mark["folders"] = tree.folders
        if state is not None:
            store.mark["hierarchy"] = state
        store.mark.update(stamps)  # type: ignore[typeddict-item]

    return Page(opening=opening, advance=advance)


def _rows(store: StoreSync, tree: Tree) -> Iterator[Row]:
    known = store.mark["folders"]
    for folder_id, answer in tree.records.items():
        mark = tree.folders.get(folder_id)
        if mark is None:
            continue
        record = dict(answer.record or {})
        mark["count"] = record.get("total_count") or 0
        record.update(_columns(store, folder_id, mark))
        record["path"] = path_of(folder_id, tree.folders)
        record["excluded_at"] = mark.get("excluded")
        record["deleted_at"] = None
        if folder_id in tree.fed and folder_id not in known:
            store.run.new_folders.add(folder_id)
        # Of a folder that the run began with the feed will tell whatever happens to it, should this STATE be lost.
        record["origin"] = "feed" if folder_id in store.run.new_folders else "fill"
        yield Row("folders", record)


def gone_row(store: StoreSync, folder_id: str, mark: FolderMark) -> Row:
    """Return the row of a deleted folder, with what its bookmark still tells of it."""
    deleted = {**_columns(store, folder_id, mark), "deleted_at": store.run.clock.stamp(), "origin": "feed"}
    return Row("folders", deleted)


def left_out_row(store: StoreSync, folder_id: str, mark: FolderMark) -> Row:
    """Return the row of a folder that is not wanted any more, with what its bookmark tells of it."""
    left = {**_columns(store, folder_id, mark), "excluded_at": store.run.clock.stamp(), "origin": "fill"}
    return Row("folders", left)


def _columns(store: StoreSync, folder_id: str, mark: FolderMark) -> dict[str, object]:
    parent = mark.get("parent")
    return {
        "mailbox": store.mailbox,
        "store": store.name,
        "folder_key": surrogate(store.mailbox, folder_id),
        "folder_id": folder_id,
        "parent_folder_id": parent,
        "parent_folder_key": surrogate(store.mailbox, parent) if parent else None,
        "name": mark.get("name"),
        "folder_type": mark.get("type"),
        "folder_class": mark.get("cls"),
        "distinguished_name": mark.get("dn"),
    }
