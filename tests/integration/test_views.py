"""What the live views show of the rows that runs write, in each dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.resources import ITEM_STREAMS
from tests.story import Story
from tests.warehouses import shown

if TYPE_CHECKING:
    from tests.warehouses import Warehouse

# --- items ------------------------------------------------------------------------------------


def test_an_item_is_shown_as_it_was_loaded(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    sender = {"name": "Bob", "email_address": "bob@example.com"}
    item = story.item(inbox, subject="Grüße 🎉", size=1234, is_read=False, sender=sender)
    warehouse.load(story.rows)
    row = warehouse.live("messages")[item]
    assert (row["subject"], row["size"], row["is_read"], row["sender"]) == ("Grüße 🎉", 1234, False, sender)
    assert (row["mailbox"], row["folder_key"]) == ("anna@example.com", inbox)


@pytest.mark.parametrize("stream", ITEM_STREAMS)
def test_every_class_of_items_has_its_view(warehouse: Warehouse, story: Story, stream: str) -> None:
    item = story.item(story.folder("Inbox"), stream)
    warehouse.load(story.rows)
    assert set(warehouse.live(stream)) == {item}
    assert {row["stream"] for row in warehouse.live("items").values()} == {stream}


def test_an_updated_item_is_shown_once_as_it_is_now(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, subject="old")
    story.item(inbox, item_key=item, change="update", subject="new")
    warehouse.load(story.rows)
    assert [row["subject"] for row in warehouse.live("messages").values()] == ["new"]


def test_an_item_created_again_after_an_update_is_shown(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.item(inbox, item_key=item, change="update")
    story.item(inbox, item_key=item, subject="again")
    assert shown(warehouse, story) == {item}


@pytest.mark.parametrize("change", ["delete", "out_of_scope"])
def test_an_item_that_was_deleted_or_left_the_scope_is_hidden(warehouse: Warehouse, story: Story, change: str) -> None:
    inbox = story.folder("Inbox")
    kept, lost = story.item(inbox), story.item(inbox)
    story.item(inbox, item_key=lost, change="update")
    story.change(inbox, lost, change)
    assert shown(warehouse, story) == {kept}


@pytest.mark.parametrize("change", ["delete", "out_of_scope"])
def test_an_item_that_keeps_its_id_is_not_hidden_by_the_folder_that_it_left(
    warehouse: Warehouse, story: Story, change: str
) -> None:
    inbox, archive = story.folder("Inbox"), story.folder("Archive")
    moved = story.item(inbox)
    story.item(archive, item_key=moved)
    story.change(inbox, moved, change)
    assert shown(warehouse, story) == {moved}
    assert warehouse.live("messages")[moved]["folder_key"] == archive


def test_an_item_that_kept_its_id_and_is_gone_from_its_last_folder_is_hidden(
    warehouse: Warehouse, story: Story
) -> None:
    inbox, archive = story.folder("Inbox"), story.folder("Archive")
    item = story.item(inbox)
    story.item(inbox, item_key=item, change="update")
    story.item(archive, item_key=item)
    story.change(inbox, item, "delete")
    story.change(inbox, item, "out_of_scope")
    story.change(archive, item, "out_of_scope")
    story.change(archive, item, "delete")
    assert shown(warehouse, story) == set()


def test_an_item_that_comes_back_into_the_scope_is_shown(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.change(inbox, item, "out_of_scope")
    story.item(inbox, item_key=item, change="update")
    assert shown(warehouse, story) == {item}


def test_an_item_is_shown_only_in_the_table_that_its_latest_change_names(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, "messages")
    story.item(inbox, "posts", item_key=item, change="update")
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == set()
    assert set(warehouse.live("posts")) == {item}


def test_an_item_that_became_unreadable_has_no_row(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.change(inbox, item, "update", stream="messages", has_row=False)
    assert shown(warehouse, story) == set()


def test_a_row_without_a_change_is_hidden(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    story.write("messages", folder_key=inbox, item_key=story.key("x"), origin="feed")
    assert shown(warehouse, story) == set()


def test_a_tombstone_is_hidden(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    kept, lost = story.item(inbox), story.item(inbox)
    story.change(inbox, lost, "delete")
    story.rows.append(("messages", {"item_key": lost, "_sdc_deleted_at": story.tick()}))
    assert shown(warehouse, story) == {kept}


def test_items_of_two_mailboxes_stand_side_by_side(warehouse: Warehouse, story: Story) -> None:
    other = Story(mailbox="bob@example.com")
    other.run()
    items = {each.item(each.folder("Inbox")) for each in (story, other)}
    warehouse.load(other.rows)
    assert shown(warehouse, story) == items


# --- read flags -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["messages", "meeting_messages", "posts"])
def test_the_latest_read_flag_is_shown(warehouse: Warehouse, story: Story, stream: str) -> None:
    inbox = story.folder("Inbox")
    read, unread, untouched = (story.item(inbox, stream, is_read=flag) for flag in (False, True, True))
    story.change(inbox, read, "read_flag", is_read=True)
    story.change(inbox, unread, "read_flag", is_read=False)
    warehouse.load(story.rows)
    rows = warehouse.live(stream)
    assert {key: row["is_read"] for key, row in rows.items()} == {read: True, unread: False, untouched: True}


def test_a_read_flag_from_before_the_item_was_loaded_is_not_shown(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, is_read=False)
    story.change(inbox, item, "read_flag", is_read=True)
    story.item(inbox, item_key=item, change="update", is_read=False)
    warehouse.load(story.rows)
    assert warehouse.live("messages")[item]["is_read"] is False


def test_a_read_flag_neither_shows_nor_hides_an_item(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.change(inbox, item, "delete")
    story.change(inbox, item, "read_flag", is_read=True)
    assert shown(warehouse, story) == set()


# --- folders ----------------------------------------------------------------------------------


def test_a_folder_is_shown_as_it_is(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Inbox", total_count=3)
    story.folder("Post", folder_key=folder, total_count=4)
    warehouse.load(story.rows)
    assert [(row["name"], row["total_count"]) for row in warehouse.live("folders").values()] == [("Post", 4)]


@pytest.mark.parametrize("gone", ["deleted_at", "excluded_at"])
def test_a_deleted_or_excluded_folder_hides_its_items(warehouse: Warehouse, story: Story, gone: str) -> None:
    inbox, old = story.folder("Inbox"), story.folder("Old")
    kept = story.item(inbox)
    story.item(old)
    story.folder("Old", folder_key=old, **{gone: story.tick()})
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == {kept}
    assert set(warehouse.live("folders")) == {inbox}


def test_an_excluded_folder_that_comes_back_shows_only_what_is_loaded_again(warehouse: Warehouse, story: Story) -> None:
    folder = story.folder("Old")
    kept, _gone = story.item(folder), story.item(folder)
    story.folder("Old", folder_key=folder, excluded_at=story.tick())
    story.folder("Old", folder_key=folder)
    story.start_over(folder)
    story.item(folder, item_key=kept)
    assert shown(warehouse, story) == {kept}


def test_an_item_of_an_unknown_folder_is_hidden(warehouse: Warehouse, story: Story) -> None:
    story.folder("Inbox")
    story.item(story.key("nowhere"))
    assert shown(warehouse, story) == set()


def test_a_mailbox_that_left_hides_its_items(warehouse: Warehouse, story: Story) -> None:
    story.item(story.folder("Inbox"))
    story.mailboxes(left_at=story.tick())
    warehouse.load(story.rows)
    assert warehouse.live("messages") == {}
    assert warehouse.live("folders") == {}


def test_a_mailbox_that_cannot_be_reached_keeps_its_items(warehouse: Warehouse, story: Story) -> None:
    item = story.item(story.folder("Inbox"))
    story.mailboxes(reachable=False, code="ErrorMailboxStoreUnavailable")
    assert shown(warehouse, story) == {item}


# --- a folder started over --------------------------------------------------------------------


def test_a_folder_started_over_hides_what_was_not_written_again(warehouse: Warehouse, story: Story) -> None:
    inbox, other = story.folder("Inbox"), story.folder("Other")
    again, _gone, elsewhere = story.item(inbox), story.item(inbox), story.item(other)
    story.start_over(inbox)
    story.item(inbox, item_key=again)
    assert shown(warehouse, story) == {again, elsewhere}


def test_a_stream_started_over_leaves_the_others_alone(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    story.item(inbox, "tasks")
    message = story.item(inbox)
    story.start_over(inbox, "tasks")
    again = story.item(inbox, "tasks")
    warehouse.load(story.rows)
    assert set(warehouse.live("tasks")) == {again}
    assert set(warehouse.live("messages")) == {message}


def test_a_reset_stands_in_later_rows_of_the_folder(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    story.item(inbox)
    story.start_over(inbox)
    story.state()
    story.run()
    story.sync(inbox)
    assert shown(warehouse, story) == set()


def test_a_column_filled_later_keeps_its_items(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.write("messages", folder_key=inbox, item_key=item, origin="fill", subject="filled")
    warehouse.load(story.rows)
    assert warehouse.live("messages")[item]["subject"] == "filled"


def test_a_state_begun_anew_hides_what_is_gone_since(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    kept, _gone = story.item(inbox), story.item(inbox)
    story.state()
    story.forget()
    story.run()
    story.folder("Inbox", folder_key=inbox)
    story.item(inbox, item_key=kept)
    assert shown(warehouse, story) == {kept}


def test_an_older_state_taken_up_again_shows_what_it_knows(warehouse: Warehouse, story: Story) -> None:
    """A full refresh is killed before its state is durable; the next run goes on with the old state."""
    inbox = story.folder("Inbox")
    known = story.item(inbox)
    story.state()
    feed_id, resets, durable = story.feed_id, story.resets, story.durable
    hierarchy = story.hierarchy_reset_at
    story.forget()
    story.run()
    story.folder("Inbox", folder_key=inbox)  # started over, and killed before its first item
    story.feed_id, story.resets, story.durable, story.hierarchy_reset_at = feed_id, resets, durable, hierarchy
    story.run()
    story.sync(inbox)
    assert shown(warehouse, story) == {known}


# --- a hierarchy started over -----------------------------------------------------------------


def test_a_hierarchy_started_over_hides_folders_not_written_again_and_their_items(
    warehouse: Warehouse, story: Story
) -> None:
    inbox, old = story.folder("Inbox"), story.folder("Old")
    kept, _gone = story.item(inbox), story.item(old)
    story.start_hierarchy_over()
    story.folder("Inbox", folder_key=inbox)
    warehouse.load(story.rows)
    assert set(warehouse.live("folders")) == {inbox}
    assert set(warehouse.live("messages")) == {kept}


def test_a_hierarchy_started_over_leaves_other_stores_alone(warehouse: Warehouse, story: Story) -> None:
    archive = Story(store="archive", now=story.now)
    archive.run()
    kept = archive.item(archive.folder("Archived"))
    warehouse.load(archive.rows)
    story.now = archive.now
    story.start_hierarchy_over()
    assert shown(warehouse, story) == {kept}


# --- a page whose state was lost --------------------------------------------------------------


def test_an_item_created_in_a_page_whose_state_was_lost_is_hidden(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    kept = story.item(inbox)
    story.state()
    story.item(inbox)  # written; killed before its STATE; deleted before the next run
    story.run()
    assert shown(warehouse, story) == {kept}


def test_an_item_of_a_lost_page_is_shown_when_it_is_reported_again(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    story.state()
    item = story.item(inbox)
    story.run()
    story.item(inbox, item_key=item)
    assert shown(warehouse, story) == {item}


def test_an_item_that_the_state_knows_is_never_hidden_for_a_lost_update(warehouse: Warehouse, story: Story) -> None:
    """Its change tells whether an item is there; its row is what was read last, lost page or not."""
    inbox = story.folder("Inbox")
    item = story.item(inbox, subject="old")
    story.state()
    story.item(inbox, item_key=item, change="update", subject="new")
    story.run()
    warehouse.load(story.rows)
    assert warehouse.live("messages")[item]["subject"] == "new"


def test_an_item_of_before_a_start_over_is_not_shown_for_a_lost_row_without_its_change(
    warehouse: Warehouse, story: Story
) -> None:
    """A kill can fall between an item's row and its change; the change of the former lineage speaks for no row."""
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    story.forget()
    story.run()
    story.folder("Inbox", folder_key=inbox)
    story.state()
    story.run()
    story.write("messages", folder_key=inbox, item_key=item, origin="feed")
    story.run()
    assert shown(warehouse, story) == set()
    assert not warehouse.live("item_changes")


def test_rows_of_a_killed_run_stay_until_the_next_begins(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    story.state()
    item = story.item(inbox)
    assert shown(warehouse, story) == {item}


def test_an_update_in_a_lost_page_does_not_bring_back_the_older_table(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, "messages")
    story.state()
    story.item(inbox, "posts", item_key=item, change="update")
    story.run()
    story.item(inbox, "posts", item_key=item, change="update")
    warehouse.load(story.rows)
    assert set(warehouse.live("messages")) == set()
    assert set(warehouse.live("posts")) == {item}


def test_a_read_flag_of_a_lost_page_counts_only_when_it_is_reported_again(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    once, twice = story.item(inbox, is_read=False), story.item(inbox, is_read=False)
    story.state()
    story.change(inbox, once, "read_flag", is_read=True)
    story.change(inbox, twice, "read_flag", is_read=True)
    story.run()
    story.change(inbox, twice, "read_flag", is_read=True)
    warehouse.load(story.rows)
    rows = warehouse.live("messages")
    assert {key: row["is_read"] for key, row in rows.items()} == {once: False, twice: True}


def test_a_delete_of_a_lost_page_counts_only_when_it_is_reported_again(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    once, twice = story.item(inbox), story.item(inbox)
    story.state()
    story.change(inbox, once, "delete")
    story.change(inbox, twice, "delete")
    story.run()
    story.change(inbox, twice, "delete")
    assert shown(warehouse, story) == {once}


def test_a_folder_of_a_lost_page_is_hidden_with_its_items(warehouse: Warehouse, story: Story) -> None:
    kept = story.folder("Inbox")
    story.state()
    lost = story.folder("New")
    story.item(lost, origin="fill")
    story.run()
    warehouse.load(story.rows)
    assert set(warehouse.live("folders")) == {kept}
    assert warehouse.live("messages") == {}


@pytest.mark.parametrize("origin", ["fill", "listing"])
def test_what_no_feed_reported_is_not_lost_with_a_state(warehouse: Warehouse, story: Story, origin: str) -> None:
    inbox = story.folder("Inbox")
    item = story.item(inbox, origin=origin)
    story.listing(inbox, item)
    story.durable = story.rows[0][1]["synced_at"]
    story.folder("Inbox", folder_key=inbox, origin="fill")
    story.run()
    assert shown(warehouse, story) == {item}


def test_several_runs_killed_one_after_the_other_hide_all_they_wrote(warehouse: Warehouse, story: Story) -> None:
    inbox = story.folder("Inbox")
    kept = story.item(inbox)
    story.state()
    for _ in range(3):
        story.item(inbox)
        story.run()
    later = story.item(inbox)
    story.state()
    story.item(inbox)
    story.run()
    last = story.item(inbox)
    assert shown(warehouse, story) == {kept, later, last}


def test_a_run_that_left_no_row_of_its_own_is_lost_as_well(warehouse: Warehouse, story: Story) -> None:
    """A loader may have written the items of a run and not yet the row of the run itself."""
    inbox = story.folder("Inbox")
    kept = story.item(inbox)
    story.state()
    unseen = story.run()
    story.item(inbox)
    story.rows = [(stream, row) for stream, row in story.rows if row.get("run_id") != unseen]
    story.run()
    assert shown(warehouse, story) == {kept}


def test_the_last_row_that_a_state_covers_and_the_first_of_the_next_run_are_kept(
    warehouse: Warehouse, story: Story
) -> None:
    """A gap is open at both ends: a state's as_of may be the time of the last row it covers."""
    inbox = story.folder("Inbox")
    last = story.item(inbox)
    story.durable = story.rows[-1][1]["synced_at"]
    story.item(inbox)
    story.run()
    began = next(row["began_at"] for stream, row in reversed(story.rows) if stream == "sync_runs")
    first = story.key("first")
    where = {"folder_key": inbox, "item_key": first, "origin": "feed", "synced_at": began}
    story.write("messages", **where)
    story.write("item_changes", **where, change_type="create", stream="messages", has_row=True)
    assert shown(warehouse, story) == {last, first}


def test_runs_of_another_state_void_nothing(warehouse: Warehouse, story: Story) -> None:
    other = Story(mailbox="bob@example.com", feed_id="another state")
    other.now = story.now
    other.durable = story.now
    inbox = story.folder("Inbox")
    item = story.item(inbox)
    other.now = story.tick()
    other.run()
    warehouse.load(other.rows)
    assert shown(warehouse, story) == {item}


def test_a_first_run_voids_nothing(warehouse: Warehouse, story: Story) -> None:
    item = story.item(story.folder("Inbox"))
    story.write("sync_runs", run_id="first of its kind", began_at=story.tick(), resumed_from=None)
    assert shown(warehouse, story) == {item}
