"""The rules of pages hold with all workers on, however late each answer comes.

Every answer of the server waits a random while, so that batches, pages and folders overtake each other on the wire.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.ews.connect import connect
from tap_exchange.ews.operations import Mailbox as Wire
from tap_exchange.ews.pace import Pace
from tap_exchange.ews.transport import Transport
from tap_exchange.settings import Settings
from tests.pipeline import run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

ANNA = "anna@example.com"
PAGE = 25
LONGEST_DELAY = 0.03


class Late(Fault):
    """Let each answer wait a random while."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def after(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002
        return replace(answer, delay=self._random.random() * LONGEST_DELAY)


@pytest.fixture
def world() -> Iterator[tuple[Mailbox, Server]]:
    exchange = Exchange(seed=1)
    anna = exchange.add_mailbox(ANNA, password="secret")
    for number in range(5):
        anna.add_folder(f"Inbox/F{number}").fill(60 + number)
    with serve(exchange) as server:
        server.faults.add(Late(1))
        yield anna, server


def config(server: Server) -> dict[str, Any]:
    return {
        "ews_url": server.url,
        "username": ANNA,
        "password": "secret",
        "state_interval": 0,
        "max_changes": PAGE,
        "batch_size": 4,
        "max_connections": 8,
    }


def run(server: Server, state: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return run_tap_here(config(server), state=state).checked().messages.parsed


@contextmanager
def wire_to(server: Server) -> Iterator[Wire]:
    connection = connect(Settings.from_config(config(server)))
    yield Wire(Transport(connection, Pace(1, 60)), ANNA)
    connection.close()


def marks(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    stores = state["bookmarks"]["_feeds"].get(ANNA, {})
    folders: dict[str, dict[str, Any]] = stores.get("primary", {}).get("folders", {})
    return folders


def between_states(parsed: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of item_changes between two STATEs."""
    rows: list[dict[str, Any]] = []
    for message in parsed:
        if message["type"] == "STATE":
            yield rows
            rows = []
        elif message.get("stream") == "item_changes" and message["type"] == "RECORD":
            rows.append(message["record"])


def test_pages_never_mix_and_states_stand_between_them(world: tuple[Mailbox, Server]) -> None:
    _, server = world
    pages = [rows for rows in between_states(run(server)) if rows]
    assert len(pages) >= 5 * 3
    for rows in pages:
        assert len({row["folder_key"] for row in rows}) == 1
        assert len(rows) <= PAGE


def test_times_rise_and_a_state_stands_after_all_it_covers(world: tuple[Mailbox, Server]) -> None:
    parsed = run(world[1])
    times = [message["record"]["synced_at"] for message in parsed if message["type"] == "RECORD"]
    assert times == sorted(set(times))
    latest = ""
    for message in parsed:
        if message["type"] == "RECORD" and message["stream"] != "sync_runs":  # whose rows stand for themselves
            latest = message["record"]["synced_at"]
        elif message["type"] == "STATE" and latest:
            assert message["value"]["bookmarks"]["_feeds"]["_tap"]["as_of"] > latest


def test_a_bookmark_never_stands_before_the_records_it_is_true_for(world: tuple[Mailbox, Server]) -> None:
    """Of each state, what its feed still has to tell and what is written by then make the whole folder."""
    anna, server = world
    held = {folder.id: {item.id for item in folder.items()} for folder in anna.folders() if folder.name.startswith("F")}
    parsed = run(server)
    written: set[str] = set()
    checked: set[str] = set()
    with wire_to(server) as wire:
        for message in parsed:
            if message["type"] == "RECORD" and message["stream"] == "messages":
                written.add(message["record"]["item_id"])
            if message["type"] != "STATE":
                continue
            for folder_id, mark in marks(message["value"]).items():
                state = mark.get("sync_state")
                if folder_id not in held or state is None or state in checked:
                    continue
                checked.add(state)
                rest = {change.item_id for change in wire.sync_items(folder_id, state).changes}
                assert held[folder_id] <= written | rest
    assert len(checked) >= 5 * 3


def test_folders_are_asked_while_those_before_them_are_loaded() -> None:
    """Or all connections would come to a stand each time a few folders are done."""
    exchange = Exchange(seed=1)
    anna = exchange.add_mailbox(ANNA, password="secret")
    for folder in [anna.add_folder(f"Inbox/F{number}") for number in range(8)]:
        folder.fill(20)
    alone = {"max_connections": 1, "folders_include": ["Inbox/F*"]}
    with serve(exchange) as server:
        run_tap_here({**config(server), **alone}).checked()
        operations = [request.operation for request in server.requests]
    asked = [index for index, operation in enumerate(operations) if operation == "SyncFolderItems"]
    assert len(asked) == 8
    for number, index in enumerate(asked[1:], 1):
        known, loaded = 5 * number, operations[:index].count("GetItem")
        assert loaded < known, "nothing was left to load before this folder was asked"


def test_a_run_from_any_state_completes_the_tables(world: tuple[Mailbox, Server]) -> None:
    anna, server = world
    parsed = run(server)
    places = [number for number, message in enumerate(parsed) if message["type"] == "STATE"]
    middle = places[len(places) // 2]
    anna.folder("Inbox/F0").items()[3].update(Subject="changed")
    later = run(server, parsed[middle]["value"])
    table = {
        message["record"]["item_id"]: message["record"]["change_key"]
        for message in [*parsed[:middle], *later]
        if message["type"] == "RECORD" and message["stream"] == "messages"
    }
    assert table == {item.id: item.change_key for folder in anna.folders() for item in folder.items()}
