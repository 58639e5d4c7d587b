"""The live view of a calendar equals the calendar: what takes place between two days, whatever changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.zones import Zone
from tap_exchange.sync.keys import surrogate
from tests.calendars import ANNA, BERLIN, WINDOW, Calendars, furnish, occurrence, text

# What it shows


def test_the_view_is_what_takes_place_between_two_days(kept: Calendars) -> None:
    daily = furnish(kept)
    run = kept.run()
    rows = kept.check()
    assert kept.views_listed == 3  # one for each of the mailbox's calendars
    assert {row["calendar_item_type"] for row in rows.values()} == {"Single", "Occurrence", "Exception"}
    assert sum(row["subject"] == "daily" for row in rows.values()) == kept.past + kept.future + 1 - 3
    moved = next(row for row in rows.values() if text(row["start_time"]) == text(kept.at(3, 15)))
    assert text(moved["original_start"]) == text(kept.at(3))
    assert moved["series_item_key"] == surrogate(ANNA, daily.id)
    assert kept.sync_row(run)["viewed_at"] == next(iter(run.of("calendar_view")))["viewed_at"]
    assert run.state is not None
    assert "view" in kept.mark()
    items = {row["subject"] for row in run.of("calendar_items")}
    assert items == {"single", "long ago", "far away", "daily", "weekly", "over", *WINDOW}


def test_each_series_is_asked_for_once(kept: Calendars) -> None:
    furnish(kept)
    kept.meeting("copied", day=2, Recurrence=Recurrence("Daily", kept.today, count=9)).copy(kept.calendar)
    kept.run(config={"max_connections": 1})
    kept.check()  # the copy has the same UID, and its occurrences are of another series
    masters = [request for request in kept.asked("GetItem") if "" in request.ids]
    assert sum(len(request.ids) for request in masters) == 4


def test_days_are_those_of_the_zone_when_the_clocks_change(kept: Calendars) -> None:
    """Midnight in Berlin is 23:00 UTC the day before, and 22:00 from the 29th of March 2026."""
    every_day = Recurrence("Daily", date(2026, 3, 27), count=5)
    kept.calendar.add(
        "CalendarItem",
        Subject="whole day",
        Start=datetime(2026, 3, 26, 23, tzinfo=timezone.utc),
        End=datetime(2026, 3, 27, 23, tzinfo=timezone.utc),
        IsAllDayEvent=True,
        zone=BERLIN,
        Recurrence=every_day,
    )
    moon = Zone("Customized Time Zone", "", -780)  # thirteen hours ahead: only its rules tell
    kept.calendar.add(
        "CalendarItem",
        Subject="far east",
        Start=datetime(2026, 3, 27, 11, tzinfo=timezone.utc),
        End=datetime(2026, 3, 28, 11, tzinfo=timezone.utc),
        IsAllDayEvent=True,
        zone=moon,
    )
    run = kept.run()
    kept.check()
    whole = sorted(
        (row for row in run.of("calendar_view") if row["subject"] == "whole day"), key=lambda row: row["start_time"]
    )
    assert [row["start_time"][8:13] for row in whole] == ["26T23", "27T23", "28T23", "29T22", "30T22"]
    assert [row["local_start_date"] for row in whole] == [f"2026-03-{day}" for day in range(27, 32)]
    assert all(row["local_end_date"] == row["local_start_date"] for row in whole)
    assert whole[0]["start_time_zone"]["id"] == BERLIN
    assert whole[0]["start_time_zone"]["iana"] == "Europe/Berlin"
    (far,) = (row for row in run.of("calendar_view") if row["subject"] == "far east")
    (stored,) = (row for row in run.of("calendar_items") if row["subject"] == "far east")
    for row in (far, stored):
        assert (row["local_start_date"], row["local_end_date"]) == ("2026-03-28", "2026-03-28")
        assert row["start_time_zone"]["id"] == "Customized Time Zone"
        assert row["start_time_zone"]["definition"]["Periods"]["Period"]["@Bias"] == "-PT13H"


# What changes


def test_changes_of_every_kind_leave_no_ghosts(kept: Calendars) -> None:
    daily = furnish(kept)
    kept.run()
    kept.check()

    daily.update(Subject="daily, renamed")
    kept.run()
    rows = kept.check()
    assert sum(row["subject"] == "daily, renamed" for row in rows.values()) > 15

    daily.update(Start=kept.at(-40, 10), End=kept.at(-40, 11))  # another time of day: all its occurrences are others
    kept.run()
    kept.check()

    daily.delete_occurrence(occurrence(kept, "daily, renamed", 12).slot.original)
    kept.run()
    kept.check()

    moved = occurrence(kept, "weekly", 1).slot.original
    weekly = occurrence(kept, "weekly").master
    weekly.change_occurrence(moved, Start=moved + timedelta(days=2), End=moved + timedelta(days=2, hours=1))
    kept.run()
    rows = kept.check()
    assert [text(row["original_start"]) for row in rows.values() if row["calendar_item_type"] == "Exception"] == [
        text(moved)
    ]

    weekly.change_occurrence(moved, IsCancelled=True)
    run = kept.run()
    assert [row["is_cancelled"] for row in run.of("calendar_view")].count(True) == 1
    kept.check()

    daily.delete()
    kept.run()
    assert len(kept.check()) == 6


def test_a_calendar_that_became_empty_shows_nothing_and_has_its_stamp(kept: Calendars) -> None:
    furnish(kept)
    first = kept.run()
    for item in kept.calendar.items():
        item.delete()
    second = kept.run()
    assert kept.check() == {}
    assert not second.of("calendar_view")
    assert kept.sync_row(second)["viewed_at"] > kept.sync_row(first)["viewed_at"]


def test_a_meeting_moved_to_another_calendar_moves_in_the_view(kept: Calendars) -> None:
    item = kept.meeting("moving")
    other = kept.anna.add_folder("Calendar/Team", folder_class="IPF.Appointment")
    assert other.element == "CalendarFolder"
    kept.run()
    kept.check()
    item.move(other)
    kept.run()
    assert kept.shown() == kept.truth(other) != {}
