"""Search folders: what they hold is listed when it may have changed, and loaded once, wherever it stands."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.searches import Search
from tap_exchange.demo.soap import ServiceError
from tap_exchange.sync import searches
from tests.kept import Kept, On, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.soap import Call
    from tests.warehouses import JSONLines

FOLLOWED = {"search_folders": True, "folders_include": ["inbox", "searchfolders"]}


class World(Kept):
    """A mailbox whose messages of interest stand in the Inbox."""

    def wait(self) -> None:
        """Let a second pass on the server."""
        self.exchange.now_is += timedelta(seconds=1)  # type: ignore[attr-defined]

    def members(self, path: str) -> set[str]:
        """Give the ids that the live view shows of a search folder."""
        (folder,) = [row for row in self.live("folders").values() if row["path"] == path]
        rows = self.live("listed_items").values()
        return {row["item_id"] for row in rows if row["folder_key"] == folder["folder_key"]}

    def search(self, name: str) -> Folder:
        """Find a search folder."""
        return next(f for f in self.anna.store.distinguished("searchfolders").children if f.name == name)


@pytest.fixture
def world(tables: JSONLines, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(searches, "TICK", 0.0)  # this server's clock is moved by hand
    exchange = Exchange(seed=31)
    exchange.now_is = datetime(2026, 1, 20, tzinfo=timezone.utc)  # type: ignore[attr-defined]
    exchange.clock = lambda: exchange.now_is  # type: ignore[attr-defined]
    with kept(tables, exchange, **FOLLOWED) as made:
        yield World(made.exchange, made.anna, made.server, made.tables, made.settings)


def ids(*items: Item) -> set[str]:
    return {item.id for item in items}


def test_search_folders_are_found_and_what_they_hold_is_listed(world: World) -> None:
    unread, read = world.mail("unread", IsRead=False), world.mail("read", IsRead=True)
    run = world.run()
    assert world.members("Finder/Unread Mail") == ids(unread)
    assert world.members("Finder/Large Mail") == set()
    assert world.shown == {"unread", "read"}
    assert sorted(world.loaded()) == sorted(ids(unread, read)), "the feed has loaded them"
    rows = {row["path"]: row for row in run.of("folders")}
    assert rows["Finder/Unread Mail"]["folder_type"] == "SearchFolder"
    assert rows["Finder/Unread Mail"]["total_count"] == 1
    assert rows["Finder"]["distinguished_name"] == "searchfolders"
    finds = [request for request in world.server.requests if request.operation == "FindItem"]
    assert {request.base_shape for request in finds} == {"IdOnly"}
    (status,) = {row["status"] for row in run.of("folder_syncs") if row["listed_at"]}
    assert status == "listed"


def test_without_the_setting_nothing_is_asked_of_them(world: World) -> None:
    world.mail("unread", IsRead=False)
    run = world.run(search_folders=False)
    assert not world.counts("FindFolder")
    assert not run.of("listed_items")
    assert not [row for row in run.of("folders") if row["folder_type"] == "SearchFolder"]


def test_an_idle_run_probes_them_in_one_request_and_lists_none(world: World) -> None:
    world.mail("unread", IsRead=False)
    world.run()
    world.wait()
    run = world.run()
    assert world.counts("FindFolder") == 1
    assert not world.counts("FindItem")
    assert not world.counts("GetItem")
    assert not run.of("listed_items")
    assert not [row for row in run.of("folders") if row["folder_type"] == "SearchFolder"]


def test_members_come_and_go_without_being_changed_or_loaded(world: World) -> None:
    first, second, third = (world.mail(f"mail {number}", IsRead=number == 3) for number in (1, 2, 3))
    world.run()
    assert world.members("Finder/Unread Mail") == ids(first, second)
    world.wait()
    first.mark_read()
    third.mark_read(False)
    world.run()
    assert world.members("Finder/Unread Mail") == ids(second, third)
    assert world.shown == {"mail 1", "mail 2", "mail 3"}
    assert not world.loaded()
    world.wait()
    for item in (second, third):
        item.mark_read()
    world.run()
    assert world.members("Finder/Unread Mail") == set()
    assert world.shown == {"mail 1", "mail 2", "mail 3"}


def test_only_those_that_may_have_changed_are_listed(world: World) -> None:
    world.anna.add_search_folder("Red", lambda item: item.properties.get("Subject") == "red")
    world.run()
    world.wait()
    red = world.mail("red", IsRead=True)
    world.run()
    assert world.counts("FindItem") == 1
    assert world.members("Finder/Red") == ids(red)


def test_one_that_seems_unchanged_is_listed_after_some_hours_all_the_same(world: World) -> None:
    world.run()
    world.run(listing_hours=0)
    assert world.counts("FindItem") == 3


def test_members_in_folders_without_a_feed_are_loaded_and_leave_the_tables_when_they_leave(world: World) -> None:
    red = world.anna.add_search_folder("Red", lambda item: "red" in str(item.properties.get("Subject")))
    sent = world.anna.folder("sentitems")
    first, second = world.mail("red 1", folder="sentitems"), world.mail("red 2", folder="sentitems")
    world.mail("blue", folder="sentitems")
    inbox = world.mail("red, with a feed")
    world.settings["folders_include"] = ["inbox", "Finder/Red"]
    run = world.run()
    assert world.members("Finder/Red") == ids(first, second, inbox)
    assert world.shown == {"red 1", "red 2", "red, with a feed"}
    assert sorted(world.loaded()) == sorted(ids(first, second, inbox))
    rows = {row["item_id"]: row for row in run.of("messages")}
    assert (rows[first.id]["folder_id"], rows[first.id]["origin"]) == (sent.id, "listing")
    assert rows[inbox.id]["origin"] == "feed"
    world.wait()
    first.update(Subject="red, changed")
    second.update(Subject="no more")
    third = world.mail("red 3", folder="sentitems")
    world.run()
    assert world.shown == {"red, changed", "red 3", "red, with a feed"}
    assert set(world.loaded()) == ids(first, third)
    world.wait()
    first.delete()
    third.move(world.anna.folder("inbox"))
    world.run()
    assert world.shown == {"red 3", "red, with a feed"}
    assert red.gone is False


def test_what_a_pattern_names_to_be_left_out_is_not_loaded_by_a_back_door(world: World) -> None:
    secret = world.mail("secret", folder="sentitems", IsRead=False)
    world.run(folders_exclude=["sentitems"])
    assert world.members("Finder/Unread Mail") == ids(secret)
    assert world.shown == set()
    assert not world.loaded()


def test_a_folder_that_gets_a_feed_or_loses_it_changes_who_loads(world: World) -> None:
    item = world.mail("unread", folder="sentitems", IsRead=False)
    world.run()
    assert set(world.loaded()) == ids(item)
    run = world.run(folders_include=["inbox", "sentitems", "searchfolders"])
    assert run.of("messages")[-1]["origin"] == "feed"
    world.wait()
    item.mark_read()
    world.run(folders_include=["inbox", "sentitems", "searchfolders"])
    assert world.shown == {"unread"}
    world.wait()
    item.mark_read(False)
    item.update(Subject="unread again")
    world.run()
    assert world.shown == {"unread again"}


def test_search_folders_are_made_renamed_and_deleted(world: World) -> None:
    world.run()
    world.wait()
    red = world.anna.add_search_folder("Red", lambda item: item.properties.get("Subject") == "red")
    item = world.mail("red")
    world.run()
    assert world.members("Finder/Red") == ids(item)
    red.rename("Rouge")
    world.run()
    assert world.members("Finder/Rouge") == ids(item)
    assert not [row for row in world.live("folders").values() if row["path"] == "Finder/Red"]
    red.delete()
    run = world.run()
    (gone,) = [row for row in run.of("folders") if row["deleted_at"]]
    assert gone["name"] == "Rouge"
    assert gone["folder_key"] not in {row["folder_key"] for row in world.live("listed_items").values()}
    assert world.shown == {"red"}


def test_search_folders_within_the_hierarchy_are_listed_too(world: World) -> None:
    store = world.anna.store
    within = store.new_folder("Red here", store.distinguished("inbox"), element="SearchFolder")
    within.search = Search(lambda item: item.properties.get("Subject") == "red")
    item = world.mail("red")
    world.run()
    assert world.members("Inbox/Red here") == ids(item)
    world.wait()
    item.delete()
    world.run()
    assert world.members("Inbox/Red here") == set()
    assert world.shown == set()


def test_not_wanted_any_more_they_leave_the_tables_and_come_back_whole(world: World) -> None:
    item = world.mail("unread", folder="sentitems", IsRead=False)
    world.run()
    world.run(search_folders=False)
    assert world.shown == set()
    assert not world.live("listed_items")
    assert not [row for row in world.live("folders").values() if row["folder_type"] == "SearchFolder"]
    assert not world.run(search_folders=False).of("folders")
    world.run()
    assert world.members("Finder/Unread Mail") == ids(item)
    assert world.shown == {"unread"}


def test_excluded_ones_are_not_listed_and_come_back_whole(world: World) -> None:
    item = world.mail("unread", folder="sentitems", IsRead=False)
    world.run()
    world.run(folders_exclude=["Finder/Unread Mail"])
    assert world.shown == set()
    world.wait()
    item.update(Subject="unread, changed")
    world.run(folders_exclude=["Finder/Unread Mail"])
    assert not world.counts("FindItem")
    world.run()
    assert world.members("Finder/Unread Mail") == ids(item)
    assert world.shown == {"unread, changed"}


def test_a_hierarchy_started_over_keeps_them(world: World) -> None:
    item = world.mail("unread", folder="sentitems", IsRead=False)
    world.run()
    assert world.state is not None
    world.state["bookmarks"]["_feeds"]["anna@example.com"]["primary"]["hierarchy"] = "bm90IG91cnM="
    world.run()
    assert world.members("Finder/Unread Mail") == ids(item)
    assert not world.counts("FindItem")
    assert world.shown == {"unread"}


def test_a_large_one_is_listed_in_pages_and_nothing_slips_through_when_members_leave_meanwhile(world: World) -> None:
    world.server.endpoint.find_limit = 10
    items = [world.mail(f"mail {number}", IsRead=False) for number in range(45)]
    world.server.faults.add(On("FindItem", 3, lambda: [item.mark_read() for item in items[:7]]))
    world.run(folders_include=["inbox", "Finder/Unread Mail"])
    assert world.members("Finder/Unread Mail") == ids(*items[7:])


def test_one_that_cannot_be_read_fails_by_itself_and_is_listed_next_time(world: World) -> None:
    class Broken(Fault):
        def folder(self, call: Call, folder: Folder) -> None:
            if folder.name == "Unread Mail" and call.operation == "FindItem":
                raise ServiceError("ErrorSearchFolderNotInitialized")

    item = world.mail("unread", folder="sentitems", IsRead=False)
    world.anna.add_search_folder("All", lambda _: True)
    world.server.faults.add(Broken())
    run = world.run_only()
    assert run.exit_code != 0
    world.load(run)
    world.state = run.state
    assert world.members("Finder/All") == ids(item)
    (row,) = [row for row in run.of("folder_syncs") if row["status"] == "failed"]
    assert row["code"] == "ErrorSearchFolderNotInitialized"
    world.server.faults.clear()
    world.run()
    assert world.members("Finder/Unread Mail") == ids(item)


def test_a_member_that_was_not_found_is_tried_again_though_nothing_changed(world: World) -> None:
    class Lost(Fault):
        def item_id(self, _: Call, item_id: str) -> None:
            if item_id == lost.id:
                raise ServiceError("ErrorItemNotFound")

    lost, item = (world.mail(subject, folder="sentitems", IsRead=False) for subject in ("lost", "there"))
    inbox = world.mail("inbox")
    world.server.faults.add(Lost())
    world.run()
    assert world.shown == {"there", "inbox"}
    world.server.faults.clear()
    world.run()
    assert ids(lost) <= world.members("Finder/Unread Mail") <= ids(lost, item, inbox)


def test_a_run_broken_off_leaves_no_ghosts(world: World) -> None:
    items = [world.mail(f"mail {number}", folder="sentitems", IsRead=False) for number in range(8)]
    whole = world.run_only()
    for share in (0.5, 0.8, 0.95):
        world.broken_off(whole, share)
    for item in items[:4]:
        item.delete()
    world.wait()
    world.run()
    assert world.members("Finder/Unread Mail") == ids(*items[4:])
    assert world.shown == {f"mail {number}" for number in range(4, 8)}


def test_a_listing_waits_until_the_servers_clock_has_moved_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "TICK", 1.05)
    world.exchange.clock = lambda: datetime.now(timezone.utc)
    world.mail("one", IsRead=False)
    world.run()
    (found,) = {request.at for request in world.server.requests if request.operation == "FindFolder"}
    listed = min(request.at for request in world.server.requests if request.operation == "FindItem")
    assert listed - found >= 1
    late = world.mail("two", IsRead=False)  # at once: in the same second, or nearly
    world.run()
    assert late.id in world.members("Finder/Unread Mail")
