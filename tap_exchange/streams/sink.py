"""Where the engine's rows become Singer messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_exchange.streams.outlet import Outlet
    from tap_exchange.streams.stream import ExchangeStream
    from tap_exchange.sync.page import Record


class SingerSink:
    """Gives each row to its stream, and states to the outlet."""

    def __init__(self, streams: Mapping[str, ExchangeStream], outlet: Outlet) -> None:
        """Write for the selected `streams`; rows of others are dropped."""
        self._streams = streams
        self._outlet = outlet

    @property
    def bytes_written(self) -> int:
        """Bytes of all messages so far."""
        return self._outlet.bytes_written

    def emit(self, stream: str, record: Record) -> None:
        """Write a record of a selected stream."""
        found = self._streams.get(stream)
        if found is not None:
            found.emit(record)

    def pack(self, stream: str, record: Record) -> bytes | None:
        """Return a record as `emit_packed` takes it, from any thread; None when it has to be emitted."""
        found = self._streams.get(stream)
        return None if found is None else found.pack(record)

    def emit_packed(self, stream: str, packed: bytes, feed_id: str, synced_at: str) -> None:
        """Write a packed record of a selected stream."""
        self._streams[stream].emit_packed(packed, feed_id, synced_at)

    def write_state(self, value: dict[str, Any]) -> int:
        """Write a STATE, and return its size in bytes."""
        return self._outlet.write_state(value)

    def flush(self) -> None:
        """Hand everything to the pipe."""
        self._outlet.flush()
