"""With `start_date` the tables hold what is recent, follow what comes into it and leaves it, and survive any end."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import Answers, FolderFails, ItemFails, RequestFails, cut
from tap_exchange.demo.faults import On as Asked
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.soap import SoapFault
from tests.kept import ANNA, Kept, On, kept
from tests.trouble import quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.soap import Call
    from tests.pipeline import TapRun
    from tests.warehouses import JSONLines

START = datetime(2026, 1, 10, tzinfo=timezone.utc)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def day(number: float) -> datetime:
    """Give noon of a day of January 2026."""
    return datetime(2026, 1, 1, 12, tzinfo=timezone.utc) + DAY * (number - 1)


class World(Kept):
    """A mailbox of which the Inbox is copied, from the tenth day on unless a test says otherwise."""

    def run(self, start: datetime | None = START, **settings: Any) -> TapRun:  # noqa: ANN401 - whatever it takes
        """Run the tap from the last state, and load what it wrote."""
        return Kept.run(self, start_date=start and start.isoformat(), **settings)

    def sync(self, *faults: Fault, start: datetime = START) -> None:
        """Run the tap while faults are in force, well or not, and load what it wrote."""
        self.server.faults.add(*faults)
        with quick():
            run = self.run_only(start_date=start.isoformat(), max_wait=2)
        self.server.faults.clear()
        self.load(run)
        self.state = run.state

    def mails(self, *days: int) -> list[Item]:
        """Add a message for each day."""
        return [self.mail(f"mail {number}", day(number)) for number in days]


@pytest.fixture
def world(tables: JSONLines) -> Iterator[World]:
    exchange = Exchange(seed=21)
    exchange.clock = lambda: day(20)
    with kept(tables, exchange, folders_include=["inbox"]) as made:
        yield World(made.exchange, made.anna, made.server, made.tables, made.settings)


# What is wanted


def test_the_date_of_an_item_is_when_it_was_received_else_sent_else_created_and_of_a_meeting_its_end(
    world: World,
) -> None:
    inbox, calendar, contacts = (world.anna.folder(name) for name in ("inbox", "calendar", "contacts"))
    world.mail("received now", day(12))
    world.mail("received before, sent and created now", day(2), DateTimeSent=day(12), DateTimeCreated=day(12))
    none = {"DateTimeReceived": None}
    world.mail("sent now", day(2), **none, DateTimeSent=day(12))
    world.mail("sent before, created now", day(12), **none, DateTimeSent=day(2))
    world.mail("created now", day(12), **none, DateTimeSent=None)
    world.mail("created before", day(2), **none, DateTimeSent=None)
    inbox.add("MeetingRequest", Subject="asked before, takes place later", **_times(day(2)), **_span(day(15)))
    inbox.add("MeetingRequest", Subject="asked now, took place before", **_times(day(12)), **_span(day(5)))
    contacts.add("Contact", Subject="new friend", **none, DateTimeSent=None, DateTimeCreated=day(12))
    contacts.add("Contact", Subject="old friend", **none, DateTimeSent=None, DateTimeCreated=day(2))
    calendar.add("CalendarItem", Subject="over", **_times(day(12)), **_span(day(5)))
    calendar.add("CalendarItem", Subject="to come", **_times(day(2)), **_span(day(15)))
    calendar.add("CalendarItem", Subject="long", **_times(day(2)), Start=day(5), End=day(15))
    world.anna.folder("deleteditems").add("CalendarItem", Subject="over, deleted", **_times(day(12)), **_span(day(5)))
    world.anna.folder("deleteditems").add(
        "CalendarItem", Subject="to come, deleted", **_times(day(2)), **_span(day(15))
    )
    for subject, reach in {
        "series without end": {},
        "series that goes on": {"end": date(2026, 1, 20)},
        "series that ended": {"end": date(2026, 1, 5)},
        "counted series that goes on": {"count": 30},
        "counted series that ended": {"count": 3},
    }.items():
        daily = Recurrence("Daily", date(2026, 1, 1), **reach)
        calendar.add("CalendarItem", Subject=subject, **_times(day(1)), **_span(day(1)), Recurrence=daily)
    daily = Recurrence("Daily", date(2026, 1, 1), count=3)
    moved = calendar.add("CalendarItem", Subject="ended, moved", **_times(day(1)), **_span(day(1)), Recurrence=daily)
    moved.change_occurrence(day(2), **_span(day(15)))
    world.settings["folders_include"] += ["calendar", "contacts", "deleteditems"]
    world.run(folders_exclude=["contacts/*", "calendar/*"])
    assert world.shown == {
        "received now",
        "sent now",
        "created now",
        "asked now, took place before",
        "new friend",
        "to come",
        "long",
        "to come, deleted",
        "series without end",
        "series that goes on",
        "counted series that goes on",
        "ended, moved",
    }


def _times(when: datetime) -> dict[str, Any]:
    return {"DateTimeReceived": when, "DateTimeSent": when, "DateTimeCreated": when}


def _span(start: datetime) -> dict[str, Any]:
    return {"Start": start, "End": start + HOUR}


def test_the_first_run_drains_the_feed_without_loading_and_asks_nothing_of_what_is_old(world: World) -> None:
    old, new = world.mails(*range(1, 10)), world.mails(10, 11, 12)
    world.anna.folder("inbox").fill(700)  # received in 2024
    run = world.run()
    assert world.shown == {"mail 10", "mail 11", "mail 12"}
    asked = {item_id for request in world.server.requests if request.operation == "GetItem" for item_id in request.ids}
    assert asked == {item.id for item in new}
    assert not asked & {item.id for item in old}
    assert {row["change_type"] for row in run.of("item_changes")} == {"create"}
    assert len(run.of("item_changes")) == 3
    drained = [request for request in world.server.requests if request.operation == "SyncFolderItems"]
    assert all(request.base_shape == "IdOnly" and not request.properties for request in drained)


def test_no_request_for_dates_names_more_items_than_a_batch(world: World) -> None:
    world.run()
    world.mails(*[12] * 15)
    for _ in range(15):
        world.anna.folder("inbox").add("CalendarItem", **_times(day(12)), **_span(day(15)))
    world.server.reset_requests()
    world.run(batch_size=7)
    assert max(len(request.ids) for request in world.server.requests if request.operation == "GetItem") == 7
    assert len(world.tables.live("messages")) == 15


def test_an_idle_run_asks_each_folder_once_and_loads_nothing(world: World) -> None:
    world.mails(1, 2, 11, 12)
    world.run()
    run = world.run()
    assert not run.of("item_changes")
    assert "FindItem" not in world.server.counts
    assert "GetItem" not in world.server.counts
    assert world.server.counts["SyncFolderItems"] == 1


def test_a_sample_loads_a_recent_item(world: World) -> None:
    world.mails(1, 2, 11, 12)
    run = world.run_only(start_date=START.isoformat(), args=["--test=records"]).checked()
    assert [row["subject"] for row in run.of("messages")] == ["mail 11"]


# What comes and goes


def test_what_is_old_is_not_loaded_when_it_changes_and_what_comes_into_scope_is(world: World) -> None:
    world.settings["folders_include"].append("calendar")
    old, older, recent = world.mails(1, 2, 12)
    past = world.anna.folder("calendar").add("CalendarItem", Subject="put off", **_times(day(1)), **_span(day(2)))
    world.run()
    assert world.shown == {"mail 12"}
    old.update(Subject="old, changed")
    older.mark_read()
    recent.update(Subject="recent, changed")
    past.update(**_span(day(18)))
    new = world.mail("new", day(19))
    moved_in = world.mail("old, moved in", day(3), "sentitems").move(world.anna.folder("inbox"))
    run = world.run()
    assert world.shown == {"recent, changed", "put off", "new"}
    assert set(world.loaded()) == {recent.id, past.id, new.id}
    told = {row["item_id"]: row for row in run.of("item_changes") if row["change_type"] == "out_of_scope"}
    assert told.keys() == {old.id, moved_in.id}
    assert told[old.id]["stream"] == "messages"
    assert told[old.id]["has_row"] is False


def test_an_item_that_leaves_the_scope_is_told_and_leaves_the_views(world: World) -> None:
    world.settings["folders_include"].append("calendar")
    world.mails(11, 12)
    meeting = world.anna.folder("calendar").add("CalendarItem", Subject="meeting", **_times(day(1)), **_span(day(18)))
    world.run(tombstones=True)
    assert world.shown == {"mail 11", "mail 12", "meeting"}
    meeting.update(**_span(day(3)))
    run = world.run(tombstones=True)
    assert world.shown == {"mail 11", "mail 12"}
    assert [row["item_id"] for row in run.of("calendar_items") if row["_sdc_deleted_at"]] == [meeting.id]
    meeting.update(**_span(day(17)))
    world.run(tombstones=True)
    assert world.shown == {"mail 11", "mail 12", "meeting"}


def test_deletes_and_read_flags_are_told_as_ever(world: World) -> None:
    first, second = world.mails(11, 12)
    world.run()
    first.delete()
    second.mark_read(not second.properties.get("IsRead"))
    run = world.run()
    assert world.shown == {"mail 12"}
    assert {row["change_type"] for row in run.of("item_changes")} == {"delete", "read_flag"}


# Another date


def test_an_earlier_date_loads_what_lies_between_and_nothing_twice(world: World) -> None:
    items = world.mails(*range(1, 15))
    world.run()
    world.run(day(5))
    assert world.shown == {f"mail {number}" for number in range(5, 15)}
    assert set(world.loaded()) == {item.id for item in items[4:9]}
    world.run(day(5))
    assert "GetItem" not in world.server.counts
    assert "FindItem" not in world.server.counts


def test_a_later_date_takes_out_what_lies_between_without_a_load(world: World) -> None:
    world.settings["folders_include"].append("calendar")
    items = world.mails(*range(1, 15))
    series = Recurrence("Daily", date(2026, 1, 1), end=date(2026, 1, 11))
    calendar = world.anna.folder("calendar")
    calendar.add("CalendarItem", Subject="series", **_times(day(1)), **_span(day(1)), Recurrence=series)
    goes_on = Recurrence("Daily", date(2026, 1, 1))
    calendar.add("CalendarItem", Subject="goes on", **_times(day(1)), **_span(day(1)), Recurrence=goes_on)
    world.run(day(5))
    assert world.shown == {"series", "goes on"} | {f"mail {number}" for number in range(5, 15)}
    run = world.run(day(12))
    assert world.shown == {"goes on", "mail 12", "mail 13", "mail 14"}
    assert not world.loaded()
    told = {row["item_id"] for row in run.of("item_changes")}
    assert {item.id for item in items[4:11]} <= told
    assert not told & {item.id for item in [*items[:4], *items[11:]]}
    world.run(day(12))
    assert "FindItem" not in world.server.counts


def _asks_dates(request: Request) -> bool:
    return request.operation == "GetItem" and "item:Subject" not in request.properties and bool(request.properties)


@pytest.mark.parametrize("way", ["request", "cut", "item"])
def test_an_old_item_whose_date_cannot_be_told_for_a_while_is_taken_out_by_the_next_run(world: World, way: str) -> None:
    old, *_ = world.mails(2, 3, 12)
    world.sync()
    old.update(Importance="High")
    fault = {
        "request": RequestFails("ErrorInternalServerError", Asked("GetItem", where=_asks_dates, times=2)),
        "cut": Answers(cut(), Asked("GetItem", where=_asks_dates, times=2)),
        "item": ItemFails("ErrorInternalServerError", [old], on=Asked("GetItem", where=_asks_dates, times=1)),
    }[way]
    world.sync(fault)
    assert fault.struck
    world.sync()
    assert world.shown == {"mail 12"}


@pytest.mark.parametrize(
    "fault",
    [
        RequestFails("ErrorMailboxStoreUnavailable", Asked("GetItem", where=_asks_dates)),
        RequestFails("ErrorInternalServerError", Asked("GetItem", where=_asks_dates, times=2)),
    ],
    ids=["all the time", "for a while"],
)
def test_a_meeting_whose_end_cannot_be_told_is_pushed_out_by_the_next_run(world: World, fault: Fault) -> None:
    calendar = world.anna.folder("calendar")
    world.settings["folders_include"] = ["calendar"]
    calendar.add("CalendarItem", Subject="over", **_times(day(12)), **_span(day(12)))
    calendar.add("CalendarItem", Subject="to come", **_times(day(12)), **_span(day(18)))
    world.sync()
    world.sync(fault, start=day(15))
    world.sync(start=day(15))
    assert world.shown == {"to come"}


def test_what_a_later_date_took_out_is_not_filled_again_beside_a_meeting_whose_end_cannot_be_told(world: World) -> None:
    world.mails(2, 12)
    over = world.anna.folder("inbox").add("CalendarItem", Subject="over", **_times(day(2)), **_span(day(2)))
    world.run(None, body_type="text")
    world.server.faults.add(ItemFails("ErrorItemCorrupt", [over]))
    world.run(body_type="html")
    assert world.shown == {"mail 12"}


def test_what_a_listing_brought_with_an_earlier_date_goes_with_the_later_one(world: World) -> None:
    world.mails(2, 12)
    world.sync()
    world.sync(FolderFails("ErrorCorruptData", world.anna.folder("inbox"), Asked("SyncFolderItems")), start=day(1))
    assert world.shown == {"mail 2", "mail 12"}
    world.sync()
    assert world.shown == {"mail 12"}


class ListsWhateverThereIs(Fault):
    """A server that takes a restriction and does not keep to it."""

    def before(self, call: Call) -> None:
        for restriction in call.body.findall("{*}Restriction"):
            call.body.remove(restriction)


def test_a_server_that_lists_items_of_any_date_is_not_believed(world: World) -> None:
    world.server.faults.add(ListsWhateverThereIs())
    world.mails(*range(1, 15))
    world.anna.folder("inbox").add("CalendarItem", Subject="over", **_times(day(12)), **_span(day(5)))
    world.run()
    assert world.shown == {f"mail {number}" for number in range(10, 15)}
    for start in (12, 4):
        world.run(start=day(start))
        assert {name for name in world.shown if name != "over"} == {f"mail {n}" for n in range(start, 15)}
    assert "over" in world.shown


class Refuses(Fault):
    """A server that refuses listings, or those with a restriction alone."""

    def __init__(self, lacks: str, code: str) -> None:
        self.lacks = lacks
        self.code = code

    def before(self, call: Call) -> None:
        if call.operation == "FindItem" and (self.lacks == "listings" or call.body.find("{*}Restriction") is not None):
            raise SoapFault(self.code)


@pytest.mark.parametrize(
    ("lacks", "code"),
    [
        ("restrictions", "ErrorInvalidRequest"),
        ("restrictions", "ErrorUnsupportedPathForQuery"),
        ("restrictions", "ErrorInternalServerError"),
        ("listings", "ErrorInvalidRequest"),
        ("listings", "ErrorNotSupported"),
    ],
)
def test_a_server_that_refuses_to_list_by_date_is_asked_for_each_items_date(
    world: World, lacks: str, code: str
) -> None:
    world.server.faults.add(Refuses(lacks, code))
    items = world.mails(*range(1, 15))
    world.run()
    assert world.shown == {f"mail {number}" for number in range(10, 15)}
    for start in (12, 4):
        items[13].update(Importance="High")
        world.run(start=day(start))
        assert world.shown == {f"mail {number}" for number in range(start, 15)}
        world.run(start=day(start))
        assert not world.counts("GetItem")
    items[8].delete()
    world.run(None)
    assert world.shown == {f"mail {number}" for number in range(1, 15) if number != 9}


def test_a_server_that_keeps_to_dates_is_tried_once_and_asked_for_no_date(world: World) -> None:
    world.mails(*range(1, 15))
    world.run()
    assert (world.counts("FindItem"), world.counts("GetItem")) == (2, 1)
    world.run(start=day(4))
    assert (world.counts("FindItem"), world.counts("GetItem")) == (2, 1)


def test_a_date_may_be_given_later_and_taken_away_again(world: World) -> None:
    items = world.mails(*range(1, 15))
    world.run(None)
    assert len(world.shown) == 14
    world.run()
    assert world.shown == {f"mail {number}" for number in range(10, 15)}
    items[0].update(Subject="changed while out of scope")
    items[1].delete()
    world.run()
    world.run(None)
    assert world.shown == {"changed while out of scope"} | {f"mail {number}" for number in range(3, 15)}
    state = world.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"]
    assert not any("dates" in mark for mark in state.values())
    world.run(None)
    assert "FindItem" not in world.server.counts


def test_streams_and_columns_selected_later_are_filled_within_the_date(world: World) -> None:
    world.mails(*range(1, 15))
    world.anna.folder("inbox").add("PostItem", Subject="posted", **_times(day(12)))
    world.anna.folder("inbox").add("PostItem", Subject="posted before", **_times(day(2)))
    world.run(selects=["*.*", "!messages.subject", "!posts.*"])
    run = world.run()
    assert world.shown == {"posted"} | {f"mail {number}" for number in range(10, 15)}
    assert len(run.of("messages")) == 5
    world.run()
    assert "GetItem" not in world.server.counts


def test_a_refused_state_starts_the_folder_over_within_the_date(world: World) -> None:
    world.mails(*range(1, 15))
    world.run()
    inbox = world.anna.folder("inbox")
    inbox.restore_feed()
    inbox.items()[0].delete()
    run = world.run()
    assert "started over" in run.stderr
    assert len(run.of("messages")) == len(world.shown) == 4


# A listing must not outrun the feed


def test_items_that_only_the_listing_shows_are_left_to_the_feed(world: World) -> None:
    world.mails(1, 11, 12)
    late: list[Item] = []
    world.server.faults.add(On("FindItem", 1, lambda: late.append(world.mail("late", day(19)))))
    world.server.faults.add(On("SyncFolderItems", 2, lambda: [item.delete() for item in late]))
    run = world.run()
    assert late
    assert world.shown == {"mail 11", "mail 12"}
    assert not [row for row in run.of("item_changes") if row["item_id"] == late[0].id]


def test_no_item_slips_through_a_listing_whose_items_go_away_meanwhile(world: World) -> None:
    world.server.endpoint.restricted_find_limit = 5
    items = world.mails(*range(10, 28))
    world.server.faults.add(On("FindItem", 2, lambda: [item.delete() for item in items[:4]]))
    world.server.faults.add(On("FindItem", 5, lambda: [item.delete() for item in items[4:11]]))
    world.run()
    assert world.shown == {f"mail {number}" for number in range(21, 28)}


# A run that is broken off


CUTS = (0.15, 0.4, 0.62, 0.9)


@pytest.mark.parametrize("cut", CUTS)
def test_a_first_run_broken_off_is_gone_on_with_and_leaves_no_ghosts(world: World, cut: float) -> None:
    world.server.endpoint.restricted_find_limit = 6
    items = world.mails(*range(5, 35))
    whole = world.run_only(start_date=START.isoformat())
    told = world.broken_off(whole, cut)
    deleted, changed, added = items[6::5], items[7], world.mail("added", day(20))
    for item in deleted:
        item.delete()
    changed.update(Subject="changed")
    world.run()
    kept = [item for item in items[5:] if item not in deleted and item is not changed]
    assert world.shown == {"changed", added.properties["Subject"]} | {item.properties["Subject"] for item in kept}
    durable = {
        message["record"]["item_id"] for message in told if message.get("stream") == "messages" if "record" in message
    }
    again = set(world.loaded()) & durable - {changed.id}
    assert len(again) <= 1, "what a durable page loaded is loaded again, but for where the listing goes on"


@pytest.mark.parametrize(("cut", "then"), [(0.8, day(3)), (0.5, day(8)), (0.9, day(14)), (0.8, None), (0.3, day(17))])
def test_a_listing_broken_off_and_another_date_leave_the_tables_true(
    world: World, cut: float, then: datetime | None
) -> None:
    world.server.endpoint.restricted_find_limit = 4
    items = world.mails(*range(1, 25))
    world.run(day(16))
    whole = world.run_only(start_date=day(6).isoformat())
    world.broken_off(whole, cut)
    items[9].delete()
    world.run(then)
    low = 1 if then is None else (then - day(1)).days + 1
    assert world.shown == {f"mail {number}" for number in range(low, 25) if number != 10}


# What the user leaves out


def test_ignored_items_are_named_to_the_feed_and_never_loaded(world: World) -> None:
    world.anna.folder("inbox").fill(3)
    items = world.mails(11, 12, 13)
    ignored = [items[0].id, items[2].id]
    world.run(None, ignore_item_ids=ignored)
    assert {"mail 11", "mail 13"}.isdisjoint(world.shown)
    assert "mail 12" in world.shown
    assert not set(world.loaded()) & set(ignored)
    asked = [request for request in world.server.requests if request.operation == "SyncFolderItems"]
    assert {request.ignored for request in asked} == {2}


def test_ignored_items_are_not_loaded_by_a_listing_either(world: World) -> None:
    items = world.mails(11, 12, 13)
    world.run(ignore_item_ids=[items[1].id])
    assert world.shown == {"mail 11", "mail 13"}
    world.run(day(1), ignore_item_ids=[items[1].id])
    assert world.shown == {"mail 11", "mail 13"}


def test_folders_that_come_into_the_patterns_are_filled_and_those_that_leave_them_go(world: World) -> None:
    world.mail("in the inbox", day(12))
    world.mail("sent", day(12), "sentitems")
    world.mail("sent before", day(2), "sentitems")
    world.run()
    assert world.shown == {"in the inbox"}
    world.run(folders_include=["inbox", "Sent *"])
    assert world.shown == {"in the inbox", "sent"}
    run = world.run(folders_include=["sentitems"])
    assert world.shown == {"sent"}
    assert [bool(row["excluded_at"]) for row in run.of("folders") if row["distinguished_name"] == "inbox"] == [True]
    inbox = world.anna.folder("inbox").id
    assert "sync_state" not in world.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"][inbox]
