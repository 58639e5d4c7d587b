"""GetInboxRules, GetUserOofSettings, GetDelegate, GetRoomLists and GetRooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import targets
from tap_exchange.demo.soap import MESSAGES, TYPES, Call, M, ServiceError, T, message_xml
from tap_exchange.demo.values import Address, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.mailbox import Mailbox


def _alone(operation: str, write: Callable[[], str]) -> str:
    """Answer with a response that is its own single message."""
    try:
        inside = write()
    except ServiceError as error:
        return (
            f'<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" ResponseClass="Error">{_said(error)}'
            f"</m:{operation}Response>"
        )
    return (
        f'<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" ResponseClass="Success">'
        f"<m:ResponseCode>NoError</m:ResponseCode>{inside}</m:{operation}Response>"
    )


def _said(error: ServiceError) -> str:
    return (
        f"<m:MessageText>{escape(error.text)}</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode>"
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{message_xml(error.values, 'm')}"
    )


def _mailbox(call: Call, address: str | None) -> Mailbox:
    mailbox = call.exchange.mailbox(address) if address else call.mailbox
    if mailbox is None:
        raise ServiceError("ErrorNonExistentMailbox")
    targets.check_mailbox(call, mailbox)
    return mailbox


def get_inbox_rules(call: Call) -> str:
    """Answer a mailbox's rules, in their order."""

    def write() -> str:
        rules = _mailbox(call, call.body.findtext(f"{M}MailboxSmtpAddress")).personal.rules
        listed = "".join(rule.xml() for rule in sorted(rules, key=lambda rule: rule.priority))
        inside = f"<m:InboxRules>{listed}</m:InboxRules>" if listed else ""
        return f"<m:OutlookRuleBlobExists>false</m:OutlookRuleBlobExists>{inside}"

    return _alone("GetInboxRules", write)


def get_user_oof_settings(call: Call) -> str:
    """Answer what a mailbox says in its owner's absence; the message stands beside it."""
    opening = f'<m:GetUserOofSettingsResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
    try:
        absence = _mailbox(call, call.body.findtext(f"{T}Mailbox/{T}Address")).personal.absence
    except ServiceError as error:
        said = f'<m:ResponseMessage ResponseClass="Error">{_said(error)}</m:ResponseMessage>'
        return f"{opening}{said}</m:GetUserOofSettingsResponse>"
    said = '<m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage>'
    return (
        f"{opening}{said}<t:OofSettings>{absence.xml()}</t:OofSettings><m:AllowExternalOof>All</m:AllowExternalOof>"
        "</m:GetUserOofSettingsResponse>"
    )


def get_delegate(call: Call) -> str:
    """Answer the delegates of a mailbox, a response message for each."""

    def write() -> str:
        personal = _mailbox(call, call.body.findtext(f"{M}Mailbox/{T}EmailAddress")).personal
        if not personal.delegates:
            raise ServiceError("ErrorDelegateNoUser")
        kind = "DelegateUserResponseMessageType"
        each = "".join(
            f'<m:{kind} ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            f"<m:DelegateUser>{delegate.xml()}</m:DelegateUser></m:{kind}>"
            for delegate in personal.delegates
        )
        delivery = f"<m:DeliverMeetingRequests>{personal.delivery}</m:DeliverMeetingRequests>"
        return f"<m:ResponseMessages>{each}</m:ResponseMessages>{delivery}"

    return _alone("GetDelegate", write)


def get_room_lists(call: Call) -> str:
    """Answer the lists of rooms."""

    def write() -> str:
        lists = [Address(name, address, mailbox_type="PublicDL") for address, (name, _) in call.exchange.rooms.items()]
        return f"<m:RoomLists>{''.join(f'<t:Address>{one.xml()}</t:Address>' for one in lists)}</m:RoomLists>"

    return _alone("GetRoomLists", write)


def get_rooms(call: Call) -> str:
    """Answer the rooms of a list."""

    def write() -> str:
        asked = (call.body.findtext(f"{M}RoomList/{T}EmailAddress") or "").lower()
        if asked not in call.exchange.rooms:
            raise ServiceError("ErrorNameResolutionNoResults")
        rooms = [Address(name, address) for address, name in call.exchange.rooms[asked][1].items()]
        listed = "".join(f"<t:Room><t:Id>{room.xml()}</t:Id></t:Room>" for room in rooms)
        return f"<m:Rooms>{listed}</m:Rooms>"

    return _alone("GetRooms", write)
