"""What an answer is, and the bounds within which it is read: neither its size nor its slowness is unbounded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import IncompleteAnswer
from .xml import too_big

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PIECE = 64 * 1024
OK = 200
# Bytes a second: an answer that comes slower than this, once its time is over, is as good as none.
SLOWEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's status, headers (case-insensitive) and decoded body; `wire` counts its bytes as they came.

    The body is None when its pieces were taken as they came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    wire: int


class TooSlowError(Exception):
    """The whole of an answer did not arrive in time, though its pieces did."""


class Bounds:
    """How long the reading of one answer may take, and how much it may come to.

    Args:
        timeout: Seconds to connect, and between two pieces of the answer.
        longest: Seconds that the body may take, and longer for what arrives faster than `SLOWEST`.
        check: Called between the pieces; what it raises ends the reading.
        most: Bytes that the decoded answer may have.
    """

    def __init__(self, timeout: tuple[float, float], longest: float, check: Callable[[], None], most: int) -> None:
        self.timeout = timeout
        self.most = most
        self._longest = longest
        self._check = check
        self._deadline = 0.0

    def begin(self) -> None:
        """Note that the answer, or its body, begins to arrive."""
        self._deadline = time.monotonic() + self._longest

    def arrived(self, size: int) -> None:
        """Note that so many bytes are there by now.

        Raises:
            RequestTooBig: they are too many.
            TooSlowError: they took too long.
        """
        if size > self.most:
            raise too_big(self.most)
        self._check()
        if time.monotonic() > self._deadline + size / SLOWEST:
            raise TooSlowError


def cut() -> IncompleteAnswer:
    """Make the error of an answer that did not arrive whole."""
    return IncompleteAnswer("the answer was cut on its way", code="IncompleteAnswer")
