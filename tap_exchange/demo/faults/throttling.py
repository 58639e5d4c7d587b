"""Throttling in its four shapes, and a record of the requests that came during a back-off."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tap_exchange.demo import soap
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults.requests import SYNC_CALLS, On
from tap_exchange.demo.soap import ServiceError, SoapFault

if TYPE_CHECKING:
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.soap import Call

GRACE = 0.4
"""Seconds that an answer may take to reach a client, whose other threads know nothing of it until then."""


class How(Enum):
    """The shapes in which Exchange, and what stands before it, say that it is too much."""

    HTTP_503 = "HTTP 503 with Retry-After"
    HTTP_429 = "HTTP 429 with Retry-After"
    SOAP_FAULT = "HTTP 500, a SOAP fault ErrorServerBusy with BackOffMilliseconds"
    SOAP_WORDS = "the same, the time in its sentence alone"
    MESSAGE = "HTTP 200, response messages ErrorServerBusy with BackOffMilliseconds and Policy"
    INNER = "HTTP 200, ErrorInternalServerError with the inner code ErrorServerBusy"


@dataclass(slots=True)
class _BackOff:
    """A back-off that was asked for; it begins when the answer that asks for it is sent."""

    asked: Request
    seconds: float

    def holds(self, at: float) -> bool:
        ended = self.asked.ended
        return bool(ended) and ended + GRACE <= at < ended + self.seconds


@dataclass(eq=False)
class Throttles(Fault):
    """Requests are throttled, each with a back-off for its whole account.

    `hint` is what the answer tells in seconds, None nothing. Whoever asks during a back-off is throttled
    again and stands in `early`; a back-off lasts for the hint, without one for `least` seconds.
    """

    how: How = How.SOAP_FAULT
    hint: float | None = None
    on: On = field(default_factory=On)
    least: float = 1.0
    early: list[Request] = field(default_factory=list, init=False)
    _held: dict[str | None, _BackOff] = field(default_factory=dict, init=False)
    _early_now: Request | None = field(default=None, init=False)

    @property
    def struck(self) -> int:
        """Tell how many requests were throttled in their turn, those that came early left out."""
        return self.on.struck

    def arrived(self, request: Request) -> Answer | None:
        """Note who comes too early."""
        held = self._held.get(request.username)
        self._early_now = None
        if held is not None and held.holds(time.monotonic()):
            self.early.append(request)
            self._early_now = request
        return None

    def before(self, call: Call) -> Answer | None:
        """Throttle."""
        if self._early_now is not call.record and not self.on.strikes(call.record):
            return None
        seconds = self.least if self.hint is None else self.hint
        if seconds:
            self._held[call.record.username] = _BackOff(call.record, seconds)
        return self._answer(call)

    def _answer(self, call: Call) -> Answer:
        milliseconds = None if self.hint is None else round(self.hint * 1000)
        if self.how in {How.HTTP_503, How.HTTP_429}:
            status = 503 if self.how is How.HTTP_503 else 429
            headers = {} if self.hint is None else {"Retry-After": f"{self.hint:g}"}
            return Answer(status, b"<html><body>Service Unavailable</body></html>", headers)
        told = {} if milliseconds is None else {"BackOffMilliseconds": str(milliseconds)}
        if self.how is How.SOAP_FAULT:
            raise SoapFault("ErrorServerBusy", values=told)
        if self.how is How.SOAP_WORDS:
            words = "The server cannot service this request right now. Try again later."
            if milliseconds is not None:
                words += f" Suggested backoff time: {milliseconds} milliseconds."
            raise SoapFault("ErrorServerBusy", words)
        if self.how is How.MESSAGE:
            policy = "ConcurrentSyncCalls" if call.operation in SYNC_CALLS else "EwsCpu"
            error = ServiceError("ErrorServerBusy", values={**told, "Policy": policy})
        else:
            inner = {"InnerErrorResponseCode": "ErrorServerBusy", "InnerErrorDescriptiveLinkKey": "0", **told}
            error = ServiceError("ErrorInternalServerError", values=inner)
        return Answer(200, _messages(call, error).encode())


def _messages(call: Call, error: ServiceError) -> str:
    """Write an answer whose every message is the error, one for each that was asked for."""
    count = max(1, len(call.record.ids), len(call.record.folders) if call.operation == "GetFolder" else 0)
    tail = {
        "SyncFolderItems": "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
        "SyncFolderHierarchy": "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>",
        "GetItem": "<m:Items/>",
        "GetFolder": "<m:Folders/>",
    }.get(call.operation, "")
    message = soap.failure(call.operation, error, tail)
    return soap.envelope(soap.response(call.operation, message * count), call.server.version)
