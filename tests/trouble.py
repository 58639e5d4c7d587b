"""A mailbox in trouble, and runs of the real tap on it whose waits are short.

What is patched is how long a wait takes, never what is done: pauses after a refused state, the floor of a
back-off, the pauses between tries.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from tap_exchange.demo import Exchange
from tap_exchange.ews.pace import Pace
from tests.pipeline import State, TapRun, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server

Setting = str | float | bool | list[str] | None

ANNA = "anna@example.com"
FLOOR = 0.02  # seconds


def mailbox(items: int = 30, address: str = ANNA, exchange: Exchange | None = None) -> Mailbox:
    """Make a mailbox whose Inbox holds so many messages."""
    made = (exchange or Exchange(seed=3)).add_mailbox(address, password="secret")
    made.folder("inbox").fill(items)
    return made


@contextmanager
def quick(floor: float = FLOOR, quiet: float = 30.0) -> Iterator[None]:
    """Shorten the waits of runs in this process."""
    with ExitStack() as patches:
        for name, value in {
            "tap_exchange.engine.Pace": partial(Pace, floor=floor, quiet=quiet),
            "tap_exchange.ews.patience.PAUSE": 0.01,
            "tap_exchange.sync.folder.REFUSALS": (0.01, 0.01),
            "tap_exchange.sync.hierarchy.REFUSALS": (0.01, 0.01),
        }.items():
            patches.enter_context(mock.patch(name, value))
        yield


def config(server: Server, **settings: Setting) -> dict[str, Setting]:
    """Configure the tap for Anna's Inbox."""
    return {
        "ews_url": server.url,
        "auth_type": "basic",
        "username": ANNA,
        "password": "secret",
        "folders_include": ["inbox"],
        "max_wait": 30,
        **settings,
    }


def run(
    server: Server,
    *faults: Fault,
    state: State | None = None,
    floor: float = FLOOR,
    quiet: float = 30.0,
    selects: tuple[str, ...] | None = None,
    **settings: Setting,
) -> TapRun:
    """Run the tap once with these faults, and no others, in force; the requests are counted anew."""
    server.faults.clear()
    server.faults.add(*faults)
    server.reset_requests()
    with quick(floor, quiet):
        ended = run_tap_here(config(server, **settings), state=state, selects=selects)
    server.faults.clear()
    assert "please report it" not in ended.stderr, ended.stderr[-3000:]
    return ended


def requests_of(server: Server, operation: str) -> int:
    """Count the requests of an operation since the run began."""
    return server.counts.get(operation, 0)


def ids(items: list[Item]) -> set[str]:
    """Name items by their ids."""
    return {item.id for item in items}


def rows_by_id(ended: TapRun, stream: str) -> dict[str, dict[str, Any]]:
    """Return the rows that a target would hold of a stream, by item id."""
    return {row["item_id"]: row for row in ended.table(stream).values()} if ended.of(stream) else {}


def folder_row(ended: TapRun, folder: Folder) -> dict[str, Any]:
    """Return the last row of a folder's sync."""
    return [row for row in ended.of("folder_syncs") if row["folder_id"] == folder.id][-1]


def store_row(ended: TapRun, address: str = ANNA) -> dict[str, Any]:
    """Return the last row of a mailbox."""
    return [row for row in ended.of("mailboxes") if row["mailbox"] == address][-1]


def mark(ended: TapRun, folder: Folder, address: str = ANNA) -> dict[str, Any]:
    """Return a folder's bookmark in the last state."""
    assert ended.state is not None
    return ended.state["bookmarks"]["_feeds"][address]["primary"]["folders"][folder.id]


def has_all(ended: TapRun, folder: Folder, but: set[str] = frozenset()) -> None:
    """Fail unless the messages written are those of the folder, but for some."""
    assert set(rows_by_id(ended, "messages")) == {item.id for item in folder.items()} - but
