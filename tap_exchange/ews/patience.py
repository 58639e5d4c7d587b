"""Patience with one question: which troubles are outlasted, how, and until when.

| trouble | what is done | until |
|---|---|---|
| throttling, a store or server out of order | back off, all workers together | `max_wait` |
| cut or garbled answers, resets, timeouts, HTTP 500 | ask again after growing pauses | `tries` |
| the server out of reach, once it had answered | ask again after growing pauses | 8 times |
| sign-in refused in mid-run | renew it | once |
| the version is refused | ask in the next older one | the last |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import IncompleteAnswer, Level, RequestTooBig, TransientError, error_for
from .faults import OF_THE_REQUEST, Action, Fault
from .refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .errors import ExchangeError
    from .needs import Connection
    from .pace import Pace

TRIES = {Level.MAILBOX: 4, Level.FOLDER: 3, Level.ITEMS: 2}
REACHES = 8
PAUSE = 0.5
LONGEST_PAUSE = 60.0
SIGN_IN = frozenset({"HTTP401", "HTTP440"})
REDIRECTED = "Redirected"
# Codes of a connection: with these the answer to this very request may be what breaks.
BROKEN = frozenset({"ConnectionReset", "ConnectionError", "Timeout"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a patience is about: the names for an error's words, and how much depends on it."""

    operation: str
    mailbox: str
    level: Level
    tries: int
    identity: str | None = None
    """Whom an impersonating account acts as: the mailbox's owner when None, nobody but itself when empty."""
    routing: tuple[tuple[str, str], ...] = ()
    """HTTP headers that lead to another server than the mailbox's."""
    patient: bool = True
    """Whether messages that all say that the store is out of order are outlasted; else they are answers."""


class Refused(Exception):  # noqa: N818 - not an error yet
    """A fault that may pass: what was sent can be sent again.

    `error` is what it becomes when it does not pass; `left` the seconds of the back-off that
    Exchange asked for, which the pace knows already, None when it said nothing.
    """

    def __init__(self, fault: Fault, error: ExchangeError | None = None) -> None:
        super().__init__(fault.code)
        self.fault = fault
        self.error = error
        self.left: float | None = None


class Patience:
    """How long one question has been in trouble, and what is left to try."""

    def __init__(self, question: Question, pace: Pace, connection: Connection, jitter: Callable[[], float]) -> None:
        self._question = question
        self._pace = pace
        self._connection = connection
        self._jitter = jitter
        self._began: float | None = None
        self._broken = 0
        self._unreached = 0
        self._renewed = False

    def outlast(self, refused: Refused, *, welcomed: bool) -> None:
        """Wait, or mend what can be mended; then the question may be asked again.

        Args:
            refused: What happened.
            welcomed: Whether the server has ever answered this account.

        Raises:
            ExchangeError: this was the last try.
            Stopped: the run is being ended.
        """
        self._pace.check()
        if self._began is None:
            self._began = self._pace.now()
        fault = refused.fault
        if fault.code in SIGN_IN:
            self._sign_in_again(fault, welcomed=welcomed)
        elif isinstance(refused.error, IncompleteAnswer) or fault.code in OF_THE_REQUEST | BROKEN:
            self._ask_again(refused)
        elif refused.error is not None:
            self._reach_again(refused.error)
        elif fault.action is not Action.OLDER_VERSION and fault.code != REDIRECTED:
            self._check_patience(fault, refused.left or 0.0)

    def _sign_in_again(self, fault: Fault, *, welcomed: bool) -> None:
        if self._renewed or not welcomed:
            host = urlsplit(self._connection.url).hostname or ""
            application = self._connection.application_id
            raise refusal(int(fault.code[4:]), host, application, welcomed=welcomed, ways=fault.ways)
        self._renewed = True
        if self._connection.renewable:
            self._connection.renew()
        else:
            # Seen while servers are restarted; a second one is believed.
            self._pace.pause(PAUSE)

    def _ask_again(self, refused: Refused) -> None:
        """The answer to this question breaks: a few times more, for it may be what always breaks it."""
        self._broken += 1
        if self._broken >= self._question.tries:
            raise self._given_up(refused)
        if refused.left is None:
            self._pause(self._broken)

    def _reach_again(self, error: ExchangeError) -> None:
        self._unreached += 1
        if self._unreached >= REACHES or self._waited() > self._pace.max_wait:
            raise error
        self._pause(self._unreached + 1)

    def _check_patience(self, fault: Fault, left: float) -> None:
        """Give up a server that stays out of order; the pace does the waiting."""
        if self._waited() + left > self._pace.max_wait:
            question = self._question
            raise error_for(
                replace(fault, action=Action.BACK_OFF), question.operation, question.mailbox, question.level
            )

    def _pause(self, number: int) -> None:
        seconds = min(PAUSE * 2.0 ** (number - 1), LONGEST_PAUSE)
        self._pace.pause(seconds * (0.5 + self._jitter()))

    def _waited(self) -> float:
        return self._pace.now() - (self._began or 0.0)

    def _given_up(self, refused: Refused) -> ExchangeError:
        """Make the error of a question whose answer broke each time."""
        question, fault, error = self._question, refused.fault, refused.error
        where = f"{question.operation} of {question.mailbox}"
        if isinstance(error, IncompleteAnswer):
            return IncompleteAnswer(f"{where}: {error}, in vain", code=error.code)
        if question.level is Level.MAILBOX:
            return error or TransientError(
                f"{where}: {fault.code}: the server fails at this each time; run again later", code=fault.code
            )
        if fault.action is Action.BACK_OFF and fault.code != "ConnectionReset":
            return RequestTooBig(
                f"{where}: {fault.code}: the server takes too long; lower batch_size or max_changes", code=fault.code
            )
        return error_for(replace(fault, action=Action.QUARANTINE), question.operation, question.mailbox, question.level)
