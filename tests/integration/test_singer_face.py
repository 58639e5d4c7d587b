"""The Singer side: what stands first, what is selected, what a dry run does, and the SDK's own suite."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_exchange.demo import Exchange, serve, start
from tap_exchange.resources import schema_names
from tap_exchange.streams.discovery import OFF_BY_DEFAULT
from tap_exchange.tap import TapExchange
from tests.pipeline import discovered, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.server import Server

Config = dict[str, Any]
ANNA = "anna@example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    exchange = Exchange(seed=11)
    anna = exchange.add_mailbox(ANNA, password="secret")
    anna.folder("inbox").fill(30)
    anna.folder("Calendar").add("CalendarItem", Subject="planning")
    anna.folder("Contacts").add("Contact", DisplayName="Bob")
    with serve(exchange) as running:
        yield running


@pytest.fixture
def config(server: Server) -> Config:
    server.reset_requests()
    return {"ews_url": server.url, "username": ANNA, "password": "secret"}


WITHOUT_MUCH = ["*.*", "!messages.body", "!messages.internet_message_headers", "!contacts.*", "!calendar_view.*"]


def kinds(parsed: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in parsed]


def test_every_schema_stands_once_and_first_then_a_state_then_the_runs_record(config: Config) -> None:
    run = run_tap_here(config).checked()
    told = kinds(run.messages.parsed)
    schemas = told.count("SCHEMA")
    assert told[:schemas] == ["SCHEMA"] * schemas
    assert len(run.schemas) == schemas
    assert told[schemas] == "STATE"
    assert run.states[0]["bookmarks"]["_feeds"]["_tap"]["as_of"]
    first = next(message for message in run.messages.parsed if message["type"] == "RECORD")
    assert first["stream"] == "sync_runs"
    assert run.messages.parsed[-1]["type"] == "STATE"
    assert run.messages.parsed[-2]["stream"] == "sync_runs"


def test_every_row_is_later_than_the_state_that_the_run_began_with_and_than_the_row_before(config: Config) -> None:
    first = run_tap_here(config).checked()
    second = run_tap_here(config, state=first.state).checked()
    stamps = [m["record"]["synced_at"] for m in second.messages.parsed if m["type"] == "RECORD"]
    assert first.state is not None
    assert stamps[0] > first.state["bookmarks"]["_feeds"]["_tap"]["as_of"]
    assert stamps == sorted(set(stamps))
    rows = second.of("sync_runs")
    assert rows[-1]["resumed_from"] == first.state["bookmarks"]["_feeds"]["_tap"]["as_of"]
    assert rows[-1]["feed_id"] == first.of("sync_runs")[-1]["feed_id"]


def test_discovery_needs_neither_server_nor_settings() -> None:
    streams = {entry["tap_stream_id"]: entry for entry in discovered()["streams"]}
    assert set(streams) == set(schema_names())
    for entry in streams.values():
        assert entry["replication_method"] == "LOG_BASED"
        assert "x-ews" not in str(entry["schema"])


def test_about_and_version_need_neither_server_nor_settings() -> None:
    for args in (["--about"], ["--about", "--format", "json"], ["--version"], ["--help"]):
        ended = subprocess.run(
            [sys.executable, "-m", "tap_exchange", *args], capture_output=True, text=True, timeout=60, check=True
        )
        assert ended.stdout.strip()


def test_what_the_catalog_deselects_is_neither_asked_nor_written(config: Config, server: Server) -> None:
    run = run_tap_here(config, selects=WITHOUT_MUCH)
    run.checked()
    assert "contacts" not in run.records
    assert "body" not in run.of("messages")[0]
    asked = [request for request in server.requests if request.operation == "GetItem"]
    assert asked
    changes = {(row["change_type"], row["stream"], row["has_row"]) for row in run.of("item_changes")}
    assert ("create", "contacts", False) in changes
    assert sum(len(request.ids) for request in asked) == 31


def test_a_test_run_ends_after_a_record_of_each_stream_and_moves_no_bookmark(config: Config, server: Server) -> None:
    run = run_tap_here(config, args=["--test"])
    assert run.exit_code == 0
    assert all(len(rows) == 1 for rows in run.records.values())
    assert {"sync_runs", "mailboxes", "folders", "messages", "contacts"} <= run.records.keys()
    assert len(run.states) == 1
    assert not run.states[0]["bookmarks"]["_feeds"].get(ANNA, {}).get("primary", {}).get("hierarchy")
    assert len(server.requests) < 20


@pytest.mark.parametrize("args", [[], ["--test"]])
def test_how_the_run_ended_is_the_last_that_it_says(config: Config, args: list[str]) -> None:
    said = run_tap_here(config, args=args).checked().stderr.splitlines()
    assert [line for line in said if "items loaded" in line] == [said[-1]]
    assert " 1 mailbox, " in said[-1]


def test_without_a_config_the_settings_of_the_environment_count(config: Config) -> None:
    given = {f"TAP_EXCHANGE_{name.upper()}": value for name, value in config.items()}
    command = [sys.executable, "-m", "tap_exchange", "--test"]
    ended = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert '"stream":"messages"' in ended.stdout


def test_stream_maps_apply(config: Config) -> None:
    maps = {"messages": {"subject": "'hidden'", "__filter__": "True"}, "folders": "__NULL__"}
    run = run_tap_here({**config, "stream_maps": maps}).checked()
    assert {row["subject"] for row in run.of("messages")} == {"hidden"}
    assert "folders" not in run.records


def test_a_record_limit_of_the_settings_is_not_ours(config: Config) -> None:
    run = run_tap_here({**config, "no_such_setting": 1}).checked()
    assert "no_such_setting" in run.stderr
    assert len(run.of("messages")) == 30


SELDOM = ["attachments", "calendar_view", "corrupt_items", "listed_items", "posts", *OFF_BY_DEFAULT]
"""Streams of which a sample of a few folders need not hold a record."""

URL, USERNAME, PASSWORD = start()

TestOfTheSdk = get_tap_test_class(
    TapExchange,
    config={"ews_url": URL, "username": USERNAME, "password": PASSWORD},
    suite_config=SuiteConfig(ignore_no_records_for_streams=SELDOM, max_records_limit=5),
)


def test_a_shard_without_a_mailbox_ends_well_with_its_row_and_state(config: Config) -> None:
    shards = [run_tap_here({**config, "shard_count": 2, "shard_index": index}).checked() for index in range(2)]
    empty = min(shards, key=lambda run: len(run.of("messages")))
    assert not empty.of("messages")
    assert empty.of("sync_runs")[-1]["outcome"] == "finished"
    assert empty.state is not None
