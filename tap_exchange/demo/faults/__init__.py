"""Named faults that a person combines: what goes wrong, and on which requests.

    server.faults.add(
        ItemFails("ErrorItemCorrupt", [bad], asking="item:Body"),
        Answers(cut(honest=False), On("GetItem", items=[worse])),
        Throttles(How.SOAP_FAULT, hint=0.5, on=On("SyncFolderItems", every=10)),
    )

| file | faults |
|---|---|
| `requests` | `On`: which requests, how often |
| `codes` | response codes of an item, a folder, a mailbox, a whole request |
| `answers` | what is sent is cut, garbled, slow, endless, lost, or something else altogether |
| `messages` | well-formed answers that do not answer what was asked |
| `feeds` | folders whose SyncFolderItems fails or never ends, a store that is down |
| `throttling` | the four shapes of throttling, and who asked during a back-off |
| `signin` | a sign-in that stops working |

Every fault counts how often it struck (`struck`), so that a test can tell that it was played at all.
"""

from __future__ import annotations

from tap_exchange.demo.faults.answers import (
    Answers,
    broken_references,
    broken_utf8,
    cut,
    delayed,
    empty,
    endless,
    reset,
    says,
    slow,
)
from tap_exchange.demo.faults.codes import FolderFails, ItemFails, MailboxFails, RequestFails, Speaks
from tap_exchange.demo.faults.feeds import FeedBreaks, StateNeverMoves, StoreIsDown
from tap_exchange.demo.faults.messages import (
    Messages,
    called,
    of_another_item,
    one_twice,
    out_of_order,
    stopped_after,
    too_few,
    too_many,
    without,
)
from tap_exchange.demo.faults.requests import On
from tap_exchange.demo.faults.signin import SignInEnds, TokensEnd
from tap_exchange.demo.faults.throttling import How, Throttles

__all__ = [
    "Answers",
    "FeedBreaks",
    "FolderFails",
    "How",
    "ItemFails",
    "MailboxFails",
    "Messages",
    "On",
    "RequestFails",
    "SignInEnds",
    "Speaks",
    "StateNeverMoves",
    "StoreIsDown",
    "Throttles",
    "TokensEnd",
    "broken_references",
    "broken_utf8",
    "called",
    "cut",
    "delayed",
    "empty",
    "endless",
    "of_another_item",
    "one_twice",
    "out_of_order",
    "reset",
    "says",
    "slow",
    "stopped_after",
    "too_few",
    "too_many",
    "without",
]
