"""A calendar view is asked for only when it may have changed, and listed in windows that a server can answer."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.demo.extended import Extended
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.recurrence import Recurrence
from tests.calendars import Calendars, furnish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.soap import Call

FEW = ("*.item_key", "calendar_view.subject", "calendar_view.*_time")


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
