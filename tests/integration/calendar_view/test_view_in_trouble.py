"""Whatever goes wrong with a calendar view, what it showed stays and the next run makes it good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import (
    Answers,
    FolderFails,
    ItemFails,
    Messages,
    On,
    RequestFails,
    StoreIsDown,
    called,
    empty,
)
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.series import Occurrence
from tap_exchange.demo.soap import ServiceError
from tap_exchange.sync.keys import surrogate
from tests.calendars import ANNA, WINDOW, Calendars, everything, furnish, occurrence

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.soap import Call


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


def test_an_occurrence_that_is_not_found_for_a_while_is_in_the_view_of_the_next_run(kept: Calendars) -> None:
    furnish(kept)
    hidden = occurrence(kept, "daily", 10)
    run = kept.run(ItemFails("ErrorItemNotFound", [hidden], on=On("GetItem")))
    assert surrogate(ANNA, hidden.id) not in kept.shown()
    assert not run.of("corrupt_items")
    kept.run()
    kept.check()
    kept.run()
    assert not kept.views_listed


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


LISTINGS = On("FindItem")
NO_LISTINGS = [
    (RequestFails("ErrorInvalidRequest", LISTINGS), 1),
    (RequestFails("ErrorNotSupported", LISTINGS), 1),
    (Answers(empty(), LISTINGS), 3),
]


@pytest.mark.parametrize(("lacks", "tries"), NO_LISTINGS, ids=["invalid", "not supported", "empty"])
def test_a_server_that_lists_nothing_has_no_view_and_all_else(kept: Calendars, lacks: Fault, tries: int) -> None:
    furnish(kept)
    run = kept.run(lacks)
    assert set(run.table("calendar_items")) == {surrogate(ANNA, item.id) for item in kept.calendar.items()}
    assert not run.of("calendar_view")
    assert "there is no calendar view" in kept.sync_row(run)["message"]
    assert "there is no calendar view" in run.stderr
    assert len(kept.asked("FindItem")) < 10 * tries
    kept.run()
    kept.check()


def test_listings_that_are_answered_no_more_keep_the_view_before_and_are_an_error(kept: Calendars) -> None:
    furnish(kept)
    kept.run()
    shown = kept.shown()
    kept.meeting("new")
    run = kept.run(Answers(empty(), On("FindItem")), checked=False)
    assert (run.exit_code, kept.sync_row(run)["status"]) == (1, "failed")
    assert len(kept.asked("FindItem")) < 10
    assert kept.shown() == shown
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


def _asks_masters(request: Request) -> bool:
    return request.operation == "GetItem" and "" in request.ids


def test_a_server_that_cannot_tell_series_gives_the_rest(kept: Calendars) -> None:
    furnish(kept)
    run = kept.run(RequestFails("ErrorSchemaValidation", On(where=_asks_masters)))
    shown = {key: row[:4] for key, row in kept.shown().items()}
    assert shown == {key: row[:4] for key, row in kept.truth().items()}
    assert {row["series_item_key"] for row in run.of("calendar_view")} == {None}
    assert len([request for request in kept.asked("GetItem") if "" in request.ids]) <= 4


def masters_fail(*, each: bool) -> Fault:
    """Fail whenever the masters of series are asked for, each by itself or all as a whole."""
    on = On(where=_asks_masters)
    return Messages(called("ErrorInternalServerError"), on) if each else RequestFails("ErrorInternalServerError", on)


@pytest.mark.parametrize("each", [False, True])
def test_series_that_could_not_be_told_for_a_while_are_told_by_the_next_run(kept: Calendars, *, each: bool) -> None:
    furnish(kept)
    run = kept.run(masters_fail(each=each))
    assert {row["series_item_key"] for row in run.of("calendar_view")} == {None}
    kept.run()
    kept.check()
    kept.run()
    assert not kept.views_listed


def test_series_that_can_never_be_told_are_asked_for_twice(kept: Calendars) -> None:
    furnish(kept)
    kept.run(masters_fail(each=False))
    kept.run(masters_fail(each=False))
    assert kept.views_listed
    kept.run(masters_fail(each=False))
    assert not kept.views_listed


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
