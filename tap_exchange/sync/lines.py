"""Rows that would be longer than a line may be: their longest columns are left out, and told as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_exchange.resources import LONGEST_LINE

if TYPE_CHECKING:
    from tap_exchange.sync.page import Record

LINE_TOO_LONG = "LineTooLong"
"""The code of an item of which columns were left out."""

FRAME = 4096
"""More bytes than a line has around its record, and in the columns that the writer adds."""

MOST_FOR_ONE = 6
"""Bytes that JSON takes at most for a character of one byte."""


def shorten(record: Record, packed: bytes | None = None) -> tuple[str, ...]:
    """Empty the longest columns of a record until a line holds it; return their names, for most records none.

    Args:
        record: is changed.
        packed: the record as JSON, where it was made already.
    """
    if packed is None and length_of(record) * MOST_FOR_ONE < LONGEST_LINE - FRAME:
        return ()
    length = len(msgspec.json.encode(record) if packed is None else packed)
    emptied: list[str] = []
    if length > LONGEST_LINE - FRAME:
        lengths = {column: len(msgspec.json.encode(value)) for column, value in record.items()}
        while length > LONGEST_LINE - FRAME:
            column = max(lengths, key=lengths.__getitem__)
            length -= lengths.pop(column)
            record[column] = None
            emptied.append(column)
    return tuple(emptied)


def length_of(record: Record) -> int:
    """Return about how many bytes a record holds."""
    return sum([len(value) for value in record.values() if type(value) is str])


def told(columns: tuple[str, ...]) -> str:
    """Return the sentence of a corrupt_items row."""
    size = LONGEST_LINE // 2**20
    return f"With {', '.join(columns)} the row is longer than loaders take ({size} MiB); the rest was loaded."
