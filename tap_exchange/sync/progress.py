"""Progress of long work in the log: items, rate, time left; never a name."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

MINUTE = 60
HOUR = 3600
INTERVAL = 10.0
"""Seconds between two lines."""


@dataclass(slots=True)
class Progress:
    """Counts what is loaded against what the folders' counts promise."""

    expected: int = 0
    loaded: int = 0
    folders: int = 0
    folders_done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def add(self, items: int) -> None:
        """Count loaded items, and tell when it is time."""
        self.loaded += items
        self._tell()

    def end_folder(self) -> None:
        """Count a folder that is done, and tell when it is time: a run that loads nothing takes its time, too."""
        self.folders_done += 1
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= INTERVAL:
            self._told = now
            logger.info("%s", self.line(now))

    def line(self, now: float) -> str:
        """Return the line: items so far, the rate, the time left where the folder counts tell it."""
        rate = self.loaded / max(now - self._began, 0.001)
        of = f" of about {self.expected:,}" if self.expected > self.loaded else ""
        text = (
            f"{self.loaded:,} items{of} loaded, {rate:,.0f} a second, "
            f"{self.folders_done:,} of {self.folders:,} folders done"
        )
        if of and rate > 0:
            text += f", about {_words((self.expected - self.loaded) / rate)} left"
        return text


def _words(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} seconds"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} minutes"
    return f"{seconds / HOUR:.1f} hours"
