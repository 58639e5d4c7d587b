"""What the tables must show: the embedded mailbox itself, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_exchange.ews.columns import stream_of
from tap_exchange.resources import schema, view_sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from tap_exchange.demo.mailbox import Mailbox

STREAMS = (
    "messages",
    "meeting_messages",
    "calendar_items",
    "contacts",
    "distribution_lists",
    "tasks",
    "posts",
    "other_items",
)

Rows = dict[str, tuple[Any, ...]]
"""By stream and item id: path of the folder, subject, whether it is read, item class."""


def truth(mailbox: Mailbox, without: Iterable[str] = ()) -> Rows:
    """Return what a mailbox holds now, less the items of the ids `without`."""
    left_out = set(without)
    rows: Rows = {}
    for folder in mailbox.folders():
        if folder.search is not None:
            continue
        for item in folder.items():
            if item.id in left_out:
                continue
            stream = stream_of(item.element)
            properties = item.properties
            read = bool(properties.get("IsRead")) if "is_read" in schema(stream)["properties"] else None
            rows[f"{stream} {item.id}"] = (folder.path, properties.get("Subject") or None, read)
    return rows


def shown(connection: psycopg.Connection[Any], mailbox: str) -> Rows:
    """Return what the live views show of a mailbox, made anew."""
    connection.execute(view_sql("postgresql"))
    rows: Rows = {}
    for stream in STREAMS:
        if connection.execute("select to_regclass(%s)", [f"live_{stream}"]).fetchone() == (None,):
            continue
        found = connection.execute(
            f"select i.item_id, f.path, nullif(i.subject, ''), (to_jsonb(i) ->> 'is_read')::boolean from live_{stream} i"  # noqa: S608
            " left join live_folders f using (folder_key) where i.mailbox = %s",
            [mailbox],
        ).fetchall()
        for item_id, *values in found:
            assert f"{stream} {item_id}" not in rows, "an item is shown twice"
            rows[f"{stream} {item_id}"] = tuple(values)
    return rows


def shown_folders(connection: psycopg.Connection[Any], mailbox: str) -> dict[str, int]:
    """Return the paths of the folders that the live view shows, with their counts."""
    found = connection.execute("select path, total_count from live_folders where mailbox = %s", [mailbox])
    return dict(found.fetchall())


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
