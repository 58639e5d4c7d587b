"""Listings that are broken off: public folders, search folders and folders with a broken feed go on from there."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faults import FolderFails
from tap_exchange.demo.faults import On as Where
from tap_exchange.ews.answers import FoundItem
from tap_exchange.sync import listing, packed, searches
from tests.kept import Kept, On, kept
from tests.trouble import quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.folder import Folder
    from tests.pipeline import TapRun
    from tests.warehouses import JSONLines

PIECE = 10
ITEMS = 35
WITHOUT_SUBJECT = ["*.*", "!messages.subject"]


@dataclass(slots=True)
class Listed:
    """A folder that is listed: public, a search folder's, or one whose feed is broken."""

    world: Kept
    folder: Folder

    def add(self, *numbers: int) -> None:
        """Add messages."""
        for number in numbers:
            self.folder.add("Message", Subject=f"mail {number}", IsRead=False)

    def wait(self) -> None:
        """Let a minute pass on the server."""
        self.world.exchange.now_is += timedelta(minutes=1)  # type: ignore[attr-defined]

    def run_only(self, **how: Any) -> TapRun:  # noqa: ANN401
        """Run the tap, listing all there is, without loading what it wrote."""
        return self.world.run_only(**{"listing_hours": 0, **how})

    def run(self, **how: Any) -> TapRun:  # noqa: ANN401
        """Run the tap to its end, listing all there is, and load what it wrote."""
        return self.world.run(**{"listing_hours": 0, **how})

    def broken_off(self, run: TapRun, pages: int, stream: str = "messages") -> set[str]:
        """Load a run up to the STATE behind so many pages with rows of a stream; give the ids that stood in them."""
        seen, is_new = 0, False
        ids: set[str] = set()
        for number, line in enumerate(run.messages.parsed):
            if line["type"] == "RECORD" and line["stream"] == stream:
                ids.add(line["record"]["item_id"])
                is_new = True
            if line["type"] == "STATE" and is_new:
                seen, is_new = seen + 1, False
                if seen == pages:
                    self.world.load(run, number + 5)  # and a few rows whose STATE is lost
                    self.world.state = line["value"]
                    return ids
        raise AssertionError(f"the run has only {seen} pages with rows of {stream}")

    def delete(self, *numbers: int) -> None:
        """Delete messages."""
        for item in self.folder.items():
            if item.properties["Subject"] in subjects(*numbers):
                item.delete()

    @property
    def members(self) -> set[str]:
        """The ids that the live view shows of listings."""
        return {row["item_id"] for row in self.world.live("listed_items").values()}

    @property
    def ids(self) -> set[str]:
        """The ids of the messages that are there."""
        return {item.id for item in self.folder.items()}


@pytest.fixture
def world(tables: JSONLines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(searches, "TICK", 0.0)
    monkeypatch.setattr(listing, "PIECE", PIECE)
    exchange = Exchange(seed=61)
    exchange.now_is = datetime(2026, 1, 20, tzinfo=timezone.utc)  # type: ignore[attr-defined]
    exchange.clock = lambda: exchange.now_is  # type: ignore[attr-defined]
    exchange.add_public_folders()
    with quick(), kept(tables, exchange) as made:
        yield made


@pytest.fixture
def board(world: Kept) -> Listed:
    assert world.exchange.public is not None
    root = world.exchange.public.root
    world.settings["stores"] = ["public_folders"]
    return Listed(world, root.store.new_folder("Board", root))


def broken_feed(world: Kept) -> FolderFails:
    return FolderFails("ErrorCorruptData", world.anna.folder("inbox"), Where("SyncFolderItems"))


@pytest.fixture(params=["public", "search", "broken feed"])
def listed(request: pytest.FixtureRequest, world: Kept) -> Listed:
    if request.param == "public":
        made = request.getfixturevalue("board")
    elif request.param == "search":
        world.settings |= {"search_folders": True, "folders_include": ["drafts", "Finder/Unread Mail"]}
        made = Listed(world, world.anna.folder("sentitems"))
    else:
        world.settings |= {"folders_include": ["inbox"]}
        world.server.faults.add(broken_feed(world))
        made = Listed(world, world.anna.folder("inbox"))
    made.add(*range(ITEMS))
    return made


def subjects(*numbers: int) -> set[str]:
    return {f"mail {number}" for number in numbers}


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_killed_run_is_gone_on_with_and_what_was_kept_of_it_is_not_loaded_again(listed: Listed, pages: int) -> None:
    done = listed.broken_off(listed.run_only(), pages)
    assert len(done) == pages * PIECE
    listed.run()
    assert sorted(listed.world.loaded()) == sorted(listed.ids - done)
    assert listed.world.shown == subjects(*range(ITEMS))
    assert listed.members == listed.ids
    listed.run()
    assert not listed.world.counts("GetItem")


def test_a_run_whose_time_is_over_ends_between_pieces_and_later_ones_go_on(listed: Listed) -> None:
    listed.world.server.endpoint.latency = 0.05
    run = listed.run(max_runtime_minutes=0.01, max_connections=1, batch_size=1)
    loaded = listed.world.loaded()
    assert run.of("sync_runs")[-1]["outcome"] == "partial"
    assert "partial" in {row["status"] for row in run.of("folder_syncs")}
    assert PIECE <= len(loaded) < ITEMS
    assert not listed.members
    listed.world.server.endpoint.latency = 0.0
    listed.run()
    assert sorted(loaded + listed.world.loaded()) == sorted(listed.ids), "each is loaded once"
    assert listed.world.shown == subjects(*range(ITEMS))


@pytest.mark.parametrize("pages", [1, 2])
def test_what_a_broken_off_run_loaded_with_fewer_columns_is_loaded_again_with_more(listed: Listed, pages: int) -> None:
    listed.run()
    listed.wait()
    listed.broken_off(listed.run_only(selects=WITHOUT_SUBJECT), pages)
    assert None in listed.world.tables.connection.execute("select subject from live_messages").fetchone() or True
    listed.run()
    assert listed.world.shown == subjects(*range(ITEMS))
    listed.run()
    assert not listed.world.counts("GetItem")


def test_what_was_loaded_with_more_columns_is_loaded_in_a_run_with_fewer_only_once(listed: Listed) -> None:
    listed.run()
    listed.wait()
    done = listed.broken_off(listed.run_only(selects=WITHOUT_SUBJECT), 2)
    listed.run(selects=WITHOUT_SUBJECT)
    assert sorted(listed.world.loaded()) == []
    assert listed.world.counts("GetItem") == -(-(ITEMS - len(done)) // 10)


def test_the_listing_of_before_counts_until_the_next_is_written(listed: Listed) -> None:
    listed.run()
    before = listed.ids
    listed.wait()
    listed.delete(*range(5))
    listed.add(*range(100, 125))
    listed.broken_off(listed.run_only(), 1)
    assert listed.members == before
    listed.run()
    assert listed.members == listed.ids
    assert listed.world.shown == subjects(*range(5, ITEMS), *range(100, 125))


def test_what_was_modified_is_shown_piece_by_piece_and_gone_on_with(board: Listed) -> None:
    board.add(*range(5))
    board.run()
    board.wait()
    board.add(*range(5, ITEMS))
    done = board.broken_off(board.run_only(listing_hours=24), 2, stream="listed_items")
    assert done <= board.members
    assert len(done) == 2 * PIECE
    board.run(listing_hours=24)
    assert not set(board.world.loaded()) & done
    assert board.world.shown == subjects(*range(ITEMS))
    assert board.members == board.ids


@pytest.mark.parametrize("pages", [1, 3])
def test_what_a_broken_off_listing_loaded_is_shown_when_the_feed_works_again(world: Kept, pages: int) -> None:
    listed = Listed(world, world.anna.folder("inbox"))
    world.settings |= {"folders_include": ["inbox"]}
    listed.add(*range(ITEMS))
    listed.run()
    world.server.faults.add(broken_feed(world))
    listed.broken_off(listed.run_only(), pages)
    world.server.faults.clear()
    listed.delete(ITEMS - 1)
    run = listed.run()
    assert run.of("folder_syncs")[-1]["status"] == "finished"
    assert world.shown == subjects(*range(ITEMS - 1))
    assert not world.loaded()
    listed.run()
    assert not world.counts("FindItem")


def test_no_more_of_a_listing_is_held_unpacked_than_a_few_pieces(
    board: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> None:
        alive.append(sum(isinstance(one, FoundItem) for one in gc.get_objects()))

    monkeypatch.setattr(packed, "TOGETHER", PIECE)
    board.add(*range(400))
    alive: list[int] = []
    board.world.server.endpoint.find_limit = 50
    for number in (1, 100, 300):
        board.world.server.faults.add(On("GetItem", number, count))
    board.run(batch_size=1)
    assert board.members == board.ids
    assert len(alive) == 3
    assert max(alive) <= 10 * PIECE
