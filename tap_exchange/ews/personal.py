"""What its owner has set about a mailbox: rules, absence, delegates; small answers, read whole."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from . import ask
from .columns import columns_of
from .errors import IncompleteAnswer, Level, error_for
from .faults import MESSAGES, TYPES
from .records import converter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxml.etree import _Element

    from .answers import Record
    from .operations import Mailbox
    from .soap import Message

RULES, ABSENCE, DELEGATES = "inbox_rules", "out_of_office", "delegates"

NOBODY = frozenset({"ErrorDelegateNoUser"})
"""What a mailbox without delegates may answer."""


def inbox_rules(wire: Mailbox) -> list[Record]:
    """List the rules of a mailbox, each with its `rule_id`."""
    owner = "" if wire.transport.impersonate else wire.address
    return wire.transport.call("GetInboxRules", ask.get_inbox_rules(owner), mailbox=wire.address, read=_rules)


def _rules(messages: Sequence[Message]) -> list[Record]:
    rules = []
    for rule in messages[0].element.iterfind(f"{MESSAGES}InboxRules/{TYPES}Rule"):
        record = read(RULES, rule)
        record["rule_id"] = (rule.findtext(f"{TYPES}RuleId") or "").strip()
        if not record["rule_id"]:
            raise IncompleteAnswer("GetInboxRules: a rule without an id", code="IncompleteAnswer")
        rules.append(record)
    return rules


def out_of_office(wire: Mailbox) -> list[Record]:
    """Tell what a mailbox answers while its owner is away: one record."""
    body = ask.get_out_of_office(wire.address)
    return wire.transport.call("GetUserOofSettings", body, mailbox=wire.address, read=_absence)


def _absence(messages: Sequence[Message]) -> list[Record]:
    response = messages[0].element
    settings = response.find(f"{TYPES}OofSettings")
    if settings is None:
        raise IncompleteAnswer("GetUserOofSettings: an answer without settings", code="IncompleteAnswer")
    record = read(ABSENCE, settings)
    record["allow_external_oof"] = response.findtext(f"{MESSAGES}AllowExternalOof")
    return [record]


def delegates(wire: Mailbox) -> list[Record]:
    """List who may act for a mailbox's owner."""
    body = ask.get_delegates(wire.address)
    return wire.transport.call("GetDelegate", body, mailbox=wire.address, read=_delegates, each=True)


def _delegates(messages: Sequence[Message]) -> list[Record]:
    fault = next((message.fault for message in messages if message.fault is not None), None)
    if fault is not None and fault.code in NOBODY:
        return []
    if fault is not None:
        raise error_for(fault, "GetDelegate", "the mailbox", Level.FOLDER)
    response = messages[0].element.getroottree().getroot()
    delivery = next((found.text for found in response.iter(f"{MESSAGES}DeliverMeetingRequests")), None)
    users = [user for message in messages for user in message.element.iterfind(f"{MESSAGES}DelegateUser")]
    return [read(DELEGATES, user) | {"deliver_meeting_requests": delivery} for user in users]


def read(stream: str, element: _Element) -> Record:
    """Turn an element into a record of a stream whose schema maps its children."""
    record = _converter(stream)(element)
    for name in ("id", "change_key"):
        record.pop(name, None)
    return record


@cache
def _converter(stream: str) -> Callable[[_Element], Record]:
    columns = columns_of(stream)
    return converter(columns, columns, id_element="ItemId", id_column="id")
