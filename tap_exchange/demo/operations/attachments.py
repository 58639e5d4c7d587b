"""GetAttachment."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from tap_exchange.demo import ids, targets
from tap_exchange.demo.attachments import attached_item_xml, attachment_xml, find_attachment
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, messages

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.rendering import Shape


def get_attachment(call: Call) -> str:
    """Answer one response message per id, in the order asked, with the content."""
    shape = shape_of(call.body.find(f"{M}AttachmentShape"))

    def write(element: etree._Element) -> str:
        return f"<m:Attachments>{_attachment(call, element, shape)}</m:Attachments>"

    return messages("GetAttachment", call.body.iterfind(f"{M}AttachmentIds/*"), write, "<m:Attachments/>")


def _attachment(call: Call, element: etree._Element, shape: Shape) -> str:
    text = element.get("Id", "")
    parsed = targets.parse(text)
    if parsed.kind is not ids.Kind.ATTACHMENT:
        raise ServiceError("ErrorInvalidIdNotAnItemAttachmentId")
    folder = targets.store_of(call, parsed, "ErrorItemNotFound").folders.get(parsed.folder)
    item = folder.item(parsed.item) if folder is not None else None
    attachment = None if item is None else find_attachment(item, parsed.path)
    if item is None or attachment is None:
        raise ServiceError("ErrorItemNotFound")
    call.server.faults.attachment(call, item, attachment)
    content = ""
    if attachment.element == "FileAttachment":
        content = f"<t:Content>{b64encode(attachment.content).decode()}</t:Content>"
    elif attachment.element == "ItemAttachment" and attachment.item is not None:
        content = attached_item_xml(item, parsed.path, attachment.item, shape)
    return attachment_xml(attachment, text, content)
