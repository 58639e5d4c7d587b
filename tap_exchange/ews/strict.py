"""The answers, read strictly: a page is believed when it is complete, or not at all.

Every reader takes the response messages of one well-formed answer and raises `IncompleteAnswer`
when they are too few or too many, lack what they must hold, or hold what cannot be understood.
Nothing is ever skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from .answers import (
    Answer,
    FolderChange,
    FolderInfo,
    Found,
    FoundFolder,
    FoundFolders,
    FoundItem,
    HierarchyPage,
    ItemChange,
    ItemPage,
    Names,
)
from .elements import child
from .errors import FolderError, IncompleteAnswer
from .faults import MESSAGES, TYPES, Action
from .habit import Habit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lxml.etree import _Element

    from .answers import FolderKind, ItemKind, ShapeLike
    from .faults import Fault
    from .soap import Message

    _ChangesOf = Callable[..., Iterable[_Element]]

_ITEM_ID = f"{TYPES}ItemId"
_FOLDER_ID = f"{TYPES}FolderId"
_ITEM_KINDS: dict[str, ItemKind] = {
    f"{TYPES}Create": "create",
    f"{TYPES}Update": "update",
    f"{TYPES}Delete": "delete",
    f"{TYPES}ReadFlagChange": "read_flag",
}
_FOLDER_KINDS: dict[str, FolderKind] = {
    f"{TYPES}Create": "create",
    f"{TYPES}Update": "update",
    f"{TYPES}Delete": "delete",
}
NAMELESS = "AnswersWithoutIds"
"""The code of an answer in which no item or folder tells its id: each has to be asked for alone."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Feed:
    """Reads the pages of changes of one mailbox; an empty list of changes may be left out."""

    def __init__(self) -> None:
        self._habit = Habit()

    def items(self, sync_state: str | None) -> Callable[[Sequence[Message]], ItemPage]:
        """Return a reader of SyncFolderItems' answers to one call with `sync_state`."""
        return partial(_item_page, sync_state=sync_state, changes_of=self._changes_of())

    def hierarchy(self, sync_state: str | None) -> Callable[[Sequence[Message]], HierarchyPage]:
        """Return a reader of SyncFolderHierarchy's answers to one call with `sync_state`."""
        return partial(_hierarchy_page, sync_state=sync_state, changes_of=self._changes_of())

    def _changes_of(self) -> _ChangesOf:
        is_believed = self._habit.question()

        def changes_of(message: _Element, *, last: bool, moved: bool) -> Iterable[_Element]:
            changes = _one_at_most(message, f"{MESSAGES}Changes")
            if changes is not None:
                if not len(changes):
                    self._habit.note_empty()
                return changes
            if not last or not _is_bare(message):
                raise _incomplete("a page of changes without its changes")
            if moved and not is_believed():
                raise _incomplete("a page with a new sync state and without a list of changes")
            return ()

        return changes_of


def _item_page(messages: Sequence[Message], sync_state: str | None, changes_of: _ChangesOf) -> ItemPage:
    message = _only(messages)
    state, last = _state(message, "IncludesLastItemInRange", sync_state)
    changes = changes_of(message, last=last, moved=state != sync_state)
    return ItemPage(tuple([_item_change(node) for node in changes]), state, last)


def _hierarchy_page(messages: Sequence[Message], sync_state: str | None, changes_of: _ChangesOf) -> HierarchyPage:
    message = _only(messages)
    state, last = _state(message, "IncludesLastFolderInRange", sync_state)
    changes = changes_of(message, last=last, moved=state != sync_state)
    return HierarchyPage(tuple([_folder_change(node) for node in changes]), state, last)


def _only(messages: Sequence[Message]) -> _Element:
    if len(messages) != 1:
        raise _incomplete(f"{len(messages)} response messages where one was asked for")
    return messages[0].element


def _state(message: _Element, last_tag: str, asked: str | None) -> tuple[str, bool]:
    """Read the new sync state and whether this was the last page (an absent word means yes)."""
    state = (message.findtext(f"{MESSAGES}SyncState") or "").strip()
    if not state:
        raise _incomplete("a page of changes without a sync state")
    said = message.findtext(f"{MESSAGES}{last_tag}")
    last = True if said is None else _boolean(said, last_tag)
    if not last and state == asked:
        raise FolderError(
            "the server gives the same sync state again and says that more follows: "
            "nothing would ever end; have the mailbox repaired (New-MailboxRepairRequest)",
            code="SyncStateNeverMoves",
            action=Action.BACK_OFF,
        )
    return state, last


_BESIDE_CONTENT = frozenset(
    {
        "MessageText",
        "ResponseCode",
        "DescriptiveLinkKey",
        "MessageXml",
        "SyncState",
        "IncludesLastItemInRange",
        "IncludesLastFolderInRange",
    }
)


def _is_bare(message: _Element) -> bool:
    return all(local_name(child) in _BESIDE_CONTENT for child in message)


def _one_at_most(parent: _Element, tag: str) -> _Element | None:
    """Find a list; of two the second would be passed over."""
    found = parent.findall(tag)
    if len(found) > 1:
        raise _incomplete("two lists where there is one")
    return found[0] if found else None


def _item_change(node: _Element) -> ItemChange:
    kind = _ITEM_KINDS.get(node.tag)
    if kind is None:
        raise _incomplete("a change of unknown kind")
    if kind in {"create", "update"}:
        element = _one_child(node)
        item_id, change_key = identity(element, _ITEM_ID)
        return ItemChange(kind, item_id, change_key, local_name(element))
    item_id, change_key = identity(node, _ITEM_ID)
    if kind == "delete":
        return ItemChange(kind, item_id, change_key, None)
    is_read = _boolean(node.findtext(f"{TYPES}IsRead"), "IsRead")
    return ItemChange(kind, item_id, change_key, None, is_read)


def _folder_change(node: _Element) -> FolderChange:
    kind = _FOLDER_KINDS.get(node.tag)
    if kind is None:
        raise _incomplete("a change of unknown kind")
    if kind == "delete":
        folder_id, change_key = identity(node, _FOLDER_ID)
        return FolderChange(kind, folder_id, change_key, None, None, None)
    element = _one_child(node)
    folder_id, change_key = identity(element, _FOLDER_ID)
    parent = element.find(f"{TYPES}ParentFolderId")
    return FolderChange(
        kind,
        folder_id,
        change_key,
        local_name(element),
        None if parent is None else parent.get("Id") or None,
        element.findtext(f"{TYPES}DisplayName"),
    )


def _one_child(node: _Element) -> _Element:
    if len(node) != 1:
        raise _incomplete(f"a change that holds {len(node)} elements, not one")
    return node[0]


def identity(element: _Element, tag: str) -> tuple[str, str | None]:
    """Read the id and change key of an element; an id has to be there."""
    found = child(element, tag)
    item_id = None if found is None else found.get("Id")
    if found is None or not item_id:
        raise _incomplete("an item or folder without an id")
    return item_id, found.get("ChangeKey")


def local_name(element: _Element) -> str:
    """Tell an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _boolean(text: str | None, what: str) -> bool:
    value = _BOOLEANS.get((text or "").strip().lower())
    if value is None:
        raise _incomplete(f"{what} is neither true nor false")
    return value


@dataclass(frozen=True, slots=True)
class Matched:
    """What was answered for one asked id: an element, or a fault."""

    id: str
    element: _Element | None
    fault: Fault | None


Kind = Literal["Item", "Folder"]


def matched(messages: Sequence[Message], ids: Sequence[str], kind: Kind) -> list[Matched]:
    """Give each asked id its answer, in the order asked; `ids` holds none twice.

    An answer is matched by its id, and one that nobody asked for makes all of them doubtful: under
    the asked id it would falsify a record. Errors carry no id: theirs is their position when the
    successes stand at their own, else the one id that is left over. What answers a question about
    one id alone, and names none, is about that one.

    Raises:
        IncompleteAnswer: a doubt is left; its code is `NAMELESS` when nothing but the ids is missing.
    """
    if len(messages) != len(ids):
        raise _incomplete(f"{len(messages)} response messages for {len(ids)} {kind.lower()}s")
    elements = [None if m.fault else _content(m.element, kind) for m in messages]
    found = _named(elements, ids, kind)
    told = [i for i in found if i is not None]
    if len(told) != len(set(told)):
        raise _incomplete(f"the same {kind.lower()} answered twice")
    if not set(told) <= set(ids):
        raise _incomplete(f"an answer for another {kind.lower()} than was asked for")
    if all(f is None or f == i for f, i in zip(found, ids, strict=True)):
        return [Matched(i, element, message.fault) for i, element, message in zip(ids, elements, messages, strict=True)]
    return _reordered(messages, dict(zip(found, elements, strict=True)), ids)


def _named(elements: Sequence[_Element | None], ids: Sequence[str], kind: Kind) -> list[str | None]:
    """Tell whose each answer is, as the id was asked; None for an error."""
    tag = _ITEM_ID if kind == "Item" else _FOLDER_ID
    names = [None if e is None or (i := child(e, tag)) is None else i.get("Id") for e in elements]
    successes = len(elements) - elements.count(None)
    if successes and not any(names):
        if len(ids) > 1:
            raise IncompleteAnswer(f"the answers do not tell which {kind.lower()} is which", code=NAMELESS)
        return [ids[0]]
    if len([name for name in names if name]) < successes:
        raise _incomplete(f"{kind.lower()}s without an id among others")
    if set(names) - {None} <= set(ids):
        return names
    asked = _by_spelling(ids)
    return [name if name is None or name in ids else asked.get(_spelling(name), name) for name in names]


def _by_spelling(ids: Sequence[str]) -> dict[str, str]:
    """Map ids by what all spellings of one have in common, as long as that tells the asked ones apart."""
    asked = {_spelling(i): i for i in ids}
    return asked if len(asked) == len(ids) else {}


def _spelling(item_id: str) -> str:
    """Drop what base64 may be written with or without: blanks around it, its padding, the letters for addresses."""
    return item_id.strip().rstrip("=").replace("-", "+").replace("_", "/")


def _reordered(
    messages: Sequence[Message], by_id: Mapping[str | None, _Element | None], ids: Sequence[str]
) -> list[Matched]:
    """Match answers that came in another order: only where no doubt is left."""
    faults = [message.fault for message in messages if message.fault is not None]
    if len({fault.code for fault in faults}) > 1:
        raise _incomplete("answers out of order that cannot be told apart")
    rest = iter(faults)
    return [Matched(i, by_id[i], None) if i in by_id else Matched(i, None, next(rest)) for i in ids]


def _content(message: _Element, kind: Kind | Literal["Attachment"]) -> _Element:
    """Find the one item, folder or attachment that a success has to hold."""
    container = child(message, f"{MESSAGES}{kind}s")
    if container is None or len(container) != 1:
        raise _incomplete(f"a success that does not hold one {kind.lower()}")
    return container[0]


def attachments(messages: Sequence[Message], ids: Sequence[str]) -> list[tuple[Answer, Fault | None]]:
    """Give each asked attachment its answer, in the order asked: contents went by the order already.

    So a success must stand in its place; an id that was never asked is the asked one in another encoding.
    """
    if len(messages) != len(ids):
        raise _incomplete(f"{len(messages)} response messages for {len(ids)} attachments")
    return [(_attachment(message, asked, ids), message.fault) for message, asked in zip(messages, ids, strict=True)]


def _attachment(message: Message, asked: str, ids: Sequence[str]) -> Answer:
    if message.fault is not None:
        return Answer(asked, code=message.fault.code, message=message.fault.text)
    element = _content(message.element, "Attachment")
    told = element.find(f"{TYPES}AttachmentId")
    if told is not None and told.get("Id") != asked and told.get("Id") in ids:
        raise _incomplete("attachments out of order")
    item = next((child for child in element if child.find(f"{TYPES}ItemClass") is not None), None)
    record = {
        "has_content": next(element.iter(f"{TYPES}Content", f"{TYPES}MimeContent"), None) is not None,
        "item_class": None if item is None else item.findtext(f"{TYPES}ItemClass"),
        "item_subject": None if item is None else item.findtext(f"{TYPES}Subject"),
    }
    return Answer(asked, local_name(element), record)


def one_folder(messages: Sequence[Message]) -> tuple[str, _Element]:
    """Find the one folder that was asked for by name, and its id."""
    element = _content(_only(messages), "Folder")
    return identity(element, _FOLDER_ID)[0], element


def root_folder(messages: Sequence[Message]) -> FolderInfo:
    """Read the one folder that was asked for, in its default shape."""
    element = _content(_only(messages), "Folder")
    folder_id, change_key = identity(element, _FOLDER_ID)
    return FolderInfo(
        folder_id,
        change_key,
        local_name(element),
        element.findtext(f"{TYPES}DisplayName"),
        element.findtext(f"{TYPES}FolderClass"),
        _number(element.findtext(f"{TYPES}TotalCount")),
        _number(element.findtext(f"{TYPES}ChildFolderCount")),
    )


def distinguished(messages: Sequence[Message], names: Sequence[str]) -> Names:
    """Map folder ids to the distinguished names they were asked by; a folder that fails for now leaves a doubt.

    A folder that says its own name is believed; position decides for the others.
    """
    if len(messages) != len(names):
        raise _incomplete(f"{len(messages)} response messages for {len(names)} folders")
    found: dict[str, str] = {}
    for name, message in zip(names, messages, strict=True):
        if message.fault is None:
            folder = _content(message.element, "Folder")
            own = folder.findtext(f"{TYPES}DistinguishedFolderId")
            # The root is one folder under several names: the first asked one stays.
            found.setdefault(identity(folder, _FOLDER_ID)[0], own or name)
    faults = [message.fault for message in messages if message.fault is not None]
    return Names(found, whole=not any(fault.action in {Action.QUARANTINE, Action.BACK_OFF} for fault in faults))


def found_items(
    messages: Sequence[Message],
    offset: int,
    *,
    paged: bool,
    shape: ShapeLike | None,
) -> Found:
    """Read one page of FindItem."""
    root, nodes = _listing(messages, "Items")
    items = tuple(
        [FoundItem(*identity(n, _ITEM_ID), local_name(n), shape.convert(n) if shape else None) for n in nodes],
    )
    return Found(items, *_paging(root, offset, len(items), paged=paged))


class Folders:
    """Reads the listings of folders of one mailbox; where there are none the root folder may be left out."""

    def __init__(self) -> None:
        self._habit = Habit()

    def page(self, offset: int, shape: ShapeLike | None) -> Callable[[Sequence[Message]], FoundFolders]:
        """Return a reader of FindFolder's answers to one call."""
        is_believed = self._habit.question()

        def read(messages: Sequence[Message]) -> FoundFolders:
            if _is_bare(_only(messages)) and not offset and is_believed():
                return FoundFolders((), None, last=True, total=0)
            found = _found_folders(messages, offset, shape)
            if not found.folders:
                self._habit.note_empty()
            return found

        return read


def _found_folders(messages: Sequence[Message], offset: int, shape: ShapeLike | None) -> FoundFolders:
    root, nodes = _listing(messages, "Folders")
    folders = tuple(
        [FoundFolder(*identity(n, _FOLDER_ID), local_name(n), shape.convert(n) if shape else None) for n in nodes],
    )
    return FoundFolders(folders, *_paging(root, offset, len(folders), paged=True))


def _listing(messages: Sequence[Message], name: str) -> tuple[_Element, list[_Element]]:
    root = _only(messages).find(f"{MESSAGES}RootFolder")
    if root is None:
        raise _incomplete("a listing without its root folder")
    container = _one_at_most(root, f"{TYPES}{name}")
    if container is None and root.get("TotalItemsInView") != "0":
        raise _incomplete(f"a listing without its {name.lower()}")
    return root, [] if container is None else list(container)


def _paging(root: _Element, offset: int, count: int, *, paged: bool) -> tuple[int | None, bool, int | None]:
    """Read where the next page begins, whether this was the last, and how many there are in all."""
    total = _number(root.get("TotalItemsInView"))
    said = root.get("IncludesLastItemInRange")
    if said is not None:
        last = _boolean(said, "IncludesLastItemInRange")
    elif total is not None:
        last = offset + count >= total
    else:
        raise _incomplete("a listing that does not say whether it is complete")
    if last or not paged:
        return None, last, total
    following = _number(root.get("IndexedPagingOffset"))
    following = offset + count if following is None else following
    if following <= offset:
        raise _incomplete("a listing whose next page is the same page")
    return following, last, total


def mailbox_address(messages: Sequence[Message], asked: str) -> str | None:
    """Find the primary address of `asked` in the directory's answer; None when it cannot tell.

    The directory matches by beginnings: an entry is taken when it has the address itself or lists
    it among its aliases, or when it is the only one and may have it untold (Exchange shows three
    aliases at most, other servers none).
    """
    resolutions = _only(messages).findall(f".//{TYPES}Resolution")
    mailboxes = [(_smtp(r), _aliases(r)) for r in resolutions]
    for address, _ in mailboxes:
        if address == asked.lower():
            return address
    for address, aliases in mailboxes:
        if address and asked.lower() in aliases:
            return address
    if len(mailboxes) == 1 and len(mailboxes[0][1]) in {0, _ALIASES_SHOWN}:
        return mailboxes[0][0]
    return None


_ALIASES_SHOWN = 3


def _smtp(resolution: _Element) -> str | None:
    mailbox = resolution.find(f"{TYPES}Mailbox")
    if mailbox is None or mailbox.findtext(f"{TYPES}RoutingType", "SMTP").upper() != "SMTP":
        return None
    if mailbox.findtext(f"{TYPES}MailboxType", "Mailbox") not in {"Mailbox", "PublicFolder"}:
        return None
    address = (mailbox.findtext(f"{TYPES}EmailAddress") or "").strip().lower()
    return address if "@" in address else None


def _aliases(resolution: _Element) -> set[str]:
    entries = resolution.iterfind(f"{TYPES}Contact/{TYPES}EmailAddresses/{TYPES}Entry")
    texts = [(entry.text or "").strip().lower() for entry in entries]
    return {text.removeprefix("smtp:") for text in texts if "@" in text}


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


_DIGITS = 18


def _incomplete(what: str) -> IncompleteAnswer:
    return IncompleteAnswer(f"the answer cannot be believed: {what}", code="IncompleteAnswer")
