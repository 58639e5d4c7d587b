"""The clock of the writing thread: strictly increasing times, never before the state a run began with."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Clock:
    """Give times in UTC to the microsecond, each later than all given before.

    Only the writing thread asks it, so that the order of times is the order of lines.
    """

    def __init__(self, after: str | None = None) -> None:
        """Begin later than `after`, an RFC 3339 time of an earlier run, whatever the machine's clock says."""
        self._last = _microseconds(after) if after else 0
        self._second = -1
        self._prefix = ""

    def stamp(self) -> str:
        """Return the next time, such as 2026-01-31T08:15:00.000001Z."""
        self._last = max(time.time_ns() // 1000, self._last + 1)
        second, micro = divmod(self._last, 1_000_000)
        if second != self._second:
            self._second = second
            self._prefix = (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{micro:06d}Z"


def today() -> date:
    """Return the day in UTC; ask for it as `clock.today()`, so that a test can make it another."""
    return datetime.now(timezone.utc).date()


def _microseconds(stamp: str) -> int:
    moment = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return (moment - EPOCH) // timedelta(microseconds=1)
