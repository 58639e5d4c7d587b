"""Subscriptions: the events of a mailbox, gathered for who asked for them.

Exchange keeps them on the server that holds the mailbox, at most 20 for each mailbox; a pull subscription ends when
nobody reads it for as long as its timeout, a streaming one when its connection has been closed for a while.
"""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_exchange.demo import ids
from tap_exchange.demo.soap import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_exchange.demo.exchange import Account, Exchange
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox

LIMIT = 20
QUEUE = 100_000
STREAM_TIMEOUT = timedelta(minutes=30)
CREATED, DELETED, MODIFIED, MOVED, NEW_MAIL = (
    "CreatedEvent",
    "DeletedEvent",
    "ModifiedEvent",
    "MovedEvent",
    "NewMailEvent",
)
KINDS = {"created": CREATED, "deleted": DELETED, "modified": MODIFIED, "moved": MOVED}


@dataclass(frozen=True, slots=True)
class Event:
    """One event: of an item when it has an item id, else of a folder; ids as EWS has them."""

    number: int
    kind: str
    at: datetime
    folder_id: str
    item_id: str | None
    parent_id: str
    old_id: str | None = None
    old_parent_id: str | None = None
    unread: int | None = None


@dataclass(slots=True)
class Subscription:
    """One subscription and the events that wait in it."""

    id: str
    mailbox: Mailbox
    account: Account
    folders: frozenset[str] | None
    """Folder ids, None for all of the mailbox."""
    kinds: frozenset[str]
    timeout: timedelta
    streaming: bool
    read_at: datetime
    events: list[Event] = field(default_factory=list)
    acknowledged: int = 0
    latest: int = 0
    missed: bool = False
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def watermark(self, number: int | None = None) -> str:
        """Write the watermark of an event, or the latest."""
        mark = self.latest if number is None else number
        return base64.b64encode(f"{self.id[-8:]}:{mark:012d}".encode()).decode()

    def number_of(self, watermark: str) -> int:
        """Read a watermark; ErrorInvalidWatermark when it is none of this subscription's."""
        try:
            owner, _, number = base64.b64decode(watermark, validate=True).decode().partition(":")
            mark = int(number)
        except ValueError as error:
            raise ServiceError("ErrorInvalidWatermark") from error
        if self.missed:
            raise ServiceError("ErrorMissedNotificationEvents")
        if owner != self.id[-8:] or not self.acknowledged <= mark <= self.latest:
            raise ServiceError("ErrorInvalidWatermark")
        return mark

    def add(self, kind: str, folder: Folder, item: Item | None, at: datetime) -> None:
        """Note an event, with that of the folder whose counts it changes."""
        if kind == MOVED and item is not None:
            self._turn_into_move(item)
        elif self._wants(kind, folder):
            self._note(kind, folder, item, at)
            if kind == CREATED and item is not None and folder.distinguished_name == "inbox":
                self._note(NEW_MAIL, folder, item, at)
        if item is not None and self._wants(MODIFIED, folder):
            self._note(MODIFIED, folder, None, at)

    def _wants(self, kind: str, folder: Folder) -> bool:
        return kind in self.kinds and (self.folders is None or folder.id in self.folders)

    def _note(self, kind: str, folder: Folder, item: Item | None, at: datetime) -> None:
        if len(self.events) >= QUEUE:
            self.missed = True
            return
        self.latest = next(self.numbers)
        parent = folder.id if item is not None else folder.parent.id if folder.parent is not None else folder.id
        unread = folder.contents.unread if kind == MODIFIED and item is None else None
        item_id = item.id if item is not None else None
        self.events.append(Event(self.latest, kind, at, folder.id, item_id, parent, unread=unread))

    def _turn_into_move(self, item: Item) -> None:
        """Make one event of a copy's arrival and its original's leaving."""
        for place in range(len(self.events) - 1, max(-1, len(self.events) - 5), -1):
            event = self.events[place]
            if event.kind == CREATED and event.item_id is not None and MOVED in self.kinds:
                self.events[place] = replace(event, kind=MOVED, old_id=item.id, old_parent_id=item.folder.id)
                return


class Subscriptions:
    """All subscriptions of a server."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin with none."""
        self.exchange = exchange
        self.held: dict[str, Subscription] = {}
        self.expired: set[str] = set()
        self._numbers = itertools.count(1)
        self._watched: set[str] = set()

    def subscribe(
        self,
        mailbox: Mailbox,
        account: Account,
        *,
        folders: Sequence[Folder] | None,
        kinds: Sequence[str],
        timeout: timedelta,
        streaming: bool,
    ) -> Subscription:
        """Make a subscription; ErrorExceededSubscriptionCount when the mailbox has its 20."""
        self._expire()
        mine = [subscription for subscription in self.held.values() if subscription.mailbox is mailbox]
        if len(mine) >= LIMIT:
            raise ServiceError("ErrorExceededSubscriptionCount")
        name = ids.digest("subscription", mailbox.address, next(self._numbers)).hex()
        subscription = Subscription(
            id=base64.b64encode(f"mail.example/{name}".encode()).decode(),
            mailbox=mailbox,
            account=account,
            folders=None if folders is None else frozenset(folder.id for folder in folders),
            kinds=frozenset(kinds),
            timeout=timeout,
            streaming=streaming,
            read_at=self.exchange.now(),
        )
        self.held[subscription.id] = subscription
        if mailbox.store.guid not in self._watched:
            self._watched.add(mailbox.store.guid)
            mailbox.store.watchers.append(self._notice)
        return subscription

    def find(self, name: str, account: Account, *, streaming: bool) -> Subscription:
        """Find a subscription that an account may read, and note that it was asked for."""
        self._expire()
        subscription = self.held.get(name)
        if subscription is None:
            raise ServiceError("ErrorExpiredSubscription" if name in self.expired else "ErrorSubscriptionNotFound")
        if subscription.account is not account:
            raise ServiceError("ErrorSubscriptionAccessDenied")
        if subscription.streaming is not streaming:
            raise ServiceError("ErrorInvalidSubscription")
        subscription.read_at = self.exchange.now()
        return subscription

    def drop(self, name: str) -> None:
        """Forget a subscription, as after a restart of the server."""
        self.held.pop(name, None)

    def expire_all(self) -> None:
        """End all subscriptions at once, as a failover does."""
        self.expired.update(self.held)
        self.held.clear()

    def _expire(self) -> None:
        now = self.exchange.now()
        for name in [name for name, one in self.held.items() if now - one.read_at > one.timeout]:
            self.expired.add(name)
            del self.held[name]

    def _notice(self, event: str, folder: Folder, item: Item | None) -> None:
        kind = KINDS.get(event, MODIFIED)
        for subscription in self.held.values():
            if subscription.mailbox.store is folder.store:
                subscription.add(kind, folder, item, self.exchange.now())
