"""The rows of corrupt_items, and the marks that let a later run resolve them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.sync.page import Corrupt, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.sync.bookmarks import CorruptMark, FolderMark
    from tap_exchange.sync.page import BadAttachment, Place


ATTACHMENT = "attachment"
FEED = "feed"
MOST_NAMED = 20


def mark_key(item_key: str, stage: str) -> str:
    """Return what an item is marked by: it may break the feed, or its attachments fail, and itself load well."""
    return f"{item_key}:{stage}" if stage in {ATTACHMENT, FEED} else item_key


def mark_corrupt(place: Place, mark: FolderMark, corrupt: Corrupt, now: str) -> Row:
    """Note in a folder's mark that an item could not be read whole, and return its row."""
    key = mark_key(place.key(corrupt.change.item_id), corrupt.stage)
    marks = mark.setdefault("corrupt", {})
    before = marks.get(key)
    this: CorruptMark = {
        "stage": corrupt.stage,
        "first": before["first"] if before else now,
        "attempts": before["attempts"] + 1 if before else 1,
        "code": corrupt.code,
    }
    marks[key] = this
    return Row(
        "corrupt_items",
        {
            **_columns(place, key, this, corrupt.message, now),
            "item_id": corrupt.change.item_id,
            "change_key": corrupt.change.change_key,
            "stream": corrupt.stream,
            "salvaged": corrupt.salvaged,
            "missing_properties": list(corrupt.missing),
            "resolved_at": None,
        },
    )


def resolve(
    place: Place, mark: FolderMark, key: str, message: str, now: str, change: ItemChange | None = None
) -> Row | None:
    """Forget an item's mark and return its resolved row; None when the item has no mark."""
    this = mark.get("corrupt", {}).pop(key, None)
    if this is None:
        return None
    return Row(
        "corrupt_items",
        {
            **_columns(place, key, this, message, now),
            "item_id": change.item_id if change else None,
            "change_key": change.change_key if change else None,
            "stream": None,
            "salvaged": None,
            "missing_properties": [],
            "resolved_at": now,
        },
    )


def bad_attachments(bad: Sequence[BadAttachment]) -> Corrupt:
    """Return what corrupt_items tells of one item's attachments: all in one row, named by their keys."""
    keys = [one.attachment_key for one in bad]
    named = ", ".join(f"{one.attachment_key} ({one.code})" for one in bad[:MOST_NAMED])
    more = f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
    return Corrupt(
        change=bad[0].change,
        stream="attachments",
        stage=ATTACHMENT,
        code=bad[0].code,
        message=f"The server could not give the attachments {named}{more}; the item and its others were loaded.",
        missing=tuple(keys),
        salvaged=True,
    )


def breaks_feed(item: FoundItem, stream: str, code: str) -> Corrupt:
    """Return what corrupt_items tells of an item that its folder's feed cannot tell of."""
    return Corrupt(
        change=ItemChange("create", item.item_id, item.change_key, item.element),
        stream=stream,
        stage=FEED,
        code=code,
        message=f"The folder's feed fails at this item ({code}): it is left out of the feed and loaded by itself.",
        missing=(),
        salvaged=True,
    )


def given_up(change: ItemChange, stream: str, tried: int) -> Corrupt:
    """Return what corrupt_items tells of an item that the feed names and no load finds."""
    return Corrupt(
        change=change,
        stream=stream,
        stage="load",
        code="ErrorItemNotFound",
        message=f"The feed names this item and {tried} runs did not find it; it is tried again when it changes.",
        missing=(),
        salvaged=False,
    )


def _columns(place: Place, key: str, mark: CorruptMark, message: str, now: str) -> dict[str, object]:
    return {
        **place.columns(),
        "item_key": key.partition(":")[0],
        "stage": mark["stage"],
        "code": mark["code"],
        "message": message,
        "attempts": mark["attempts"],
        "first_failed_at": mark["first"],
        "last_tried_at": now,
    }
