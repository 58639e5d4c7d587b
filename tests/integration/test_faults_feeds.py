"""Folders whose feed fails: read in smaller pages, without the items that break it, from the beginning, or listed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import (
    Answers,
    FeedBreaks,
    FolderFails,
    ItemFails,
    On,
    RequestFails,
    StateNeverMoves,
    cut,
    reset,
    says,
)
from tests.trouble import folder_row, has_all, ids, mailbox, mark, requests_of, rows_by_id, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server

SYNC = "SyncFolderItems"


@pytest.fixture
def inbox() -> Folder:
    return mailbox().folder("inbox")


@pytest.fixture
def items(inbox: Folder) -> list[Item]:
    return inbox.items()


# -- smaller pages


@pytest.mark.parametrize("largest", [100, 20, 3, 1])
def test_a_folder_that_gives_small_pages_only_is_read_in_small_pages(
    largest: int, server: Server, inbox: Folder
) -> None:
    ended = run(server, FolderFails("ErrorInternalServerError", inbox, On(SYNC, page_over=largest))).checked()
    has_all(ended, inbox)
    row = folder_row(ended, inbox)
    assert (row["status"], row["ignored_items"]) == ("finished", 0)
    assert 1 <= row["page_size"] <= largest
    assert f"by {row['page_size']} at a time" in row["message"]
    assert not ended.of("corrupt_items")


# -- items that break the feed


@pytest.mark.parametrize("which", [[0], [29], [14], [3, 4, 5], [0, 15, 29]], ids=str)
def test_the_items_that_break_a_feed_are_found_ignored_and_loaded_by_themselves(
    which: list[int], server: Server, inbox: Folder, items: list[Item]
) -> None:
    bad = [items[number] for number in which]
    ended = run(server, FeedBreaks(bad)).checked()
    has_all(ended, inbox)
    assert set(mark(ended, inbox)["ignored"]) == ids(bad)
    row = folder_row(ended, inbox)
    assert (row["status"], row["ignored_items"]) == ("finished", len(bad))
    assert "left out of it and watched" in row["message"]
    told = rows_by_id(ended, "corrupt_items")
    assert {item_id: told[item_id]["stage"] for item_id in told} == dict.fromkeys(ids(bad), "feed")
    changes = rows_by_id(ended, "item_changes")
    assert all(changes[item.id]["has_row"] for item in bad)


@pytest.mark.parametrize("dates", [{}, {"start_date": "2020-01-01"}], ids=["everything", "with a date"])
@pytest.mark.parametrize("anew", ["another body", "a state refused"])
def test_an_ignored_item_is_loaded_again_with_its_folder(
    anew: str, dates: dict[str, str], server: Server, inbox: Folder, items: list[Item]
) -> None:
    breaks = FeedBreaks([items[9]])
    first = run(server, breaks, **dates).checked()
    if anew == "a state refused":
        inbox.restore_feed()
    settings = {"body_type": "text", **dates} if anew == "another body" else dates
    then = run(server, breaks, state=first.state, **settings).checked()
    has_all(then, inbox)
    assert set(mark(then, inbox)["ignored"]) == {items[9].id}
    assert not run(server, breaks, state=then.state, **settings).of("messages")


@pytest.mark.parametrize("read_flags", ["row", "reload"])
def test_the_read_flag_of_an_ignored_item_is_told(read_flags: str, server: Server, items: list[Item]) -> None:
    breaks = FeedBreaks([items[9]])
    items[9].mark_read(False)
    first = run(server, breaks, read_flags=read_flags).checked()
    items[9].mark_read(True)
    then = run(server, breaks, state=first.state, read_flags=read_flags).checked()
    rows = then.of("item_changes" if read_flags == "row" else "messages")
    assert [(row["item_id"], row["is_read"]) for row in rows] == [(items[9].id, True)]
    quiet = run(server, breaks, state=then.state, read_flags=read_flags).checked()
    assert not quiet.of("item_changes") + quiet.of("messages")


@pytest.mark.parametrize("earlier", [{}, {"start_date": "2000-01-01"}], ids=["everything", "with a date"])
def test_a_state_refused_between_a_fill_and_an_earlier_date_starts_the_folder_over(
    earlier: dict[str, str], server: Server, inbox: Folder, items: list[Item]
) -> None:
    old = datetime(2001, 1, 1, tzinfo=timezone.utc)
    items[9].update(DateTimeReceived=old, DateTimeSent=old, DateTimeCreated=old)
    first = run(server, attachments="none", start_date="2002-01-01").checked()
    has_all(first, inbox, {items[9].id})
    refused = FolderFails("ErrorInvalidSyncStateData", inbox, On(SYNC, state=True, skip=2, times=3))
    then = run(server, refused, state=first.state, **earlier).checked()
    assert refused.struck == 3
    assert "started over" in folder_row(then, inbox)["message"]
    has_all(then, inbox)


def test_an_ignored_item_comes_with_an_earlier_date(server: Server, inbox: Folder, items: list[Item]) -> None:
    old = datetime(2001, 1, 1, tzinfo=timezone.utc)
    items[9].update(DateTimeReceived=old, DateTimeSent=old, DateTimeCreated=old)
    breaks = FeedBreaks([items[9]])
    later = run(server, breaks, start_date="2002-01-01").checked()
    has_all(later, inbox, {items[9].id})
    then = run(server, breaks, state=later.state, start_date="2000-01-01").checked()
    assert set(rows_by_id(then, "messages")) == {items[9].id}


@pytest.mark.parametrize(
    "change",
    [cut(), cut(honest=True), reset(), reset(0.5), says(500)],
    ids=["cut, length wrong", "cut, length right", "reset", "reset in the body", "HTTP 500"],
)
def test_an_item_may_break_the_feed_in_any_way(
    change: Callable[[Answer], Answer], server: Server, inbox: Folder, items: list[Item]
) -> None:
    ended = run(server, FeedBreaks([items[9]], change=change)).checked()
    has_all(ended, inbox)
    assert set(mark(ended, inbox)["ignored"]) == {items[9].id}


@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorInternalServerError", "ErrorNobodyKnows"])
def test_an_item_may_break_the_feed_with_any_code(code: str, server: Server, inbox: Folder, items: list[Item]) -> None:
    ended = run(server, FeedBreaks([items[9]], code)).checked()
    has_all(ended, inbox)
    assert set(mark(ended, inbox)["ignored"]) == {items[9].id}


@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorSyncFolderNotFound"])
def test_a_folder_that_nobody_finds_any_more_is_gone(code: str, server: Server, inbox: Folder) -> None:
    sent = inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    first = run(server, folders_include=folders).checked()
    ended = run(server, FolderFails(code, inbox, On()), state=first.state, folders_include=folders).checked()
    assert folder_row(ended, inbox)["status"] == "gone"
    assert folder_row(ended, sent)["status"] == "finished"
    assert [row["folder_id"] for row in ended.of("folders") if row["deleted_at"]] == [inbox.id]


def test_an_item_that_breaks_the_feed_of_a_server_that_lists_nothing_stops_its_folder_and_voids_no_row(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    first = run(server).checked()
    items[5].update(Subject="changed")
    items[9].update(Subject="changed, and breaks the feed")
    faults = [FeedBreaks([items[9]], "ErrorItemCorrupt"), RequestFails("ErrorInvalidOperation", On("FindItem"))]
    ended = run(server, *faults, state=first.state)
    assert ended.exit_code == 1
    row = folder_row(ended, inbox)
    assert (row["status"], row["code"]) == ("failed", "ErrorItemCorrupt")
    assert row["resets"] == folder_row(first, inbox)["resets"]
    healed = run(server, state=ended.state).checked()
    assert rows_by_id(ended, "messages").keys() | rows_by_id(healed, "messages").keys() == ids([items[5], items[9]])


def test_an_item_that_breaks_the_feed_and_get_item_too_is_corrupt_and_stops_nothing(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    bad, worse = items[9], items[10]
    faults = [
        FeedBreaks([bad, worse]),
        ItemFails("ErrorItemCorrupt", [bad]),
        RequestFails("ErrorCorruptData", On("GetItem", items=[worse])),
    ]
    ended = run(server, *faults).checked()
    has_all(ended, inbox, but={bad.id, worse.id})
    stages = {(row["item_id"], row["stage"]) for row in ended.table("corrupt_items").values()}
    assert stages == {(item.id, stage) for item in (bad, worse) for stage in ("feed", "load")}
    new = inbox.fill(2).items()[:2]
    then = run(server, *faults, state=ended.state).checked()
    assert set(rows_by_id(then, "messages")) == ids(new)
    assert folder_row(then, inbox)["status"] == "finished"


def test_an_item_that_breaks_the_feed_when_it_changes_is_found_then(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    first = run(server).checked()
    items[9].update(Subject="changed, and breaks the feed")
    items[5].update(Subject="changed")
    items[12].delete()
    ended = run(server, FeedBreaks([items[9]]), state=first.state).checked()
    assert set(rows_by_id(ended, "messages")) == {items[9].id, items[5].id}
    kinds = {row["item_id"]: row["change_type"] for row in ended.of("item_changes")}
    assert kinds[items[12].id] == "delete"
    assert set(mark(ended, inbox)["ignored"]) == {items[9].id}


def test_a_page_size_grows_again_behind_the_trouble(server: Server, inbox: Folder, items: list[Item]) -> None:
    inbox.fill(600)
    ended = run(server, FeedBreaks([items[0]])).checked()
    has_all(ended, inbox)
    assert requests_of(server, SYNC) < 60


# -- what becomes of ignored items


def test_an_ignored_item_costs_one_request_while_nothing_happens(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    fault = FeedBreaks([items[9]])
    first = run(server, fault).checked()
    idle = run(server, fault, state=first.state).checked()
    assert requests_of(server, "GetItem") == 1
    assert requests_of(server, SYNC) == 1
    assert not idle.of("messages")
    assert set(mark(idle, inbox)["ignored"]) == {items[9].id}


@pytest.mark.parametrize("healed", [True, False])
def test_an_ignored_item_that_changes_is_loaded_and_tried_in_the_feed_again(
    *, healed: bool, server: Server, inbox: Folder, items: list[Item]
) -> None:
    bad = items[9]
    fault = FeedBreaks([bad])
    first = run(server, fault).checked()
    bad.update(Subject="changed")
    then = run(server, *([] if healed else [fault]), state=first.state).checked()
    assert rows_by_id(then, "messages")[bad.id]["subject"] == "changed"
    assert set(mark(then, inbox).get("ignored", ())) == (set() if healed else {bad.id})
    assert bool(rows_by_id(then, "corrupt_items")[bad.id]["resolved_at"]) is healed
    bad.delete()
    last = run(server, *([] if healed else [fault]), state=then.state).checked()
    kinds = [row["change_type"] for row in last.of("item_changes") if row["item_id"] == bad.id]
    assert kinds == ["delete"]


def test_an_ignored_item_that_is_gone_is_deleted_while_the_store_answers(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    bad = items[9]
    first = run(server, FeedBreaks([bad])).checked()
    down = ItemFails("ErrorItemNotFound", items)
    while_down = run(server, FeedBreaks([bad]), down, state=first.state).checked()
    assert set(mark(while_down, inbox)["ignored"]) == {bad.id}
    assert not while_down.of("item_changes")

    bad.delete()
    then = run(server, state=while_down.state).checked()
    assert [(row["item_id"], row["change_type"]) for row in then.of("item_changes")] == [(bad.id, "delete")]
    assert rows_by_id(then, "corrupt_items")[bad.id]["resolved_at"]
    assert not mark(then, inbox).get("ignored")


def test_items_that_the_user_ignores_are_left_out(server: Server, inbox: Folder, items: list[Item]) -> None:
    bad = items[9]
    ended = run(server, FeedBreaks([bad]), ignore_item_ids=[bad.id]).checked()
    has_all(ended, inbox, but={bad.id})
    assert requests_of(server, SYNC) == 1


# -- the state is to blame


def test_a_folder_that_fails_with_its_state_and_works_without_is_started_over(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    first = run(server).checked()
    items[3].delete()
    fault = FolderFails("ErrorInternalServerError", inbox, On(SYNC, state=True))
    ended = run(server, fault, state=first.state).checked()
    has_all(ended, inbox)
    row = folder_row(ended, inbox)
    assert row["status"] == "finished"
    assert row["resets"]["messages"] > folder_row(first, inbox)["resets"]["messages"]
    assert "started over" in row["message"]
    assert all(message["synced_at"] > row["resets"]["messages"] for message in ended.of("messages"))
    idle = run(server, state=ended.state).checked()
    assert not idle.of("messages")


def test_a_folder_that_fails_with_its_old_state_only_is_started_over_whatever_its_size(
    server: Server, inbox: Folder
) -> None:
    inbox.fill(70)
    first = run(server, max_changes=40).checked()
    fault = FolderFails("ErrorInternalServerError", inbox, On(SYNC, state=True, times=40))
    ended = run(server, fault, state=first.state, max_changes=40).checked()
    has_all(ended, inbox)
    assert folder_row(ended, inbox)["status"] in {"finished", "listed"}


def test_a_folder_that_fails_with_every_state_is_listed_once_it_has_more_than_a_page(
    server: Server, inbox: Folder
) -> None:
    inbox.fill(70)
    fault = FolderFails("ErrorInternalServerError", inbox, On(SYNC, state=True))
    first = run(server, fault, max_changes=40).checked()
    assert folder_row(first, inbox)["status"] == "listed"
    has_all(first, inbox)
    new = inbox.add(Subject="new")
    then = run(server, fault, state=first.state, max_changes=40).checked()
    assert folder_row(then, inbox)["status"] == "listed"
    assert set(rows_by_id(then, "messages")) == {new.id}
    assert folder_row(then, inbox)["resets"] == folder_row(first, inbox)["resets"]


def test_a_deletion_that_breaks_the_feed_starts_the_folder_over(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    first = run(server).checked()
    gone = items[3]
    fault = FeedBreaks([gone])
    gone.delete()
    ended = run(server, fault, state=first.state).checked()
    assert fault.struck
    has_all(ended, inbox)
    assert folder_row(ended, inbox)["resets"]["messages"] > folder_row(first, inbox)["resets"]["messages"]


def test_a_calendar_that_is_refused_with_every_state_is_listed(server: Server, inbox: Folder) -> None:
    calendar = inbox.store.folder("calendar")
    now = datetime.now(timezone.utc)
    item = calendar.add("CalendarItem", Subject="now", Start=now, End=now + timedelta(hours=1))
    fault = FolderFails("ErrorInvalidSyncStateData", calendar, On(SYNC, state=True))
    ended = run(server, fault, folders_include=["calendar"]).checked()
    assert folder_row(ended, calendar)["status"] == "listed"
    assert set(rows_by_id(ended, "calendar_items")) == {item.id}
    assert [row["subject"] for row in ended.table("calendar_view").values()] == ["now"]


# -- nothing helps


def test_a_folder_whose_feed_always_fails_is_listed_and_its_contents_loaded(
    server: Server, inbox: Folder, items: list[Item]
) -> None:
    always = FolderFails("ErrorCorruptData", inbox, On(SYNC))
    first = run(server, always).checked()
    row = folder_row(first, inbox)
    assert (row["status"], row["code"]) == ("listed", "ErrorCorruptData")
    assert row["listed_at"]
    has_all(first, inbox)
    listed = rows_by_id(first, "listed_items")
    assert set(listed) == ids(items)
    assert {row["origin"] for row in first.of("messages")} == {"listing"}

    items[3].delete()
    items[4].update(Subject="changed")
    new = inbox.add(Subject="new")
    then = run(server, always, state=first.state).checked()
    assert set(rows_by_id(then, "messages")) == {items[4].id, new.id}
    row = folder_row(then, inbox)
    shown = [one for one in then.of("listed_items") if one["listed_at"] == row["listed_at"]]
    assert {one["item_id"] for one in shown} == ids(inbox.items())

    healed = run(server, state=then.state).checked()
    has_all(healed, inbox)
    assert folder_row(healed, inbox)["status"] == "finished"
    assert mark(healed, inbox)["sync_state"]


def test_a_bad_item_of_a_listed_folder_is_corrupt(server: Server, inbox: Folder, items: list[Item]) -> None:
    faults = [FolderFails("ErrorCorruptData", inbox, On(SYNC)), ItemFails("ErrorItemCorrupt", [items[3]])]
    ended = run(server, *faults).checked()
    has_all(ended, inbox, but={items[3].id})
    assert set(rows_by_id(ended, "corrupt_items")) == {items[3].id}


def test_a_sync_that_fails_for_every_folder_lists_none_that_had_a_feed(server: Server, inbox: Folder) -> None:
    sent = inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    first = run(server, folders_include=folders).checked()
    dead = RequestFails("ErrorInternalServerError", On(SYNC))
    ended = run(server, dead, state=first.state, folders_include=folders)
    assert ended.exit_code == 1
    assert {folder_row(ended, folder)["status"] for folder in (inbox, sent)} == {"failed"}
    assert not ended.of("listed_items")
    assert not ended.of("messages")
    then = run(server, state=ended.state, folders_include=folders).checked()
    assert not then.of("messages"), "nothing was lost, nothing begins anew"


@pytest.mark.parametrize("operation", [SYNC, "SyncFolderHierarchy"])
def test_a_state_that_never_moves_ends_with_an_error_and_no_loop(operation: str, server: Server, inbox: Folder) -> None:
    first = run(server, max_changes=10).checked()
    inbox.fill(20)
    sent = inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    fault = StateNeverMoves(On(operation, folder=inbox if operation == SYNC else None))
    ended = run(server, fault, state=first.state, max_changes=10, folders_include=folders)
    assert ended.exit_code == 1
    assert fault.struck == 1
    assert "nothing would ever end" in ended.stderr
    if operation == SYNC:
        assert folder_row(ended, inbox)["status"] == "failed"
        has_all(ended, sent)
    then = run(server, state=ended.state, folders_include=folders).checked()
    assert folder_row(then, inbox)["status"] == "finished"


def test_a_broken_folder_never_stops_the_others(server: Server, inbox: Folder) -> None:
    sent = inbox.store.folder("sentitems").fill(5)
    faults = [
        FolderFails("ErrorCorruptData", inbox, On(SYNC)),
        RequestFails("ErrorCorruptData", On("FindItem")),
        Answers(says(500), On("GetItem", times=1)),
    ]
    ended = run(server, *faults, folders_include=["inbox", "sentitems"])
    assert ended.exit_code == 1
    assert folder_row(ended, inbox)["status"] == "failed"
    has_all(ended, sent)
