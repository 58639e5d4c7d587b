"""A batch: every id that was asked gets its answer; what the server left out is asked again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from . import strict
from .answers import Answer
from .errors import IncompleteAnswer, Level, error_for, item_action, may_be_the_stores
from .faults import OF_THE_REQUEST, Action

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from lxml.etree import _Element

    from .answers import ShapeLike
    from .faults import Fault
    from .soap import Message
    from .transport import Transport
    from .vocabulary import Vocabulary

    class AskFor(Protocol):
        """How a batch is asked for."""

        def __call__(self, ids: Sequence[str], *, patient: bool) -> list[tuple[Answer, Fault | None]]:
            """Ask once; unless `patient`, what all ids say of their store is their answer."""


log = logging.getLogger(__name__)

# How often one item may be busy, or a batch be stopped without a step forward, before it counts.
ITEM_TRIES = 3
# The code of an item that Exchange gave whole and the tap could not turn into a record.
CONVERSION_FAILED = "ConversionFailed"


def load(
    transport: Transport,
    mailbox: str,
    operation: str,
    ids: Collection[str],
    ask_for: AskFor,
    *,
    suspect: bool = False,
) -> list[Answer]:
    """Ask until each id has its answer, in the order asked.

    Items left out (ErrorBatchProcessingStopped) or too busy are asked again, the pace knowing of
    it. One that stays busy by itself becomes its code. With `suspect` so does one whose code speaks
    of its store or mailbox, when others were answered or it is alone: who asks finds out which is to blame.

    Raises:
        ItemsError: the batch stops before its first item, again and again.
        TransientError: the server stays out of order.
    """
    done: dict[str, Answer] = {}
    busy: dict[str, int] = {}
    left = list(dict.fromkeys(ids))
    began = transport.pace.now()
    stalls = 0
    while left:
        patient = not suspect or not (done or len(left) == 1)
        fresh, again = _sorted_out(_asked(transport.vocabulary, operation, left, ask_for, patient=patient))
        for answer, fault in again:
            busy[answer.id] = busy.get(answer.id, 0) + (fault.action is Action.BACK_OFF)
            if fault.code in OF_THE_REQUEST and busy[answer.id] >= ITEM_TRIES:
                fresh.append(answer)
        stalls = 0 if fresh else stalls + 1
        if stalls >= ITEM_TRIES and not patient:
            fresh += [answer for answer, _ in again if may_be_the_stores(answer.code)]
        done.update({answer.id: answer for answer in fresh})
        left = [i for i in left if i not in done]
        faults = [fault for answer, fault in again if answer.id not in done]
        stopped = stalls >= ITEM_TRIES and all(fault.action is Action.RESEND for fault in faults)
        if left and stalls and (stopped or transport.pace.now() - began > transport.pace.max_wait):
            raise error_for(faults[0], operation, mailbox, Level.ITEMS)
    return [done[i] for i in ids]


def _asked(
    vocabulary: Vocabulary,
    operation: str,
    ids: Sequence[str],
    ask_for: AskFor,
    *,
    patient: bool,
) -> list[tuple[Answer, Fault | None]]:
    """Ask for all together; one by one where the server never tells which answer is whose."""
    if len(ids) == 1 or operation not in vocabulary.nameless:
        try:
            return ask_for(ids, patient=patient)
        except IncompleteAnswer as error:
            if error.code != strict.NAMELESS:
                raise
            vocabulary.nameless.add(operation)
            log.warning("%s does not tell which answer is whose: each is asked for alone, which is slow.", operation)
    return [answer for item_id in ids for answer in ask_for([item_id], patient=patient)]


def answers(
    messages: Sequence[Message], ids: Sequence[str], kind: strict.Kind, shape: ShapeLike
) -> list[tuple[Answer, Fault | None]]:
    """Turn the messages of a batch into answers, each beside its fault."""
    found: list[tuple[Answer, Fault | None]] = []
    for match in strict.matched(messages, ids, kind):
        if match.fault is not None:
            code, text = match.fault.code, match.fault.text
            found.append((Answer(match.id, code=code, message=text), match.fault))
        elif match.element is not None:
            found.append((converted(match.id, match.element, shape), None))
            match.element.clear()  # what is a record now need not be held twice
    return found


def converted(asked: str, element: _Element, shape: ShapeLike) -> Answer:
    """Turn an element into the answer for the id that was asked."""
    name = strict.local_name(element)
    try:
        return Answer(asked, name, shape.convert(element))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, SyntaxError) as error:
        # One strange item must not stop its folder, run after run; its name says where to look.
        text = f"the tap cannot convert this {name} ({type(error).__name__}): please report it"
        return Answer(asked, name, code=CONVERSION_FAILED, message=text)


def _sorted_out(
    answers: Sequence[tuple[Answer, Fault | None]],
) -> tuple[list[Answer], list[tuple[Answer, Fault]]]:
    """Part the answers that stand from those to be asked again."""
    fresh: list[Answer] = []
    again: list[tuple[Answer, Fault]] = []
    for answer, fault in answers:
        if fault is not None and fault.action in {Action.RESEND, Action.BACK_OFF}:
            again.append((answer, fault))
        else:
            fresh.append(answer)
    return fresh, again


def unless_all_out(
    answers: list[tuple[Answer, Fault | None]], operation: str, mailbox: str
) -> list[tuple[Answer, Fault | None]]:
    """Raise what takes the mailbox out when every answer says so, else give the answers."""
    out = [fault for _, fault in answers if fault and item_action(fault.code) is Action.MAILBOX_OUT]
    if len(out) == len(answers):
        raise error_for(out[0], operation, mailbox, Level.MAILBOX)
    return answers
