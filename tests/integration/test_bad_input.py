"""What cannot be ends at once: non-zero, one clear line, no traceback, nothing lost."""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tests.pipeline import TapRun, run_tap, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

ANNA = "anna@example.com"
SECRET = "hunter2-planted"

Config = dict[str, Any]


@pytest.fixture(scope="module")
def config() -> Iterator[Config]:
    exchange = Exchange(seed=5)
    exchange.add_mailbox(ANNA, password=SECRET).folder("inbox").add("Message", Subject="hello")
    exchange.add_mailbox("bob@example.com", password=SECRET)
    with serve(exchange) as server:
        yield {"ews_url": server.url, "username": ANNA, "password": SECRET}


@pytest.fixture(scope="module")
def state(config: Config) -> dict[str, Any]:
    given = run_tap_here(config).checked().state
    assert given is not None
    return given


def refused(run: TapRun, *words: str) -> None:
    """Check that a run failed with one line that says these words, and wrote no record."""
    lines = [line for line in run.stderr.splitlines() if "| INFO " not in line]
    assert run.exit_code not in {0, None}
    assert len(lines) == 1, lines
    assert "Traceback" not in run.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert SECRET not in run.stderr
    assert not run.records
    assert not run.states


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, ["401", "password"]),
        ({"ews_url": "https://no-such-host.invalid/EWS/Exchange.asmx"}, ["no-such-host.invalid", "unknown"]),
        ({"ews_url": f"http://127.0.0.1:{free_port()}/EWS/Exchange.asmx"}, ["refuses connections"]),
        ({"ews_url": "http://mail.example.com/EWS/Exchange.asmx"}, ["plain HTTP", "allow_http"]),
        ({"batch_size": 0}, ["batch_size"]),
        ({"ews_url": None}, ["ews_url"]),
        ({"shard_count": 2, "shard_index": 2}, ["shard_index"]),
        ({"notifications": "stream"}, ["listen_minutes"]),
        ({"extended_properties": [{"name": "x", "type": "Nonsense"}]}, ["extended_properties"]),
    ],
    ids=["password", "host", "port", "http", "batch", "url", "shard", "listen", "property"],
)
def test_a_setting_that_cannot_be_ends_the_run_within_seconds_in_one_line(
    config: Config, change: Config, words: list[str]
) -> None:
    changed = {name: value for name, value in {**config, **change}.items() if value is not None}
    begun = time.monotonic()
    refused(run_tap_here(changed), *words)
    assert time.monotonic() - begun < 30


def test_so_does_a_process_of_its_own(config: Config) -> None:
    begun = time.monotonic()
    refused(run_tap({**config, "password": "wrong"}), "401", "password")
    refused(run_tap({**config, "batch_size": 0}), "batch_size")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("mailbox", "words"),
    [("nobody@example.com", "ErrorNonExistentMailbox"), ("bob@example.com", "ErrorAccessDenied")],
)
def test_a_mailbox_that_cannot_be_read_leaves_its_row_and_the_others_finish(
    config: Config, mailbox: str, words: str
) -> None:
    run = run_tap_here({**config, "mailboxes": [mailbox, ANNA]})
    assert run.exit_code == 1
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    rows = run.table("mailboxes")
    assert rows[mailbox, "primary"]["reachable"] is False
    assert rows[mailbox, "primary"]["code"] == words
    assert rows[ANNA, "primary"]["reachable"] is True
    assert len(run.of("messages")) == 1
    assert run.of("sync_runs")[-1]["outcome"] == "failed"


def test_a_state_of_another_root_is_refused(config: Config, state: dict[str, Any]) -> None:
    other = copy.deepcopy(state)
    other["bookmarks"]["_feeds"][ANNA]["primary"]["root"] = "AAMkAnother"
    run = run_tap_here(config, state=other)
    assert run.exit_code == 1
    assert "root folder" in run.stderr.splitlines()[-1]
    assert set(run.records) == {"mailboxes", "sync_runs"}
    assert run.state["bookmarks"]["_feeds"][ANNA] == other["bookmarks"]["_feeds"][ANNA]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"_tap": {"version": 99, "feed": "f", "as_of": "2026-01-01T00:00:00.000000Z"}}, "version 99"),
        ({"_tap": None}, "not written by tap-exchange"),
    ],
)
def test_a_state_that_is_not_ours_is_refused(
    config: Config, state: dict[str, Any], change: dict[str, Any], word: str
) -> None:
    other = copy.deepcopy(state)
    other["bookmarks"]["_feeds"].update(change)
    run = run_tap_here(config, state=other)
    assert run.exit_code == 1
    assert word in run.stderr
    assert not run.records


@pytest.mark.parametrize("wrapping", ["value", "singer_state"])
def test_a_state_in_its_wrapping_is_refused_rather_than_taken_for_none(
    config: Config, state: dict[str, Any], wrapping: str
) -> None:
    refused(run_tap_here(config, state={"type": "STATE", wrapping: state}), "not a Singer state")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_tap", "as_of"), "yesterday"),
        (("_tap", "as_of"), None),
        (("_tap", "as_of"), "2026-01-01"),
        (("anna",), []),
        (("anna", "primary"), "x"),
        (("anna", "primary", "folders"), []),
        (("anna", "primary", "folders"), ...),
        (("anna", "primary", "hierarchy"), 5),
        (("anna", "primary", "folders", "one"), "x"),
        (("anna", "primary", "folders", "one", "sync_state"), 5),
        (("anna", "primary", "folders", "one", "pending"), {}),
        (("anna", "primary", "folders", "one", "resets"), []),
    ],
)
def test_a_damaged_state_is_refused(
    config: Config, state: dict[str, Any], path: tuple[str, ...], value: object
) -> None:
    other = copy.deepcopy(state)
    place = other["bookmarks"]["_feeds"]
    for name in path[:-1]:
        place = next(iter(place.values())) if name == "one" else place[ANNA if name == "anna" else name]
    last = {"anna": ANNA, "one": next(iter(place))}.get(path[-1], path[-1])
    place[last] = value
    if value is ...:
        del place[last]
    run = run_tap_here(config, state=other)
    (line,) = [line for line in run.stderr.splitlines() if "| INFO " not in line]
    assert run.exit_code == 1
    assert "The state is damaged" in line
    assert not run.records


def test_a_state_of_another_shard_is_refused(config: Config, state: dict[str, Any]) -> None:
    run = run_tap_here({**config, "shard_count": 2, "shard_index": 1}, state=state)
    assert run.exit_code == 1
    assert "shard 1 of 2" in run.stderr
    assert not run.records


@pytest.mark.parametrize("option", ["--state", "--config", "--catalog"])
def test_a_file_that_is_no_json_is_named_in_one_line(config: Config, tmp_path: Path, option: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"password": "hunter2-planted"', encoding="utf-8")
    refused(run_tap_here(config, args=[option, str(broken)]), "not JSON")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), ('{"bookmarks": {}}'.encode("utf-16"), "not UTF-8")],
    ids=["empty", "in UTF-16, as some shells write it"],
)
def test_a_state_that_a_shell_spoiled_is_one_line(config: Config, tmp_path: Path, content: bytes, words: str) -> None:
    spoiled = tmp_path / "state.json"
    spoiled.write_bytes(content)
    refused(run_tap_here(config, args=["--state", str(spoiled)]), words)


@pytest.mark.parametrize("content", ["[1]", "null", "7"])
def test_a_configuration_that_is_no_object_is_one_line(config: Config, tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content, encoding="utf-8")
    refused(run_tap_here(config, args=["--config", str(file)]), "configuration is no JSON object")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_an_output_that_is_full_is_one_line(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "tap_exchange", "--config", str(file)]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert run.returncode
    (line,) = [line for line in run.stderr.splitlines() if "| INFO " not in line]
    assert "No space left on device" in line
    assert "make room" in line


def test_a_list_is_no_state(config: Config) -> None:
    refused(run_tap_here(config, state=[1, 2]), "not a Singer state")  # type: ignore[arg-type]


def test_a_catalog_with_unknown_streams_is_refused(config: Config) -> None:
    catalog = {"streams": [{"tap_stream_id": "bogus", "schema": {"properties": {}}, "metadata": []}]}
    refused(run_tap_here(config, catalog=catalog), "bogus")


def test_a_catalog_without_what_the_views_need_is_refused(config: Config) -> None:
    refused(run_tap_here(config, catalog={"streams": []}), "item_changes")


def test_an_unknown_setting_is_told_once(config: Config) -> None:
    run = run_tap_here({**config, "mailboxs": ["bob@example.com"]}).checked()
    assert run.stderr.count("The setting mailboxs is unknown and ignored; is mailboxes meant?") == 1


def test_a_pattern_that_names_no_folder_is_told_in_one_line(config: Config) -> None:
    run = run_tap_here({**config, "folders_include": ["INBOX", "Inbocks/*"], "folders_exclude": ["Sent*"]}).checked()
    (line,) = (line for line in run.stderr.splitlines() if "| INFO " not in line)
    assert "no folder is named 'Inbocks/*'" in line
    assert len(run.of("messages")) == 1
