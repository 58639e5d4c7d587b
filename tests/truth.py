"""What the tables must show: the embedded mailbox itself, row by row, and of each row what stands in `COLUMNS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.bodies import as_body
from tap_exchange.ews.columns import stream_of
from tap_exchange.resources import ITEM_STREAMS, schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.values import Address


Views = Callable[[str], dict[str, dict[str, Any]]]
"""Gives the live rows of a stream by key."""
Row = dict[str, Any]
Rows = dict[str, Row]
"""By stream and item id: path of the folder, and the columns."""


def _address(held: Address | None) -> Row | None:
    if held is None:
        return None
    kind, place = held.mailbox_type, held.routing_type
    return {"name": held.name, "email_address": held.email, "routing_type": place, "mailbox_type": kind}


def _addresses(held: Iterable[Address] | None) -> list[Row | None] | None:
    return [_address(one) for one in held] if held else None


def _time(held: datetime | None) -> datetime | None:
    """Tell a time as tables have it, in UTC without a zone, and as Exchange has it, in whole seconds."""
    return held.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0) if held else None


def _same(held: object) -> object:
    return held


def _told(value: object) -> object:
    return None if value == "" else value  # an empty text may be left out on its way


STORED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "item_class": ("ItemClass", _same),
    "subject": ("Subject", _same),
    "is_read": ("IsRead", bool),
    "importance": ("Importance", _same),
    "sensitivity": ("Sensitivity", _same),
    "categories": ("Categories", _same),
    "size": ("Size", _same),
    "body": ("Body", lambda held: as_body(held).content if held is not None else None),
    "date_time_created": ("DateTimeCreated", _time),
    "date_time_received": ("DateTimeReceived", _time),
    "date_time_sent": ("DateTimeSent", _time),
    "last_modified_time": ("LastModifiedTime", _time),
    "from_address": ("From", _address),
    "sender": ("Sender", _address),
    "to_recipients": ("ToRecipients", _addresses),
    "internet_message_id": ("InternetMessageId", _same),
    "conversation_topic": ("ConversationTopic", _same),
    "start_time": ("Start", _time),
    "end_time": ("End", _time),
    "location": ("Location", _same),
    "display_name": ("DisplayName", _same),
    "surname": ("Surname", _same),
    "status": ("Status", _same),
    "due_date": ("DueDate", _time),
}
"""What stands in a column: a property of the item, and how it is told."""
COMPUTED: dict[str, Callable[[Item], Any]] = {
    "change_key": lambda item: item.change_key,
    "has_attachments": lambda item: any(not held.inline for held in item.attachments),
}
COLUMNS = (*STORED, *COMPUTED)


def truth(mailbox: Mailbox, without: Iterable[str] = ()) -> Rows:
    """Return what a mailbox holds now, less the items of the ids `without`."""
    left_out = set(without)
    rows: Rows = {}
    for folder in mailbox.folders():
        if folder.search is not None:
            continue
        rows.update(row_of(item, folder.path) for item in folder.items() if item.id not in left_out)
    return rows


def row_of(item: Item, path: str) -> tuple[str, Row]:
    """Return the name of an item's row, and what it holds."""
    stream = stream_of(item.element)
    columns = schema(stream)["properties"]
    stored = {name: _told(told(item.properties.get(held))) for name, (held, told) in STORED.items() if name in columns}
    computed = {name: told(item) for name, told in COMPUTED.items() if name in columns}
    return f"{stream} {item.id}", {"path": path, **stored, **computed}


def shown(views: Views, mailbox: str) -> Rows:
    """Return what the live views show of a mailbox; `views` gives the live rows of a stream by key."""
    paths = {key: folder["path"] for key, folder in views("folders").items()}
    rows: Rows = {}
    for stream in ITEM_STREAMS:
        names = [name for name in COLUMNS if name in schema(stream)["properties"]]
        for row in views(stream).values():
            if row["mailbox"] == mailbox:
                seen = {name: _told(row[name]) for name in names}
                rows[f"{stream} {row['item_id']}"] = {"path": paths.get(row["folder_key"]), **seen}
    return rows


def shown_folders(views: Views, mailbox: str) -> dict[str, int]:
    """Return the paths of the folders that the live view shows, with their counts."""
    return {row["path"]: row["total_count"] for row in views("folders").values() if row["mailbox"] == mailbox}


def true_folders(mailbox: Mailbox) -> dict[str, int]:
    """Return the paths of a mailbox's folders, with their counts."""
    return {folder.path: len(folder.items()) for folder in mailbox.folders() if folder.search is None}


def differences(true: Rows, found: Rows) -> list[str]:
    """Return a line for each row that is missing, extra or different."""
    return [
        f"{key}: {_difference(true.get(key), found.get(key))}"
        for key in sorted(true.keys() | found.keys())
        if true.get(key) != found.get(key)
    ]


def _difference(true: Row | None, found: Row | None) -> str:
    if true is None or found is None:
        return "not in the tables" if found is None else f"not in the mailbox: {found}"
    return ", ".join(f"{name} is {true[name]!r}, not {found[name]!r}" for name in true if true[name] != found[name])
