"""Properties that follow from where an item or folder stands, or from how they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_exchange.demo import bodies, ids, series, values
from tap_exchange.demo.attachments import attachments_xml
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.values import Raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.rendering import Shape

FOLDER_RIGHTS = Raw(
    "<t:CreateAssociated>true</t:CreateAssociated><t:CreateContents>true</t:CreateContents>"
    "<t:CreateHierarchy>true</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>"
)
ITEM_RIGHTS = Raw(
    "<t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents>"
    "<t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>"
)
CALENDAR_REPLIES = Raw("<t:AcceptItem/><t:TentativelyAcceptItem/><t:DeclineItem/><t:ForwardItem/>")
FORWARD = Raw("<t:ForwardItem/>")
REPLIES = Raw("<t:ReplyToItem/><t:ReplyAllToItem/><t:ForwardItem/>")
PREVIEW_LENGTH = 255
URL_SAFE = str.maketrans({"+": "%2B", "/": "%2F", "=": "%3D"})

PR_SEARCH_KEY = 0x300B
PR_LOCAL_COMMIT_TIME_MAX = 0x670A
PR_DELETED_COUNT_TOTAL = 0x670B
PR_FOLDER_TYPE = 0x3601
PR_REPLICA_LIST = 0x6698
GENERIC_FOLDER, SEARCH_FOLDER = 1, 2
PID_LID_RECURRING = 0x8223
# The MAPI tags that mirror a property of the schema.
MIRRORED: dict[int, str] = {
    0x001A: "ItemClass",
    0x0037: "Subject",
    0x0039: "DateTimeSent",
    0x0070: "ConversationTopic",
    0x0071: "ConversationIndex",
    0x0E03: "DisplayCc",
    0x0E04: "DisplayTo",
    0x0E06: "DateTimeReceived",
    0x0E08: "Size",
    0x0E1B: "HasAttachments",
    0x1035: "InternetMessageId",
    0x3007: "DateTimeCreated",
    0x3008: "LastModifiedTime",
    0x300B: "SearchKey",
    0x3FFA: "LastModifiedName",
}


def _conversation(item: Item) -> Raw | None:
    topic = item.properties.get("ConversationTopic")
    return None if topic is None else Raw("", f' Id="{item.folder.store.ids.conversation(topic)}"')


def _response_objects(item: Item) -> Raw:
    if item.element == "CalendarItem":
        return CALENDAR_REPLIES
    return REPLIES if "Sender" in item.properties else FORWARD


def _query(item: Item) -> str:
    return f"https://mail.example/owa/?ItemID={item.id.translate(URL_SAFE)}&exvsurl=1&viewmodel=ReadMessageItem"


def _instance_key(item: Item) -> bytes:
    return b"\x01\x00\x00\x00" + ids.digest("instance", item.folder.store.guid, item.folder.number, item.number, size=8)


def _preview(item: Item) -> str | None:
    body = item.properties.get("Body")
    return None if body is None else " ".join(bodies.as_text(body).split())[:PREVIEW_LENGTH]


def _series(name: str) -> Callable[[Item], Any]:
    return lambda item: None if item.series is None else series.describe(item, item.series)[name]


def search_key(item: Item) -> bytes:
    """Give an item's PR_SEARCH_KEY; it survives a move."""
    for name, value in item.extended.items():
        if name.tag == PR_SEARCH_KEY:
            return bytes(value)
    return item.folder.store.search_key(item.folder, item.number)


ITEM: dict[str, Callable[[Item], Any]] = {
    "ParentFolderId": lambda item: Raw("", f' Id="{item.folder.id}" ChangeKey="AQAAAA=="'),
    "HasAttachments": lambda item: any(not attachment.inline for attachment in item.attachments),
    "EffectiveRights": lambda _: ITEM_RIGHTS,
    "IsAssociated": lambda item: item.associated,
    "ConversationId": _conversation,
    "WebClientReadFormQueryString": _query,
    "InstanceKey": _instance_key,
    "StoreEntryId": lambda item: ids.digest("entry", item.id, size=35) * 2,
    "SearchKey": search_key,
    "Preview": _preview,
    "ResponseObjects": _response_objects,
    "FirstOccurrence": _series("FirstOccurrence"),
    "LastOccurrence": _series("LastOccurrence"),
    "ModifiedOccurrences": _series("ModifiedOccurrences"),
    "DeletedOccurrences": _series("DeletedOccurrences"),
}


def item_value(item: Item, name: str | Extended) -> Any:  # noqa: ANN401 - whatever a property holds
    """Give a property of an item by element name or extended name, stored or computed; None when it has none."""
    if isinstance(name, Extended):
        value = item.extended.get(name)
        if name.number == PID_LID_RECURRING and name.distinguished_set == "Appointment":
            return item.series is not None if item.element == "CalendarItem" else value
        if value is not None or name.tag not in MIRRORED:
            return value
        name = MIRRORED[name.tag]
    value = item.value(name)
    if value is None and name in ITEM:
        return ITEM[name](item)
    return value


def _body(name: str, kind: str | None = None) -> Callable[[Item, Shape], str]:
    def write(item: Item, shape: Shape) -> str:
        wanted = kind or shape.body_type
        key = f"{name}/{wanted}/{shape.max_body}"
        fragment = item.fragments.get(key)
        if fragment is None:
            body = item.properties.get(name, item.properties.get("Body"))
            fragment = item.fragments[key] = bodies.body_xml(name, body, wanted, shape.max_body)
        return fragment

    return write


def _extended_properties(item: Item, shape: Shape) -> str:
    held = ((name, item_value(item, name)) for name in shape.extended)
    return "".join([name.xml(value) for name, value in held if value is not None])


def _attachments(item: Item, _: Shape) -> str:
    fragment = item.fragments.get("Attachments")
    if fragment is None:
        fragment = item.fragments["Attachments"] = attachments_xml(item, item.attachments)
    return fragment


# Properties whose XML depends on the shape, or that keep fragments of their own.
BY_SHAPE: dict[str, Callable[[Item, Shape], str]] = {
    "MimeContent": lambda item, _: bodies.mime_xml(item.properties),
    "Body": _body("Body"),
    "UniqueBody": _body("UniqueBody"),
    "NormalizedBody": _body("NormalizedBody"),
    "TextBody": _body("TextBody", "Text"),
    "Attachments": _attachments,
    "ExtendedProperty": _extended_properties,
}


def only_indexed(item: Item, name: str, shape: Shape) -> str:
    """Write only the asked entries of a keyed property."""
    wanted = {index.lower() for element, index in shape.indexed if element == name}
    held = item.properties.get(name)
    kept: Any
    if isinstance(held, dict):
        kept = {key: value for key, value in held.items() if key.lower() in wanted}
    else:
        kept = [(header, text) for header, text in held or () if header.lower() in wanted]
    return values.element(name, kept) if kept else ""


def _parent_folder(folder: Folder) -> Raw | None:
    parent = folder.parent
    return None if parent is None else Raw("", f' Id="{parent.id}" ChangeKey="AQAAAA=="')


def _folder_class(folder: Folder) -> str | None:
    return folder.folder_class


def _folder_name(folder: Folder) -> str:
    return folder.name


def _distinguished_name(folder: Folder) -> str | None:
    return folder.distinguished_name


FOLDER: dict[str, Callable[[Folder], Any]] = {
    "ParentFolderId": _parent_folder,
    "FolderClass": _folder_class,
    "DisplayName": _folder_name,
    "TotalCount": lambda folder: folder.total_count,
    "ChildFolderCount": lambda folder: len(folder.children),
    "EffectiveRights": lambda _: FOLDER_RIGHTS,
    "DistinguishedFolderId": _distinguished_name,
    "UnreadCount": lambda folder: folder.unread_count,
}


def _replicas(folder: Folder) -> bytes | None:
    """Give the GUID of the mailbox that holds a public folder's contents, as ASCII text with a NUL behind it."""
    if folder.store.kind != "public":
        return None
    return f"{folder.properties.get('ContentMailbox', folder.store.guid)}\0".encode("ascii")


FOLDER_TAGS: dict[int, Callable[[Folder], Any]] = {
    PR_REPLICA_LIST: _replicas,
    PR_LOCAL_COMMIT_TIME_MAX: lambda folder: folder.last_commit(),
    PR_DELETED_COUNT_TOTAL: lambda folder: folder.deleted_total(),
    PR_FOLDER_TYPE: lambda folder: SEARCH_FOLDER if folder.element == "SearchFolder" else GENERIC_FOLDER,
}


def folder_value(folder: Folder, name: str | Extended) -> Any:  # noqa: ANN401 - whatever a property holds
    """Give a property of a folder by element name or extended name; None when it has none."""
    if isinstance(name, Extended):
        maker = FOLDER_TAGS.get(name.tag or 0)
        return None if maker is None else maker(folder)
    value = folder.properties.get(name)
    if value is None and name in FOLDER:
        return FOLDER[name](folder)
    return value
