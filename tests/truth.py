"""What the tables must show: the embedded mailbox itself, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tap_exchange.ews.columns import stream_of
from tap_exchange.resources import ITEM_STREAMS, schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox


Views = Callable[[str], dict[str, dict[str, Any]]]
"""Gives the live rows of a stream by key."""
Rows = dict[str, tuple[Any, ...]]
"""By stream and item id: path of the folder, subject, whether it is read, class, change key: the version loaded."""


def truth(mailbox: Mailbox, without: Iterable[str] = ()) -> Rows:
    """Return what a mailbox holds now, less the items of the ids `without`."""
    left_out = set(without)
    rows: Rows = {}
    for folder in mailbox.folders():
        if folder.search is not None:
            continue
        rows.update(row_of(item, folder.path) for item in folder.items() if item.id not in left_out)
    return rows


def row_of(item: Item, path: str) -> tuple[str, tuple[Any, ...]]:
    """Return the name of an item's row, and what it holds."""
    stream = stream_of(item.element)
    held = item.properties
    read = bool(held.get("IsRead")) if "is_read" in schema(stream)["properties"] else None
    return f"{stream} {item.id}", (path, held.get("Subject") or None, read, held.get("ItemClass"), item.change_key)


def shown(views: Views, mailbox: str) -> Rows:
    """Return what the live views show of a mailbox; `views` gives the live rows of a stream by key."""
    paths = {key: folder["path"] for key, folder in views("folders").items()}
    return {
        f"{stream} {row['item_id']}": (
            paths.get(row["folder_key"]),
            row["subject"] or None,
            row.get("is_read"),
            row["item_class"],
            row["change_key"],
        )
        for stream in ITEM_STREAMS
        for row in views(stream).values()
        if row["mailbox"] == mailbox
    }


def shown_folders(views: Views, mailbox: str) -> dict[str, int]:
    """Return the paths of the folders that the live view shows, with their counts."""
    return {row["path"]: row["total_count"] for row in views("folders").values() if row["mailbox"] == mailbox}


def true_folders(mailbox: Mailbox) -> dict[str, int]:
    """Return the paths of a mailbox's folders, with their counts."""
    return {folder.path: len(folder.items()) for folder in mailbox.folders() if folder.search is None}


def differences(true: Rows, found: Rows) -> list[str]:
    """Return a line for each row that is missing, extra or different."""
    return [
        f"{key}: {true.get(key, 'not in the mailbox')} / {found.get(key, 'not in the tables')}"
        for key in sorted(true.keys() | found.keys())
        if true.get(key) != found.get(key)
    ]
