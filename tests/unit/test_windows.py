"""Windows of a calendar view: what they are halved into is all of them, and nothing twice."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tap_exchange.sync.windows import LONGEST, Gap, Window, joined

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - given
WINDOWS = st.builds(
    lambda start, seconds: Window(start.replace(microsecond=0), start.replace(microsecond=0) + seconds),
    MOMENTS,
    st.integers(2, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
)


def covers(parts: list[Window], whole: Window) -> bool:
    ends = [part.end for part in parts]
    starts = [part.start for part in parts]
    return starts == [whole.start, *ends[:-1]] and ends[-1] == whole.end and all(part.length for part in parts)


def test_a_window_is_of_whole_days_and_holds_today() -> None:
    window = Window.around(date(2026, 3, 19), past=1, future=2)
    assert str(window) == "2026-03-18T00:00:00Z/2026-03-22T00:00:00Z"
    assert str(Window.around(date(2026, 3, 19), 0, 0)) == "2026-03-19T00:00:00Z/2026-03-20T00:00:00Z"
    assert (window.asked.start, window.asked.end) == ("2026-03-18T00:00:00Z", "2026-03-22T00:00:00Z")


@given(WINDOWS)
def test_pieces_are_all_of_a_window_and_none_is_longer_than_two_years(window: Window) -> None:
    assert covers(window.pieces(), window)
    assert max(piece.length for piece in window.pieces()) <= LONGEST


@given(WINDOWS)
def test_halves_are_all_of_a_window_and_both_shorter(window: Window) -> None:
    assert covers(list(window.halves()), window)


@given(WINDOWS, MOMENTS)
def test_what_lies_before_a_moment_is_cut_off(window: Window, moment: datetime) -> None:
    part = window.since(moment)
    assert part.end == window.end
    assert part.start == min(max(moment, window.start), window.end)
    assert bool(part.pieces()) == (moment < window.end)


def test_long_windows_are_halved_on_whole_hours() -> None:
    morning, evening = Window.around(date(2026, 3, 19), 0, 0).halves()
    assert str(morning) == "2026-03-19T00:00:00Z/2026-03-19T12:00:00Z"
    first, second = Window(evening.start, evening.start + timedelta(hours=3)).halves()
    assert (first.length, second.length) == (timedelta(hours=1), timedelta(hours=2))
    assert Window(evening.start, evening.start + timedelta(hours=1)).halves()[0].length == timedelta(minutes=30)


def test_gaps_that_touch_are_one_gap() -> None:
    first, second, third, fourth = (
        half for day in Window.around(date(2026, 3, 19), 0, 1).halves() for half in day.halves()
    )
    gaps = joined([Gap(fourth, "B"), Gap(second, "A"), Gap(first, "A")])
    assert [(str(gap.window), gap.code) for gap in gaps] == [
        (f"{first.start:%Y-%m-%dT%H:%M:%SZ}/{second.end:%Y-%m-%dT%H:%M:%SZ}", "A"),
        (str(fourth), "B"),
    ]
    assert len(joined([Gap(second, "A"), Gap(third, "B")])) == 2
