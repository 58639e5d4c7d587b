"""A stream of the tap: its schema from the map, its selection, and `emit` for the records that it receives."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import Metadata, MetadataMapping

from tap_exchange.resources import without_extensions
from tap_exchange.streams.discovery import OFF_BY_DEFAULT, REQUIRED
from tap_exchange.streams.outlet import extracted_at

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from singer_sdk.helpers.types import Context, Record

    from tap_exchange.streams.outlet import Outlet
    from tap_exchange.tap import TapExchange


class ExchangeStream(Stream):
    """One table. The first selected stream runs the feed for all; each receives its records by `emit`."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    _tap: TapExchange

    def __init__(self, tap: TapExchange, name: str, schema_map: dict[str, Any]) -> None:
        """Make the stream of a schema with `x-` members, as the settings made it."""
        self.map = schema_map
        self.selected_by_default = name not in OFF_BY_DEFAULT
        self._keys = tuple(self.map["key_properties"])
        self._schema_written = False
        self._received = 0
        properties = without_extensions(self.map["properties"])
        super().__init__(tap=tap, schema={"type": "object", "properties": properties}, name=name)
        self.forced_replication_method = "LOG_BASED"
        self.primary_keys = self._keys

    def apply_catalog(self, catalog: Any) -> None:  # noqa: ANN401
        """Take the selection of a catalog, but not its keys or replication method: those are the tap's."""
        super().apply_catalog(catalog)
        self.primary_keys = self._keys
        self.replication_key = None
        self.forced_replication_method = "LOG_BASED"

    @property
    def metadata(self) -> MetadataMapping:
        """The catalog's metadata, or that of the schema with what is automatic and what is off by default."""
        if self._metadata is None:
            metadata = super().metadata
            given = self._tap_input_catalog is not None and self._tap_input_catalog.get_stream(self.name) is not None
            if not given:
                self._describe(metadata)
            self._metadata = metadata
        return self._metadata

    def _describe(self, metadata: MetadataMapping) -> None:
        if self.name in REQUIRED and self._tap_input_catalog is None:
            metadata.root.inclusion = Metadata.InclusionType.AUTOMATIC
        for column, described in self.map["properties"].items():
            entry = metadata["properties", column]
            entry.selected_by_default = None  # but for what is said here, whoever selects the stream wants its columns
            if described.get("x-inclusion") == "automatic":
                entry.inclusion = Metadata.InclusionType.AUTOMATIC
            if described.get("x-selected-by-default") is False:
                entry.selected_by_default = False

    def automatic_columns(self) -> list[str]:
        """Return the columns that the views need."""
        return [
            column
            for column, described in self.map["properties"].items()
            if described.get("x-inclusion") == "automatic" or column in self._keys
        ]

    def selects(self, column: str) -> bool:
        """Return whether a column is selected, by the catalog's metadata and its schema."""
        properties = self.effective_schema.get("properties", {})
        return column in properties and self.mask["properties", column]

    # What the SDK asks

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:  # noqa: ANN401
        """Log for the SDK, which speaks of streams; a run is told as a whole, and an error once, by `main`."""
        super().log(message, *args, level=min(level, logging.DEBUG), **kwargs)

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002
        """Return nothing: records come by `emit`."""
        return ()

    def write_schema(self) -> None:
        """Write the SCHEMA now: all stand before the first record."""
        self._write_schema_message()

    def _write_schema_message(self) -> None:
        """Write the SCHEMA once, whoever asks."""
        if not self._schema_written:
            self._schema_written = True
            super()._write_schema_message()

    def _sync_records(
        self,
        context: Context | None = None,  # noqa: ARG002
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Run the feed for all streams, if no other stream did; records are written by `emit`, none is yielded."""
        yield from self._tap.run_feed(self, write_messages=write_messages)

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: the state is the tap's, no stream has a part of its own."""

    def log_sync_costs(self) -> None:
        """Let the tap say how the run ended: the SDK calls this when all streams are done."""
        self._tap.conclude()

    # What the feed calls

    def emit(self, record: Record) -> None:
        """Write a record, unless the stream's limit is reached or a stream map drops it."""
        if self.ABORT_AT_RECORD_COUNT is not None and self._received >= self.ABORT_AT_RECORD_COUNT:
            return
        processed = self.post_process(record)
        if processed is None:
            return
        self._received += 1
        if self._is_plain:
            self._write_plainly(processed)
        else:
            self._write_record_message(processed)

    def pack(self, record: Record) -> bytes | None:
        """Return a record as JSON for `emit_packed`, from any thread; None when the SDK has to see it."""
        if not self._is_plain:
            return None
        return self._outlet.pack(self._selected(record))

    def emit_packed(self, packed: bytes, feed_id: str, synced_at: str) -> None:
        """Write a packed record, unless the stream's limit is reached."""
        if self.ABORT_AT_RECORD_COUNT is not None and self._received >= self.ABORT_AT_RECORD_COUNT:
            return
        self._received += 1
        self._outlet.write_packed(self.name, packed, feed_id, synced_at)
        self.state_manager.is_flushed = False

    @cached_property
    def _outlet(self) -> Outlet:
        return self._tap.outlet

    @cached_property
    def _is_plain(self) -> bool:
        return self._goes_out_as_it_is()

    def _goes_out_as_it_is(self) -> bool:
        """Return whether the SDK would change no record but by leaving out whole columns.

        It does with stream maps, flattening, or a catalog that deselects parts of a column.
        """
        parts = (
            selected
            for (_, column, *below), selected in (item for item in self.mask.items() if item[0])
            if below and column not in self._left_out
        )
        maps = self.stream_maps
        is_same = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        return is_same and all(parts)

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return frozenset(column for column in self.map["properties"] if not self.mask["properties", column])

    def _write_plainly(self, record: Record) -> None:
        """Write what `_write_record_message` would, which walks through every value of each record first."""
        self._outlet.write_record(self.name, self._selected(record), extracted_at(record["synced_at"]))
        self.state_manager.is_flushed = False

    def _selected(self, record: Record) -> Record:
        """Take out of a record the columns that are not selected."""
        if not self._left_out.isdisjoint(record):
            for column in self._left_out:
                record.pop(column, None)
        return record
