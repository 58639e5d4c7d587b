"""Answers that are well-formed and do not answer what was asked: their response messages are changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults.requests import On
from tap_exchange.demo.soap import ServiceError, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.soap import Call

    Change = Callable[[Call, list[str]], list[str]]

MESSAGE = re.compile(r"<m:(\w+)ResponseMessage [^>]*>.*?</m:\1ResponseMessage>", re.DOTALL)
SUBJECT = re.compile(r"(<t:Subject>)[^<]*")
ID = re.compile(r'(<t:(?:ItemId|FolderId) Id=")([^"]+)')


@dataclass(eq=False)
class Messages(Fault):
    """The response messages are changed, the work being done; see the functions of this file."""

    change: Change
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how many answers were changed."""
        return self.on.struck

    def body(self, call: Call, body: str) -> str:
        """Take the messages apart and put them together again."""
        found = list(MESSAGE.finditer(body))
        if not found or not self.on.strikes(call.record):
            return body
        messages = self.change(call, [one.group() for one in found])
        return body[: found[0].start()] + "".join(messages) + body[found[-1].end() :]


def out_of_order(_: Call, messages: list[str]) -> list[str]:
    """Give the messages in reverse."""
    return messages[::-1]


def too_few(_: Call, messages: list[str]) -> list[str]:
    """Leave out the last message."""
    return messages[:-1]


def too_many(_: Call, messages: list[str]) -> list[str]:
    """Give the first message once more at the end."""
    return [*messages, messages[0]]


def one_twice(_: Call, messages: list[str]) -> list[str]:
    """Give the first message again where the last one should stand: the number is right, an item is missing."""
    return [*messages[:-1], messages[0]]


def of_another_item(_: Call, messages: list[str]) -> list[str]:
    """Answer the first id with an item that nobody asked for: another id, another subject."""
    other = ID.sub(r"\1AAMkOther\2", messages[0], count=1)
    return [SUBJECT.sub(r"\1Nobody asked for this", other), *messages[1:]]


def stopped_after(number: int) -> Change:
    """Answer ErrorBatchProcessingStopped for all after the first `number`, as if they had not been reached."""

    def change(call: Call, messages: list[str]) -> list[str]:
        stopped = failure(call.operation, ServiceError("ErrorBatchProcessingStopped"), "<m:Items/>")
        return messages[:number] + [stopped] * len(messages[number:])

    return change


def called(code: str) -> Change:
    """Call each message an error, and leave all in it that a success holds: a new state and changes too."""
    return lambda _, messages: [
        message.replace('ResponseClass="Success"', 'ResponseClass="Error"', 1).replace("NoError", code, 1)
        for message in messages
    ]


def without(element: str, *, emptied: bool = False) -> Change:
    """Leave an element of the messages out, such as SyncState or Changes, or empty it."""
    whole = re.compile(rf"<m:{element}(?:/>|>.*?</m:{element}>)", re.DOTALL)
    instead = f"<m:{element}/>" if emptied else ""
    return lambda _, messages: [whole.sub(instead, message) for message in messages]
