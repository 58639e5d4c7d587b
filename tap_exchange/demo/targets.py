"""From ids in a request to the folders and items they name, with the right to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import ids
from tap_exchange.demo.recurrence import at
from tap_exchange.demo.series import Occurrence, occurrence_id, original_start
from tap_exchange.demo.soap import Call, ServiceError, T

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.store import Store


def may_open(call: Call, mailbox: Mailbox | None) -> bool:
    """Tell whether the request may open a mailbox; None stands for the public folders."""
    if mailbox is None or mailbox is call.mailbox:
        return True
    who = {call.account.username.lower()}
    if call.mailbox is not None:
        who.add(call.mailbox.address.lower())
    return bool(who & mailbox.full_access)


def check_mailbox(call: Call, mailbox: Mailbox | None) -> None:
    """Raise what a mailbox in trouble, or one of somebody else, answers."""
    if mailbox is not None and mailbox.code:
        raise ServiceError(mailbox.code)
    call.server.faults.mailbox(call, mailbox)
    if not may_open(call, mailbox):
        raise ServiceError("ErrorAccessDenied")


def store_of(call: Call, parsed: ids.ParsedId, missing: str) -> Store:
    """Find the store of an id."""
    found = call.exchange.store_of(parsed.store)
    if found is None:
        raise ServiceError(missing)
    store, mailbox = found
    check_mailbox(call, mailbox)
    return store


def parse(text: str) -> ids.ParsedId:
    """Take an id apart, or say that it is malformed."""
    try:
        return ids.parse_id(text)
    except ids.MalformedIdError as error:
        raise ServiceError("ErrorInvalidIdMalformed") from error


def folder_of(call: Call, element: etree._Element, missing: str = "ErrorFolderNotFound") -> Folder:
    """Find the folder of a t:FolderId or t:DistinguishedFolderId."""
    if element.tag == f"{T}DistinguishedFolderId":
        folder = distinguished_folder(call, element)
    else:
        parsed = parse(element.get("Id", ""))
        if parsed.kind is not ids.Kind.FOLDER:
            raise ServiceError("ErrorInvalidIdMalformed")
        found = store_of(call, parsed, missing).folders.get(parsed.folder)
        if found is None:
            raise ServiceError(missing)
        folder = found
    call.server.faults.folder(call, folder)
    return folder


def distinguished_folder(call: Call, element: etree._Element) -> Folder:
    """Find a distinguished folder, of another mailbox when the element names one."""
    name = element.get("Id", "")
    if name == "publicfoldersroot":
        if call.exchange.public is None:
            raise ServiceError("ErrorNoPublicFolderReplicaAvailable")
        return call.exchange.public.root
    address = element.findtext(f"{T}Mailbox/{T}EmailAddress")
    mailbox = call.exchange.mailbox(address) if address else call.mailbox
    if mailbox is None:
        raise ServiceError("ErrorNonExistentMailbox")
    check_mailbox(call, mailbox)
    store = mailbox.archive if name.startswith("archive") else mailbox.store
    folder = None if store is None else store.find_distinguished(name)
    if folder is None:
        raise ServiceError("ErrorFolderNotFound")
    return folder


def item_of(call: Call, text: str) -> Item:
    """Find the item, or the occurrence of a series, of an id."""
    parsed = parse(text)
    if parsed.kind not in {ids.Kind.ITEM, ids.Kind.OCCURRENCE}:
        raise ServiceError("ErrorInvalidIdMalformed")
    store = store_of(call, parsed, "ErrorItemNotFound")
    folder = store.folders.get(parsed.folder)
    item = folder.item(parsed.item) if folder is not None else None
    if item is None:
        raise ServiceError("ErrorItemNotFound")
    return item if parsed.kind is ids.Kind.ITEM else _occurrence(item, parsed)


def _occurrence(master: Item, parsed: ids.ParsedId) -> Occurrence:
    original = original_start(parsed.minutes)
    slot = None if master.series is None else master.series.find(original)
    if slot is None or master.series is None:
        raise ServiceError("ErrorItemNotFound")
    if original in master.series.deleted:
        raise ServiceError("ErrorCalendarOccurrenceIsDeletedFromRecurrence")
    return Occurrence(master, slot)


def item_by(call: Call, element: etree._Element) -> Item:
    """Find the item of a t:ItemId, t:OccurrenceItemId or t:RecurringMasterItemId."""
    if element.tag == f"{T}OccurrenceItemId":
        master = item_of(call, element.get("RecurringMasterId", ""))
        if master.series is None:
            raise ServiceError("ErrorCalendarCannotUseIdForRecurringMasterId")
        index = int(element.get("InstanceIndex", "0"))
        for number, day in enumerate(master.series.recurrence.dates(), 1):
            if number == index:
                original = master.series.zone.to_utc(at(day, master.series.start))
                return item_of(call, occurrence_id(master, original))
        raise ServiceError("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
    if element.tag == f"{T}RecurringMasterItemId":
        found = item_of(call, element.get("OccurrenceId", ""))
        if not isinstance(found, Occurrence):
            raise ServiceError("ErrorCalendarCannotUseIdForOccurrenceId")
        return found.master
    return item_of(call, element.get("Id", ""))
