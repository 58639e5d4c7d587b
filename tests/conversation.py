"""A conversation with a server: one question, asked again and again, and its good answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.ews.errors import Level
from tests.wire import ANNA, URL, answer, item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests_mock import Mocker

    from tap_exchange.ews.soap import Message
    from tap_exchange.ews.transport import Transport

GOOD = answer("GetItem", item("A"))
BODY = "<m:GetItem/>"


def count(messages: Sequence[Message]) -> int:
    return len(messages)


def ask(one: Transport, level: Level = Level.MAILBOX, *, tries: int | None = None, each: bool = False) -> int:
    return one.call("GetItem", BODY, mailbox=ANNA, read=count, level=level, tries=tries, each=each)


def welcomed(one: Transport, mock: Mocker) -> Transport:
    """Let the first request succeed: sign-in and address are right."""
    mock.post(URL, text=GOOD)
    ask(one)
    mock.reset_mock()
    return one
