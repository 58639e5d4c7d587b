"""A mailbox, the server that has it, and the tables that runs of the tap leave: in files that DuckDB reads, quickly."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.resources import ITEM_STREAMS
from tests.conformance.support import served
from tests.pipeline import TapRun, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_exchange.demo import Exchange
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call
    from tests.live import Rows
    from tests.warehouses import JSONLines

ANNA = "anna@example.com"


@dataclass(slots=True)
class Kept:
    """Anna's mailbox and the tables that should equal it."""

    exchange: Exchange
    anna: Mailbox
    server: Server
    tables: JSONLines
    settings: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    def run(self, **settings: Any) -> TapRun:  # noqa: ANN401 - whatever a setting takes
        """Run the tap from the last state, and load what it wrote."""
        run = self.run_only(**settings).checked()
        self.load(run)
        self.state = run.state
        return run

    def run_only(self, **settings: Any) -> TapRun:  # noqa: ANN401
        """Run the tap from the last state; `selects` and `args` are not settings."""
        self.server.reset_requests()
        how = {name: settings.pop(name) for name in ("selects", "args") if name in settings}
        sign_in = {"ews_url": self.server.url, "username": ANNA, "password": "secret", "state_interval": 0}
        return run_tap_here({**sign_in, **self.settings, **settings}, state=self.state, **how)

    def load(self, run: TapRun, lines: int | None = None) -> None:
        """Load what a run wrote, or its first lines: what a kill would have left of it."""
        messages = run.messages.parsed[:lines]
        self.tables.load((m["stream"], m["record"]) for m in messages if m["type"] == "RECORD")

    def broken_off(self, run: TapRun, share: float) -> list[dict[str, Any]]:
        """Load the first lines of a run, go on from the last state in them, and give the messages up to it."""
        lines = int(len(run.messages.parsed) * share)
        self.load(run, lines)
        last = max(n for n, message in enumerate(run.messages.parsed[:lines]) if message["type"] == "STATE")
        self.state = run.messages.parsed[last]["value"]
        return run.messages.parsed[:last]

    @property
    def shown(self) -> set[str]:
        """The subjects of the items that the live views show."""
        every = " union all ".join(f"select subject from live_{stream}" for stream in ITEM_STREAMS)
        found = [subject for (subject,) in self.tables.connection.execute(every).fetchall()]
        assert len(found) == len(set(found)), "an item is shown twice"
        return set(found)

    def live(self, stream: str) -> Rows:
        """Read a live view."""
        return self.tables.live(stream)

    def mail(self, subject: str, when: datetime | None = None, folder: str = "inbox", **more: Any) -> Item:  # noqa: ANN401
        """Add a message that was received at a time."""
        times = {"DateTimeReceived": when, "DateTimeSent": when, "DateTimeCreated": when} if when else {}
        return self.anna.folder(folder).add("Message", Subject=subject, **(times | more))

    def loaded(self) -> list[str]:
        """Give the ids whose properties were asked for since the run began."""
        asked = [r for r in self.server.requests if r.operation == "GetItem" and "item:Subject" in r.properties]
        return [item_id for request in asked for item_id in request.ids]

    def counts(self, operation: str) -> int:
        """Count the requests since the run began."""
        return self.server.counts.get(operation, 0)


@contextmanager
def kept(tables: JSONLines, exchange: Exchange, **settings: Any) -> Iterator[Kept]:  # noqa: ANN401
    """Serve a world in which Anna has a mailbox; what is asked and answered is held against Microsoft's schema."""
    anna = exchange.mailboxes.get(ANNA) or exchange.add_mailbox(ANNA, password="secret")
    with served(exchange) as server:
        yield Kept(exchange, anna, server, tables, settings)


class On(Fault):
    """Do something when an operation is asked for the n-th time, of a folder if one is given, before it is answered."""

    def __init__(self, operation: str, number: int, act: Callable[[], object], folder: str | None = None) -> None:
        self.operation = operation
        self.of_folder = folder
        self.number = number
        self.act = act
        self.seen = 0

    def before(self, call: Call) -> Answer | None:
        """Count the requests, and do it at the one it is for."""
        if call.operation == self.operation and (self.of_folder is None or self.of_folder in call.record.folders):
            self.seen += 1
            if self.seen == self.number:
                self.act()
        return None
