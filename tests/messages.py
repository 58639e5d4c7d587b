"""Singer messages of a run, parsed, counted and checked against their schemas."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from jsonschema import Draft7Validator, FormatChecker

from tests.fits import RFC3339_DATE, RFC3339_UTC, quick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.fits import Fits

Record = dict[str, Any]
LONGEST_LINE = 50 * 1024 * 1024  # bytes; Meltano takes no longer one

formats = FormatChecker(formats=())


@formats.checks("date-time")
def is_utc_time(value: object) -> bool:
    """Tell whether a date-time is written as the tap promises: RFC 3339, UTC."""
    return not isinstance(value, str) or RFC3339_UTC.fullmatch(value) is not None


@formats.checks("date")
def is_date(value: object) -> bool:
    """Tell whether a date is written as RFC 3339 says."""
    return not isinstance(value, str) or RFC3339_DATE.fullmatch(value) is not None


@lru_cache(maxsize=256)
def validator(schema_text: str) -> Draft7Validator:
    """Compile the validator of a schema; equal schemas of many runs share one."""
    schema = json.loads(schema_text)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema, format_checker=formats)


@lru_cache(maxsize=256)
def fits(schema_text: str) -> Fits:
    """Return what tells quickly that a record fits; a record for which it does not is for the validator.

    A schema with a quick way is a right one: it has no words but those that are known. Any other is checked at once.
    """
    found = quick(json.loads(schema_text))
    return found if found is not None else validator(schema_text).is_valid


@dataclass(slots=True)
class Messages:
    """What one run of a tap said, in its order.

    Every record must fit the schema that was announced for its stream, and every line the
    bound of its length: else `take` raises AssertionError.
    """

    parsed: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, list[Record]] = field(default_factory=dict)
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)
    """The schemas as text, by stream."""

    def take(self, line: bytes) -> dict[str, Any]:
        """Take one line: a whole message."""
        assert len(line) <= LONGEST_LINE, f"a line of {len(line)} bytes"
        message: dict[str, Any] = json.loads(line)
        self.parsed.append(message)
        kind = message["type"]
        if kind == "RECORD":
            self._record(message["stream"], message["record"])
        elif kind == "SCHEMA":
            self._schema(message)
        elif kind == "STATE":
            self.states.append(message["value"])
        else:
            raise AssertionError(f"a message of type {kind}")
        return message

    def take_all(self, lines: Iterable[bytes]) -> Messages:
        """Take the lines of a run; an empty one stands for nothing."""
        for line in lines:
            if line.strip():
                self.take(line)
        return self

    @property
    def state(self) -> dict[str, Any] | None:
        """The last STATE, None when there was none."""
        return self.states[-1] if self.states else None

    @property
    def lines(self) -> int:
        """Count the messages."""
        return len(self.parsed)

    def of(self, stream: str) -> list[Record]:
        """Return the records of a stream, in the order written."""
        return self.records.get(stream, [])

    def table(self, stream: str) -> dict[Any, Record]:
        """Return the rows of a stream as an upserting target would hold them: the last of each key."""
        keys = self.keys[stream]
        if len(keys) == 1:
            return {record[keys[0]]: record for record in self.of(stream)}
        return {tuple(record[key] for key in keys): record for record in self.of(stream)}

    def _schema(self, message: dict[str, Any]) -> None:
        stream = message["stream"]
        self.schemas[stream] = message["schema"]
        self.keys[stream] = tuple(message["key_properties"])
        self._texts[stream] = msgspec.json.encode(message["schema"]).decode()
        fits(self._texts[stream])

    def _record(self, stream: str, record: Record) -> None:
        assert stream in self._texts, f"a record of {stream} before its SCHEMA"
        text = self._texts[stream]
        for error in () if fits(text)(record) else validator(text).iter_errors(record):
            where = "/".join(str(part) for part in error.absolute_path)
            raise AssertionError(f"{stream}: {where}: {error.message[:300]}")
        unknown = record.keys() - self.schemas[stream]["properties"].keys()
        assert not unknown, f"{stream}: columns without a schema: {sorted(unknown)}"
        assert all(record.get(key) is not None for key in self.keys[stream]), f"{stream}: a key is null"
        self.records.setdefault(stream, []).append(record)
