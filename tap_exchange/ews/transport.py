"""The conversation with one server: questions sent at its pace, troubles outlasted, faults told.

What no retry can mend ends at once; before the first answer that is everything that lasts. What
may pass is outlasted (`patience.py`).
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
import uuid
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from . import soap, xml
from .errors import FatalError, IncompleteAnswer, Level, RequestTooBig, TransientError, error_for
from .faults import OF_THE_ACCOUNT, OF_THE_REQUEST, SOAP, Action, Fault, http_fault, soap_fault
from .patience import REDIRECTED, SIGN_IN, TRIES, Patience, Question, Refused
from .post import HEADERS, post, prepared
from .refusals import is_web_mail, redirected, refusal
from .reply import OK, Bounds, Reply, TooSlowError
from .unreachable import trouble
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lxml.etree import _Element

    from .answers import ServerInfo
    from .needs import Connection, Reading
    from .pace import Pace
    from .soap import Message

log = logging.getLogger(__name__)

T = TypeVar("T")

# Exchange refuses requests over 400 KB.
MOST_SENT = 400_000
# What is read as it comes costs no memory, but time.
MOST_STREAMED = 2 * 1024**3
# These do not pass by themselves, even after the server had been reached.
LASTING = frozenset({"CertificateError", "TLSError", "ProxyAuthentication"})
REFUSALS = frozenset({403, 407, 456})
# What other threads would only ask again; an account may be locked for it.
LOST_SIGN_IN = SIGN_IN | {"HTTP456"}
BUSY_PAGE = "genericerrorpage"
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+)?html\b", re.IGNORECASE)


class Transport:
    """The requests of one account, from any number of threads.

    One `beside` others of the account shares the back-off of its pace and takes no place of theirs.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        *,
        whole_answer: float | None = None,
        beside: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.pace = pace
        self.impersonate = connection.impersonate
        self.own_address = connection.own_address
        self._connection = connection
        self.vocabulary = Vocabulary()
        self._url = connection.url
        self._place = nullcontext if beside else pace.slot
        self._whole_answer = whole_answer or connection.timeout[1]
        self._jitter = jitter
        self._lock = threading.Lock()
        self._welcomed = False
        self._redirected = False
        self._versions: dict[str, int] = {}
        self._servers: dict[str, ServerInfo] = {}
        self._lost: FatalError | None = None
        self._requests = 0
        self._bytes_in = 0
        self._bytes_out = 0

    @property
    def requests(self) -> int:
        """Requests sent so far, each try counted."""
        return self._requests

    @property
    def bytes_in(self) -> int:
        """Bytes of the answers' bodies so far, as they came over the wire."""
        return self._bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes of the requests' bodies so far."""
        return self._bytes_out

    def server(self, mailbox: str) -> ServerInfo | None:
        """Tell what the server of a mailbox said of itself, None before its first answer."""
        return self._servers.get(mailbox)

    def version(self, mailbox: str) -> str:
        """Tell the version that a mailbox is asked in: what its server's schema knows."""
        return self._connection.versions[self._version(mailbox)]

    def call(  # noqa: PLR0913 - one keyword for each thing that a question may need
        self,
        operation: str,
        body: str,
        *,
        mailbox: str,
        read: Callable[[Sequence[Message]], T],
        level: Level = Level.MAILBOX,
        tries: int | None = None,
        each: bool = False,
        reading: Callable[[], Reading] | None = None,
        identity: str | None = None,
        routing: tuple[tuple[str, str], ...] = (),
        patient: bool = True,
    ) -> T:
        """Ask one question and read its answer.

        Args:
            operation: Its name, as in `GetItem`.
            body: The text of its element, with the prefixes `m` and `t`.
            mailbox: The address that it is about.
            read: Turns the response messages into the result. What it raises as
                `IncompleteAnswer` is a garbled answer, and the question is asked again.
            level: What depends on the question, hence what its failure means.
            tries: How often it is sent when its own answer breaks; by level when None.
            each: The messages' faults are values for `read`, unless all say that the server is
                busy; else the first one is the whole question's.
            reading: Makes, for each try, who reads the answer as it comes; without it the answer
                is gathered first.
            identity: Whom an impersonating account acts as, when that is not the mailbox's owner;
                empty for itself.
            routing: HTTP headers that lead to another server than the mailbox's.
            patient: With `each`, whether the store is waited for when all messages say that it is out of order;
                else they are values for `read`, unless it is the account that has to wait.

        Raises:
            ExchangeError: as its class says.
        """
        question = Question(operation, mailbox, level, tries or TRIES[level], identity, routing, patient)
        patience = Patience(question, self.pace, self._connection, self._jitter)
        try:
            while True:
                try:
                    return self._ask(question, body, read, each=each, reading=reading() if reading else None)
                except Refused as refused:  # noqa: PERF203 - nothing beside a request
                    patience.outlast(refused, welcomed=self._welcomed)
                except IncompleteAnswer as error:
                    patience.outlast(Refused(Fault(error.code, error.action), error), welcomed=self._welcomed)
        except FatalError as error:
            if error.code in LOST_SIGN_IN:
                self._lost = error
            raise

    def _ask(
        self,
        question: Question,
        body: str,
        read: Callable[[Sequence[Message]], T],
        *,
        each: bool,
        reading: Reading | None,
    ) -> T:
        version = self._version(question.mailbox)
        payload = self._envelope(question, body, version)
        with self._place():
            if self._lost is not None:
                raise self._lost
            reply, episode = self._send(question, payload, reading)
            sound = reply.status == OK and reply.body is not None and soap.is_all_success(reply.body)
            if not sound:
                # Should this ask to slow down, it has to be known before another takes the place.
                listed = self._heeded(question, reply, version, episode, each=each, reading=reading)
        if sound:
            listed = self._heeded(question, reply, version, episode, each=each, reading=reading)
        del reply  # its bytes, before their content is made anew as records
        return read(listed)

    def _heeded(
        self,
        question: Question,
        reply: Reply,
        version: int,
        episode: int,
        *,
        each: bool,
        reading: Reading | None,
    ) -> list[Message]:
        """Give the response messages, once the pace is set by what they say."""
        try:
            listed = self._messages(question, reply, version, reading)
            faults = [message.fault for message in listed if message.fault is not None]
            if faults and (not each or _all_out(faults, len(listed), patient=question.patient)):
                fault = replace(faults[0], back_off=_longest_hint(faults))
                self._refuse(question, fault, version, OK)
        except Refused as refused:
            if refused.fault.action is Action.BACK_OFF:
                refused.left = self.pace.back_off(refused.fault.back_off, episode)
            raise
        busy = [fault for fault in faults if fault.action is Action.BACK_OFF]
        if busy:
            self.pace.back_off(_longest_hint(busy), episode)
        else:
            self.pace.answered(episode)
        return listed

    def _envelope(self, question: Question, body: str, version: int) -> bytes:
        identity = question.mailbox if question.identity is None else question.identity
        identity = identity if self.impersonate else ""
        payload = soap.envelope(body, self._connection.versions[version], identity)
        if len(payload) > MOST_SENT:
            raise RequestTooBig(
                f"{question.operation} of {question.mailbox}: the request has {len(payload)} bytes and Exchange "
                "takes 400 KB; lower batch_size, or ignore fewer items",
                code="RequestTooBig",
            )
        return payload

    def _send(self, question: Question, payload: bytes, reading: Reading | None) -> tuple[Reply, int]:
        """Send on a lent session, when nothing holds it; tell before which trouble it went out."""
        headers = HEADERS | self._connection.mailbox_headers(question.mailbox) | dict(question.routing)
        headers["client-request-id"] = str(uuid.uuid4())
        with self._failing(question), self._connection.session() as session:
            request = prepared(session, self._url, headers, payload)
            episode = self.pace.hold()
            with self._counted(question, len(payload)) as replies:
                most = xml.MOST_BYTES if reading is None else MOST_STREAMED
                bounds = Bounds(self._connection.timeout, self._whole_answer, self.pace.check, most)
                replies.append(post(session, request, bounds, None if reading is None else reading.feed))
        return replies[0], episode

    @contextmanager
    def _counted(self, question: Question, size: int) -> Iterator[list[Reply]]:
        replies: list[Reply] = []
        began = time.monotonic()
        try:
            yield replies
        finally:
            took = time.monotonic() - began
            arrived = replies[0].wire if replies else 0
            with self._lock:
                self._requests += 1
                self._bytes_out += size
                self._bytes_in += arrived
            status = replies[0].status if replies else "no answer"
            log.debug("%s: %s, %d bytes in %.3f s", question.operation, status, arrived, took)

    @contextmanager
    def _failing(self, question: Question) -> Iterator[None]:
        """Turn the failures of a connection into troubles that are known here."""
        try:
            yield
        except TooSlowError:
            raise Refused(Fault("Timeout", Action.BACK_OFF)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            found = trouble(error, self._url)
            if found.code in LASTING or (found.lasting and not self._welcomed):
                raise FatalError(found.text, code=found.code) from None
            line = f"{question.operation} of {question.mailbox}: {found.text}; it was tried again in vain"
            failed = TransientError(line, code=found.code)
            raise Refused(Fault(found.code, Action.BACK_OFF), failed) from None

    def _messages(self, question: Question, reply: Reply, version: int, reading: Reading | None) -> list[Message]:
        """Open the reply: its response messages, unless it is a fault."""
        if 300 <= reply.status < 400:  # noqa: PLR2004 - the redirects
            self._redirect(reply)
        response, said = self._open(question, reply, reading)
        if response is None:
            self._refuse(question, http_fault(reply.status, reply.headers, said), version, reply.status)
        listed = soap.messages(response, question.operation)
        self._welcomed = True
        return listed

    def _open(self, question: Question, reply: Reply, reading: Reading | None) -> tuple[_Element | None, Fault | None]:
        """Parse the body; one that comes with an error status may be anything."""
        root = None
        try:
            root = reading.close() if reply.body is None and reading else xml.parse(reply.body or b"")
            response, fault = soap.opened(root)
        except IncompleteAnswer:
            if reply.status != OK:
                return None, None
            if not self._welcomed and _is_page(reply, root):
                raise refusal(OK, self._host, None, welcomed=False) from None
            raise
        info = soap.server_info(root) if question.mailbox not in self._servers else None
        if info is not None:
            self._servers[question.mailbox] = info
        if fault is not None:
            return None, soap_fault(fault, reply.status)
        return (response if reply.status == OK else None), None

    def _refuse(self, question: Question, fault: Fault, version: int, status: int) -> NoReturn:
        """Raise what a fault of the whole question is: final, or to be outlasted."""
        if fault.action is Action.OLDER_VERSION:
            self._use_older(question, fault, version)
        elif fault.code in SIGN_IN:
            pass
        elif fault.code == f"HTTP{status}" and (status in REFUSALS or fault.action is Action.FATAL):
            if status in REFUSALS or not self._welcomed:
                raise refusal(status, self._host, self._connection.application_id, welcomed=self._welcomed)
            # An address that was right before: the server is being rebuilt.
            fault = replace(fault, action=Action.BACK_OFF)
        elif fault.action is not Action.BACK_OFF and fault.code not in OF_THE_REQUEST:
            raise error_for(fault, question.operation, question.mailbox, question.level)
        raise Refused(fault)

    @property
    def _host(self) -> str:
        return urlsplit(self._url).hostname or ""

    def _redirect(self, reply: Reply) -> NoReturn:
        """Follow a redirect within the same origin, once and only in the beginning."""
        target = urljoin(self._url, reply.headers.get("Location", ""))
        if self._welcomed or BUSY_PAGE in target.lower():
            # Exchange sends to its error page, or to its sign-in page, while it is out of order.
            raise Refused(Fault(f"HTTP{reply.status}", Action.BACK_OFF))
        same = _origin(target) == _origin(self._url)
        if self._redirected or not same or is_web_mail(target):
            raise redirected(self._host, _origin(target), urlsplit(target).path, same=same)
        self._redirected = True
        self._url = target
        raise Refused(Fault(REDIRECTED, Action.RESEND))

    def _version(self, mailbox: str) -> int:
        """Tell which of the connection's versions to ask in; a mailbox may stand on an older server."""
        return max(self._versions.get("", 0), self._versions.get(mailbox, 0))

    def _use_older(self, question: Question, fault: Fault, version: int) -> None:
        whose = question.mailbox if fault.code == "ErrorInvalidSchemaVersionForMailboxVersion" else ""
        with self._lock:
            if self._version(question.mailbox) > version:
                return  # another thread was told so first
            if version + 1 >= len(self._connection.versions):
                raise error_for(fault, question.operation, question.mailbox, question.level)
            self._versions[whose] = version + 1


def _all_out(faults: Sequence[Fault], count: int, *, patient: bool) -> bool:
    """Tell whether messages that count each by itself all say that the server will not do."""
    return len(faults) == count and (
        (
            all(f.action is Action.BACK_OFF and f.code not in OF_THE_REQUEST for f in faults)
            and (patient or all(f.code in OF_THE_ACCOUNT for f in faults))
        )
        or all(f.action is Action.OLDER_VERSION for f in faults)
    )


def _is_page(reply: Reply, root: _Element | None) -> bool:
    """Tell whether an answer that is none of EWS was never meant to be: a web page, or another kind of document."""
    if root is not None:
        return bool(root.tag != f"{SOAP}Envelope")
    return "html" in reply.headers.get("Content-Type", "") or _PAGE.match(reply.body or b"") is not None


def _longest_hint(faults: Sequence[Fault]) -> float | None:
    return max((fault.back_off for fault in faults if fault.back_off is not None), default=None)


def _origin(url: str) -> str:
    """Tell scheme, host and port of an address: the bounds within which credentials may be sent."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname or ''}:{port}"
