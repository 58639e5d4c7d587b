"""What hangs on an item: files, other items, references to files elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import values

if TYPE_CHECKING:
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.rendering import Shape

BORN = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
OVERHEAD = 400
"""Bytes by which Exchange's Size is larger than the content."""


@dataclass(frozen=True, slots=True)
class AttachedItem:
    """An item inside an item."""

    element: str
    properties: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment: `element` is FileAttachment, ItemAttachment or ReferenceAttachment.

    `properties` are its other elements by name (ContentId, IsInline, Size, LastModifiedTime, ...).
    """

    element: str = "FileAttachment"
    name: str | None = "attachment.bin"
    content: bytes = b""
    content_type: str | None = None
    item: AttachedItem | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def inline(self) -> bool:
        """Tell whether the attachment is shown inside the body."""
        return bool(self.properties.get("IsInline"))


def find_attachment(item: Item, path: tuple[int, ...]) -> Attachment | None:
    """Find an attachment by its numbers, from the outermost inwards; each counts from 1."""
    held: tuple[Attachment, ...] | list[Attachment] = item.attachments
    found: Attachment | None = None
    for number in path:
        if not 0 < number <= len(held):
            return None
        found = held[number - 1]
        held = found.item.attachments if found.item is not None else ()
    return found


def attachments_xml(item: Item, held: list[Attachment] | tuple[Attachment, ...], path: tuple[int, ...] = ()) -> str:
    """Write the t:Attachments of an item, or of an item attached to it at a path."""
    if not held:
        return ""
    factory = item.folder.store.ids
    inside = "".join(
        attachment_xml(attachment, factory.attachment(item.folder.number, item.number, (*path, number)))
        for number, attachment in enumerate(held, 1)
    )
    return f"<t:Attachments>{inside}</t:Attachments>"


def attachment_xml(attachment: Attachment, attachment_id: str, content: str = "") -> str:
    """Write an attachment without its content, or with the content's XML."""
    given = attachment.properties
    size = None if attachment.element == "ReferenceAttachment" else len(attachment.content) + OVERHEAD
    modified = given.get("LastModifiedTime", BORN)
    own: dict[str, Any] = {
        "Name": attachment.name,
        "ContentType": attachment.content_type,
        "ContentId": None,
        "ContentLocation": None,
        "AttachmentOriginalUrl": None,
        "Size": size,
        "LastModifiedTime": modified.replace(tzinfo=None),  # sent without a zone, as Exchange does
        "IsInline": False,
    }
    if attachment.element == "FileAttachment":
        own["IsContactPhoto"] = False
    parts = [f'<t:AttachmentId Id="{attachment_id}"/>']
    own.update({name: given[name] for name in own if name in given and name != "LastModifiedTime"})
    parts += [values.element(name, value) for name, value in own.items()]
    parts.append(content)
    parts += [values.element(name, given.get(name)) for name in OF_A_REFERENCE]
    return f"<t:{attachment.element}>{''.join(parts)}</t:{attachment.element}>"


OF_A_REFERENCE = (
    "AttachLongPathName", "ProviderType", "ProviderEndpointUrl", "AttachmentThumbnailUrl", "AttachmentPreviewUrl",
    "PermissionType", "OriginalPermissionType", "AttachmentIsFolder",
)  # fmt: skip


def attached_item_xml(item: Item, path: tuple[int, ...], attached: AttachedItem, shape: Shape) -> str:
    """Write an attached item with all its properties; it has no id of its own that could be loaded."""
    from tap_exchange.demo import bodies, fields  # noqa: PLC0415 - bodies write what attachments carry

    parts = []
    for name in fields.order_of(attached.element):
        if name == "MimeContent" and shape.mime:
            parts.append(bodies.mime_xml(attached.properties))
        elif name == "Body":
            parts.append(bodies.body_xml(name, attached.properties.get("Body"), shape.body_type, 0))
        elif name == "Attachments":
            parts.append(attachments_xml(item, attached.attachments, path))
        elif name == "HasAttachments":
            parts.append(values.element(name, any(not held.inline for held in attached.attachments)))
        elif name != "MimeContent":
            parts.append(values.element(name, attached.properties.get(name)))
    return f"<t:{attached.element}>{''.join(parts)}</t:{attached.element}>"
