"""Which series an occurrence belongs to.

No property of an occurrence names its master. Exchange, in every version, answers RecurringMasterItemId,
which holds an occurrence's id, with the master; that is one id in a GetItem for each series, since an
occurrence and its master share their change key (both as documented for RecurringMasterItemId).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .ask import ID_ONLY_ITEMS, escape
from .errors import IncompleteAnswer, Level, error_for
from .faults import MESSAGES, TYPES, Action
from .strict import identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .faults import Fault
    from .operations import Mailbox
    from .soap import Message

MOST_ASKED = 50
"""Occurrences of one request: with nothing but an id asked for they cost the server little."""

TRIES = 3


def masters(mailbox: Mailbox, occurrence_ids: Sequence[str]) -> dict[str, str | None]:
    """Tell the id of each occurrence's master, None where it has none; `MOST_ASKED` ids at most.

    Occurrences that are answered with an error are left out.

    Raises:
        ExchangeError: the whole request failed; `splittable` when fewer ids may succeed.
    """
    found: dict[str, str | None] = {}
    left = list(dict.fromkeys(occurrence_ids))
    for attempt in range(1, TRIES + 1):
        answers = mailbox.transport.call(
            "GetItem",
            _question(left),
            mailbox=mailbox.address,
            read=partial(_answers, ids=left),
            level=Level.ITEMS,
            each=True,
        )
        left = []
        for asked, master, fault in answers:
            if fault is not None and fault.action in {Action.RESEND, Action.BACK_OFF}:
                left.append(asked)
                if attempt == TRIES:
                    raise error_for(fault, "GetItem", mailbox.address, Level.ITEMS)
            elif fault is None:
                found[asked] = master
        if not left:
            break
    return found


def _question(ids: Sequence[str]) -> str:
    written = "".join([f'<t:RecurringMasterItemId OccurrenceId="{escape(item_id)}"/>' for item_id in ids])
    return f"<m:GetItem>{ID_ONLY_ITEMS}<m:ItemIds>{written}</m:ItemIds></m:GetItem>"


def _answers(messages: Sequence[Message], ids: Sequence[str]) -> list[tuple[str, str | None, Fault | None]]:
    """Match by position: what comes back is another item than was asked for, so its id says nothing."""
    if len(messages) != len(ids):
        raise _incomplete(f"{len(messages)} response messages for the series of {len(ids)} occurrences")
    answers: list[tuple[str, str | None, Fault | None]] = []
    for asked, message in zip(ids, messages, strict=True):
        if message.fault is not None:
            answers.append((asked, None, message.fault))
            continue
        items = message.element.find(f"{MESSAGES}Items")
        if items is None or len(items) != 1:
            raise _incomplete("a success that does not hold one item")
        master, _ = identity(items[0], f"{TYPES}ItemId")
        answers.append((asked, None if master == asked else master, None))
    return answers


def _incomplete(what: str) -> IncompleteAnswer:
    return IncompleteAnswer(f"the answer cannot be believed: {what}", code="IncompleteAnswer")
