"""What README promises of single settings, and of moves: seen in the tables, and in what stands between the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tests.kept import Kept, kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.warehouses import JSONLines


@pytest.fixture
def world(tables: JSONLines, tmp_path: Path) -> Iterator[Kept]:
    tables.clear(tmp_path)
    with kept(tables, Exchange(seed=8), folders_include=["inbox", "sentitems"]) as made:
        made.anna.folder("inbox").fill(60)
        yield made


def shown(world: Kept) -> set[str]:
    return {row["item_id"] for row in world.tables.live("messages").values()}


def held(world: Kept) -> set[str]:
    return {item.id for name in ("inbox", "sentitems") for item in world.anna.folder(name).items()}


def test_a_run_whose_time_is_over_ends_in_good_order_and_later_ones_go_on(world: Kept) -> None:
    world.server.endpoint.latency = 0.15
    first = world.run(max_runtime_minutes=0.01, max_changes=10, max_connections=1)
    assert first.of("sync_runs")[-1]["outcome"] == "partial"
    assert "max_runtime_minutes are over: the next run goes on" in first.stderr.splitlines()[-1]
    assert shown(world) < held(world)
    world.server.endpoint.latency = 0.0
    second = world.run()
    assert second.of("sync_runs")[-1]["outcome"] == "finished"
    assert "max_runtime_minutes" not in second.stderr
    assert shown(world) == held(world)
    again = {row["item_id"] for row in first.of("messages")} & {row["item_id"] for row in second.of("messages")}
    assert not again


def test_a_state_is_written_at_most_every_state_interval(world: Kept) -> None:
    def states(interval: float) -> int:
        world.state = None
        run = world.run(state_interval=interval, max_changes=5)
        records = [number for number, m in enumerate(run.messages.parsed) if m["type"] == "RECORD"]
        return sum(m["type"] == "STATE" for m in run.messages.parsed[records[0] : records[-1]])

    assert states(3600) == 0
    assert states(0) > 10


def test_a_move_is_a_delete_and_a_create_with_a_new_key_and_the_search_key_survives(world: Kept) -> None:
    world.run()
    item = world.anna.folder("inbox").items()[0]
    before, subject = world.tables.live("messages"), item.properties["Subject"]
    old = next(row for row in before.values() if row["item_id"] == item.id)
    item.move(world.anna.folder("sentitems"))
    run = world.run()
    told = {row["change_type"]: row["item_key"] for row in run.of("item_changes")}
    (new,) = run.of("messages")
    assert told == {"delete": old["item_key"], "create": new["item_key"]}
    assert new["item_key"] != old["item_key"]
    assert (new["search_key"], new["subject"]) == (old["search_key"], subject)
    assert shown(world) == held(world)


def test_tombstones_are_rows_of_the_item_streams_that_the_folder_has_fed(world: Kept) -> None:
    world.run(tombstones=True)
    item = world.anna.folder("inbox").items()[0]
    key = next(row["item_key"] for row in world.tables.live("messages").values() if row["item_id"] == item.id)
    item.delete()
    run = world.run(tombstones=True)
    (row,) = run.of("messages")
    assert row["item_key"] == key
    assert row["_sdc_deleted_at"]
    assert shown(world) == held(world)
    assert not run.of("contacts")


def test_read_flags_are_rows_and_with_reload_the_item_anew(world: Kept) -> None:
    world.run()
    item = world.anna.folder("inbox").items()[0]
    for setting, loads in (("row", 0), ("reload", 1)):
        item.mark_read(item.unread)
        run = world.run(read_flags=setting)
        assert len(run.of("messages")) == world.server.counts.get("GetItem", 0) == loads
        (row,) = [row for row in world.tables.live("messages").values() if row["item_id"] == item.id]
        assert row["is_read"] is not item.unread
        if loads:
            (change,) = run.of("item_changes")
            assert change["change_key"] == run.of("messages")[0]["change_key"]


def test_a_read_flag_takes_no_other_item_out_of_the_views_where_messages_are_not_selected(world: Kept) -> None:
    item = world.anna.folder("inbox").add("PostItem", Subject="a post")
    how = {"read_flags": "reload", "selects": ["*.*", "!messages.*"]}
    world.run(**how)
    item.mark_read(item.unread)
    world.run(**how)
    (row,) = [row for row in world.tables.live("posts").values() if row["item_id"] == item.id]
    assert row["is_read"] is not item.unread
