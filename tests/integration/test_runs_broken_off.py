"""Runs that were broken off at bad moments, each followed by one with other settings; the model test found them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faults import On, RequestFails
from tests.kept import ANNA, Kept, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pipeline import TapRun
    from tests.warehouses import JSONLines

NOW = datetime(2026, 1, 20, tzinfo=timezone.utc)
BEFORE_ALL = {"start_date": "2026-01-01"}


@pytest.fixture
def world(tables: JSONLines) -> Iterator[Kept]:
    exchange = Exchange(seed=51)
    exchange.clock = lambda: NOW
    with kept(tables, exchange, folders_include=["inbox"]) as made:
        for number in range(6):
            made.mail(f"mail {number}", NOW)
        yield made


def broken_off_after(world: Kept, run: TapRun, stream: str, **values: Any) -> None:  # noqa: ANN401
    """Load what a run wrote up to the first STATE behind a row of a stream, and go on from that STATE."""
    lines = run.messages.parsed
    row = next(
        number
        for number, line in enumerate(lines)
        if line["type"] == "RECORD" and line["stream"] == stream and line["record"].items() >= values.items()
    )
    end = next(number for number in range(row, len(lines)) if lines[number]["type"] == "STATE")
    world.load(run, end + 1)
    world.state = lines[end]["value"]


@pytest.mark.parametrize("dates", [{}, BEFORE_ALL], ids=["everything", "with a date"])
@pytest.mark.parametrize("notifications", ["none", "pull"])
def test_a_fill_that_was_broken_off_is_made_good_by_a_run_with_the_former_settings(
    world: Kept, dates: dict[str, str], notifications: str
) -> None:
    former = {"attachments": "none", "notifications": notifications, **dates}
    world.run(**former)
    filling = world.run_only(**{**former, "attachments": "metadata"})
    broken_off_after(world, filling, "folder_syncs", status="running")
    world.run(**former)
    assert world.shown == {f"mail {number}" for number in range(6)}
    world.run(**former)
    assert not world.counts("GetItem")


@pytest.mark.parametrize("dates", [{}, BEFORE_ALL], ids=["everything", "with a date"])
@pytest.mark.parametrize("notifications", ["none", "pull"])
def test_what_came_while_less_was_selected_is_loaded_anew_when_more_is_though_a_fill_was_broken_off(
    world: Kept, dates: dict[str, str], notifications: str
) -> None:
    how = {"notifications": notifications, **dates}
    world.run(selects=["*.*", "!contacts.*"], **how)
    world.mail("new", NOW)
    world.server.faults.add(RequestFails("ErrorAccessDenied", On("SyncFolderItems", state=False)))
    world.run(selects=["*.*", "!messages.subject"], **how)
    world.server.faults.clear()
    assert None in world.shown
    world.run(selects=["*.*"], **how)
    assert world.shown == {f"mail {number}" for number in range(6)} | {"new"}
    world.run(selects=["*.*"], **how)
    assert not world.counts("GetItem")


def test_a_fill_whose_run_was_broken_off_before_the_date_moved_loads_nothing_that_is_too_old(world: Kept) -> None:
    world.mail("old", datetime(2025, 6, 1, tzinfo=timezone.utc))
    former = {"attachments": "none", **BEFORE_ALL}
    world.run(**former)
    reached = dates_of(world.state)
    filling = world.run_only(attachments="metadata")
    lines = filling.messages.parsed
    end = max(n for n, line in enumerate(lines) if line["type"] == "STATE" and dates_of(line["value"]) == reached)
    world.load(filling, end + 1)
    world.state = lines[end]["value"]
    world.run(**former)
    assert world.shown == {f"mail {number}" for number in range(6)}
    world.run(attachments="metadata")
    assert world.shown == {f"mail {number}" for number in range(6)} | {"old"}


def dates_of(state: dict[str, Any] | None) -> list[Any]:
    assert state is not None
    folders = state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"]
    return [mark["dates"] for mark in folders.values() if "dates" in mark]


def test_what_a_lost_run_with_a_later_date_pushed_out_comes_back_with_the_former_date(world: Kept) -> None:
    old = {"start_date": "2025-01-01"}
    world.mail("old", datetime(2025, 6, 1, tzinfo=timezone.utc))
    world.run(**old)
    world.load(world.run_only(**BEFORE_ALL))  # and its states are lost
    world.run(**old)
    assert world.shown == {f"mail {number}" for number in range(6)} | {"old"}


@pytest.mark.parametrize("former", [{}, {"start_date": "2025-01-01"}], ids=["everything", "an earlier date"])
@pytest.mark.parametrize("told_by", ["the feed", "the listing"])
def test_what_a_run_with_a_later_date_pushed_out_before_it_was_broken_off_comes_back_with_the_former_date(
    world: Kept, former: dict[str, str], told_by: str
) -> None:
    old = world.mail("old", datetime(2025, 6, 1, tzinfo=timezone.utc))
    world.run(**former)
    if told_by == "the feed":
        old.update(Importance="High")
    later = world.run_only(**BEFORE_ALL)
    broken_off_after(world, later, "item_changes", change_type="out_of_scope")
    world.run(**former)
    assert world.shown == {f"mail {number}" for number in range(6)} | {"old"}
    world.run(**former)
    assert not world.counts("GetItem")


@pytest.mark.parametrize("dates", [{}, BEFORE_ALL], ids=["everything", "with a date"])
def test_a_fill_whose_states_are_lost_takes_nothing_from_the_former_settings(
    world: Kept, dates: dict[str, str]
) -> None:
    former = {"attachments": "none", "notifications": "pull", **dates}
    world.run(**former)
    short_lived = world.mail("short lived", NOW)
    world.load(world.run_only(**{**former, "attachments": "metadata", "notifications": "none"}))
    short_lived.delete()
    world.run(**former)
    assert world.shown == {f"mail {number}" for number in range(6)}


def test_a_store_that_a_lost_run_read_again_stays_out_of_the_views(world: Kept) -> None:
    both = {"stores": ["primary", "recoverable_items"], "folders_include": ["inbox", "recoverableitemsdeletions"]}
    world.anna.store.distinguished("recoverableitemsdeletions").add("Message", Subject="purged")
    world.run(**both)
    assert "purged" in world.shown
    world.run()
    kept = world.shown
    assert "purged" not in kept
    world.load(world.run_only(**both))  # and its states are lost
    world.run()
    assert world.shown == kept


def test_a_folder_that_a_lost_run_was_the_only_one_to_see_is_in_no_view(world: Kept) -> None:
    every = {"folders_include": None}
    world.run(**every)
    folders = world.live("folders").keys()
    short_lived = world.anna.add_folder("Inbox/Short lived")
    short_lived.add("Message", Subject="short lived")  # its row is written once more with its counts
    world.load(world.run_only(**every))  # and its states are lost
    short_lived.delete()
    world.run(**every)
    assert world.live("folders").keys() == folders


def test_folders_that_a_lost_run_told_anew_stay_in_the_views(world: Kept) -> None:
    world.run()
    folders = world.live("folders").keys()
    world.server.faults.add(RequestFails("ErrorInvalidSyncStateData", On("SyncFolderHierarchy", state=True)))
    world.load(world.run_only())  # and its states are lost
    world.server.faults.clear()
    world.run()
    assert world.live("folders").keys() == folders
    assert len(world.shown) == 6
