"""The HTTP endpoint: sign-in, one SOAP request in, one answer out."""

from __future__ import annotations

import asyncio
import binascii
import gzip
import logging
import re
import time
from base64 import b64decode
from typing import TYPE_CHECKING

from aiohttp import web

from tap_exchange.demo import sending, soap
from tap_exchange.demo.faultplan import Answer, Plan
from tap_exchange.demo.find import Finder
from tap_exchange.demo.operations import OPERATIONS
from tap_exchange.demo.requestlog import Request, RequestLog, describe
from tap_exchange.demo.soap import Call, M, ServerVersion, SoapFault, T
from tap_exchange.demo.subscriptions import Subscriptions
from tap_exchange.demo.syncstate import StateCodec
from tap_exchange.demo.tokens import TOKEN_PATH, Tokens

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.exchange import Account, Exchange
    from tap_exchange.demo.validation import Validator

logger = logging.getLogger(__name__)

WORTH_COMPRESSING = 1024
PATH = "/EWS/Exchange.asmx"
OPERATION = re.compile(rb"Body[^>]*>\s*<(?:\w+:)?(\w+)")
FAILURE = 'ResponseClass="Error"'
FAILED = re.compile(r"<m:ResponseCode>(?!NoError)(\w+)")
WELCOME = b"<html><body><h2>Exchange Web Services</h2></body></html>"
LAST_PAGE = 1 << 30
TIMERS_LATE = 0.001


class Endpoint:
    """Serve one world at one address; the attributes may be changed while it runs."""

    def __init__(self, exchange: Exchange, *, latency: float = 0.0, validator: Validator | None = None) -> None:
        """Take the world, the seconds each answer takes, and the schema to check requests with."""
        self.exchange = exchange
        self.latency = latency
        self.validator = validator
        self.log = RequestLog()
        self.faults = Plan()
        self.states = StateCodec()
        self.finder = Finder()
        self.tokens = Tokens(exchange)
        self.version = ServerVersion()
        self.hierarchy_page = LAST_PAGE
        """Folders per answer of SyncFolderHierarchy; Exchange sends all at once."""
        self.find_limit = 1000
        """Entries per answer of FindItem and FindFolder."""
        self.restricted_find_limit = 250
        """The same, for a FindItem with a restriction."""
        self.compress = True
        self.subscriptions = Subscriptions(exchange)
        self.heartbeat = 45.0
        """Seconds of silence on a streaming connection before a heartbeat."""
        self.minute = 60.0
        """Seconds of a streaming connection's minute: a test's may be short."""
        self.errors: list[Exception] = []
        """What went wrong inside the server itself: always a mistake of the demo."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        record = Request()
        arrived = time.monotonic()
        self.log.began(record)
        try:
            answer = await self._answer(request, record)
            self._pack(request, answer)
            if self.latency:  # of which the work is a part
                await _until(arrived + self.latency)
            record.status = answer.status
            record.bytes_out = len(answer.body)
            return await sending.send(request, answer)
        except (ConnectionResetError, web.RequestPayloadError):  # the client is gone: nobody hears the answer
            return web.Response(status=400)
        finally:
            self.log.ended(record)

    async def _answer(self, request: web.BaseRequest, record: Request) -> Answer:
        raw = await request.read()
        record.bytes_in = len(raw)
        record.headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        if request.path == TOKEN_PATH:
            self.log.named(record, "Token")
            status, said = self.tokens.issue(raw)
            return Answer(status, said, {"Content-Type": "application/json"})
        if request.path.lower() != PATH.lower():
            return Answer(404)
        operation = OPERATION.search(raw)
        self.log.named(record, operation.group(1).decode() if operation else request.method)
        account = self._sign_in(request)
        record.username = account.username if account is not None else None
        early = self.faults.arrived(record)
        if early is not None:
            return early
        if account is None:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="mail.example"'})
        if request.method != "POST":
            return Answer(200, WELCOME, {"Content-Type": "text/html"})
        return self._work(raw, account, record)

    def _sign_in(self, request: web.BaseRequest) -> Account | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.account(token)
        if scheme.lower() != "basic":
            return None
        try:
            username, _, password = b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.exchange.sign_in(username, password)

    def _work(self, raw: bytes, account: Account, record: Request) -> Answer:
        try:
            header, body = soap.parse_envelope(raw)
            call = Call(self.exchange, body.tag.removeprefix(M), body, account, self, record)
            describe(record, body)
            self._read_header(call, header)
            early = self.faults.before(call)
            if early is not None:
                return early
            if self.validator is not None:
                self.validator.check_request(header, body)
            return self.faults.after(call, self._operate(call))
        except SoapFault as error:
            record.codes = (error.code,)
            return Answer(error.status, soap.fault(error, self.version).encode("utf-8", "replace"))
        except Exception as error:
            logger.exception("the demo server failed in %s", record.operation)
            self.errors.append(error)
            return Answer(500, soap.fault(SoapFault("ErrorInternalServerError"), self.version).encode())

    def _operate(self, call: Call) -> Answer:
        operation = OPERATIONS.get(call.operation)
        if operation is None:
            # With ErrorInvalidRequest exchangelib would try every version and blame the mailbox in the end.
            raise SoapFault("ErrorInvalidOperation", f"The embedded Exchange does not offer {call.operation}.")
        with self.exchange.lock:
            written = operation(call)
            if isinstance(written, Answer):
                return written
            body = self.faults.body(call, written)
        if FAILURE in body:
            call.record.codes = tuple(FAILED.findall(body))
        return Answer(200, soap.envelope_bytes(body, self.version))

    def _read_header(self, call: Call, header: etree._Element | None) -> None:
        call.mailbox = call.account.mailbox
        if header is not None:
            version = header.find(f"{T}RequestServerVersion")
            if version is not None:
                call.version = version.get("Version", "")
                if call.version not in soap.VERSIONS:
                    raise SoapFault("ErrorInvalidServerVersion")
            who = header.find(f"{T}ExchangeImpersonation/{T}ConnectingSID")
            if who is not None and len(who):
                self._impersonate(call, (who[0].text or "").strip(), primary=who[0].tag == f"{T}PrimarySmtpAddress")
        call.record.version = call.version
        call.record.mailbox = call.mailbox.address.lower() if call.mailbox is not None else None

    def _impersonate(self, call: Call, address: str, *, primary: bool) -> None:
        mailbox = self.exchange.mailbox(address)
        if mailbox is None:
            raise SoapFault("ErrorNonExistentMailbox")
        if primary and mailbox.address.lower() != address.lower():
            raise SoapFault("ErrorNonPrimarySmtpAddress", values={"Primary": mailbox.address})
        allowed = call.account.impersonates
        if mailbox is not call.account.mailbox and "*" not in allowed and mailbox.address.lower() not in allowed:
            raise SoapFault("ErrorImpersonateUserDenied")
        call.mailbox = mailbox
        call.impersonated = True

    def _pack(self, request: web.BaseRequest, answer: Answer) -> None:
        accepted = "gzip" in request.headers.get("Accept-Encoding", "")
        if self.compress and answer.compress and accepted and len(answer.body) > WORTH_COMPRESSING:
            answer.body = gzip.compress(answer.body, 1, mtime=0)
            answer.headers = {**answer.headers, "Content-Encoding": "gzip"}
            answer.compress = False  # any more, should it be sent again


async def _until(moment: float) -> None:
    """Wait for a moment of the monotonic clock: the loop's own timers come up to a millisecond late."""
    await asyncio.sleep(moment - time.monotonic() - TIMERS_LATE)
    while time.monotonic() < moment:  # noqa: ASYNC110 - only time itself can end it
        await asyncio.sleep(0)
