"""What the live views show beside items: attachments, occurrences, listed items, corrupt items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.warehouses import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.story import Story
    from tests.warehouses import Warehouse


def attach(story: Story, item: str, name: str) -> str:
    """Write an attachment of an item as it was just loaded."""
    loaded = next(row for stream, row in reversed(story.rows) if stream == "messages" and row["item_key"] == item)
    key = story.key(name)
    story.write("attachments", attachment_key=key, item_key=item, item_synced_at=loaded["synced_at"], name=name)
    return key


# --- attachments ------------------------------------------------------------------------------


def test_an_attachment_is_shown_with_the_load_it_belongs_to(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    attach(story, item, "removed.txt")
    story.item(inbox, item_key=item, change="update")
    kept = attach(story, item, "kept.txt")
    assert shown(warehouse, story, "attachments") == {kept}


def test_a_read_flag_does_not_hide_attachments(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, is_read=False)
    kept = attach(story, item, "kept.txt")
    story.change(inbox, item, "read_flag", is_read=True)
    assert shown(warehouse, story, "attachments") == {kept}


def test_a_deleted_item_hides_its_attachments(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    attach(story, item, "gone.txt")
    story.change(inbox, item, "delete")
    assert shown(warehouse, story, "attachments") == set()


# --- occurrences ------------------------------------------------------------------------------


def test_only_the_occurrences_of_the_latest_view_are_shown(warehouse: Warehouse, story: Story) -> None:
    calendar = story.folder("Calendar")
    story.view(calendar, "monday", "tuesday")
    story.view(calendar, "tuesday", "wednesday")
    assert shown(warehouse, story, "calendar_view") == {"tuesday", "wednesday"}


def test_a_calendar_become_empty_shows_nothing(warehouse: Warehouse, story: Story) -> None:
    calendar = story.folder("Calendar")
    story.view(calendar, "monday")
    story.view(calendar)
    assert shown(warehouse, story, "calendar_view") == set()


def test_a_view_that_was_broken_off_hides_no_occurrence(warehouse: Warehouse, story: Story) -> None:
    calendar = story.folder("Calendar")
    story.view(calendar, "monday", "tuesday")
    at = story.tick()
    story.write("calendar_view", folder_key=calendar, item_key="monday", viewed_at=at, origin="listing")
    story.sync(calendar)
    assert shown(warehouse, story, "calendar_view") == {"monday", "tuesday"}


def test_an_occurrence_that_a_lost_page_named_is_hidden(warehouse: Warehouse, story: Story) -> None:
    calendar = story.folder("Calendar")
    story.view(calendar, "monday")
    story.state()
    at = story.tick()
    for key, origin in (("monday", "listing"), ("made and deleted meanwhile", "feed")):
        story.write("calendar_view", folder_key=calendar, item_key=key, viewed_at=at, origin=origin)
    story.run()
    story.sync(calendar)
    assert shown(warehouse, story, "calendar_view") == {"monday"}


@pytest.mark.parametrize("gone", ["deleted_at", "excluded_at"])
def test_a_folder_that_is_gone_hides_its_occurrences(warehouse: Warehouse, story: Story, gone: str) -> None:
    calendar = story.folder("Calendar")
    story.view(calendar, "monday")
    story.folder("Calendar", folder_key=calendar, **{gone: story.tick()})
    assert shown(warehouse, story, "calendar_view") == set()


# --- folders without a feed -------------------------------------------------------------------


def test_only_the_members_of_the_latest_listing_are_shown(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Public")
    left, stays = (story.item(folder, origin="listing") for _ in range(2))
    story.listing(folder, left, stays)
    story.listing(folder, stays)
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == {stays}
    assert set(warehouse.live("listed_items")) == {f"{folder} {stays}"}


def test_a_listing_become_empty_shows_nothing(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Public")
    story.listing(folder, story.item(folder, origin="listing"))
    story.listing(folder)
    warehouse.load(story.rows)
    assert warehouse.live("messages") == {}
    assert warehouse.live("listed_items") == {}


def test_a_listing_that_was_broken_off_hides_no_item(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Public")
    first, second = (story.item(folder, origin="listing") for _ in range(2))
    story.listing(folder, first, second)
    story.write("listed_items", folder_key=folder, item_key=first, listed_at=story.tick())
    story.sync(folder, status="failed")
    assert shown(warehouse, story) == {first, second}


def test_a_listing_hides_what_a_broken_feed_cannot_report_as_deleted(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Inbox")
    stays, _deleted = story.item(folder), story.item(folder)
    new = story.item(folder, origin="listing")
    story.listing(folder, stays, new)
    assert shown(warehouse, story) == {stays, new}


def test_a_feed_that_speaks_again_adds_to_the_listing_and_takes_away(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Inbox")
    stays, deleted = story.item(folder), story.item(folder)
    story.listing(folder, stays, deleted)
    new = story.item(folder)
    story.change(folder, deleted, "delete")
    story.sync(folder)
    assert shown(warehouse, story) == {stays, new}


def test_a_feed_without_a_listing_any_more_counts_alone(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Inbox")
    known = story.item(folder)
    listed = story.item(folder, origin="listing")
    story.listing(folder, known, listed)
    del story.listed_at[folder]
    story.sync(folder)
    assert shown(warehouse, story) == {known}


def test_a_search_folder_shows_items_of_a_folder_that_is_left_out(warehouse: Warehouse, story: Story) -> None:
    excluded = story.folder("Excluded", excluded_at=story.tick())
    search = story.folder("Unread", folder_type="SearchFolder")
    found, left = (story.item(excluded, origin="listing") for _ in range(2))
    story.listing(search, found, left)
    story.listing(search, found)
    assert shown(warehouse, story) == {found}


def test_an_item_listed_in_two_folders_is_shown_once(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Inbox")
    item = story.item(folder)
    for name in ("Unread", "From Anna"):
        story.listing(story.folder(name), item)
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == {item}
    assert len(warehouse.live("listed_items")) == 2


def test_a_search_folder_that_is_gone_hides_what_only_it_shows(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    search = story.folder("Unread")
    own, only_found = story.item(inbox), story.item(search, origin="listing")
    story.listing(search, own, only_found)
    story.folder("Unread", folder_key=search, deleted_at=story.tick())
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == {own}
    assert warehouse.live("listed_items") == {}


# --- corrupt items ----------------------------------------------------------------------------


def test_corrupt_items_are_shown_until_they_are_resolved_deleted_or_void(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    other = story.folder("Other")
    open_, resolved, deleted, void = (story.key(name) for name in ("open", "resolved", "deleted", "void"))
    for item in (open_, resolved, deleted):
        story.change(inbox, item, "create", stream="messages", has_row=False)
        story.write("corrupt_items", folder_key=inbox, item_key=item, stage="load", stream="messages")
    story.write("corrupt_items", folder_key=other, item_key=void, stage="load", stream="messages")
    story.write("corrupt_items", folder_key=inbox, item_key=resolved, stage="load", resolved_at=story.tick())
    story.change(inbox, deleted, "delete")
    story.start_over(other)
    assert shown(warehouse, story, "corrupt_items") == {f"{open_} load"}


def test_a_corrupt_item_that_keeps_its_id_is_shown_though_another_folder_tells_that_it_left(
    warehouse: Warehouse, story: Story
) -> None:
    inbox, archive = story.folder("Inbox"), story.folder("Archive")
    item = story.item(inbox)
    story.change(archive, item, "create", stream="messages", has_row=False)
    story.write("corrupt_items", folder_key=archive, item_key=item, stage="load", stream="messages")
    story.change(inbox, item, "delete")
    assert shown(warehouse, story, "corrupt_items") == {f"{item} load"}


@pytest.mark.parametrize("stream", ["attachments", "calendar_view"])
def test_what_was_corrupt_before_its_folder_was_started_over_is_not_shown(
    warehouse: Warehouse, story: Story, stream: str
) -> None:
    folder = story.folder("Calendar")
    item = story.item(folder)
    story.write("corrupt_items", folder_key=folder, item_key=item, stage="some", stream=stream)
    story.start_over(folder)
    assert shown(warehouse, story, "corrupt_items") == set()


def test_a_corrupt_item_that_a_lost_page_named_is_shown_only_when_it_is_found_again(
    warehouse: Warehouse, story: Story
) -> None:
    inbox = story.folder("Inbox")
    story.state()
    stays, gone = story.key("stays"), story.key("deleted before the next run")
    for item in (stays, gone):
        story.write("corrupt_items", folder_key=inbox, item_key=item, stage="load", stream="messages")
    story.run()
    story.sync(inbox)
    story.write("corrupt_items", folder_key=inbox, item_key=stays, stage="load", stream="messages")
    assert shown(warehouse, story, "corrupt_items") == {f"{stays} load"}


# --- the small tables -------------------------------------------------------------------------

SMALL = {
    "inbox_rules": lambda name: {"rule_key": name},
    "delegates": lambda name: {"delegate_key": name},
    "rooms": lambda name: {"room_list": "all", "room": name},
}


def ask(story: Story, stream: str, *names: str, gone: Sequence[str] = ()) -> None:
    """Write all there is of a small table, and what is there no longer."""
    at = story.tick()
    for name in names:
        story.write(stream, **SMALL[stream](name), listed_at=at)
    for name in gone:
        story.write(stream, **SMALL[stream](name), listed_at=at, deleted_at=at)


@pytest.fixture(params=list(SMALL))
def small(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def names(warehouse: Warehouse, story: Story, stream: str) -> set[str]:
    """Load the whole story and return the last part of the keys that a small table's view shows."""
    return {key.rpartition(" ")[2] for key in shown(warehouse, story, stream)}


def test_what_is_there_no_longer_is_hidden(warehouse: Warehouse, story: Story, small: str) -> None:
    ask(story, small, "stays", "goes")
    story.state()
    story.run()
    ask(story, small, "stays", gone=["goes"])
    assert names(warehouse, story, small) == {"stays"}


def test_what_a_lost_run_told_is_shown_only_when_it_is_told_again(
    warehouse: Warehouse, story: Story, small: str
) -> None:
    story.state()
    ask(story, small, "stays", "came and went")
    story.run()
    ask(story, small, "stays")
    assert names(warehouse, story, small) == {"stays"}


def test_what_a_state_knew_that_was_given_up_is_hidden(warehouse: Warehouse, story: Story, small: str) -> None:
    ask(story, small, "stays", "gone meanwhile")
    story.run()
    ask(story, small, "stays")
    assert names(warehouse, story, small) == {"stays"}


def test_what_a_run_that_asks_only_for_news_leaves_alone_is_shown(
    warehouse: Warehouse, story: Story, small: str
) -> None:
    ask(story, small, "stays")
    story.state()
    story.run()
    assert names(warehouse, story, small) == {"stays"}


def test_a_mailbox_that_left_takes_its_small_tables_along(warehouse: Warehouse, story: Story, small: str) -> None:
    ask(story, small, "its own")
    story.write("out_of_office", oof_state="Enabled")
    story.mailboxes(left_at=story.tick())
    assert names(warehouse, story, small) == set()
    assert warehouse.live("out_of_office") == {}


def test_an_absence_is_shown_as_it_is(warehouse: Warehouse, story: Story) -> None:
    for state in ("Scheduled", "Disabled"):
        story.write("out_of_office", oof_state=state)
    warehouse.load(story.rows)
    assert [row["oof_state"] for row in warehouse.live("out_of_office").values()] == ["Disabled"]
