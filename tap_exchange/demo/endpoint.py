"""The HTTP endpoint: sign-in, one SOAP request in, one answer out."""

from __future__ import annotations

import asyncio
import binascii
import gzip
from base64 import b64decode
from typing import TYPE_CHECKING

from aiohttp import web

from tap_exchange.demo import soap
from tap_exchange.demo.faultplan import Answer, Plan
from tap_exchange.demo.operations import OPERATIONS
from tap_exchange.demo.requestlog import Request, RequestLog
from tap_exchange.demo.soap import Call, M, ServerVersion, SoapFault, T
from tap_exchange.demo.syncstate import StateCodec

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.exchange import Account, Exchange
    from tap_exchange.demo.validation import Validator

MAX_REQUEST = 400 * 1024
SMALL = 1024
PATH = "/EWS/Exchange.asmx"


class Endpoint:
    """Serve one world at one address."""

    def __init__(self, exchange: Exchange, *, latency: float = 0.0, validator: Validator | None = None) -> None:
        """Take the world, the seconds each answer waits, and the schema to check requests with."""
        self.exchange = exchange
        self.latency = latency
        self.validator = validator
        self.log = RequestLog()
        self.faults = Plan()
        self.states = StateCodec()
        self.version = ServerVersion()
        self.hierarchy_page = 1 << 30
        self.find_limit = 1000
        self.compress = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        record = Request("", bytes_in=request.content_length or 0)
        self.log.began(record)
        try:
            return await self._send(request, await self._answer(request, record), record)
        finally:
            self.log.ended(record)

    async def _answer(self, request: web.Request, record: Request) -> Answer:
        raw = await request.read()
        record.bytes_in = len(raw)
        record.headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        if request.path.lower() != PATH.lower():
            return Answer(404)
        account = self._sign_in(request)
        if account is not None:
            record.username = account.username
        if self.latency:
            await asyncio.sleep(self.latency)
        if account is None:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="mail.example"'})
        if request.method != "POST":
            return Answer(200, b"<html><body>Exchange Web Services</body></html>", {"Content-Type": "text/html"})
        return self.answer(raw, account, record)

    def _sign_in(self, request: web.Request) -> Account | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            username, _, password = b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.exchange.sign_in(username, password)

    def answer(self, raw: bytes, account: Account, record: Request) -> Answer:
        """Do the work of one request of a signed-in account."""
        try:
            if len(raw) > MAX_REQUEST:
                raise SoapFault("ErrorRequestStreamTooBig")
            header, body = soap.parse_envelope(raw)
            operation = body.tag.removeprefix(M)
            self.log.renamed(record, operation)
            call = Call(self.exchange, operation, body, account, server=self, record=record)
            describe(record, body)
            early = self.faults.before(call)
            if early is not None:
                record.status = early.status
                return early
            return self._work(call, header)
        except SoapFault as error:
            record.codes = (error.code,)
            return Answer(error.status, soap.fault(error, self.version).encode())

    def _work(self, call: Call, header: etree._Element | None) -> Answer:
        if self.validator is not None:
            self.validator.check_request(header, call.body)
        self._read_header(call, header)
        operation = OPERATIONS.get(call.operation)
        if operation is None:
            raise SoapFault("ErrorInvalidRequest", f"The operation {call.operation} is not known.")
        with self.exchange.lock:
            body = self.faults.body(call, operation(call))
        answer = Answer(200, soap.envelope(body, self.version).encode("utf-8", "surrogatepass"))
        return self.faults.after(call, answer)

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
                self._impersonate(call, (who[0].text or "").strip())
        if call.record is not None:
            call.record.version = call.version
            call.record.mailbox = call.mailbox.address.lower() if call.mailbox is not None else None

    def _impersonate(self, call: Call, address: str) -> None:
        mailbox = self.exchange.mailbox(address)
        if mailbox is None:
            raise SoapFault("ErrorNonExistentMailbox")
        allowed = call.account.impersonates
        if mailbox is not call.account.mailbox and "*" not in allowed and mailbox.address.lower() not in allowed:
            raise SoapFault("ErrorImpersonateUserDenied")
        call.mailbox = mailbox
        call.impersonated = True

    async def _send(self, request: web.Request, answer: Answer, record: Request) -> web.StreamResponse:
        record.status = answer.status
        headers = {"Content-Type": "text/xml; charset=utf-8", "Server": "Microsoft-IIS/10.0", **answer.headers}
        body = answer.body
        if (
            self.compress
            and answer.compress
            and len(body) > SMALL
            and "gzip" in request.headers.get("Accept-Encoding", "")
        ):
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if answer.delay:
            await asyncio.sleep(answer.delay)
        record.bytes_out = len(body)
        return web.Response(status=answer.status, body=body, headers=headers)


def describe(record: Request, body: etree._Element) -> None:
    """Write down what a request asks for."""
    record.ids = tuple(e.get("Id", "") for e in body.iterfind(f"{M}ItemIds/*"))
    record.item_count = len(record.ids)
    record.folders = tuple(
        e.get("Id", "")
        for name in ("FolderIds", "SyncFolderId", "ParentFolderIds")
        for e in body.iterfind(f"{M}{name}/*")
    )
    shape = body.find(f"{M}ItemShape")
    shape = body.find(f"{M}FolderShape") if shape is None else shape
    if shape is not None:
        record.base_shape = shape.findtext(f"{T}BaseShape")
        record.body_shape = shape.findtext(f"{T}BodyType")
        record.additional = sum(1 for _ in shape.iterfind(f"{T}AdditionalProperties/*"))
    maximum = body.findtext(f"{M}MaxChangesReturned")
    record.max_changes = int(maximum) if maximum and maximum.isdigit() else None
    record.ignored = sum(1 for _ in body.iterfind(f"{M}Ignore/*"))
    record.had_state = bool(body.findtext(f"{M}SyncState"))
