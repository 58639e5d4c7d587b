"""Sync states: base64 text around compressed sets, bound to what they were made for."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections import OrderedDict
from dataclasses import dataclass, field

from tap_exchange.demo.changelog import Cursor
from tap_exchange.demo.ids import digest
from tap_exchange.demo.ranges import RangeSet

MAGIC = b"TXS1"
CACHE_SIZE = 256
LOW_BITS, MORE = 0x7F, 0x80
"""The bits of a varint's byte: seven of the number, one that says more bytes follow."""


class InvalidStateError(ValueError):
    """Say that a text is no state, or one made for another folder."""


@dataclass(slots=True)
class SyncState:
    """A state: what it is bound to, how often it moved, the highest change it knows, and its cursors."""

    binding: bytes
    calls: int = 0
    top: int = 0
    cursors: list[Cursor] = field(default_factory=list)

    def copy(self) -> SyncState:
        """Return an independent copy."""
        return SyncState(self.binding, self.calls, self.top, [cursor.copy() for cursor in self.cursors])


def binding(kind: str, store: str, folder: int) -> bytes:
    """Name what a state belongs to: the sync call, the store and the folder."""
    return digest("state", kind, store, folder, size=8)


class StateCodec:
    """Write and read states, remembering the latest: the next request brings one of them."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._recent: OrderedDict[str, SyncState] = OrderedDict()

    def encode(self, state: SyncState) -> str:
        """Write a state; it differs from the last one of its walk even when nothing changed."""
        state.calls += 1
        numbers = [state.calls, state.top, len(state.cursors)]
        for cursor in state.cursors:
            for ranges in (cursor.given, cursor.seen, cursor.read_seen):
                numbers.extend(_deltas(ranges))
        raw = MAGIC + state.binding + _varints(numbers)
        packed = zlib.compress(raw, 1)
        text = b64encode(digest("sum", packed.hex(), size=4) + packed).decode()
        self._recent[text] = state
        if len(self._recent) > CACHE_SIZE:
            self._recent.popitem(last=False)
        return text

    def decode(self, text: str, bound_to: bytes) -> SyncState:
        """Read a state for changing.

        Raises:
            InvalidStateError: when it is none, or bound to something else.
        """
        known = self._recent.get(text)
        state = known.copy() if known is not None else _parse(text)
        if state.binding != bound_to:
            message = "the state belongs to another folder"
            raise InvalidStateError(message)
        return state


def _parse(text: str) -> SyncState:
    try:
        blob = b64decode(text, validate=True)
        packed = blob[4:]
        if blob[:4] != digest("sum", packed.hex(), size=4):
            message = "damaged"
            raise InvalidStateError(message)
        raw = zlib.decompress(packed)
    except (BadBase64, zlib.error, ValueError) as error:
        message = "no sync state"
        raise InvalidStateError(message) from error
    numbers = _read_varints(raw[len(MAGIC) + 8 :])
    state = SyncState(raw[len(MAGIC) : len(MAGIC) + 8], numbers[0], numbers[1])
    position = 3
    for _ in range(numbers[2]):
        sets = []
        for _ in range(3):
            ranges, position = _from_deltas(numbers, position)
            sets.append(ranges)
        state.cursors.append(Cursor(*sets))
    return state


def _deltas(ranges: RangeSet) -> list[int]:
    numbers = [0]
    last = 0
    for start, end in ranges.ranges():
        numbers += (start - last, end - start)
        last = end
    numbers[0] = len(numbers) // 2
    return numbers


def _from_deltas(numbers: list[int], position: int) -> tuple[RangeSet, int]:
    count = numbers[position]
    position += 1
    ranges = []
    last = 0
    for _ in range(count):
        start = last + numbers[position]
        last = start + numbers[position + 1]
        ranges.append((start, last))
        position += 2
    return RangeSet(ranges), position


def _varints(numbers: list[int]) -> bytes:
    out = bytearray()
    for whole in numbers:
        number = whole
        while number > LOW_BITS:
            out.append(number & LOW_BITS | MORE)
            number >>= 7
        out.append(number)
    return bytes(out)


def _read_varints(raw: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in raw:
        number |= (byte & LOW_BITS) << shift
        shift += 7
        if byte < MORE:
            numbers.append(number)
            number = shift = 0
    return numbers
