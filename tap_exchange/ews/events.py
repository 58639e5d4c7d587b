"""Notifications: subscriptions of a mailbox and the events in them, read strictly.

A notification is a hint; the sync is the truth. So an event that is not understood is not skipped: it makes
`Events.understood` false, and everything is to be synced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ask
from .errors import IncompleteAnswer
from .faults import MESSAGES, TYPES
from .strict import local_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxml.etree import _Element

    from .operations import Mailbox
    from .soap import Message

KINDS = ("CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "NewMailEvent")
STATUS = "StatusEvent"
MOST_MINUTES = 1440
_WANTED = "".join(f"<t:EventType>{kind}</t:EventType>" for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; `watermark` is where a pull one is to be read from."""

    id: str
    watermark: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """What one event names: folders whose items changed, and whether the folder tree may have changed."""

    kind: str
    folders: tuple[str, ...]
    of_folder: bool


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one subscription, in order; `watermark` is that of the last one."""

    subscription: str
    events: tuple[Event, ...]
    understood: bool
    watermark: str | None = None
    previous: str | None = None
    more: bool = False


def subscribe_pull(mailbox: Mailbox, minutes: int = MOST_MINUTES) -> Subscription:
    """Subscribe to all folders of the mailbox that requests act as; unread for `minutes`, it expires."""
    body = (
        '<m:Subscribe><m:PullSubscriptionRequest SubscribeToAllFolders="true">'
        f"<t:EventTypes>{_WANTED}</t:EventTypes><t:Timeout>{minutes}</t:Timeout>"
        "</m:PullSubscriptionRequest></m:Subscribe>"
    )
    made = mailbox.transport.call("Subscribe", body, mailbox=mailbox.address, read=_subscription)
    if made.watermark is None:
        raise IncompleteAnswer("a pull subscription without a watermark", code="IncompleteAnswer")
    return made


def subscribe_streaming(mailbox: Mailbox) -> Subscription:
    """Subscribe to all folders of the mailbox that requests act as, for a streaming connection."""
    body = (
        '<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">'
        f"<t:EventTypes>{_WANTED}</t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>"
    )
    return mailbox.transport.call("Subscribe", body, mailbox=mailbox.address, read=_subscription)


def unsubscribe(mailbox: Mailbox, subscription_id: str) -> None:
    """End a subscription."""
    body = f"<m:Unsubscribe><m:SubscriptionId>{ask.escape(subscription_id)}</m:SubscriptionId></m:Unsubscribe>"
    mailbox.transport.call("Unsubscribe", body, mailbox=mailbox.address, read=_nothing)


def get_events(mailbox: Mailbox, subscription_id: str, watermark: str) -> Events:
    """Read a page of the events after a watermark."""
    body = (
        f"<m:GetEvents><m:SubscriptionId>{ask.escape(subscription_id)}</m:SubscriptionId>"
        f"<m:Watermark>{ask.escape(watermark)}</m:Watermark></m:GetEvents>"
    )
    return mailbox.transport.call("GetEvents", body, mailbox=mailbox.address, read=_events)


def _subscription(messages: Sequence[Message]) -> Subscription:
    message = _only(messages)
    name = (message.findtext(f"{MESSAGES}SubscriptionId") or "").strip()
    if not name:
        raise IncompleteAnswer("a subscription without an id", code="IncompleteAnswer")
    return Subscription(name, message.findtext(f"{MESSAGES}Watermark"))


def _nothing(messages: Sequence[Message]) -> None:
    _only(messages)


def _events(messages: Sequence[Message]) -> Events:
    notification = _only(messages).find(f"{MESSAGES}Notification")
    if notification is None:
        raise IncompleteAnswer("an answer of GetEvents without a notification", code="IncompleteAnswer")
    return notification_events(notification)


def _only(messages: Sequence[Message]) -> _Element:
    if len(messages) != 1:
        raise IncompleteAnswer(f"{len(messages)} response messages where one was asked for", code="IncompleteAnswer")
    return messages[0].element


def notification_events(notification: _Element) -> Events:
    """Read one notification, of GetEvents or of a streaming connection."""
    name = watermark = previous = None
    more = False
    events: list[Event] = []
    understood = True
    for node in notification:
        tag = local_name(node)
        if tag == "SubscriptionId":
            name = (node.text or "").strip()
        elif tag == "PreviousWatermark":
            previous = node.text
        elif tag == "MoreEvents":
            more = (node.text or "").strip() in {"true", "1"}
        else:
            watermark = node.findtext(f"{TYPES}Watermark") or watermark
            event = None if tag == STATUS else _event(tag, node)
            if event is not None:
                events.append(event)
            elif tag != STATUS:
                understood = False
    if not name:
        raise IncompleteAnswer("a notification without its subscription", code="IncompleteAnswer")
    return Events(name, tuple(events), understood, watermark, previous, more)


def _event(tag: str, node: _Element) -> Event | None:
    """Read an event; None when it cannot be understood."""
    if tag not in KINDS:
        return None
    of_folder = node.find(f"{TYPES}FolderId") is not None
    named = ("FolderId",) if of_folder else ("ParentFolderId", "OldParentFolderId")
    folders = tuple(_ids(node, named))
    if not folders or (not of_folder and node.find(f"{TYPES}ItemId") is None):
        return None
    return Event(tag, folders, of_folder)


def _ids(node: _Element, tags: Iterable[str]) -> Iterable[str]:
    for tag in tags:
        found = node.find(f"{TYPES}{tag}")
        if found is not None and (folder_id := found.get("Id")):
            yield folder_id
