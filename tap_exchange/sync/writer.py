"""The one who writes: stamps each row, and lets STATE follow whole pages only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tap_exchange.sync.bookmarks import Bookmarks
    from tap_exchange.sync.clock import Clock
    from tap_exchange.sync.page import Page, Record, Row

STATE_SHARE = 200
"""A STATE is put off while all STATEs together would be more than one byte in so many."""

LONGEST_WAIT = 10
"""... but never longer than so many times the interval."""


class Sink(Protocol):
    """Where rows and states go; the Singer side implements it."""

    @property
    def bytes_written(self) -> int:
        """Bytes of all messages so far."""

    def emit(self, stream: str, record: Record) -> None:
        """Take a record; streams that are not selected drop it."""

    def pack(self, stream: str, record: Record) -> bytes | None:
        """Return a record as `emit_packed` takes it, from any thread; None when it has to be emitted."""

    def emit_packed(self, stream: str, packed: bytes, feed_id: str, synced_at: str) -> None:
        """Take a packed record, and what it lacks."""

    def write_state(self, value: dict[str, Any]) -> int:
        """Write a STATE, and return its size in bytes."""

    def flush(self) -> None:
        """Hand over what was gathered."""


class RunWriter:
    """Writes rows and states of one run, all from one thread."""

    def __init__(
        self, sink: Sink, clock: Clock, bookmarks: Bookmarks, state_interval: float, *, sample: bool = False
    ) -> None:
        """Write a STATE at most every `state_interval` seconds, in a sample none but the first."""
        self._sample = sample
        self._sink = sink
        self._clock = clock
        self._bookmarks = bookmarks
        self._interval = state_interval
        self._written_at = time.monotonic()
        self._state_bytes = 0
        self._state_size = 0
        self.records = 0
        self.pack = sink.pack

    def write(self, row: Row) -> None:
        """Write one row."""
        stream, record, item, packed = row
        feed_id, synced_at = self._bookmarks.feed_id, self._clock.stamp()
        record["feed_id"] = feed_id
        record["synced_at"] = synced_at
        if item is not None:
            record["item_synced_at"] = item["synced_at"]
        if packed is None:
            self._sink.emit(stream, record)
        else:
            self._sink.emit_packed(stream, packed, feed_id, synced_at)
        self.records += 1

    def end_page(self, page: Page) -> None:
        """Move `as_of` behind a whole page, and write a STATE where one is due."""
        if self._sample:
            self._sink.flush()
            return
        if page.counts:
            self._bookmarks.as_of = self._clock.stamp()
        self._sink.flush()
        waited = time.monotonic() - self._written_at
        if waited < self._interval:
            return
        room = self._sink.bytes_written >= STATE_SHARE * (self._state_bytes + self._state_size)
        if room or waited >= LONGEST_WAIT * self._interval:
            self.write_state()

    def write_state(self) -> None:
        """Write a STATE of the bookmarks as they are."""
        self._state_size = self._sink.write_state(self._bookmarks.value())
        self._state_bytes += self._state_size
        self._written_at = time.monotonic()
        self._sink.flush()
