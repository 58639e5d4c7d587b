"""Streaming notifications: a connection of its own, on which events arrive as they happen.

Exchange holds the answer of GetStreamingEvents open for up to 30 minutes and writes one SOAP envelope after another
on it: events, or a heartbeat when there are none. Subscriptions live on one server, so they are made on the same
session, with the same cookies and affinity headers, as the connection that reads them.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ask, soap, xml
from .errors import ExchangeError, IncompleteAnswer, RequestTooBig
from .events import notification_events, subscribe_streaming, unsubscribe
from .faults import MESSAGES, TYPES
from .operations import Mailbox
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import requests
    from lxml.etree import _Element

    from .connect import Connection
    from .events import Events
    from .pace import Pace
    from .soap import Message

log = logging.getLogger(__name__)

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
    silence: float
    anchor: str = ""
    """The mailbox that leads to the server: the first that is subscribed to; before, each leads to its own."""

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

    def mailbox_headers(self, mailbox: str) -> dict[str, str]:
        return {"X-AnchorMailbox": self.anchor or mailbox, "X-PreferServerAffinity": "true"}


class Line:
    """Subscriptions made over one session, and the connection that their events come on."""

    def __init__(self, affine: _Affine, transport: Transport, minutes: int) -> None:
        """Begin without a subscription; see `opened`."""
        self._affine = affine
        self._transport = transport
        self._minutes = minutes
        self.mailboxes: dict[str, Mailbox] = {}
        """The mailbox of each subscription."""

    def subscribe(self, address: str) -> None:
        """Subscribe to all folders of a mailbox; raises ExchangeError."""
        mailbox = Mailbox(self._transport, address)
        self.mailboxes[subscribe_streaming(mailbox).id] = mailbox
        self._affine.anchor = self._affine.anchor or address

    def listen(self, take: Callable[[Events], None], heard: Callable[[], None]) -> None:
        """Hold the connection until the server closes it; `take` gets each notification as it arrives.

        `heard` is called when the server's first word has come: from then on nothing is missed.

        Raises:
            ExchangeError: the connection was refused, broke, fell silent, or said what cannot be understood.
        """
        listed = "".join(f"<t:SubscriptionId>{ask.escape(name)}</t:SubscriptionId>" for name in self.mailboxes)
        body = (
            f"<m:GetStreamingEvents><m:SubscriptionIds>{listed}</m:SubscriptionIds>"
            f"<m:ConnectionTimeout>{self._minutes}</m:ConnectionTimeout></m:GetStreamingEvents>"
        )
        self._transport.call(
            _OPERATION,
            body,
            mailbox=self._affine.anchor,
            read=_ended,
            tries=1,
            reading=lambda: DocumentReader(take, heard),
        )

    def end(self) -> None:
        """End the subscriptions, as long as the server is there: without it they end by themselves."""
        for name, mailbox in self.mailboxes.items():
            try:
                unsubscribe(mailbox, name)
            except ExchangeError as error:  # noqa: PERF203 - nothing beside a request
                log.debug("A subscription could not be ended: %s", error.code)
                if not error.of_exchange:
                    return


@contextmanager
def opened(connection: Connection, pace: Pace, *, minutes: int = MINUTES, silence: float = SILENCE) -> Iterator[Line]:
    """Open a session beside the pool for a line; it waits while the account backs off, and takes no place of it."""
    with connection.extra_session() as session:
        affine = _Affine(connection, session, silence)
        line = Line(affine, Transport(affine, pace, whole_answer=60.0 * minutes + silence, beside=True), minutes)
        try:
            yield line
        finally:
            line.end()


def _ended(messages: Sequence[Message]) -> None:
    if not messages:
        raise IncompleteAnswer("a streaming connection without an answer", code="IncompleteAnswer")


class DocumentReader:
    """Reads one XML document after another out of an answer that does not end."""

    def __init__(self, take: Callable[[Events], None], heard: Callable[[], None]) -> None:
        """Give each notification to `take`, and call `heard` before the first word that is no error."""
        self._take = take
        self._heard: Callable[[], None] | None = heard
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
                if self._heard is not None:
                    self._heard()
                    self._heard = None
                for notification in message.element.iterfind(f"{MESSAGES}Notifications/{TYPES}Notification"):
                    self._take(notification_events(notification))

    def close(self) -> _Element:
        """Give the last document; raises IncompleteAnswer when there is none, or a piece of another."""
        if self._last is None or self._buffer.strip():
            raise IncompleteAnswer("a streaming connection broke off", code="IncompleteAnswer")
        return self._last
