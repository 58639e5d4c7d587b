"""Sets of whole numbers kept as ranges: a million neighbours cost as much as one."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class RangeSet:
    """A set of non-negative integers, stored as sorted half-open ranges that never touch."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: list[tuple[int, int]] | None = None) -> None:
        """Take sorted, disjoint half-open ranges."""
        self._starts = [start for start, _ in ranges or ()]
        self._ends = [end for _, end in ranges or ()]

    def copy(self) -> RangeSet:
        """Return an independent copy."""
        other = RangeSet()
        other._starts = self._starts.copy()
        other._ends = self._ends.copy()
        return other

    def __contains__(self, number: int) -> bool:
        """Tell whether the number is in the set."""
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    def __bool__(self) -> bool:
        """Tell whether the set holds anything."""
        return bool(self._starts)

    def __len__(self) -> int:
        """Count the numbers, not the ranges."""
        return sum(self._ends) - sum(self._starts)

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, RangeSet) and self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        """Show the ranges."""
        return f"RangeSet({list(self.ranges())})"

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Give the ranges as (start, end), end excluded, in order."""
        return zip(self._starts, self._ends, strict=True)

    def add(self, start: int, end: int | None = None) -> None:
        """Add start, or the range from start up to but without end."""
        end = start + 1 if end is None else end
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        if starts and ends[-1] == start:  # growing at the end is the common case
            ends[-1] = end
            return
        left = bisect_right(starts, start) - 1
        if left < 0 or ends[left] < start:
            left += 1
        right = bisect_right(starts, end)
        if left < right:
            start = min(start, starts[left])
            end = max(end, ends[right - 1])
        starts[left:right] = [start]
        ends[left:right] = [end]

    def remove(self, start: int, end: int | None = None) -> None:
        """Take out start, or the range from start up to but without end."""
        end = start + 1 if end is None else end
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        left = bisect_right(starts, start) - 1
        if left < 0 or ends[left] <= start:
            left += 1
        right = bisect_right(starts, end - 1)
        if left >= right:
            return
        kept = []
        if starts[left] < start:
            kept.append((starts[left], start))
        if ends[right - 1] > end:
            kept.append((end, ends[right - 1]))
        starts[left:right] = [a for a, _ in kept]
        ends[left:right] = [b for _, b in kept]

    def within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the parts of the set inside [start, end), highest first."""
        index = bisect_right(self._starts, end - 1) - 1
        while index >= 0 and self._ends[index] > start:
            yield max(start, self._starts[index]), min(end, self._ends[index])
            index -= 1

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the ranges of [start, end) that the set lacks, highest first."""
        upper = end
        for low, high in self.within(start, end):
            if high < upper:
                yield high, upper
            upper = low
        if start < upper:
            yield start, upper

    def minus(self, other: RangeSet) -> Iterator[tuple[int, int]]:
        """Give the ranges of this set that the other lacks, highest first."""
        for start, end in reversed(list(self.ranges())):
            yield from other.gaps(start, end)
