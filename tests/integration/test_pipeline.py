"""The tap into real loaders over real pipes, run to the end or killed on the way."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tests.pipeline import Kill, run_pipeline, run_tap, run_tap_here, run_to_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_exchange.demo.server import Server
    from tests.postgres import Database

pytestmark = pytest.mark.pipeline

ITEMS = 120


@pytest.fixture
def server() -> Iterator[Server]:
    exchange = Exchange(seed=11)
    anna = exchange.add_mailbox("anna@example.com", "secret")
    anna.folder("inbox").fill(ITEMS)
    anna.folder("calendar").add("CalendarItem", Subject="Review")
    with serve(exchange) as running:
        yield running


@pytest.fixture
def config(server: Server) -> dict[str, Any]:
    # A STATE after every page, so that a killed run leaves one to go on from.
    return {"ews_url": server.url, "username": "anna@example.com", "password": "secret", "state_interval": 0}


def keys(database: Database, table: str) -> set[str]:
    with database.connect("exchange") as connection:
        return {key for (key,) in connection.execute(f"select item_key from {table}")}


def test_every_record_of_the_tap_is_in_the_database(config: dict[str, Any], database: Database) -> None:
    done = run_pipeline(config, database.url).checked()
    assert keys(database, "messages") == set(done.tap.table("messages"))
    assert len(keys(database, "messages")) == ITEMS
    assert len(keys(database, "calendar_items")) == 1
    assert done.durable == done.tap.state


def test_whatever_dies_the_next_run_completes_the_tables_from_what_the_loader_made_durable(
    config: dict[str, Any], database: Database
) -> None:
    """What an end left out would stay out: each run goes on from the state before it, and loads nothing that has."""
    state = None
    for kill in (Kill(after=150), Kill(after=150, loader=True), Kill(after=150, half_line=True)):
        killed = run_pipeline(config, database.url, state, kill=kill)
        assert killed.tap.exit_code == -signal.SIGKILL
        assert killed.durable in killed.tap.states or (killed.durable == state and kill != Kill(after=150))
        state = killed.durable
    assert len(keys(database, "messages")) < ITEMS
    run_pipeline(config, database.url, state).checked()
    assert len(keys(database, "messages")) == ITEMS


def test_files_hold_every_record(config: dict[str, Any], tmp_path: Path) -> None:
    done = run_to_files(config, tmp_path).checked()
    assert len((tmp_path / "messages.jsonl").read_text().splitlines()) == ITEMS
    assert done.durable == done.tap.state


def test_a_selection_leaves_out_streams_and_columns(config: dict[str, Any]) -> None:
    done = run_tap(config, selects=["*.*", "!tasks.*", "!messages.body"]).checked()
    assert "tasks" not in done.schemas
    assert "body" not in done.schemas["messages"]["properties"]
    assert "subject" in done.schemas["messages"]["properties"]


def test_a_run_in_this_process_says_what_one_of_its_own_says(config: dict[str, Any]) -> None:
    here, there = run_tap_here(config).checked(), run_tap(config).checked()
    assert set(here.table("messages")) == set(there.table("messages"))
    assert {stream: len(records) for stream, records in here.records.items()} == {
        stream: len(records) for stream, records in there.records.items()
    }
