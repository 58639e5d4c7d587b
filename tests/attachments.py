"""An Inbox with attachments, what the attachments stream must say of them, and the rows of many runs together."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.attachments import AttachedItem, Attachment
from tap_exchange.demo.bodies import mime_xml
from tap_exchange.sync.keys import surrogate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tests.pipeline import TapRun

TYPES = {"FileAttachment": "file", "ItemAttachment": "item", "ReferenceAttachment": "reference"}
EVIL = "../../../../tmp/evil\u202e/\\..\\name\n.txt"

Row = dict[str, Any]


def file(content: bytes, name: str | None = "a.bin", **properties: object) -> Attachment:
    """Make an attached file."""
    return Attachment("FileAttachment", name, content, "application/octet-stream", properties=properties)


def inner(subject: str = "Inner", **properties: object) -> Attachment:
    """Make an attached message."""
    item = AttachedItem("Message", {"Subject": subject, "ItemClass": "IPM.Note", "Body": "<p>in</p>", **properties})
    return Attachment("ItemAttachment", subject, item=item, content_type="message/rfc822")


def link() -> Attachment:
    """Make a reference to a file elsewhere."""
    return Attachment(
        "ReferenceAttachment",
        "plan.xlsx",
        properties={
            "AttachLongPathName": "https://files.example.com/plan.xlsx",
            "ProviderType": "OneDrivePro",
            "PermissionType": 2,
            "AttachmentIsFolder": False,
        },
    )


def furnish(inbox: Folder) -> list[Item]:
    """Give the Inbox items with attachments of every kind, and some without."""
    return [
        inbox.add(attachments=[file(b""), file(b"x"), file(bytes(range(256)) * 5, EVIL)]),
        inbox.add(
            attachments=[
                file(b"picture", "p.png", IsInline=True, ContentId="p@1"),
                link(),
                inner("\u200f\u05e9\u05dc\u05d5\u05dd"),
            ]
        ),
        inbox.add(),
        inbox.add("PostItem", attachments=[file(b"post" * 1000, None)]),
        inbox.add("SharingMessage", attachments=[file(b"\0\xff" * 400_000)]),
        inbox.add(attachments=[file(b"%d" % number, f"{number}.txt") for number in range(25)]),
    ]


def attachment_id(item: Item, number: int) -> str:
    """Return the EWS id of an item's n-th attachment, from 1."""
    return item.folder.store.ids.attachment(item.folder.number, item.number, (number,))


def key_of(item: Item, number: int) -> str:
    """Return the key of an item's n-th attachment, from 1."""
    return surrogate(item.folder.store.owner, attachment_id(item, number))


def content_of(attachment: Attachment) -> bytes | None:
    """Return the bytes that an attachment has for the tap: a file's own, an item's MIME form."""
    if attachment.item is not None:
        return b64decode(mime_xml(attachment.item.properties).split(">")[1].split("<")[0])
    return attachment.content if attachment.element == "FileAttachment" else None


def truth(mailbox: Mailbox, *, content: bool = False) -> dict[str, Row]:
    """Return what a mailbox holds, by attachment key; with hash and size where contents are wanted."""
    rows: dict[str, Row] = {}
    for folder in mailbox.folders():
        for item in [] if folder.search is not None else folder.items():
            for number, attachment in enumerate(item.attachments, 1):
                rows[key_of(item, number)] = _row(item, attachment, content=content)
    return rows


def _row(item: Item, attachment: Attachment, *, content: bool) -> Row:
    data = content_of(attachment) if content else None
    told = attachment.item is not None and content
    return {
        "item_key": surrogate(item.folder.store.owner, item.id),
        "folder_key": surrogate(item.folder.store.owner, item.folder.id),
        "attachment_type": TYPES[attachment.element],
        "name": attachment.name,
        "content_type": attachment.content_type,
        "content_id": attachment.properties.get("ContentId"),
        "is_inline": attachment.inline,
        "item_class": attachment.item.properties.get("ItemClass") if told else None,
        "item_subject": attachment.item.properties.get("Subject") if told else None,
        "reference_url": attachment.properties.get("AttachLongPathName"),
        "content_sha256": None if data is None else sha256(data).hexdigest(),
        "content_size": None if data is None else len(data),
    }


def same_columns(row: Row) -> Row:
    """Return the columns of a row that `truth` tells."""
    return {name: row[name] for name in _COLUMNS}


_COLUMNS = (
    "item_key", "folder_key", "attachment_type", "name", "content_type", "content_id", "is_inline", "item_class",
    "item_subject", "reference_url", "content_sha256", "content_size",
)  # fmt: skip


@dataclass(slots=True)
class Tables:
    """The rows of many runs as an upserting target holds them, and what the live views make of them."""

    rows: dict[str, dict[Any, Row]] = field(default_factory=dict)

    def take(self, run: TapRun) -> TapRun:
        """Take a run's rows; it must have ended well."""
        run.checked()
        for stream in run.records:
            self.rows.setdefault(stream, {}).update(run.table(stream))
        return run

    def of(self, stream: str) -> dict[Any, Row]:
        """Return a stream's rows by key."""
        return self.rows.get(stream, {})

    def items(self) -> dict[str, Row]:
        """Return the rows of items that are not deleted, by key."""
        latest: dict[str, Row] = {}
        for change in self.of("item_changes").values():
            before = latest.get(change["item_key"])
            if change["change_type"] != "read_flag" and (before is None or before["synced_at"] < change["synced_at"]):
                latest[change["item_key"]] = change
        return {
            key: self.of(change["stream"])[key]
            for key, change in latest.items()
            if change["change_type"] in {"create", "update"} and change["has_row"]
        }

    def attachments(self) -> dict[str, Row]:
        """Return the attachments that belong to the present load of an item, by key."""
        items = self.items()
        return {
            key: row
            for key, row in self.of("attachments").items()
            if row["item_key"] in items and items[row["item_key"]]["synced_at"] == row["item_synced_at"]
        }

    def told(self, keys: Iterable[str] | None = None) -> dict[str, Row]:
        """Return the live attachments with the columns that `truth` tells."""
        wanted = None if keys is None else set(keys)
        return {key: same_columns(row) for key, row in self.attachments().items() if wanted is None or key in wanted}


def corrupt(done: TapRun) -> list[Row]:
    """Return what a run told of bad items, the last word on each."""
    return list(done.table("corrupt_items").values()) if done.of("corrupt_items") else []
