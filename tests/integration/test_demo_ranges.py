"""Ranges behave as sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_exchange.demo.ranges import RangeSet

NUMBERS = st.integers(0, 60)
STEPS = st.lists(st.tuples(st.booleans(), NUMBERS, NUMBERS), max_size=25)


def build(steps: list[tuple[bool, int, int]]) -> tuple[RangeSet, set[int]]:
    ranges, numbers = RangeSet(), set()
    for adds, low, high in steps:
        if adds:
            ranges.add(low, high)
            numbers |= set(range(low, high))
        else:
            ranges.remove(low, high)
            numbers -= set(range(low, high))
    return ranges, numbers


def flatten(ranges: object) -> list[int]:
    return [number for low, high in ranges for number in range(low, high)]


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_a_range_set_holds_what_a_set_holds(steps: list[tuple[bool, int, int]]) -> None:
    ranges, numbers = build(steps)
    assert flatten(ranges.ranges()) == sorted(numbers)
    assert len(ranges) == len(numbers)
    assert bool(ranges) == bool(numbers)
    assert all((number in ranges) == (number in numbers) for number in range(62))
    parts = list(ranges.ranges())
    assert all(left[1] < right[0] for left, right in pairwise(parts)), "ranges never touch"


@given(STEPS, STEPS, NUMBERS, NUMBERS)
@settings(max_examples=300, deadline=None)
def test_windows_gaps_and_differences(
    steps: list[tuple[bool, int, int]], others: list[tuple[bool, int, int]], low: int, high: int
) -> None:
    ranges, numbers = build(steps)
    other, other_numbers = build(others)
    window = set(range(low, high))
    assert set(flatten(ranges.within(low, high))) == numbers & window
    assert set(flatten(ranges.gaps(low, high))) == window - numbers
    assert set(flatten(ranges.minus(other))) == numbers - other_numbers
    for parts in (list(ranges.within(low, high)), list(ranges.gaps(low, high)), list(ranges.minus(other))):
        assert parts == sorted(parts, reverse=True), "highest first"


def test_a_copy_is_independent() -> None:
    ranges = RangeSet([(1, 5)])
    copy = ranges.copy()
    copy.remove(2)
    assert 2 in ranges
    assert ranges != copy
