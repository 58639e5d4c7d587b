"""SyncFolderHierarchy and SyncFolderItems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import changelog, ids, rendering, targets
from tap_exchange.demo.changelog import Cursor, net_changes, net_folder_changes
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, T, failure, response, success, whole
from tap_exchange.demo.syncstate import InvalidStateError, SyncState, binding

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder

MAX_CHANGES = 512
FOREVER = 1 << 62
DUMMY_CHANGE_KEY = "CQAAAA=="
DUMMY_FOLDER_CHANGE_KEY = "AQAAAA=="


def sync_folder_items(call: Call) -> str:
    """Answer one page of a folder's changes."""
    operation = "SyncFolderItems"
    try:
        inside = _items_page(call)
    except ServiceError as error:
        tail = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"
        return response(operation, failure(operation, error, tail))
    return response(operation, success(operation, inside))


def _items_page(call: Call) -> str:
    body = call.body
    target = body.find(f"{M}SyncFolderId/*")
    if target is None:
        raise ServiceError("ErrorInvalidRequest")
    folder = targets.folder_of(call, target, "ErrorSyncFolderNotFound")
    if folder.search is not None:
        raise ServiceError("ErrorInvalidFolderTypeForOperation")
    if folder.store.kind == "public":
        raise ServiceError("ErrorInvalidOperation")
    state = _state(call, folder, "items", 2)
    shape = shape_of(body.find(f"{M}ItemShape"))
    limit = whole(body.findtext(f"{M}MaxChangesReturned"), 1, MAX_CHANGES)
    ignore = _ignored(call, folder)
    top = folder.store.change
    changes, last = net_changes(folder.contents, state.cursors[0], limit, top, ignore)
    if last and body.findtext(f"{M}SyncScope") == "NormalAndAssociatedItems":
        more, last = net_changes(folder.associated, state.cursors[1], limit - len(changes), top, ignore)
        changes += more
    state.top = top
    call.record.item_count = len(changes)
    call.server.faults.changes(call, folder, changes)
    text = call.server.states.encode(state)
    inside = "".join([_item_change(folder, change, shape) for change in changes])
    return _page(text, "IncludesLastItemInRange", last, inside)


def _item_change(folder: Folder, change: changelog.Change, shape: rendering.Shape) -> str:
    if change.kind == changelog.DELETE:
        text = folder.item_prefix + ids.item_suffix(change.number)
        return f'<t:Delete><t:ItemId Id="{text}" ChangeKey="{DUMMY_CHANGE_KEY}"/></t:Delete>'
    if shape.id_only and change.kind != changelog.READ_FLAG:
        born = folder.contents.born(change.number)
        if born is not None:
            return f"<t:{change.kind}>{rendering.identity(folder, change.number, *born)}</t:{change.kind}>"
    item = folder.item(change.number)
    if item is None:  # cannot be: changes are computed under the same lock
        raise ServiceError("ErrorInternalServerError")
    if change.kind == changelog.READ_FLAG:
        read = "true" if item.properties.get("IsRead") else "false"
        identity = f'<t:ItemId Id="{item.id}" ChangeKey="{DUMMY_CHANGE_KEY}"/>'
        return f"<t:ReadFlagChange>{identity}<t:IsRead>{read}</t:IsRead></t:ReadFlagChange>"
    return f"<t:{change.kind}>{rendering.item_xml(item, shape)}</t:{change.kind}>"


def _ignored(call: Call, folder: Folder) -> set[int]:
    numbers = set()
    for element in call.body.iterfind(f"{M}Ignore/{T}ItemId"):
        try:
            parsed = ids.parse_id(element.get("Id", ""))
        except ids.MalformedIdError as error:
            raise ServiceError("ErrorInvalidIdMalformed") from error
        if parsed.store == folder.store.guid and parsed.folder == folder.number:
            numbers.add(parsed.item)
    return numbers


def _state(call: Call, folder: Folder, kind: str, cursors: int) -> SyncState:
    bound_to = binding(kind, folder.store.guid, folder.number)
    text = call.body.findtext(f"{M}SyncState")
    if not text:
        return SyncState(bound_to, cursors=[Cursor() for _ in range(cursors)])
    try:
        state = call.server.states.decode(text, bound_to)
    except InvalidStateError as error:
        raise ServiceError("ErrorInvalidSyncStateData") from error
    if state.top < folder.store.feed_resets.get(folder.number, 0):
        raise ServiceError("ErrorInvalidSyncStateData")
    for cursor in state.cursors:  # a state from a longer past of the same world
        cursor.seen.remove(folder.store.change + 1, FOREVER)
        cursor.read_seen.remove(folder.store.change + 1, FOREVER)
    return state


def _page(state: str, flag: str, last: bool, inside: str) -> str:  # noqa: FBT001
    changes = f"<m:Changes>{inside}</m:Changes>" if inside else "<m:Changes/>"
    return f"<m:SyncState>{state}</m:SyncState><m:{flag}>{'true' if last else 'false'}</m:{flag}>{changes}"


def sync_folder_hierarchy(call: Call) -> str:
    """Answer the changes of the folders below a root."""
    operation = "SyncFolderHierarchy"
    try:
        inside = _hierarchy_page(call)
    except ServiceError as error:
        tail = "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>"
        return response(operation, failure(operation, error, tail))
    return response(operation, success(operation, inside))


def _hierarchy_page(call: Call) -> str:
    root = _hierarchy_root(call)
    if root.store.kind == "public":
        raise ServiceError("ErrorInvalidOperation")
    state = _state(call, root, "hierarchy", 1)
    shape = shape_of(call.body.find(f"{M}FolderShape"))
    changes, last = net_folder_changes(root, state.cursors[0], call.server.hierarchy_page)
    state.top = root.store.change
    call.record.item_count = len(changes)
    text = call.server.states.encode(state)
    parts = []
    for change in changes:
        if change.kind == changelog.DELETE:
            parts.append(f"<t:Delete>{_folder_id(root, change.number)}</t:Delete>")
        else:
            folder = root.store.folders[change.number]
            parts.append(f"<t:{change.kind}>{rendering.folder_xml(folder, shape)}</t:{change.kind}>")
    return _page(text, "IncludesLastFolderInRange", last, "".join(parts))


def _folder_id(root: Folder, number: int) -> str:
    return f'<t:FolderId Id="{root.store.ids.folder(number)}" ChangeKey="{DUMMY_FOLDER_CHANGE_KEY}"/>'


def _hierarchy_root(call: Call) -> Folder:
    target = call.body.find(f"{M}SyncFolderId/*")
    if target is not None:
        return targets.folder_of(call, target, "ErrorSyncFolderNotFound")
    if call.mailbox is None:
        raise ServiceError("ErrorNonExistentMailbox")
    targets.check_mailbox(call, call.mailbox)
    return call.mailbox.store.visible_root
