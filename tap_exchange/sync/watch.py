"""Items that the feed is told to ignore because they break it: each run asks for them by themselves."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import Answer, ItemChange, ItemKind
from tap_exchange.ews.errors import is_gone
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.sync.corrupt import FEED, mark_key, resolve
from tap_exchange.sync.page import Page
from tap_exchange.sync.salvage import FAILS_AS_A_WHOLE
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.page import Row


IS_READ = "is_read"
_FLAGS = {True: "read", False: "unread"}
UNREAD = "-"
"""In place of the change key of an ignored item that was tried and does not even give that."""


def outdate(mark: FolderMark) -> None:
    """Note that ignored items are to be loaded again: their rows are void or hold less than what is wanted now."""
    if "ignored" in mark:
        mark["ignored"] = {item_id: ["", element] for item_id, (_, element, *_) in mark["ignored"].items()}


async def watch_new(folder: FolderSync) -> None:
    """Load ignored items that were not loaded yet, or are to be loaded again."""
    if any(not change_key for change_key, *_ in folder.mark.get("ignored", {}).values()):
        await watch(folder)


async def watch(folder: FolderSync) -> None:
    """Load ignored items that are new or changed, write those as deleted that are gone, and tell of read flags.

    One whose change key moved is no longer ignored: it may be healed, and when it breaks the feed again it is found
    again. One is gone when it is not found while another item of the store is.
    """
    ignored = folder.mark.get("ignored", {})
    changes, kept = await _changes(folder, ignored)
    if not changes and kept == ignored:
        return

    def released() -> Iterator[Row]:
        for item_id in ignored.keys() - kept.keys():
            key = mark_key(folder.place.key(item_id), FEED)
            change = changes[item_id]
            text = _RELEASED[change.kind == "delete"]
            row = resolve(folder.place, folder.mark, key, text, folder.stamp(), change)
            if row is not None:
                yield row

    def advance() -> None:
        if kept:
            folder.mark["ignored"] = kept
        else:
            folder.mark.pop("ignored", None)

    await (await folder.put(PageWork(folder, list(changes.values()), then=lambda: None, origin="fill")))
    if folder.blocked:
        return
    await (await folder.store.run.conveyor.put(Page(opening=released, advance=advance)))


async def _changes(
    folder: FolderSync, ignored: dict[str, list[str]]
) -> tuple[dict[str, ItemChange], dict[str, list[str]]]:
    """Return what changed of the ignored items, and the marks of those that stay ignored, by id."""
    changes: dict[str, ItemChange] = {}
    kept: dict[str, list[str]] = {}
    for answer in await _ask(folder, ignored):
        change, mark = await _judge(folder, answer, ignored)
        if change is not None:
            changes[answer.id] = change
        if mark is not None:
            kept[answer.id] = mark
    return changes, kept


_RELEASED = {True: "The item was deleted.", False: "The item changed: the feed is asked to tell of it again."}


async def _judge(
    folder: FolderSync, answer: Answer, ignored: dict[str, list[str]]
) -> tuple[ItemChange | None, list[str] | None]:
    """Return the change to load or tell of an ignored item, and its mark as long as it stays ignored."""
    change_key, element, *told = ignored[answer.id]
    if answer.record is not None:
        now = answer.record.get("change_key") or ""
        is_read = answer.record.get("is_read")
        flag = [] if is_read is None else [_FLAGS[is_read]]
        if now != change_key:
            kind: ItemKind = "update" if change_key else "create"
            return ItemChange(kind, answer.id, now, element), None if change_key else [now, element, *flag]
        if not flag or flag == told:
            return None, [now, element, *told]
        kind = "update" if folder.store.run.settings.read_flags == "reload" else "read_flag"
        return ItemChange(kind, answer.id, now, element, is_read), [now, element, *flag]
    gone = is_gone(answer.code)
    if gone and await folder.store.answers(folder.place.folder_id, ignored):
        return ItemChange("delete", answer.id, None, None), None
    return None if change_key else ItemChange("create", answer.id, None, element), [change_key or UNREAD, element]


async def _ask(folder: FolderSync, ignored: Mapping[str, list[str]]) -> list[Answer]:
    """Ask for change keys, and for read flags where they are wanted: these move without those."""
    by_stream: dict[str | None, list[str]] = {}
    for item_id, (_, element, *_) in ignored.items():
        stream = folder.selection.stream_of(element)
        has_flag = IS_READ in folder.selection.columns.get(stream, ())
        by_stream.setdefault(stream if has_flag else None, []).append(item_id)
    answers: list[Answer] = []
    size = folder.batch_size
    for flagged, ids in by_stream.items():
        wire, asked = folder.store.wire, folder.store.run.bare_shape if flagged is None else _flag_shape(flagged)
        for start in range(0, len(ids), size):
            answers += await folder.store.run.conveyor.call(_ask_each, wire, ids[start : start + size], asked)
    return answers


@cache
def _flag_shape(stream: str) -> Shape:
    least = shape(stream, (IS_READ,), settings=ContentSettings())
    return least.without(name for name in least.columns if name != IS_READ)


def _ask_each(wire: Mailbox, ids: list[str], shape: Shape) -> list[Answer]:
    """Ask for items together, or one by one when they break the request."""
    try:
        return wire.get_items(ids, shape, suspect=True)
    except FAILS_AS_A_WHOLE as error:
        if len(ids) == 1:
            return [Answer(ids[0], code=error.code)]
    return [answer for item_id in ids for answer in _ask_each(wire, [item_id], shape)]
