"""What takes place: the live view of a calendar equals the calendar, and is asked for only when it may have changed.

The tap is the real one, the day is the test's: mostly ten days before the clocks of Europe change.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, calendar, serve
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import FolderFails, ItemFails, On, RequestFails, StoreIsDown
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.series import Occurrence
from tap_exchange.demo.soap import ServiceError, SoapFault
from tap_exchange.demo.zones import Zone
from tap_exchange.sync.keys import surrogate
from tests.calendars import ANNA, BERLIN, Calendars, into, text
from tests.elements import XSD
from tests.integration.test_tables_equal_mailbox import into_postgres
from tests.live import live_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.soap import Call
    from tests.postgres import Database
    from tests.warehouses import Warehouses

TODAY = date(2026, 3, 19)
FEW = ("*.item_key", "calendar_view.subject", "calendar_view.*_time")


@pytest.fixture
def kept(warehouses: Warehouses, tmp_path: Path) -> Iterator[Calendars]:
    warehouse = warehouses["duckdb"]
    warehouse.clear(tmp_path)
    exchange = Exchange(seed=5)
    exchange.clock = lambda: datetime(2026, 3, 1, tzinfo=timezone.utc)
    anna = exchange.add_mailbox(ANNA, password="secret")
    with serve(exchange, xsd=XSD if XSD.is_dir() else None) as server:
        yield Calendars(anna, server, partial(into, warehouse), warehouse.live, TODAY)


def furnish(kept: Calendars) -> Item:
    """Put meetings of every kind into the calendar; return the daily series."""
    kept.meeting("single")
    kept.meeting("long ago", day=-200)
    kept.meeting("far away", day=500)
    kept.meeting("over the window's start", day=-kept.past - 1, hour=20, length=10)
    kept.meeting("over the window's end", day=kept.future, hour=20, length=10)
    first = kept.at(-40).date()
    daily = kept.meeting("daily", day=-40, zone=BERLIN, Recurrence=Recurrence("Daily", first))
    kept.meeting("weekly", day=0, Recurrence=Recurrence("Weekly", kept.today, days=(f"{kept.today:%A}",), count=4))
    kept.meeting("over", day=-100, Recurrence=Recurrence("Daily", kept.at(-100).date(), count=3))
    slots = daily.series.between(kept.at(0, 0), kept.at(20, 0))
    daily.change_occurrence(slots[3].original, Start=kept.at(3, 15), End=kept.at(3, 16))
    daily.change_occurrence(slots[4].original, Subject="daily, at length")
    daily.change_occurrence(slots[5].original, Start=kept.at(200), End=kept.at(200, 10))
    daily.delete_occurrence(slots[6].original)
    return daily


def everything(kept: Calendars) -> list[Item]:
    """Return all that takes place, as the server has it."""
    return calendar.view(kept.calendar, *kept.window)


def occurrence(kept: Calendars, subject: str, number: int = 0) -> Occurrence:
    """Return one of what takes place, as the server has it."""
    found = [item for item in everything(kept) if item.properties["Subject"] == subject]
    assert isinstance(found[number], Occurrence)
    return found[number]


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


WINDOW = {"over the window's start", "over the window's end"}


def test_the_view_reaches_a_real_database(database: Database) -> None:
    exchange = Exchange(seed=5)
    anna = exchange.add_mailbox(ANNA, password="secret")
    today = datetime.now(timezone.utc).date()
    with serve(exchange) as server, database.connect("exchange") as connection:
        views = partial(live_rows, connection, schema="exchange")
        kept = Calendars(anna, server, partial(into_postgres, database), views, today)
        daily = furnish(kept)
        kept.run()
        assert len(kept.check()) > 20
        daily.delete()
        kept.meeting("new")
        kept.run()
        assert 0 < len(kept.check()) < 10


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


# When it is asked for


def test_an_idle_run_asks_for_no_view_and_no_item(kept: Calendars) -> None:
    furnish(kept)
    kept.run()
    shown = kept.shown()
    idle = kept.run()
    assert "FindItem" not in kept.server.counts
    assert "GetItem" not in kept.server.counts
    assert not idle.of("calendar_view")
    assert kept.shown() == shown == kept.truth()


def test_only_the_calendar_that_changed_is_viewed(kept: Calendars) -> None:
    furnish(kept)
    kept.run()
    kept.meeting("new")
    kept.run()
    (asked,) = kept.asked("FindItem")
    assert asked.folders == (kept.calendar.id,)
    kept.check()


def test_the_window_moves_with_the_day(kept: Calendars) -> None:
    furnish(kept)
    kept.meeting("last of its day", day=kept.future + 1, hour=3)
    kept.run()
    before = kept.check()
    kept.today += timedelta(days=1)
    run = kept.run()
    after = kept.check()
    assert kept.views_listed == 3
    assert "last of its day" in {row["subject"] for row in after.values()} - {row["subject"] for row in before.values()}
    assert "over the window's start" not in {row["subject"] for row in after.values()}
    assert not run.of("calendar_items")
    assert {row["origin"] for row in run.of("calendar_view")} == {"listing"}
    kept.run()
    assert not kept.views_listed


def test_the_window_moves_without_a_notification(kept: Calendars) -> None:
    furnish(kept)
    kept.settings = {"notifications": "pull"}
    kept.run()
    kept.run()
    assert "SyncFolderItems" not in kept.server.counts
    kept.today += timedelta(days=1)
    kept.run()
    assert kept.views_listed == 3
    kept.check()
    kept.meeting("new")
    kept.run()
    assert kept.views_listed == 1
    kept.check()


def test_without_the_stream_nothing_is_asked(kept: Calendars) -> None:
    furnish(kept)
    run = kept.run(selects=["*.*", "!calendar_view.*"])
    assert "FindItem" not in kept.server.counts
    assert kept.sync_row(run)["viewed_at"] is None
    kept.run(selects=["*.*"])  # selected later
    assert kept.views_listed == 3
    kept.check()


def test_another_selection_of_columns_is_another_view(kept: Calendars) -> None:
    furnish(kept)
    kept.run(selects=["calendar_view.subject"])
    rows = kept.views("calendar_view")
    assert {row["uid"] for row in rows.values()} == {None}
    assert {row["series_item_key"] is None for row in rows.values()} == {True, False}
    kept.run(selects=["calendar_view.subject"])
    assert not kept.views_listed
    kept.run(selects=["calendar_view.subject", "calendar_view.start_time", "calendar_view.end_time"])
    assert kept.views_listed == 3
    kept.check()
    kept.run(selects=["calendar_view.*"], config={"body_type": "text"})
    assert kept.views_listed == 3


def test_mapi_properties_are_columns_of_occurrences_and_another_one_is_another_view(kept: Calendars) -> None:
    series = furnish(kept)
    series.update(extended={Extended("String", tag=0x3A4A): "C-17", Extended("String", tag=0x3A4B): "C-18"})
    own = {"column": "customer", "streams": ["calendar_view"], "tag": "0x3A4A", "type": "String"}
    for _ in range(2):
        run = kept.run(config={"extended_properties": [own]})
    assert not run.of("calendar_view"), "nothing has changed since"
    assert "customer" in run.schemas["calendar_view"]["properties"]
    assert "customer" not in run.schemas["calendar_items"]["properties"]
    rows = kept.run(config={"extended_properties": [own | {"tag": "0x3A4B"}]}).of("calendar_view")
    assert {row["customer"] for row in rows if row["subject"] == "daily"} == {"C-18"}
    assert {row["customer"] for row in rows if row["subject"] == "single"} == {None}


def test_a_sample_has_a_few_occurrences_and_moves_no_bookmark(kept: Calendars) -> None:
    furnish(kept)
    run = kept.run(args=["--test"])
    assert len(run.of("calendar_view")) == 1
    assert "view" not in str(run.states[-1])


# How it is listed


def test_a_thousand_entries_and_more_are_listed_in_smaller_windows(kept: Calendars) -> None:
    kept.past, kept.future = 30, 60
    for hour in range(12):
        kept.meeting(f"at {hour}", -40, hour, 0.5, Recurrence=Recurrence("Daily", kept.at(-40).date()), Body=None)
    kept.run(selects=FEW, config={"batch_size": 100})
    assert len(kept.check()) == 12 * (kept.past + kept.future + 1)
    assert "ErrorExceededFindCountLimit" in {code for request in kept.asked("FindItem") for code in request.codes}
    assert kept.views_listed == 3 + 2


def test_more_than_two_years_are_listed_in_pieces(kept: Calendars) -> None:
    kept.past, kept.future = 400, 1500
    first = kept.at(-500).date()
    kept.meeting("rare", day=-500, Recurrence=Recurrence("Daily", first, interval=50))
    kept.meeting("over the border", day=730 - 400, hour=-24, length=48)
    kept.run()
    assert len(kept.check()) > 30
    assert kept.views_listed == 3 * 3
    assert not {code for request in kept.asked("FindItem") for code in request.codes if code != "NoError"}


class Changes(Fault):
    """Lets somebody edit while a calendar is listed."""

    def __init__(self, *edits: Callable[[], object]) -> None:
        self.edits = list(edits)

    def folder(self, call: Call, folder: Folder) -> None:
        if call.record.operation == "FindItem" and folder.distinguished_name == "calendar" and self.edits:
            self.edits.pop(0)()


def test_what_changes_while_it_is_listed_is_listed_again(kept: Calendars) -> None:
    furnish(kept)
    run = kept.run(Changes(lambda: kept.meeting("at the last moment")))
    kept.check()
    assert kept.views_listed == 4
    assert "at the last moment" in {row["subject"] for row in run.of("calendar_items")}


def test_a_calendar_that_never_rests_is_viewed_and_looked_at_again_in_the_next_run(kept: Calendars) -> None:
    furnish(kept)
    kept.run(Changes(*[partial(kept.meeting, f"number {number}") for number in range(3)]))
    kept.check()
    assert "view" not in kept.mark()
    kept.run()
    assert kept.views_listed == 1
    kept.check()


# What goes wrong


def test_a_bad_occurrence_is_told_and_touches_no_other(kept: Calendars) -> None:
    furnish(kept)
    bad = occurrence(kept, "daily", 10)
    run = kept.run(ItemFails("ErrorItemCorrupt", [bad]))
    shown, key = kept.shown(), surrogate(ANNA, bad.id)
    assert shown == {other: row for other, row in kept.truth().items() if other != key}
    (row,) = run.of("corrupt_items")
    assert (row["item_key"], row["stage"], row["stream"]) == (key, "view", "calendar_view")
    assert (row["code"], row["salvaged"], row["resolved_at"]) == ("ErrorItemCorrupt", False, None)
    kept.run()
    assert not kept.views_listed

    kept.meeting("new")  # the view is written again, and the occurrence is well by now
    run = kept.run()
    kept.check()
    (row,) = run.of("corrupt_items")
    assert (row["item_key"], row["stage"]) == (key, "view")
    assert row["resolved_at"] is not None
    assert "view_corrupt" not in kept.mark()


def test_what_can_be_read_of_a_bad_series_is_read_and_searched_for_once(kept: Calendars) -> None:
    daily = furnish(kept)
    series = [item for item in everything(kept) if isinstance(item, Occurrence) and item.master is daily]
    run = kept.run(
        ItemFails("ErrorItemCorrupt", [*series, daily], asking="calendar:Location"), config={"max_connections": 1}
    )
    kept.check()
    bad = {(row["stage"], tuple(row["missing_properties"]), row["salvaged"]) for row in run.of("corrupt_items")}
    assert bad == {("load", ("location",), True), ("view", ("location",), True)}
    assert len(run.of("corrupt_items")) == len(series) + 1
    assert len(kept.asked("GetItem")) < 3 * len(series)


class Unlistable(Fault):
    """A meeting that breaks each FindItem which would list it."""

    def __init__(self, bad: Item) -> None:
        self.bad = bad

    def found(self, call: Call, folder: Folder, item: Item) -> None:  # noqa: ARG002 - the place's
        if item.id == self.bad.id:
            raise ServiceError("ErrorCorruptData")


def test_an_hour_that_cannot_be_listed_is_told_and_all_around_it_is_shown(kept: Calendars) -> None:
    furnish(kept)
    bad = kept.meeting("breaks the view", day=5, hour=13.5, length=0.25)
    kept.meeting("right after it", day=5, hour=14)
    run = kept.run(Unlistable(bad))
    shown = kept.shown()
    assert shown == {key: row for key, row in kept.truth().items() if key != surrogate(ANNA, bad.id)}
    (row,) = run.of("corrupt_items")
    assert (row["stage"], row["code"], row["item_id"]) == ("view", "ErrorCorruptData", None)
    assert f"{kept.at(5):%Y-%m-%d}T13:00:00Z/" in row["message"]
    kept.meeting("new")
    run = kept.run()
    kept.check()
    assert [bool(row["resolved_at"]) for row in run.of("corrupt_items")] == [True]


def test_a_calendar_that_fails_wherever_it_is_asked_keeps_the_view_before(kept: Calendars) -> None:
    furnish(kept)
    kept.run()
    shown = kept.shown()
    kept.meeting("new")
    failing = RequestFails("ErrorInternalServerError", On("FindItem", folder=kept.calendar))
    run = kept.run(failing, checked=False)
    assert run.exit_code == 1
    assert kept.sync_row(run)["status"] == "failed"
    assert kept.shown() == shown
    kept.run()
    kept.check()


@pytest.mark.parametrize("code", ["ErrorInvalidRequest", "ErrorNotSupported"])
def test_a_server_that_lists_nothing_has_no_view_and_all_else(kept: Calendars, code: str) -> None:
    furnish(kept)
    run = kept.run(RequestFails(code, On("FindItem")))
    assert set(run.table("calendar_items")) == {surrogate(ANNA, item.id) for item in kept.calendar.items()}
    assert not run.of("calendar_view")
    assert "there is no calendar view" in kept.sync_row(run)["message"]
    assert "there is no calendar view" in run.stderr
    assert len(kept.asked("FindItem")) < 10
    kept.run()
    kept.check()


def test_a_store_that_is_down_takes_no_occurrence_out_of_the_view(kept: Calendars) -> None:
    furnish(kept)
    kept.anna.folder("inbox").fill(3)
    kept.run(config={"folders_include": ["calendar", "inbox"]})
    kept.today += timedelta(days=1)
    kept.run(StoreIsDown(kept.anna), checked=False)
    kept.today -= timedelta(days=1)
    assert kept.shown() == kept.truth()
    kept.today += timedelta(days=1)
    kept.run()
    kept.check()


def test_a_view_that_breaks_off_takes_nothing_away_and_is_taken_again(kept: Calendars) -> None:
    furnish(kept)
    first = kept.run()
    kept.today += timedelta(days=1)
    broken = RequestFails("ErrorAccessDenied", On("GetItem", skip=2))
    run = kept.run(broken, checked=False, config={"max_connections": 1})
    assert run.exit_code == 1
    assert run.of("calendar_view")
    assert kept.sync_row(run)["viewed_at"] == kept.sync_row(first)["viewed_at"]
    before, kept.today = kept.today, kept.today - timedelta(days=1)
    assert kept.truth().items() <= kept.shown().items()
    kept.today = before
    kept.run()
    kept.check()


class KnowsNoMasters(Fault):
    """A server of another make."""

    def before(self, call: Call) -> Answer | None:
        if call.record.operation == "GetItem" and "" in call.record.ids:
            raise SoapFault("ErrorSchemaValidation")
        return None


def test_a_server_that_cannot_tell_series_gives_the_rest(kept: Calendars) -> None:
    furnish(kept)
    run = kept.run(KnowsNoMasters())
    shown = {key: row[:4] for key, row in kept.shown().items()}
    assert shown == {key: row[:4] for key, row in kept.truth().items()}
    assert {row["series_item_key"] for row in run.of("calendar_view")} == {None}
    assert len([request for request in kept.asked("GetItem") if "" in request.ids]) <= 4


def test_a_calendar_whose_feed_is_broken_is_viewed_by_its_listing(kept: Calendars) -> None:
    furnish(kept)
    broken = FolderFails("ErrorCorruptData", kept.calendar, On("SyncFolderItems"))  # whatever is ignored
    run = kept.run(broken)
    assert kept.sync_row(run)["status"] == "listed"
    assert kept.shown() == kept.truth()
    listed = kept.views_listed
    kept.run(broken)
    assert kept.views_listed < listed
    kept.meeting("new")
    kept.run(broken)
    assert kept.shown() == kept.truth()


# What a lost run leaves


def test_a_run_that_was_lost_leaves_no_ghosts_and_takes_nothing_away(kept: Calendars) -> None:
    """Its rows are in the tables, its STATE is not, and what it saw is gone before the next run."""
    furnish(kept)
    kept.run()
    durable = kept.state
    ghost = kept.meeting("short life")
    haunting = kept.meeting("short series", Recurrence=Recurrence("Daily", kept.today, count=5))
    kept.run()
    assert len(kept.check()) == len(kept.truth())
    ghost.delete()
    haunting.delete()
    run = kept.run(state=durable)
    assert not run.of("calendar_view")  # nothing that this state knows has changed
    assert kept.shown() == kept.truth()


def test_ignored_items_are_not_in_the_view(kept: Calendars) -> None:
    daily = furnish(kept)
    single = kept.meeting("not wanted")
    kept.run(config={"ignore_item_ids": [daily.id, single.id]})
    assert {row[0] for row in kept.shown().values()} == {"single", "weekly", *WINDOW}


def test_nothing_before_the_start_date_is_in_the_view(kept: Calendars) -> None:
    furnish(kept)
    kept.run(config={"start_date": f"{kept.at(1):%Y-%m-%d}"})
    after = kept.at(1, 0)
    assert kept.shown() == {
        surrogate(ANNA, item.id): kept.truth()[surrogate(ANNA, item.id)]
        for item in everything(kept)
        if item.properties["End"] > after
    }


def test_a_folder_started_over_is_viewed_anew(kept: Calendars) -> None:
    furnish(kept)
    kept.run()
    kept.calendar.restore_feed()
    run = kept.run()
    kept.check()
    assert kept.views_listed == 1
    resets = kept.sync_row(run)["resets"]
    assert resets["calendar_view"] < run.of("calendar_view")[0]["synced_at"]
