"""A mailbox that anything may happen to, a tap that runs and is killed, and tables that must equal it in the end.

A kill is played by what it leaves: of a run's messages only those up to some line reached the tables, and the state
that the loader had made durable is one of the STATEs before that line, or that of the run before. Runs that are told to
stop (SIGTERM) and, at length, runs in processes that are killed (SIGKILL) are real.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import (
    Answers,
    How,
    Messages,
    On,
    RequestFails,
    StoreIsDown,
    Throttles,
    cut,
    reset,
    stopped_after,
)
from tap_exchange.streams.outlet import Outlet
from tap_exchange.sync import searches
from tests.live import files, live_rows
from tests.model.expected import LISTINGS, WINDOW, expected, found, wrong
from tests.model.world import EDITS, STARTS, Edit, PeopleWork, World
from tests.pipeline import Kill, State, run_tap, run_tap_here, selection
from tests.trouble import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server
    from tests.pipeline import TapRun

Settings = dict[str, Any]
Selects = tuple[str, ...] | None

SELECTIONS: tuple[Selects, ...] = (
    None,
    None,
    ("*.*", "!contacts.*"),
    ("*.*", "!messages.subject", "!messages.body"),
    ("*.*", "!posts.*", "!messages.internet_message_headers"),
)

EVERY_STORE = ["primary", "archive", "recoverable_items", "public_folders"]
WANTED = {
    "stores": st.sampled_from(
        [["primary"], ["primary"], ["primary", "archive"], EVERY_STORE, ["archive", "public_folders"], EVERY_STORE[:3]]
    ),
    "start_days_ago": st.sampled_from(STARTS),
    "search_folders": st.booleans(),
    "attachments": st.sampled_from(["metadata", "metadata", "content", "none"]),
}
"""What decides about what the tables hold."""

HOW = {
    "batch_size": st.sampled_from([1, 3, 10]),
    "max_changes": st.sampled_from([1, 2, 7, 512]),
    "max_connections": st.sampled_from([1, 4]),
    "state_interval": st.sampled_from([0, 0, 30]),
    "tombstones": st.booleans(),
    "read_flags": st.sampled_from(["row", "row", "reload"]),
    "notifications": st.sampled_from(["none", "pull"]),
    "listing_hours": st.sampled_from([0, 24]),
    "folders_exclude": st.sampled_from([[], [], ["Inbox/Sub*"]]),
}
FINAL = st.fixed_dictionaries(WANTED)
RUNS = st.fixed_dictionaries(WANTED | HOW)

TROUBLES: dict[str, Callable[[int, Mailbox], Fault]] = {
    "resets": lambda seed, _: Answers(reset(), On(chance=0.1, seed=seed)),
    "cut answers": lambda seed, _: Answers(cut(honest=False), On(chance=0.1, seed=seed)),
    "answers cut at a right length": lambda seed, _: Answers(cut(honest=True), On(chance=0.1, seed=seed)),
    "throttling": lambda seed, _: Throttles(How.MESSAGE, hint=0.01, on=On(chance=0.2, seed=seed)),
    "stopped batches": lambda seed, _: Messages(stopped_after(1), On("GetItem", chance=0.3, seed=seed)),
    "internal errors": lambda seed, _: RequestFails("ErrorInternalServerError", On(chance=0.1, seed=seed)),
    "lost rights": lambda seed, _: RequestFails("ErrorAccessDenied", On("SyncFolderItems", chance=0.2, seed=seed)),
    "a store that is down": lambda _, mailbox: StoreIsDown(mailbox),
}
"""What a server does to a run, at random."""


class Terminates(Fault):
    """Send SIGTERM to the run in this process when it makes a certain request."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.lock = threading.Lock()

    def arrived(self, _: Request) -> Answer | None:
        """Count down."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        return None

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let the signal do no harm when it comes after the run, nor what the run does to get rid of a stuck loader."""
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            with mock.patch.object(Outlet, "hurry"):
                yield
        finally:
            with self.lock:
                self.left = 0
            signal.signal(signal.SIGTERM, before)


class MailboxMachine(RuleBasedStateMachine):
    """Edits, runs and kills in any order."""

    server: Server
    """Set by the test: one server for all examples; each has a mailbox of its own."""
    processes = False
    """Whether runs in processes of their own are killed, too: each takes seconds."""
    number = 0
    done: ClassVar[Counter[str]] = Counter()
    """How much was done, over all examples."""

    def __init__(self) -> None:
        """Begin with an empty folder for the tables."""
        super().__init__()
        self.done["mailboxes"] += 1
        self.folder = Path(tempfile.mkdtemp(prefix="tap-exchange-model-"))
        self.state: State | None = None
        self.unfinished: list[Selects] = []
        self.held: Settings = {}
        self.fed: set[str] = set()
        self.owed: set[str] = set()
        self.world: World | None = None

    @initialize(items=st.integers(0, 12), final=FINAL)
    def begin(self, items: int, final: Settings) -> None:
        """Make the mailbox, and choose what is wanted in the end."""
        MailboxMachine.number += 1
        self.address = f"anna{MailboxMachine.number}@example.com"
        self.final = final
        self.world = World(self.server, self.address, items)

    def teardown(self) -> None:
        """After a last clean run the views equal the mailbox, row by row."""
        try:
            if self.world is not None:
                if self.unfinished:
                    self._run(self.final | LISTINGS)
                self._check(self._run(self.final | LISTINGS))
        finally:
            if self.world is not None:
                self.world.end()
            shutil.rmtree(self.folder, ignore_errors=True)

    @rule(edits=st.lists(EDITS, min_size=1, max_size=5))
    def edit(self, edits: list[Edit]) -> None:
        """Let people work."""
        for edit in edits:
            edit.do(self.world)
        self.done["edits"] += len(edits)

    @rule()
    def lose_subscriptions(self) -> None:
        """Let the server lose what it kept for notifications."""
        self.server.endpoint.subscriptions.expire_all()

    @rule(settings=RUNS, selects=st.sampled_from(SELECTIONS))
    def run(self, settings: Settings, selects: Selects) -> None:
        """Run to the end; with all columns and folders the views equal the mailbox at once."""
        was_unfinished = bool(self.unfinished)
        settings = self._run(settings, selects)
        is_whole = selects is None and not settings["folders_exclude"] and not was_unfinished
        if is_whole and (settings["listing_hours"] == 0 or "public_folders" not in settings["stores"]):
            self._check(settings)

    @rule(settings=RUNS, selects=st.sampled_from(SELECTIONS), share=st.floats(0, 1), back=st.integers(0, 3))
    def run_and_be_killed(self, settings: Settings, selects: Selects, share: float, back: int) -> None:
        """Run, of which a share of the lines reaches the tables, and a STATE some steps before the last."""
        self._run(settings, selects, share=share, back=back, killed=True)

    @rule(
        settings=RUNS,
        selects=st.sampled_from(SELECTIONS),
        share=st.floats(0.5, 1),
        back=st.integers(0, 1),
        trouble=st.sampled_from(sorted(TROUBLES)),
        seed=st.integers(0, 99),
    )
    def run_in_trouble(
        self, settings: Settings, selects: Selects, share: float, back: int, trouble: str, seed: int
    ) -> None:
        """Run while the server misbehaves; the run may fail, and must lose nothing."""
        fault = TROUBLES[trouble](seed, self.world.anna)
        self._run(settings, selects, fault, share=share, back=back, killed=True)

    @rule(
        settings=RUNS,
        selects=st.sampled_from(SELECTIONS),
        edits=st.dictionaries(st.integers(0, 40), EDITS, min_size=1, max_size=6),
        share=st.sampled_from([0.7, 1.0, 1.0]),
    )
    def run_while_people_work(self, settings: Settings, selects: Selects, edits: dict[int, Edit], share: float) -> None:
        """Run while the mailbox changes; what the run did not see, the next one sees."""
        self._run(settings, selects, PeopleWork(self.world, edits), share=share, killed=share < 1)

    @rule(settings=RUNS, selects=st.sampled_from(SELECTIONS), at=st.integers(1, 60), back=st.integers(0, 1))
    def run_and_be_stopped(self, settings: Settings, selects: Selects, at: int, back: int) -> None:
        """Run until SIGTERM, which comes while a request is under way."""
        fault = Terminates(at)
        with fault.in_force():
            self._run(settings, selects, fault, back=back, killed=True)

    @precondition(lambda self: self.processes)
    @rule(
        settings=RUNS,
        selects=st.sampled_from(SELECTIONS),
        after=st.integers(1, 200),
        by=st.sampled_from([signal.SIGKILL, signal.SIGTERM]),
    )
    def run_in_a_process_and_be_killed(
        self, settings: Settings, selects: Selects, after: int, by: signal.Signals
    ) -> None:
        """Run in a process of its own, and be killed when some lines are written."""
        self._run(settings, selects, killed=True, kill=Kill(after, with_signal=by))

    @precondition(lambda self: self.state is not None)
    @rule()
    def lose_the_state(self) -> None:
        """Begin a new lineage."""
        self.state = None
        self.owed |= self.fed

    def _run(
        self,
        settings: Settings,
        selects: Selects = None,
        fault: Fault | None = None,
        *,
        share: float = 1.0,
        back: int = 0,
        killed: bool = False,
        kill: Kill | None = None,
    ) -> Settings:
        """Run, and return the settings it had; what docs/state.md advises against is left out.

        After a run that did not end well some settings stay until one does: the selection, what leaves folders out,
        and the date of a run that wrote tombstones. A new lineage begins with the stores that earlier ones had fed.
        """
        stores = [store for store in EVERY_STORE if store in self.owed or store in settings["stores"]]
        settings = settings | {"stores": stores} | self.held
        if self.unfinished:
            selects = self.unfinished[0]
        self.unfinished = [selects] if killed else []
        holding = ("search_folders", "folders_exclude", *(("start_days_ago",) if settings.get("tombstones") else ()))
        self.held = {name: settings[name] for name in holding if name in settings} if killed else {}
        self.world.tick()
        config = self._config(settings, selects)
        catalog = selection(selects) if selects else None
        if fault is not None:
            self.server.faults.add(fault)
        try:
            if kill is not None:
                run = run_tap(config, state=self.state, catalog=catalog, kill=kill)
            else:
                with quick(), mock.patch.object(searches, "TICK", 0.0):  # this server's clock is moved by hand
                    run = run_tap_here(config, state=self.state, catalog=catalog)
        finally:
            if fault is not None:
                self.server.faults.remove(fault)
        assert "Unexpected" not in run.stderr, run.stderr[-2000:]
        assert run.exit_code == 0 or killed, run.stderr[-2000:]
        self._keep(run, share, back)
        self.done["runs that ended badly" if killed else "runs that ended well"] += 1
        self.fed.update(stores)
        if self.state is None:
            self.owed |= self.fed
        elif not killed:
            self.owed.clear()
        return settings

    def _config(self, settings: Settings, selects: Selects) -> Settings:
        config = {"ews_url": self.server.url, "username": self.address, "password": "secret", **WINDOW, **settings}
        start = self.world.start(config.pop("start_days_ago"))
        if start is not None:
            config["start_date"] = start.isoformat()
        if selects:
            config["tombstones"] = False  # the catalog was made without them
        return config

    def _keep(self, run: TapRun, share: float, back: int) -> None:
        """Load what reached the tables, and take the state that was durable."""
        lines = run.messages.parsed
        reached = lines if share >= 1 else lines[: int(len(lines) * share)]
        note(f"{len(reached)} of {len(lines)} lines reached the tables")
        for message in reached:
            if message["type"] == "RECORD":
                with (self.folder / f"{message['stream']}.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(message["record"]) + "\n")
        states = [message["value"] for message in reached if message["type"] == "STATE"]
        known = ([self.state] if self.state is not None else []) + states
        if len(known) > back:
            self.state = known[-1 - back]

    def _check(self, settings: Settings) -> None:
        true = expected(self.world, settings, self.world.start(settings["start_days_ago"]))
        connection = files(self.folder)
        try:
            tables = found(partial(live_rows, connection), self.address, self.world.corrupt)
        finally:
            connection.close()
        differs = wrong(true, tables, with_attachments=settings["attachments"] != "none")
        assert not differs, "\n".join(differs)
        self.done["comparisons"] += 1
