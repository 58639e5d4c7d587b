"""The stores beside the primary one: archive, recoverable items, public folders; and what a mailbox lacks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.soap import ServiceError
from tests.kept import ANNA, Kept, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.soap import Call
    from tests.pipeline import TapRun
    from tests.warehouses import JSONLines

PUBLIC = {"stores": ["public_folders"]}


class World(Kept):
    """Anna's mailbox has an archive, her organization public folders."""

    @property
    def root(self) -> Folder:
        """The root of the public folders."""
        assert self.exchange.public is not None
        return self.exchange.public.root

    def publish(self, name: str, parent: Folder | None = None, **options: Any) -> Folder:  # noqa: ANN401
        """Make a public folder."""
        parent = parent or self.root
        return parent.store.new_folder(name, parent, **options)

    def wait(self, **time: int) -> None:
        """Let time pass on the server."""
        self.exchange.now_is += timedelta(**time or {"minutes": 1})  # type: ignore[attr-defined]

    def paths(self, store: str) -> set[str]:
        """Give the paths that the live view shows of a store."""
        return {row["path"] for row in self.live("folders").values() if row["store"] == store}


@pytest.fixture
def world(tables: JSONLines) -> Iterator[World]:
    exchange = Exchange(seed=41)
    exchange.now_is = datetime(2026, 1, 20, tzinfo=timezone.utc)  # type: ignore[attr-defined]
    exchange.clock = lambda: exchange.now_is  # type: ignore[attr-defined]
    exchange.add_mailbox(ANNA, password="secret", archive=True)
    exchange.add_public_folders()
    with kept(tables, exchange) as made:
        yield World(made.exchange, made.anna, made.server, made.tables, made.settings)


def stores(run: TapRun) -> dict[str, dict[str, Any]]:
    return {row["store"]: row for row in run.of("mailboxes")}


# Archive and recoverable items


def test_archive_and_recoverable_items_have_roots_and_bookmarks_of_their_own(world: World) -> None:
    archive = world.anna.archive
    assert archive is not None
    world.mail("in the inbox")
    archive.distinguished("archiveinbox").add("Message", Subject="in the archive")
    deletions = world.anna.store.distinguished("recoverableitemsdeletions")
    deletions.add("Message", Subject="purged soon")
    settings = {
        "stores": ["primary", "archive", "recoverable_items"],
        "folders_include": ["inbox", "archiveinbox", "recoverableitemsdeletions"],
    }
    run = world.run(**settings)
    assert world.shown == {"in the inbox", "in the archive", "purged soon"}
    rows = stores(run)
    assert len({row["root_folder_id"] for row in rows.values()}) == 3
    assert {row["store"] for row in run.of("messages")} == {"primary", "archive", "recoverable_items"}
    marks = run.state["bookmarks"]["_feeds"][ANNA]  # type: ignore[index]
    assert marks.keys() == {"primary", "archive", "recoverable_items"}
    assert all(mark["hierarchy"] and mark["folders"] for mark in marks.values())
    names = {row["distinguished_name"] for row in run.of("folders")}
    assert {"archivedeleteditems", "recoverableitemsdeletions", "inbox"} <= names

    deletions.items()[0].delete()
    archive.distinguished("archiveinbox").items()[0].update(Subject="archived, changed")
    world.run(**settings)
    assert world.shown == {"in the inbox", "archived, changed"}
    assert world.counts("GetItem") == 1

    world.run(stores=["primary"], folders_include=["inbox"])
    assert world.shown == {"in the inbox"}, "a store that a run leaves out leaves the views"
    world.run(**settings)
    assert world.shown == {"in the inbox", "archived, changed"}
    assert not world.counts("GetItem")


@pytest.mark.parametrize(
    ("store", "code"),
    [("archive", "ErrorFolderNotFound"), ("public_folders", "ErrorNoPublicFolderReplicaAvailable")],
)
def test_a_store_that_a_mailbox_lacks_is_a_row_and_no_failure(world: World, store: str, code: str) -> None:
    world.anna.archive = None
    world.exchange.public = None
    world.mail("here")
    run = world.run(stores=[store, "primary"], folders_include=["inbox"], max_wait=1)
    assert world.shown == {"here"}
    row = stores(run)[store]
    assert (row["reachable"], row["code"]) == (False, code)
    assert row["message"]
    assert stores(run)["primary"]["reachable"] is True
    last = run.of("sync_runs")[-1]
    assert (last["outcome"], last["mailboxes_failed"]) == ("finished", 0)


def test_a_store_that_cannot_be_opened_fails(world: World) -> None:
    class Closed(Fault):
        def folder(self, _: Call, folder: Folder) -> None:
            if folder.distinguished_name == "archivemsgfolderroot":
                raise ServiceError("ErrorAccessDenied")

    world.server.faults.add(Closed())
    run = world.run_only(stores=["archive"])
    assert run.exit_code != 0
    assert stores(run)["archive"]["code"] == "ErrorAccessDenied"


# Public folders


def test_public_folders_are_found_level_by_level_and_what_they_hold_is_listed_and_loaded(world: World) -> None:
    board = world.publish("Board")
    below = world.publish("2026", board)
    world.publish("Empty")
    posts = [board.add("PostItem", Subject="posted"), below.add("Message", Subject="sent")]
    run = world.run(**PUBLIC)
    assert world.paths("public_folders") == {"Board", "Board/2026", "Empty"}
    assert world.shown == {"posted", "sent"}
    assert {row["item_id"] for row in world.live("listed_items").values()} == {item.id for item in posts}
    assert {row["origin"] for row in run.of("posts")} == {"listing"}
    assert "SyncFolderItems" not in world.server.counts
    assert "SyncFolderHierarchy" not in world.server.counts
    assert stores(run)["public_folders"]["folders"] == 3
    assert {row["status"] for row in run.of("folder_syncs")} == {"listed"}


def test_requests_are_routed_to_where_the_tree_and_the_contents_are(world: World) -> None:
    guid = "11111111-2222-3333-4444-555555555555"
    board = world.publish("Board").update(ContentMailbox=guid)
    board.add("PostItem", Subject="posted")
    world.run(**PUBLIC)
    led = {
        (request.operation, request.headers["X-AnchorMailbox"], request.headers["X-PublicFolderMailbox"])
        for request in world.server.requests
        if request.operation != "ResolveNames"
    }
    there = f"{guid}@example.com"
    assert led == {
        ("GetFolder", ANNA, ANNA),
        ("FindFolder", ANNA, ANNA),
        ("FindItem", there, there),
        ("GetItem", there, there),
    }


def test_a_run_loads_what_was_modified_and_an_idle_one_nothing(world: World) -> None:
    board = world.publish("Board")
    items = [board.add("PostItem", Subject=f"post {number}") for number in range(5)]
    world.wait()
    board.add("PostItem", Subject="latest")
    world.run(**PUBLIC)
    world.wait()
    run = world.run(**PUBLIC)
    assert not world.counts("GetItem")
    assert not run.of("listed_items")
    assert not run.of("folders")
    world.wait()
    items[2].update(Subject="changed")
    new = board.add("PostItem", Subject="new")
    run = world.run(**PUBLIC)
    assert set(world.loaded()) == {items[2].id, new.id}
    assert world.shown == {"post 0", "post 1", "changed", "post 3", "post 4", "latest", "new"}
    finds = [request for request in world.server.requests if request.operation == "FindItem"]
    assert sum(request.item_count for request in finds) == 3, "the latest and what was modified since"


def test_deletes_are_found_by_a_complete_listing_every_so_many_hours(world: World) -> None:
    board = world.publish("Board")
    items = [board.add("PostItem", Subject=f"post {number}") for number in range(3)]
    world.run(**PUBLIC)
    world.wait()
    items[0].delete()
    world.run(**PUBLIC)
    assert world.shown == {"post 0", "post 1", "post 2"}, "the stated exception"
    world.run(listing_hours=0, **PUBLIC)
    assert world.shown == {"post 1", "post 2"}
    assert not world.counts("GetItem")


def test_what_comes_in_with_an_older_time_is_found_by_a_complete_listing(world: World) -> None:
    board = world.publish("Board")
    board.add("PostItem", Subject="post")
    world.run(**PUBLIC)
    world.wait()
    before = datetime(2025, 1, 1, tzinfo=timezone.utc)
    late = board.add("PostItem", Subject="brought in", LastModifiedTime=before)
    world.run(**PUBLIC)
    assert world.shown == {"post"}
    world.run(listing_hours=0, **PUBLIC)
    assert world.shown == {"post", "brought in"}
    assert world.loaded() == [late.id]


def test_a_time_of_the_future_does_not_hide_what_is_modified_later(world: World) -> None:
    board = world.publish("Board")
    board.add("PostItem", Subject="of the future", LastModifiedTime=datetime(2999, 1, 1, tzinfo=timezone.utc))
    board.add("PostItem", Subject="post")
    world.run(**PUBLIC)
    world.wait()
    board.add("PostItem", Subject="new")
    world.run(**PUBLIC)
    assert world.shown == {"of the future", "post", "new"}


def test_public_folders_are_made_renamed_moved_and_deleted(world: World) -> None:
    board, other = world.publish("Board"), world.publish("Other")
    below = world.publish("2026", board)
    below.add("PostItem", Subject="below")
    other.add("PostItem", Subject="other")
    world.run(**PUBLIC)
    board.rename("Bulletin")
    below.move(other)
    world.publish("New").add("PostItem", Subject="new")
    world.run(**PUBLIC)
    assert world.paths("public_folders") == {"Bulletin", "Other", "Other/2026", "New"}
    assert world.shown == {"below", "other", "new"}
    other.delete()
    run = world.run(**PUBLIC)
    assert {row["name"] for row in run.of("folders") if row["deleted_at"]} == {"Other", "2026"}
    assert world.paths("public_folders") == {"Bulletin", "New"}
    assert world.shown == {"new"}


def test_a_branch_that_may_not_be_seen_is_left_as_it_is(world: World) -> None:
    class Closed(Fault):
        def folder(self, call: Call, folder: Folder) -> None:
            if folder is board and call.operation in {"FindFolder", "FindItem"}:
                raise ServiceError("ErrorAccessDenied")

    board = world.publish("Board")
    below = world.publish("2026", board)
    below.add("PostItem", Subject="below")
    other = world.publish("Other")
    world.run(**PUBLIC)
    world.server.faults.add(Closed())
    other.add("PostItem", Subject="new")
    run = world.run(**PUBLIC)
    assert not [row for row in run.of("folders") if row["deleted_at"]]
    assert world.paths("public_folders") == {"Board", "Board/2026", "Other"}
    assert world.shown == {"below", "new"}
    (status,) = [row["status"] for row in run.of("folder_syncs") if row["folder_id"] == board.id]
    assert status == "skipped"


def test_patterns_hold_for_public_folders_and_what_comes_back_is_whole(world: World) -> None:
    board, other = world.publish("Board"), world.publish("Other")
    item = board.add("PostItem", Subject="on the board")
    other.add("PostItem", Subject="other")
    world.run(**PUBLIC)
    world.run(folders_exclude=["Board"], **PUBLIC)
    assert world.shown == {"other"}
    item.update(Subject="changed meanwhile")
    world.run(**PUBLIC)
    assert world.shown == {"changed meanwhile", "other"}


def test_a_column_selected_later_and_another_date_hold_for_public_folders(world: World) -> None:
    board = world.publish("Board")
    for number in (1, 10):
        when = datetime(2026, 1, number, tzinfo=timezone.utc)
        board.add("PostItem", Subject=f"post {number}", DateTimeReceived=when, DateTimeSent=when, DateTimeCreated=when)
    start = {"start_date": "2026-01-05"}
    world.run(selects=["*.*", "!posts.subject"], **start, **PUBLIC)
    world.run(**start, **PUBLIC)
    assert world.shown == {"post 10"}
    world.run(**PUBLIC)
    assert world.shown == {"post 1", "post 10"}
    world.run(**start, **PUBLIC)
    assert world.shown == {"post 10"}


def test_an_item_that_was_not_found_is_tried_again(world: World) -> None:
    class Lost(Fault):
        def item_id(self, _: Call, item_id: str) -> None:
            if item_id == lost.id:
                raise ServiceError("ErrorItemNotFound")

    board = world.publish("Board")
    lost: Item = board.add("PostItem", Subject="lost")
    world.server.faults.add(Lost())
    world.run(**PUBLIC)
    assert world.shown == set()
    world.server.faults.clear()
    world.wait()
    world.run(**PUBLIC)
    assert world.shown == {"lost"}


@pytest.mark.parametrize("share", [0.4, 0.75, 0.95])
def test_a_run_broken_off_leaves_no_ghosts(world: World, share: float) -> None:
    board = world.publish("Board")
    items = [board.add("PostItem", Subject=f"post {number}") for number in range(8)]
    gone = world.publish("Gone")
    gone.add("PostItem", Subject="gone")
    world.broken_off(world.run_only(**PUBLIC), share)
    for item in items[:4]:
        item.delete()
    gone.delete()
    world.wait()
    world.run(listing_hours=0, **PUBLIC)
    assert world.shown == {f"post {number}" for number in range(4, 8)}
    assert world.paths("public_folders") == {"Board"}


def test_a_public_calendar_has_its_view(world: World) -> None:
    now = datetime.now(timezone.utc)
    calendar = world.publish("Rooms", element="CalendarFolder", folder_class="IPF.Appointment")
    meeting = calendar.add("CalendarItem", Subject="meeting", Start=now, End=now + timedelta(hours=1))
    world.run(**PUBLIC)
    assert [row["subject"] for row in world.live("calendar_view").values()] == ["meeting"]
    world.wait()
    meeting.update(Subject="moved", Start=now + timedelta(hours=2), End=now + timedelta(hours=3))
    world.run(**PUBLIC)
    assert [row["subject"] for row in world.live("calendar_view").values()] == ["moved"]


def test_a_sample_reads_a_record_of_a_public_folder(world: World) -> None:
    world.publish("Board").add("PostItem", Subject="posted")
    run = world.run_only(args=["--test=records"], **PUBLIC).checked()
    assert [row["subject"] for row in run.of("posts")] == ["posted"]


def test_ignored_items_of_public_folders_are_not_loaded(world: World) -> None:
    board = world.publish("Board")
    left_out = board.add("PostItem", Subject="left out")
    board.add("PostItem", Subject="posted")
    world.run(ignore_item_ids=[left_out.id], **PUBLIC)
    assert world.shown == {"posted"}
    assert not [row for row in world.live("listed_items").values() if row["item_id"] == left_out.id]
