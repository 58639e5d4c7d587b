"""Subscribe, Unsubscribe, GetEvents and GetStreamingEvents."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_exchange.demo import soap, targets, values
from tap_exchange.demo.faultplan import Answer
from tap_exchange.demo.soap import Call, M, ServiceError, T, failure, response, success, whole
from tap_exchange.demo.subscriptions import STREAM_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from lxml import etree

    from tap_exchange.demo.endpoint import Endpoint
    from tap_exchange.demo.subscriptions import Event, Subscription

PAGE = 50
MOST_STREAMED = 200
POLL = 0.02


def subscribe(call: Call) -> str:
    """Answer with a new subscription, and for a pull one the watermark that it begins at."""
    request = call.body[0]
    try:
        made = _subscribe(call, request)
    except ServiceError as error:
        return response("Subscribe", failure("Subscribe", error))
    watermark = "" if made.streaming else f"<m:Watermark>{made.watermark()}</m:Watermark>"
    inside = f"<m:SubscriptionId>{made.id}</m:SubscriptionId>{watermark}"
    return response("Subscribe", success("Subscribe", inside))


def _subscribe(call: Call, request: etree._Element) -> Subscription:
    streaming = request.tag == f"{M}StreamingSubscriptionRequest"
    if not streaming and request.tag != f"{M}PullSubscriptionRequest":
        raise ServiceError("ErrorInvalidSubscriptionRequest")
    everywhere = request.get("SubscribeToAllFolders") in {"true", "1"}
    named = request.findall(f"{T}FolderIds/*")
    if everywhere == bool(named):
        raise ServiceError("ErrorInvalidSubscriptionRequest")
    mailbox = call.mailbox
    if mailbox is None:
        raise ServiceError("ErrorNonExistentMailbox")
    targets.check_mailbox(call, mailbox)
    folders = None
    if named:
        folders = [targets.folder_of(call, element) for element in named]
        if any(folder.store is not mailbox.store for folder in folders):
            raise ServiceError("ErrorSubscriptionDelegateAccessNotSupported")
    minutes = None if streaming else whole(request.findtext(f"{T}Timeout"), 1, 1440)
    return call.server.subscriptions.subscribe(
        mailbox,
        call.account,
        folders=folders,
        kinds=[element.text or "" for element in request.iterfind(f"{T}EventTypes/{T}EventType")],
        timeout=STREAM_TIMEOUT if minutes is None else timedelta(minutes=minutes),
        streaming=streaming,
    )


def unsubscribe(call: Call) -> str:
    """End a subscription."""
    name = (call.body.findtext(f"{M}SubscriptionId") or "").strip()
    held = call.server.subscriptions
    subscription = held.held.get(name)
    try:
        held.find(name, call.account, streaming=subscription is not None and subscription.streaming)
    except ServiceError as error:
        return response("Unsubscribe", failure("Unsubscribe", error))
    held.drop(name)
    return response("Unsubscribe", success("Unsubscribe", ""))


def get_events(call: Call) -> str:
    """Answer the events after a watermark, up to 50; those up to the watermark are forgotten."""
    name = (call.body.findtext(f"{M}SubscriptionId") or "").strip()
    try:
        subscription = call.server.subscriptions.find(name, call.account, streaming=False)
        before = subscription.number_of((call.body.findtext(f"{M}Watermark") or "").strip())
    except ServiceError as error:
        return response("GetEvents", failure("GetEvents", error))
    subscription.acknowledged = before
    subscription.events = [event for event in subscription.events if event.number > before]
    page = subscription.events[:PAGE]
    more = len(subscription.events) > PAGE
    return response("GetEvents", success("GetEvents", _notification(subscription, before, page, more=more)))


def _notification(subscription: Subscription, before: int, events: Sequence[Event], *, more: bool) -> str:
    written = "".join(_event(subscription, event) for event in events)
    status = f"<t:StatusEvent><t:Watermark>{subscription.watermark(before)}</t:Watermark></t:StatusEvent>"
    return (
        f"<m:Notification><t:SubscriptionId>{subscription.id}</t:SubscriptionId>"
        f"<t:PreviousWatermark>{subscription.watermark(before)}</t:PreviousWatermark>"
        f"<t:MoreEvents>{'true' if more else 'false'}</t:MoreEvents>{written or status}</m:Notification>"
    )


def _event(subscription: Subscription, event: Event) -> str:
    watermark = "" if subscription.streaming else f"<t:Watermark>{subscription.watermark(event.number)}</t:Watermark>"
    of_item = event.item_id is not None
    what = f'<t:ItemId Id="{event.item_id}" ChangeKey="CQAAAA=="/>' if of_item else _folder("FolderId", event.folder_id)
    old = ""
    if event.old_id is not None and event.old_parent_id is not None:
        old_parent = _folder("OldParentFolderId", event.old_parent_id)
        old = f'<t:OldItemId Id="{event.old_id}" ChangeKey="CQAAAA=="/>{old_parent}'
    unread = "" if event.unread is None else f"<t:UnreadCount>{event.unread}</t:UnreadCount>"
    return (
        f"<t:{event.kind}>{watermark}<t:TimeStamp>{values.moment(event.at)}</t:TimeStamp>{what}"
        f"{_folder('ParentFolderId', event.parent_id)}{old}{unread}</t:{event.kind}>"
    )


def _folder(name: str, folder_id: str) -> str:
    return f'<t:{name} Id="{folder_id}" ChangeKey="AQAAAA=="/>'


def get_streaming_events(call: Call) -> str | Answer:
    """Hold the connection: events as they happen, a heartbeat when nothing does, closed when its time is over."""
    names = [(element.text or "").strip() for element in call.body.iterfind(f"{M}SubscriptionIds/{T}SubscriptionId")]
    minutes = whole(call.body.findtext(f"{M}ConnectionTimeout"), 1, 30)
    held, wrong, first = [], [], None
    if len(names) > MOST_STREAMED:
        first = ServiceError("ErrorInvalidSubscriptionRequest")
    for name in names:
        try:
            held.append(call.server.subscriptions.find(name, call.account, streaming=True))
        except ServiceError as error:  # noqa: PERF203
            wrong.append(name)
            first = first or error
    if first is not None:
        listed = "".join(f"<t:SubscriptionId>{name}</t:SubscriptionId>" for name in wrong)
        tail = f"<m:ErrorSubscriptionIds>{listed}</m:ErrorSubscriptionIds>" if wrong else ""
        return response("GetStreamingEvents", failure("GetStreamingEvents", first, tail))
    return Answer(stream=_stream(call.server, held, 60.0 * minutes), compress=False)


async def _stream(server: Endpoint, held: Sequence[Subscription], seconds: float) -> AsyncIterator[bytes]:
    began = told = time.monotonic()
    yield _part(server, "<m:ConnectionStatus>OK</m:ConnectionStatus>")
    while time.monotonic() - began < seconds * server.minute / 60:
        with server.exchange.lock:
            alive = [one for one in held if one.id in server.subscriptions.held]
            notes = "".join(_streamed(one) for one in alive)
            for one in alive:
                one.read_at = server.exchange.now()
        if len(alive) < len(held):
            gone = "".join(f"<t:SubscriptionId>{one.id}</t:SubscriptionId>" for one in held if one not in alive)
            tail = f"<m:ErrorSubscriptionIds>{gone}</m:ErrorSubscriptionIds>"
            error = failure("GetStreamingEvents", ServiceError("ErrorSubscriptionNotFound"), tail)
            yield soap.envelope(response("GetStreamingEvents", error), server.version).encode()
            return
        if notes:
            yield _part(server, f"<m:Notifications>{notes}</m:Notifications>")
            told = time.monotonic()
        elif time.monotonic() - told >= server.heartbeat:
            yield _part(server, "<m:ConnectionStatus>OK</m:ConnectionStatus>")
            told = time.monotonic()
        await asyncio.sleep(POLL)
    yield _part(server, "<m:ConnectionStatus>Closed</m:ConnectionStatus>")


def _streamed(subscription: Subscription) -> str:
    events, subscription.events = subscription.events, []
    if not events:
        return ""
    written = "".join(_event(subscription, event) for event in events)
    return f"<t:Notification><t:SubscriptionId>{subscription.id}</t:SubscriptionId>{written}</t:Notification>"


def _part(server: Endpoint, inside: str) -> bytes:
    return soap.envelope(response("GetStreamingEvents", success("GetStreamingEvents", inside)), server.version).encode()
