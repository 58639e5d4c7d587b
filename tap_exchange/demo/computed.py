"""Properties that follow from where an item or folder stands, or from how they are asked for."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_exchange.demo import ids, values
from tap_exchange.demo.values import Address, Body, Raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.extended import Extended
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.rendering import Shape

FULL_RIGHTS = Raw(
    "<t:CreateAssociated>true</t:CreateAssociated><t:CreateContents>true</t:CreateContents>"
    "<t:CreateHierarchy>true</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>"
)
ITEM_RIGHTS = Raw(
    "<t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents>"
    "<t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>"
)
REPLIES = Raw("<t:ReplyToItem/><t:ReplyAllToItem/><t:ForwardItem/>")
TAGS = re.compile(r"<[^>]*>")
# The MAPI tags that mirror a property of the schema.
MAPI_TAGS: dict[int, str] = {
    0x001A: "ItemClass",
    0x0037: "Subject",
    0x0E06: "DateTimeReceived",
    0x0039: "DateTimeSent",
    0x3007: "DateTimeCreated",
    0x3008: "LastModifiedTime",
    0x0E08: "Size",
    0x0E1B: "HasAttachments",
    0x0E04: "DisplayTo",
    0x0E03: "DisplayCc",
    0x1035: "InternetMessageId",
    0x0070: "ConversationTopic",
    0x0071: "ConversationIndex",
    0x3FFA: "LastModifiedName",
}


def _parent(item: Item) -> Raw:
    return Raw("", f' Id="{item.folder.id}" ChangeKey="AQAAAA=="')


def _conversation(item: Item) -> Raw | None:
    topic = item.properties.get("ConversationTopic")
    return None if topic is None else Raw("", f' Id="{item.folder.store.ids.conversation(topic)}"')


def _query(mode: str) -> Callable[[Item], str]:
    return lambda item: f"https://mail.example/owa/?ItemID={quote(item.id, safe='')}&exvsurl=1&viewmodel={mode}"


def _instance_key(item: Item) -> bytes:
    return b"\x01\x00\x00\x00" + ids.digest("instance", item.folder.store.guid, item.folder.number, item.number)[:8]


def _preview(item: Item) -> str | None:
    body = item.properties.get("Body")
    return None if body is None else " ".join(as_text(body).split())[:255]


def _response_objects(item: Item) -> Raw | None:
    return REPLIES if "Sender" in item.properties else None


ITEM: dict[str, Callable[[Item], Any]] = {
    "ParentFolderId": _parent,
    "HasAttachments": lambda item: any(not a.properties.get("IsInline") for a in item.attachments),
    "EffectiveRights": lambda _: ITEM_RIGHTS,
    "IsAssociated": lambda item: item.associated,
    "ConversationId": _conversation,
    "WebClientReadFormQueryString": _query("ReadMessageItem"),
    "InstanceKey": _instance_key,
    "StoreEntryId": lambda item: ids.digest("entry", item.id, size=35) * 2,
    "SearchKey": lambda item: search_key(item),
    "Preview": _preview,
    "ResponseObjects": _response_objects,
}


def search_key(item: Item) -> bytes:
    """Give an item's PR_SEARCH_KEY; it survives a move."""
    for name, value in item.extended.items():
        if name.tag == 0x300B:
            return bytes(value)
    return item.folder.store.search_key(item.folder, item.number)


def as_text(body: Body | str) -> str:
    """Give a body as plain text."""
    if isinstance(body, str):
        return body
    if not body.html:
        return body.content
    text = body.content
    head, _, rest = text.partition("<body")
    if rest:
        text = rest.partition(">")[2]
    return html.unescape(TAGS.sub("", text))


def _write_body(name: str, body: Body | str | None, kind: str, limit: int) -> str:
    if body is None:
        return ""
    if isinstance(body, str):
        body = Body(body, html=body.lstrip()[:1] == "<")
    if kind == "Text" and body.html:
        body = Body(as_text(body), html=False)
    elif kind == "HTML" and not body.html:
        lines = html.escape(body.content, quote=False).replace("\n", "<br>\n")
        body = Body(f"<html><body>{lines}</body></html>")
    attributes = f' BodyType="{"HTML" if body.html else "Text"}"'
    content = body.content
    if limit > 0:
        attributes += f' IsTruncated="{"true" if len(content) > limit else "false"}"'
        content = content[:limit]
    return f"<t:{name}{attributes}>{values.escape(content)}</t:{name}>"


def _body(name: str, kind: str | None = None) -> Callable[[Item, Shape], str]:
    def write(item: Item, shape: Shape) -> str:
        key = f"{name}/{kind or shape.body_type}/{shape.max_body}"
        fragment = item.fragments.get(key)
        if fragment is None:
            body = item.properties.get(name, item.properties.get("Body"))
            fragment = item.fragments[key] = _write_body(name, body, kind or shape.body_type, shape.max_body)
        return fragment

    return write


def _extended_properties(item: Item, shape: Shape) -> str:
    parts = []
    for name in shape.extended:
        value = extended_value(item, name)
        if value is not None:
            parts.append(name.xml(value))
    return "".join(parts)


def extended_value(item: Item, name: Extended) -> Any:  # noqa: ANN401 - whatever a property holds
    """Give the value of an extended property, or None when the item has none."""
    value = item.extended.get(name)
    if value is not None or name.tag is None:
        return value
    if name.tag == 0x300B:
        return search_key(item)
    mirrored = MAPI_TAGS.get(name.tag)
    if mirrored is None:
        return None
    value = item.properties.get(mirrored)
    return ITEM[mirrored](item) if value is None and mirrored in ITEM else value


def _attachments(item: Item, _: Shape) -> str:
    if not item.attachments:
        return ""
    fragment = item.fragments.get("Attachments")
    if fragment is None:
        store = item.folder.store
        inside = "".join(
            attachment_xml(attachment, store.ids.attachment(item.folder.number, item.number, number))
            for number, attachment in enumerate(item.attachments, 1)
        )
        fragment = item.fragments["Attachments"] = f"<t:Attachments>{inside}</t:Attachments>"
    return fragment


def attachment_xml(attachment: Any, attachment_id: str, content: str = "") -> str:  # noqa: ANN401
    """Write an attachment without its content, or with the content's XML."""
    given = attachment.properties
    parts = [f'<t:AttachmentId Id="{attachment_id}"/>', values.element("Name", attachment.name)]
    parts.append(values.element("ContentType", attachment.content_type))
    for name in ("ContentId", "ContentLocation"):
        parts.append(values.element(name, given.get(name)))
    if attachment.element != "ReferenceAttachment":
        parts.append(values.element("Size", given.get("Size", len(attachment.content) + 400)))
    modified = given.get("LastModifiedTime", datetime(2024, 5, 1, 12, tzinfo=timezone.utc))
    parts.append(values.element("LastModifiedTime", modified.replace(tzinfo=None)))
    parts.append(values.element("IsInline", given.get("IsInline", False)))
    if attachment.element == "FileAttachment":
        parts.append(values.element("IsContactPhoto", given.get("IsContactPhoto", False)))
    for name in ("AttachLongPathName", "ProviderType", "ProviderEndpointUrl", "PermissionType", "AttachmentIsFolder"):
        parts.append(values.element(name, given.get(name)))
    return f"<t:{attachment.element}>{''.join(parts)}{content}</t:{attachment.element}>"


def _mime(item: Item, _: Shape) -> str:
    given = item.properties.get("MimeContent")
    content = given if isinstance(given, bytes) else mime_message(item)
    return f'<t:MimeContent CharacterSet="UTF-8">{b64encode(content).decode()}</t:MimeContent>'


def mime_message(item: Item) -> bytes:
    """Give the item as an Internet message."""
    lines = []
    for name, header in (("From", "From"), ("ToRecipients", "To"), ("CcRecipients", "Cc")):
        people = item.properties.get(name) or []
        people = [people] if isinstance(people, Address) else people
        if people:
            lines.append(f"{header}: " + ", ".join(f"<{person.email}>" for person in people))
    lines.append(f"Subject: {item.properties.get('Subject') or ''}")
    lines.append("MIME-Version: 1.0")
    lines.append("Content-Type: text/plain; charset=utf-8")
    text = as_text(item.properties.get("Body") or "")
    return "\r\n".join([*lines, "", text]).encode("utf-8", "replace")


BY_SHAPE: dict[str, Callable[[Item, Shape], str]] = {
    "MimeContent": _mime,
    "Body": _body("Body"),
    "UniqueBody": _body("UniqueBody"),
    "NormalizedBody": _body("NormalizedBody"),
    "TextBody": _body("TextBody", "Text"),
    "Attachments": _attachments,
    "ExtendedProperty": _extended_properties,
}


def only_indexed(item: Item, name: str, shape: Shape) -> str:
    """Write only the asked entries of a keyed property."""
    wanted = {index for element, index in shape.indexed if element == name}
    held = item.properties.get(name)
    if not held:
        return ""
    if isinstance(held, dict):
        kept: Any = {key: value for key, value in held.items() if key in wanted}
    else:
        lowered = {index.lower() for index in wanted}
        kept = [(header, text) for header, text in held if header.lower() in lowered]
    return values.element(name, kept) if kept else ""


def _parent_folder(folder: Folder) -> Raw | None:
    parent = folder.parent
    return None if parent is None else Raw("", f' Id="{parent.id}" ChangeKey="AQAAAA=="')


FOLDER: dict[str, Callable[[Folder], Any]] = {
    "ParentFolderId": _parent_folder,
    "FolderClass": lambda folder: folder.folder_class,
    "DisplayName": lambda folder: folder.name,
    "TotalCount": lambda folder: folder.total_count,
    "ChildFolderCount": lambda folder: len(folder.children),
    "EffectiveRights": lambda _: FULL_RIGHTS,
    "DistinguishedFolderId": lambda folder: folder.distinguished_name,
    "UnreadCount": lambda folder: folder.unread_count,
}


def folder_extended(folder: Folder, shape: Shape) -> str:
    """Write the asked extended properties of a folder; the probes for changes are among them."""
    parts = []
    for name in shape.extended:
        if name.tag == 0x670A:  # PR_LOCAL_COMMIT_TIME_MAX
            parts.append(name.xml(folder.last_commit()))
        elif name.tag == 0x670B:  # PR_DELETED_COUNT_TOTAL
            parts.append(name.xml(folder.deleted_count))
        elif name.tag == 0x3601:  # PR_FOLDER_TYPE
            parts.append(name.xml(2 if folder.element == "SearchFolder" else 1))
    return "".join(parts)
