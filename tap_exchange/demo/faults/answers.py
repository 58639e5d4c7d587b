"""What is sent instead of a good answer: cut, garbled, slow, endless, lost, or something else altogether."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults.requests import On

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tap_exchange.demo.soap import Call

    Change = Callable[[Answer], Answer]

LONGEST = 300.0
"""Seconds after which an endless answer ends, should the client not."""


@dataclass(eq=False)
class Answers(Fault):
    """The answer is changed on its way; the work was done, unless `undone`.

    `Answers(reset())` is thus an answer lost after the work, `Answers(reset(), undone=True)` a connection
    that falls before it.
    """

    change: Change
    on: On = field(default_factory=On)
    undone: bool = False

    @property
    def struck(self) -> int:
        """Tell how many answers were changed."""
        return self.on.struck

    def before(self, call: Call) -> Answer | None:
        """Answer without doing the work, if so asked."""
        return self.change(Answer()) if self.undone and self.on.strikes(call.record) else None

    def after(self, call: Call, answer: Answer) -> Answer:
        """Change the answer."""
        return self.change(answer) if not self.undone and self.on.strikes(call.record) else answer


def cut(at: float = 0.5, *, honest: bool = False, packed: bool = False) -> Change:
    """Send only the first part of the body.

    Args:
        at: where it is cut: a share of the body, or with `packed` of the gzip stream.
        honest: Content-Length tells the length that is sent, so that HTTP shows no harm; else the true one,
            and the connection closes early.
        packed: the body is cut as it is compressed.
    """

    def change(answer: Answer) -> Answer:
        body, headers = answer.body, answer.headers
        if packed:
            body, headers = gzip.compress(body, 1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        kept = int(len(body) * at)
        if honest:
            return replace(answer, body=body[:kept], headers=headers, compress=False)
        return replace(answer, body=body, headers=headers, compress=False, cut=kept)

    return change


def reset(at: float | None = None) -> Change:
    """Reset the connection: at once, or after a share of the body."""

    def change(answer: Answer) -> Answer:
        if at is None:
            return replace(answer, reset=True)
        return replace(answer, reset=True, compress=False, cut=int(len(answer.body) * at))

    return change


def broken_utf8(element: str = "") -> Change:
    """Put a byte that is no UTF-8 into the text of the first `element`, or at the end of the document's inside."""
    return _insert(b"\xc3\x28", element)


def broken_references(element: str = "") -> Change:
    """Put a character reference that stands for nothing into the text of the first `element`.

    What a control character or a surrogate stands for is no fault but content: give it to an item.
    """
    return _insert(b"&#xGG;", element)


def _insert(piece: bytes, element: str) -> Change:
    place = re.compile(rb"<t:" + element.encode() + rb"(?: [^>]*)?(?<!/)>" if element else rb"(?=</s:Body>)")

    def change(answer: Answer) -> Answer:
        return replace(answer, body=place.sub(lambda found: found.group() + piece, answer.body, count=1))

    return change


def says(status: int, body: bytes = b"", *, content_type: str = "text/html", **headers: str) -> Change:
    """Answer something that is not EWS: a page of a proxy, an error without words."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda _: Answer(status, body, {"Content-Type": content_type, **named})


def empty() -> Change:
    """Answer HTTP 200 and nothing more."""
    return lambda _: Answer(200, b"")


def delayed(seconds: float) -> Change:
    """Wait before the first byte."""
    return lambda answer: replace(answer, delay=seconds)


def slow(pause: float, piece: int = 1024) -> Change:
    """Send a piece, wait, and so on to the end."""
    return lambda answer: replace(answer, compress=False, pace=pause, piece=piece)


def endless(pause: float = 0.05) -> Change:
    """Begin the answer, then send spaces for ever, so that no pause is ever long."""

    async def spaces(begun: bytes) -> AsyncIterator[bytes]:
        yield begun
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            await asyncio.sleep(pause)
            yield b" "

    def change(answer: Answer) -> Answer:
        begun = answer.body[: max(1, len(answer.body) // 2)]
        return replace(answer, body=b"", compress=False, stream=spaces(begun))

    return change
