"""The properties a new item has unless it brings its own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import ids
from tap_exchange.demo.content import words
from tap_exchange.demo.values import Address, Attendee, Body

if TYPE_CHECKING:
    from datetime import datetime

    from tap_exchange.demo.folder import Folder

ITEM_CLASSES = {
    "Message": "IPM.Note",
    "MeetingMessage": "IPM.Schedule.Meeting.Notification.Forward",
    "MeetingRequest": "IPM.Schedule.Meeting.Request",
    "MeetingResponse": "IPM.Schedule.Meeting.Resp.Pos",
    "MeetingCancellation": "IPM.Schedule.Meeting.Canceled",
    "CalendarItem": "IPM.Appointment",
    "Contact": "IPM.Contact",
    "DistributionList": "IPM.DistList",
    "Task": "IPM.Task",
    "PostItem": "IPM.Post",
    "Item": "IPM.StickyNote",
    "SharingMessage": "IPM.Sharing",
    "RoleMember": "IPM.Role.Member",
    "Person": "IPM.AbchPerson",
    "Network": "IPM.Network",
}
MESSAGES = frozenset(
    {"Message", "SharingMessage", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"}
)


def properties(folder: Folder, number: int, element: str, given: dict[str, Any]) -> dict[str, Any]:
    """Give the defaults of an item that its folder has numbered; what is given shapes the rest."""
    key = folder.number * 1009 + number
    when = given.get("DateTimeReceived") or given.get("DateTimeCreated") or folder.store.now()
    subject = given.get("Subject", f"{words.topic(key)} ({number})")
    result: dict[str, Any] = {
        "ItemClass": ITEM_CLASSES.get(element, "IPM.Note"),
        "Subject": subject,
        "Sensitivity": "Normal",
        "Body": Body(words.html(words.sentences(key, 4))),
        "DateTimeReceived": when,
        "Size": 2048 + key % 4096,
        "Importance": "Normal",
        "IsSubmitted": False,
        "IsDraft": False,
        "IsFromMe": False,
        "IsResend": False,
        "IsUnmodified": True,
        "DateTimeSent": when,
        "DateTimeCreated": when,
        "ReminderIsSet": False,
        "ReminderMinutesBeforeStart": 0,
        "DisplayCc": "",
        "DisplayTo": "",
        "Culture": "en-US",
        "LastModifiedName": folder.store.owner,
        "LastModifiedTime": when,
    }
    if element in MESSAGES:
        result.update(_message(folder, key, subject, given))
    if element == "MeetingRequest":
        result.update(_meeting_times(when, key), MeetingRequestType="NewMeetingRequest", Location="Room 2")
    elif element == "MeetingMessage":
        result.update(ResponseType="NoResponseReceived", IsOutOfDate=False, HasBeenProcessed=True)
    elif element in {"MeetingResponse", "MeetingCancellation"}:
        result.update(_meeting_times(when, key), ResponseType="Accept", IsOutOfDate=False, HasBeenProcessed=True)
    elif element == "CalendarItem":
        result.update(_appointment(folder, key, when, given))
    elif element == "Contact":
        result.update(_contact(key, given))
    elif element == "DistributionList":
        result.update(_list(key, subject))
    elif element == "Task":
        result.update(_task(folder, when))
    elif element == "PostItem":
        author = given.get("From", words.person(key))
        result.update(
            ConversationTopic=subject, From=author, Sender=author, PostedTime=when, IsRead=False,
            InternetMessageId=message_id(folder, number),
        )  # fmt: skip
    return result


def message_id(folder: Folder, number: int) -> str:
    """Make an Internet message id."""
    return f"<{ids.digest('message id', folder.store.guid, folder.number, number).hex()}@mail.example>"


def _message(folder: Folder, key: int, subject: str | None, given: dict[str, Any]) -> dict[str, Any]:
    sender = given.get("From") or given.get("Sender") or words.person(key)
    to = given.get("ToRecipients", [Address(folder.store.owner, folder.store.owner)])
    return {
        "DisplayTo": "; ".join(address.name or "" for address in to or ()),
        "DisplayCc": "; ".join(address.name or "" for address in given.get("CcRecipients") or ()),
        "Sender": sender,
        "ToRecipients": to,
        "IsReadReceiptRequested": False,
        "IsDeliveryReceiptRequested": False,
        "ConversationIndex": b"\x01" + ids.digest("conversation index", subject or key, size=21),
        "ConversationTopic": subject or "",
        "From": sender,
        "InternetMessageId": f"<{ids.digest('message id', folder.store.guid, key).hex()}@mail.example>",
        "IsRead": False,
        "IsResponseRequested": False,
    }


def _meeting_times(when: datetime, key: int) -> dict[str, Any]:
    start = (when + timedelta(days=7)).replace(minute=0, second=0)
    return {"Start": start, "End": start + timedelta(hours=1), "UID": ids.digest("uid", key).hex().upper()}


def _appointment(folder: Folder, key: int, when: datetime, given: dict[str, Any]) -> dict[str, Any]:
    start = given.get("Start") or (when + timedelta(days=1)).replace(minute=0, second=0)
    end = given.get("End") or start + timedelta(hours=1)
    me = Address(folder.store.owner, folder.store.owner)
    attendees = given.get("RequiredAttendees")
    return {
        "UID": "040000008200E00074C5B7101A82E008" + ids.digest("uid", folder.store.guid, key, size=24).hex().upper(),
        "DateTimeStamp": when,
        "Start": start,
        "End": end,
        "IsAllDayEvent": False,
        "LegacyFreeBusyStatus": "Busy",
        "IsMeeting": bool(attendees),
        "IsCancelled": False,
        "IsRecurring": given.get("Recurrence") is not None,
        "MeetingRequestWasSent": bool(attendees),
        "IsResponseRequested": True,
        "CalendarItemType": "Single",
        "MyResponseType": "Organizer",
        "Organizer": me,
        "ConflictingMeetingCount": 0,
        "AdjacentMeetingCount": 0,
        "AppointmentSequenceNumber": 0,
        "AppointmentState": 1 if attendees else 0,
        "ConferenceType": 0,
        "AllowNewTimeProposal": True,
        "IsOnlineMeeting": False,
        "StartTimeZoneId": "UTC",
        "EndTimeZoneId": "UTC",
        "IsOrganizer": True,
    }


def _contact(key: int, given: dict[str, Any]) -> dict[str, Any]:
    person = words.person(key)
    name = given.get("DisplayName") or person.name or ""
    first, _, last = name.partition(" ")
    return {
        "FileAs": f"{last}, {first}",
        "FileAsMapping": "LastCommaFirst",
        "DisplayName": name,
        "GivenName": first,
        "Surname": last,
        "EmailAddresses": {"EmailAddress1": person},
        "PhoneNumbers": {"MobilePhone": f"+49 170 555 {key % 10000:04}"},
        "ContactSource": "Store",
        "HasPicture": False,
    }


def _list(key: int, subject: str | None) -> dict[str, Any]:
    members = [words.person(key + n) for n in range(3)]
    return {
        "DisplayName": subject or "",
        "FileAs": subject or "",
        "ContactSource": "Store",
        "Members": [
            {"@Key": ids.digest("member", key, n).hex(), "Mailbox": member, "Status": "Normal"}
            for n, member in enumerate(members)
        ],
    }


def _task(folder: Folder, when: datetime) -> dict[str, Any]:
    return {
        "ActualWork": 0,
        "ChangeCount": 1,
        "DelegationState": "NoMatch",
        "DueDate": (when + timedelta(days=14)).replace(hour=0, minute=0, second=0),
        "IsComplete": False,
        "IsRecurring": False,
        "IsTeamTask": False,
        "Owner": folder.store.owner,
        "PercentComplete": 0,
        "Status": "NotStarted",
        "StatusDescription": "Not Started",
        "TotalWork": 0,
    }


__all__ = ["ITEM_CLASSES", "Attendee", "message_id", "properties"]
