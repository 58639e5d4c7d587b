"""Streaming notifications: a connection of its own, on which events arrive as they happen.

Exchange holds the answer of GetStreamingEvents open for up to 30 minutes and writes one SOAP envelope after another
on it: events, or a heartbeat when there are none. Subscriptions live on one server, so they are made on the same
session, with the same cookies and affinity headers, as the connection that reads them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ask, soap, xml
from .errors import IncompleteAnswer, RequestTooBig
from .events import notification_events
from .faults import MESSAGES, TYPES
from .operations import Mailbox
from .pace import Pace
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import requests
    from lxml.etree import _Element

    from .connect import Connection
    from .events import Events
    from .soap import Message

MOST_SUBSCRIPTIONS = 200
"""Subscriptions of one connection at most."""

MINUTES = 29
"""How long a connection is asked for: Exchange ends it after 30 minutes at most."""

SILENCE = 100.0
"""Seconds without even a heartbeat (Exchange sends one every 45) after which a connection counts as dead."""

LONGEST_PART = 16 * 2**20
_END = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>")
_OPERATION = "GetStreamingEvents"


@dataclass(slots=True)
class _Affine:
    """The connection as the streaming session needs it: one session, one server, a heartbeat's patience."""

    _connection: Connection
    _session: requests.Session
    anchor: str
    silence: float

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def versions(self) -> tuple[str, ...]:
        return self._connection.versions

    @property
    def timeout(self) -> tuple[float, float]:
        return (self._connection.timeout[0], self.silence)

    @property
    def impersonate(self) -> bool:
        return self._connection.impersonate

    @property
    def own_address(self) -> str | None:
        return self._connection.own_address

    @property
    def application_id(self) -> str | None:
        return self._connection.application_id

    @property
    def renewable(self) -> bool:
        return self._connection.renewable

    @contextmanager
    def session(self) -> Iterator[requests.Session]:
        yield self._session

    def renew(self) -> None:
        self._connection.renew()

    def mailbox_headers(self, mailbox: str) -> dict[str, str]:  # noqa: ARG002 - all go to one server
        return {"X-AnchorMailbox": self.anchor, "X-PreferServerAffinity": "true"}


@contextmanager
def affine_mailboxes(
    connection: Connection,
    addresses: Sequence[str],
    max_wait: float,
    *,
    minutes: int = MINUTES,
    silence: float = SILENCE,
) -> Iterator[list[Mailbox]]:
    """Open a session beside the pool, and give the mailboxes as seen through it, the first as their anchor."""
    with connection.extra_session() as session:
        affine = _Affine(connection, session, addresses[0], silence)
        transport = Transport(affine, Pace(1, max_wait), whole_answer=60.0 * minutes + silence)
        yield [Mailbox(transport, address) for address in addresses]


def listen(
    mailbox: Mailbox, subscriptions: Sequence[str], take: Callable[[Events], None], *, minutes: int = MINUTES
) -> None:
    """Hold a streaming connection until the server closes it; `take` gets each notification as it arrives.

    Raises:
        ExchangeError: the connection was refused, broke, fell silent, or said what cannot be understood.
    """
    listed = "".join(f"<t:SubscriptionId>{ask.escape(name)}</t:SubscriptionId>" for name in subscriptions)
    body = (
        f"<m:GetStreamingEvents><m:SubscriptionIds>{listed}</m:SubscriptionIds>"
        f"<m:ConnectionTimeout>{minutes}</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    mailbox.transport.call(
        _OPERATION, body, mailbox=mailbox.address, read=_ended, tries=1, reading=lambda: DocumentReader(take)
    )


def _ended(messages: Sequence[Message]) -> None:
    if not messages:
        raise IncompleteAnswer("a streaming connection without an answer", code="IncompleteAnswer")


class DocumentReader:
    """Reads one XML document after another out of an answer that does not end."""

    def __init__(self, take: Callable[[Events], None]) -> None:
        """Give each notification to `take`."""
        self._take = take
        self._buffer = b""
        self._last: _Element | None = None

    def feed(self, piece: bytes) -> None:
        """Read the next bytes; each document that they complete is believed whole, or raises IncompleteAnswer."""
        searched = max(0, len(self._buffer) - 64)
        self._buffer += piece
        while found := _END.search(self._buffer, searched):
            document, self._buffer = self._buffer[: found.end()], self._buffer[found.end() :]
            searched = 0
            self._last = xml.parse(document.strip())
            self._read(self._last)
        if len(self._buffer) > LONGEST_PART:
            raise RequestTooBig("a part of a streaming connection is endless", code="AnswerTooBig")

    def _read(self, root: _Element) -> None:
        response, _fault = soap.opened(root)
        if response is None:
            return  # the caller reads the fault, which is the last document
        for message in soap.messages(response, _OPERATION):
            if message.fault is None:
                for notification in message.element.iterfind(f"{MESSAGES}Notifications/{TYPES}Notification"):
                    self._take(notification_events(notification))

    def close(self) -> _Element:
        """Give the last document; raises IncompleteAnswer when there is none, or a piece of another."""
        if self._last is None or self._buffer.strip():
            raise IncompleteAnswer("a streaming connection broke off", code="IncompleteAnswer")
        return self._last
