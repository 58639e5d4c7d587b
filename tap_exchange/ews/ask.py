"""The questions: SOAP body text of each operation, spliced rather than built as a tree.

Element order is the schema's. The prefixes `m` and `t` are declared by the envelope (`soap.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .answers import AttachmentKind, ServerInfo

Restriction = NewType("Restriction", str)

ID_ONLY_ITEMS = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
ID_ONLY_FOLDERS = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
DEFAULT_FOLDERS = "<m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
NAMED_FOLDERS = (
    "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
    '<t:FieldURI FieldURI="folder:DistinguishedFolderId"/></t:AdditionalProperties></m:FolderShape>'
)

_CLASS_AND_SUBJECT = (
    '<t:AdditionalProperties><t:FieldURI FieldURI="item:ItemClass"/><t:FieldURI FieldURI="item:Subject"/>'
    "</t:AdditionalProperties>"
)
ATTACHMENT_SHAPES: dict[AttachmentKind, str] = {
    "file": "",
    "item": (
        f"<m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent>{_CLASS_AND_SUBJECT}</m:AttachmentShape>"
    ),
    "item_alone": f"<m:AttachmentShape>{_CLASS_AND_SUBJECT}</m:AttachmentShape>",
}

ROOTS = {
    "primary": "msgfolderroot",
    "archive": "archivemsgfolderroot",
    "recoverable_items": "recoverableitemsroot",
    "public_folders": "publicfoldersroot",
}

# An attribute's line ends and tabs would reach the server as blanks if they stood there plainly.
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    },
)


def escape(text: str) -> str:
    """Escape text for an element or a double-quoted attribute."""
    return text.translate(_ESCAPES)


def item_ids(ids: Iterable[str]) -> str:
    """Write item ids; leading blanks and letter case are part of an id."""
    return "".join([f'<t:ItemId Id="{escape(item_id)}"/>' for item_id in ids])


def folder_ids(ids: Iterable[str]) -> str:
    """Write folder ids."""
    return "".join([f'<t:FolderId Id="{escape(folder_id)}"/>' for folder_id in ids])


def distinguished_ids(names: Iterable[str], address: str = "") -> str:
    """Write distinguished ids; with an address they are those of that mailbox (delegate access)."""
    whose = ""
    if address:
        whose = f"<t:Mailbox><t:EmailAddress>{escape(address)}</t:EmailAddress></t:Mailbox>"
    return "".join(
        [f'<t:DistinguishedFolderId Id="{n}">{whose}</t:DistinguishedFolderId>' for n in names],
    )


def resolve_names(address: str) -> str:
    """Ask the directory for an address, with the aliases that prove the answer."""
    return (
        '<m:ResolveNames ReturnFullContactData="true" SearchScope="ActiveDirectory">'
        f"<m:UnresolvedEntry>{escape(address)}</m:UnresolvedEntry></m:ResolveNames>"
    )


def expand_group(address: str) -> str:
    """Ask for the members of a group."""
    return f"<m:ExpandDL><m:Mailbox><t:EmailAddress>{escape(address)}</t:EmailAddress></m:Mailbox></m:ExpandDL>"


def room_lists() -> str:
    """Ask for the lists of rooms."""
    return "<m:GetRoomLists/>"


def rooms(room_list: str) -> str:
    """Ask for the rooms of a list."""
    return f"<m:GetRooms><m:RoomList><t:EmailAddress>{escape(room_list)}</t:EmailAddress></m:RoomList></m:GetRooms>"


def get_inbox_rules(address: str) -> str:
    """Ask for a mailbox's rules, one's own without an address."""
    whose = f"<m:MailboxSmtpAddress>{escape(address)}</m:MailboxSmtpAddress>" if address else ""
    return f"<m:GetInboxRules>{whose}</m:GetInboxRules>"


def get_out_of_office(address: str) -> str:
    """Ask for what a mailbox answers in its owner's absence."""
    return (
        f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{escape(address)}</t:Address></t:Mailbox>"
        "</m:GetUserOofSettingsRequest>"
    )


def get_delegates(address: str) -> str:
    """Ask who may act for a mailbox's owner."""
    return (
        f'<m:GetDelegate IncludePermissions="true"><m:Mailbox><t:EmailAddress>{escape(address)}</t:EmailAddress>'
        "</m:Mailbox></m:GetDelegate>"
    )


def get_folder(ids: str, shape: str) -> str:
    """Ask for folders by ids already written."""
    return f"<m:GetFolder>{shape}<m:FolderIds>{ids}</m:FolderIds></m:GetFolder>"


def get_item(ids: str, shape: str) -> str:
    """Ask for items by ids already written."""
    return f"<m:GetItem>{shape}<m:ItemIds>{ids}</m:ItemIds></m:GetItem>"


def get_attachment(ids: Iterable[str], kind: AttachmentKind) -> str:
    """Ask for attachments with their content; that of attached items is their MIME form, if at all."""
    written = "".join([f'<t:AttachmentId Id="{escape(attachment_id)}"/>' for attachment_id in ids])
    shape = ATTACHMENT_SHAPES[kind]
    return f"<m:GetAttachment>{shape}<m:AttachmentIds>{written}</m:AttachmentIds></m:GetAttachment>"


def sync_hierarchy(root_id: str, sync_state: str | None) -> str:
    """Ask for the hierarchy's changes; more than IdOnly would cost a call per property."""
    return (
        f"<m:SyncFolderHierarchy>{ID_ONLY_FOLDERS}"
        f"<m:SyncFolderId>{folder_ids([root_id])}</m:SyncFolderId>{_state(sync_state)}"
        "</m:SyncFolderHierarchy>"
    )


def sync_items(
    folder_id: str,
    sync_state: str | None,
    max_changes: int,
    ignore: Iterable[str] = (),
) -> str:
    """Ask for one page of a folder's changes."""
    ignored = item_ids(ignore)
    return (
        f"<m:SyncFolderItems>{ID_ONLY_ITEMS}"
        f"<m:SyncFolderId>{folder_ids([folder_id])}</m:SyncFolderId>{_state(sync_state)}"
        f"{f'<m:Ignore>{ignored}</m:Ignore>' if ignored else ''}"
        f"<m:MaxChangesReturned>{max_changes}</m:MaxChangesReturned></m:SyncFolderItems>"
    )


def _state(sync_state: str | None) -> str:
    return f"<m:SyncState>{escape(sync_state)}</m:SyncState>" if sync_state else ""


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """A span of occurrences, ends in RFC 3339 UTC; over 1,000 entries Exchange refuses it."""

    start: str
    end: str


def find_item(
    folder_id: str,
    shape: str,
    *,
    offset: int,
    page_size: int,
    restriction: Restriction | None = None,
    order: tuple[tuple[str, bool], ...] = (),
    window: CalendarWindow | None = None,
) -> str:
    """Ask for one page of a folder's items; `order` is pairs of field URI and descending."""
    if window is None:
        view = _page("IndexedPageItemView", offset, page_size)
    else:
        view = f'<m:CalendarView StartDate="{escape(window.start)}" EndDate="{escape(window.end)}"/>'
    sort = "".join(
        [
            f'<t:FieldOrder Order="{"Descending" if descending else "Ascending"}">{_field(field)}</t:FieldOrder>'
            for field, descending in order
        ],
    )
    return (
        f'<m:FindItem Traversal="Shallow">{shape}{view}'
        f"{f'<m:Restriction>{restriction}</m:Restriction>' if restriction else ''}"
        f"{f'<m:SortOrder>{sort}</m:SortOrder>' if sort else ''}"
        f"<m:ParentFolderIds>{folder_ids([folder_id])}</m:ParentFolderIds></m:FindItem>"
    )


def find_folder(folder_id: str, shape: str, *, deep: bool, offset: int, page_size: int) -> str:
    """Ask for one page of the folders below a folder."""
    return (
        f'<m:FindFolder Traversal="{"Deep" if deep else "Shallow"}">{shape}'
        f"{_page('IndexedPageFolderView', offset, page_size)}"
        f"<m:ParentFolderIds>{folder_ids([folder_id])}</m:ParentFolderIds></m:FindFolder>"
    )


def _page(view: str, offset: int, page_size: int) -> str:
    return f'<m:{view} MaxEntriesReturned="{page_size}" Offset="{offset}" BasePoint="Beginning"/>'


def _field(uri: str) -> str:
    return f'<t:FieldURI FieldURI="{escape(uri)}"/>'


def at_least(field: str, value: str) -> Restriction:
    """Restrict to items whose field is not below a value (times in RFC 3339 UTC)."""
    return Restriction(
        f"<t:IsGreaterThanOrEqualTo>{_field(field)}<t:FieldURIOrConstant>"
        f'<t:Constant Value="{escape(value)}"/></t:FieldURIOrConstant></t:IsGreaterThanOrEqualTo>',
    )


def begins_with(field: str, text: str) -> Restriction:
    """Restrict to items whose field begins with a text, without regard to case."""
    return Restriction(
        f'<t:Contains ContainmentMode="Prefixed" ContainmentComparison="IgnoreCase">{_field(field)}'
        f'<t:Constant Value="{escape(text)}"/></t:Contains>',
    )


def of_appointment(number: int, kind: str, value: str) -> Restriction:
    """Restrict to items one of whose MAPI properties of appointments (PSETID_Appointment) has a value."""
    return Restriction(
        f'<t:IsEqualTo><t:ExtendedFieldURI DistinguishedPropertySetId="Appointment" PropertyId="{number}" '
        f'PropertyType="{kind}"/><t:FieldURIOrConstant><t:Constant Value="{escape(value)}"/></t:FieldURIOrConstant>'
        "</t:IsEqualTo>",
    )


def exists(field: str) -> Restriction:
    """Restrict to items that have a field."""
    return Restriction(f"<t:Exists>{_field(field)}</t:Exists>")


def negate(condition: Restriction) -> Restriction:
    """Restrict to items of which a condition is not true."""
    return Restriction(f"<t:Not>{condition}</t:Not>")


def all_of(*conditions: Restriction) -> Restriction:
    """Restrict to items of which two or more conditions are all true."""
    return Restriction(f"<t:And>{''.join(conditions)}</t:And>")


def any_of(*conditions: Restriction) -> Restriction:
    """Restrict to items of which at least one of two or more conditions is true."""
    return Restriction(f"<t:Or>{''.join(conditions)}</t:Or>")


# Distinguished folders, by the version that knows them first: a server refuses the whole request
# for one name that its schema lacks.
_NAMES_OF_ALL = (
    "calendar contacts deleteditems drafts inbox journal notes outbox sentitems tasks msgfolderroot junkemail"
)
_NAMES_2007 = "publicfoldersroot root searchfolders voicemail"
_NAMES_2010 = (
    "recoverableitemsroot recoverableitemsdeletions recoverableitemsversions"
    " recoverableitemspurges archiveroot archivemsgfolderroot archivedeleteditems"
    " archiverecoverableitemsroot archiverecoverableitemsdeletions"
    " archiverecoverableitemsversions archiverecoverableitemspurges"
)
_NAMES_2013 = (
    "syncissues conflicts localfailures serverfailures recipientcache quickcontacts"
    " conversationhistory adminauditlogs todosearch mycontacts directory imcontactlist"
    " peopleconnect favorites mecontact recoverableitemsdiscoveryholds"
    " archiverecoverableitemsdiscoveryholds"
)
_NAMES_ONLINE = (
    "archive archiveinbox personmetadata teamspaceactivity teamspacemessaging"
    " teamspaceworkitems scheduled orionnotes tagitems alltaggeditems externalcontacts teamchat"
    " teamchathistory yammerroot yammerinbound yammeroutbound yammerfeeds onedriveroot"
    " onedriverecylebin onedrivesystem onedrivevolume important starred"
)


def distinguished_names(store: str, server: ServerInfo | None) -> list[tuple[str, ...]]:
    """List the distinguished folders of a store, the fullest list that the server may know first.

    The shorter lists that follow are for a server whose schema lacks a name.
    """
    layers = [_NAMES_OF_ALL, _NAMES_2007, _NAMES_2010, _NAMES_2013, _NAMES_ONLINE]
    if server is None or not server.online:
        layers.pop()
    if server is not None and server.build.startswith(("8.", "14.")):
        layers.pop()
    if server is not None and server.build.startswith("8."):
        layers.pop()
    lists: list[tuple[str, ...]] = []
    for count in range(len(layers), 0, -1):
        names = tuple(n for layer in layers[:count] for n in layer.split() if _store(n) == store)
        if names and names not in lists:
            lists.append(names)
    return lists


def _store(name: str) -> str:
    if name.startswith("archive") and name != "archive":
        return "archive"
    if name.startswith("recoverableitems"):
        return "recoverable_items"
    return "public_folders" if name == "publicfoldersroot" else "primary"
