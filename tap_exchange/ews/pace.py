"""Pace: when the next request of an account may be sent, and how many may be under way.

One back-off is shared by all workers: while it lasts nothing is sent, because each request would
prolong it. Throttling halves the concurrency, once per trouble however many requests in flight
report it; each quiet while gives one back.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import Stopped, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

FLOOR = 1.0
LONGEST_WITHOUT_HINT = 60.0
QUIET = 30.0
SLOWER = "Exchange asks to slow down: nothing is sent for %.0f s, then at most %d requests are under way at a time"


def _wait(condition: threading.Condition, seconds: float | None) -> None:
    condition.wait(seconds)


class Pace:
    """The pace of one account, shared by its worker threads.

    Args:
        max_connections: How many requests may be under way at the best of times.
        max_wait: The longest that one trouble may hold a request, in seconds.
        floor: The shortest back-off; Exchange may ask for 0 ms, which would be a busy loop.
        quiet: Seconds without throttling that give one connection back.
        clock: Monotonic seconds.
        wait: Waits on the condition for so many seconds, None for ever; a test's moves its clock.
    """

    def __init__(
        self,
        max_connections: int,
        max_wait: float,
        *,
        floor: float = FLOOR,
        quiet: float = QUIET,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], None] = _wait,
    ) -> None:
        self.max_wait = max_wait
        self._most = max(1, max_connections)
        self._floor = floor
        self._quiet = quiet
        self._clock = clock
        self._wait = wait
        lock = threading.RLock()
        self._condition = threading.Condition(lock)
        # Under the same lock, but a place given back must not wake one who is pausing.
        self._pausing = threading.Condition(lock)
        self._limit = self._most
        self._under_way = 0
        self._until = 0.0
        self._episode = 0
        self._troubles = 0
        self._calm_since = clock()
        self._throttled = 0.0
        self._stopped = False

    def now(self) -> float:
        """Read the clock that every wait goes by."""
        return self._clock()

    @property
    def limit(self) -> int:
        """How many requests may be under way just now."""
        with self._condition:
            self._recover()
            return self._limit

    @property
    def stopped(self) -> bool:
        """Whether the run is being ended."""
        return self._stopped

    @property
    def throttled_seconds(self) -> float:
        """Seconds in which nothing was sent because the server asked for it, so far."""
        with self._condition:
            return self._throttled - max(0.0, self._until - self._clock())

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the places for a request, waiting for it and for any back-off.

        Raises:
            Stopped: the run is being ended.
            TransientError: the back-off would last longer than `max_wait`.
        """
        with self._condition:
            while (held := self._held()) > 0 or self._under_way >= self._limit:
                # A place that is given back wakes the next; the limit climbs by the clock alone.
                self._wait(self._condition, held if held > 0 else self._quiet)
            self._under_way += 1
        try:
            yield
        finally:
            with self._condition:
                self._under_way -= 1
                self._condition.notify(max(1, self._limit - self._under_way))

    def hold(self) -> int:
        """Wait out a back-off that began after the slot was given, right before sending.

        Returns the number of the trouble before which the request goes out: `back_off` wants it.
        """
        with self._condition:
            while (held := self._held()) > 0:
                self._wait(self._condition, held)
            return self._episode

    def back_off(self, seconds: float | None, episode: int | None = None) -> float:
        """Send nothing for `seconds`, at least the floor; growing pauses when None or below it.

        `episode` is what `hold` gave: a request that was under way when this trouble became known
        extends the back-off and never shortens it, but is no new trouble. Returns what is left.

        Raises:
            TransientError: the server asks for more than `max_wait`.
        """
        with self._condition:
            now = self._clock()
            is_new = episode is None or episode == self._episode
            if is_new:
                self._episode += 1
                self._troubles += 1
                self._limit = max(1, self._limit // 2)
            if seconds is None or seconds < self._floor:
                grown = self._floor * 2.0 ** min(self._troubles - 1, 16)
                seconds = max(self._floor, min(grown, LONGEST_WITHOUT_HINT, self.max_wait))
            until = max(self._until, now + seconds)
            self._throttled += until - max(self._until, now)
            self._until = self._calm_since = until
            self._refuse_long(until - now)
            if is_new:
                log.info(SLOWER, until - now, self._limit)
            return until - now

    def answered(self, episode: int) -> None:
        """Note that a request which went out after the latest trouble was answered well."""
        if self._troubles and episode == self._episode:
            with self._condition:
                self._troubles = 0

    def pause(self, seconds: float) -> None:
        """Wait for this thread alone, before trying again what failed.

        Raises:
            Stopped: the run is being ended.
        """
        end = self._clock() + seconds
        with self._pausing:
            while not self._stopped and (left := end - self._clock()) > 0:
                self._wait(self._pausing, left)
            if self._stopped:
                raise Stopped

    def stop(self) -> None:
        """End every wait at once, now and from now on, with `Stopped`."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
            self._pausing.notify_all()

    def check(self) -> None:
        """Raise `Stopped` when the run is being ended."""
        if self._stopped:
            raise Stopped

    def _held(self) -> float:
        """Tell how long nothing may be sent; take back what quiet has earned."""
        self.check()
        self._recover()
        held = self._until - self._clock()
        self._refuse_long(held)
        return held

    def _recover(self) -> None:
        if self._limit < self._most:
            earned = int((self._clock() - self._calm_since) // self._quiet)
            if earned > 0:
                self._limit = min(self._most, self._limit + earned)
                self._calm_since += earned * self._quiet

    def _refuse_long(self, held: float) -> None:
        if held > self.max_wait:
            raise TransientError(
                f"Exchange asks to wait for {held:.0f} s, longer than max_wait allows "
                f"({self.max_wait:.0f} s); run again later, or raise max_wait",
                code="ErrorServerBusy",
            )
