"""A mailbox that anything may happen to, a tap that runs and is killed, and tables that must equal it in the end.

A kill is played by what it leaves: of a run's messages only those up to some line reached the tables, and the state
that the loader had made durable is one of the STATEs before that line, or that of the run before. Runs that are told to
stop (SIGTERM) and, at length, runs in processes that are killed (SIGKILL) are real.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tap_exchange.resources import schema_names
from tap_exchange.sync import clock, searches
from tests.model.edits import EDITS, Edit, PeopleWork
from tests.model.expected import LISTINGS, WINDOW, expected, found, unreadable, wrong
from tests.model.troubles import TROUBLES, Terminates
from tests.model.world import STARTS, World
from tests.pipeline import Kill, State, run_tap, run_tap_here, selection
from tests.trouble import quick

if TYPE_CHECKING:
    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.server import Server
    from tests.pipeline import TapRun
    from tests.warehouses import PostgreSQL

Settings = dict[str, Any]
Selects = tuple[str, ...] | None

SELECTIONS: tuple[Selects, ...] = (
    None,
    None,
    ("*.*", "!contacts.*"),
    ("*.*", "!messages.subject", "!messages.body"),
    ("*.*", "!posts.*", "!messages.internet_message_headers"),
)
SELECTED = st.sampled_from(SELECTIONS)

EVERY_STORE = ["primary", "archive", "recoverable_items", "public_folders"]
WANTED = {
    "stores": st.sampled_from(
        [["primary"], ["primary"], ["primary", "archive"], EVERY_STORE, ["archive", "public_folders"], EVERY_STORE[:3]]
    ),
    "start_days_ago": st.sampled_from(STARTS),
    "search_folders": st.booleans(),
    "attachments": st.sampled_from(["metadata", "metadata", "content", "none"]),
    "body_type": st.sampled_from(["best", "best", "text"]),
}
"""What decides about what the tables hold."""
STARTS_OVER = "states refused"
"""What docs/state.md tells of: a state that is refused for a while, and then the STATEs of the run that met it lost."""
HELD = {"search_folders", "folders_exclude", "body_type", "attachments"}
"""What stays after a run that did not end well, until one does."""

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


@dataclass(frozen=True, slots=True)
class Ending:
    """What a kill leaves of a run, of its loader, and of the states that were kept."""

    share: float = 1.0
    """Of the lines so many reached the tables, stream by stream in full."""
    ahead: float = 0.0
    """Of the others so many reached the tables in some streams: loaders write one table after the other."""
    which: int = 0
    """Seed for these streams."""
    back: int = 0
    """The state that was kept is so many STATEs older than the last that was durable."""

    @property
    def is_whole(self) -> bool:
        """Return whether nothing was lost."""
        return self.share >= 1 and self.back == 0

    def reached(self, lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[State]]:
        """Return the records that reached the tables, and the STATEs that were durable."""
        kept = lines if self.share >= 1 else lines[: int(len(lines) * self.share)]
        rest = lines[len(kept) :]
        rest = rest[: int(len(rest) * self.ahead)]
        drawn = random.Random(self.which)
        streams = {name for name in schema_names() if drawn.random() < AHEAD}
        records = [line for line in kept if line["type"] == "RECORD"]
        records += [line for line in rest if line["type"] == "RECORD" and line["stream"] in streams]
        return records, [line["value"] for line in kept if line["type"] == "STATE"]


WHOLE = Ending()
AHEAD = 0.4
KILLED = st.builds(
    Ending,
    share=st.floats(0, 1),
    ahead=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
    which=st.integers(0, 99),
    back=st.integers(0, 3),
)
SOME = st.lists(EDITS, max_size=5)
MOSTLY_WHOLE = st.one_of(st.just(WHOLE), st.just(WHOLE), KILLED)


class MailboxMachine(RuleBasedStateMachine):
    """Edits, runs and kills in any order."""

    server: Server
    """Set by the test: one server for all examples; each has a mailbox of its own."""
    tables: PostgreSQL
    """Set by the test: tables for all examples, emptied before each."""
    processes = False
    """Whether runs in processes of their own are killed, too: each takes seconds."""
    number = 0
    done: ClassVar[Counter[str]] = Counter()
    """How much was done, over all examples."""

    def __init__(self) -> None:
        """Begin with empty tables."""
        super().__init__()
        self.tables.clear()
        self.done["mailboxes"] += 1
        self.state: State | None = None
        self.unfinished: list[Selects] = []
        self.held: Settings = {}
        self.fed: set[str] = set()
        self.owed: set[str] = set()
        self.world: World | None = None

    @initialize(items=st.integers(0, 24), final=FINAL)
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
                    self._run(self.final | LISTINGS, must_end_well=True)
                before = self.done["comparisons"]
                self._run(self.final | LISTINGS, must_end_well=True)
                if self.done["comparisons"] == before:  # the day changed meanwhile
                    self._run(self.final | LISTINGS, must_end_well=True)
                assert self.done["comparisons"] > before
        finally:
            if self.world is not None:
                self.world.end()

    @rule(edits=st.lists(EDITS, min_size=3, max_size=12))
    def edit(self, edits: list[Edit]) -> None:
        """Let people work."""
        for edit in edits:
            edit.do(self.world)
        self.done["edits"] += len(edits)

    @rule()
    def lose_subscriptions(self) -> None:
        """Let the server lose what it kept for notifications."""
        self.server.endpoint.subscriptions.expire_all()

    @rule(edits=SOME, settings=RUNS, selects=SELECTED)
    def run(self, edits: list[Edit], settings: Settings, selects: Selects) -> None:
        """Run to the end; with all columns and folders the views equal the mailbox at once."""
        self.edit(edits)
        self._run(settings, selects, must_end_well=True)

    @rule(edits=SOME, settings=RUNS, selects=SELECTED, ending=KILLED)
    def run_and_be_killed(self, edits: list[Edit], settings: Settings, selects: Selects, ending: Ending) -> None:
        """Run, of which some lines reach the tables, and a STATE some steps before the last."""
        self.edit(edits)
        self._run(settings, selects, ending=ending)

    @rule(
        edits=SOME,
        settings=RUNS,
        selects=SELECTED,
        ending=MOSTLY_WHOLE,
        troubles=st.lists(st.sampled_from(sorted(TROUBLES)), min_size=1, max_size=3, unique=True),
        seed=st.integers(0, 99),
    )
    def run_in_trouble(
        self,
        edits: list[Edit],
        settings: Settings,
        selects: Selects,
        ending: Ending,
        troubles: list[str],
        seed: int,
    ) -> None:
        """Run while the server misbehaves; the run may fail, must lose nothing, and says so when something is amiss."""
        self.edit(edits)
        ending = WHOLE if STARTS_OVER in troubles else ending
        faults = [TROUBLES[trouble](seed, self.world) for trouble in troubles]
        self.done.update(f"trouble: {trouble}" for trouble in troubles)
        self._run(settings, selects, *faults, ending=ending)

    @rule(
        settings=RUNS,
        selects=SELECTED,
        ending=MOSTLY_WHOLE,
        edits=st.dictionaries(st.integers(0, 40), EDITS, min_size=1, max_size=6),
        trouble=st.one_of(st.none(), st.sampled_from(sorted(TROUBLES))),
        seed=st.integers(0, 99),
    )
    def run_while_people_work(
        self,
        settings: Settings,
        selects: Selects,
        ending: Ending,
        edits: dict[int, Edit],
        trouble: str | None,
        seed: int,
    ) -> None:
        """Run while the mailbox changes; what the run did not see, the next one sees."""
        ending = WHOLE if trouble == STARTS_OVER else ending
        faults = [TROUBLES[trouble](seed, self.world)] if trouble else []
        self._run(settings, selects, PeopleWork(self.world, edits), *faults, ending=ending, compare=False)
        self.done["edits during runs"] += len(edits)

    @rule(edits=SOME, settings=RUNS, selects=SELECTED, at=st.integers(1, 60), ending=MOSTLY_WHOLE)
    def run_and_be_stopped(
        self, edits: list[Edit], settings: Settings, selects: Selects, at: int, ending: Ending
    ) -> None:
        """Run until SIGTERM, which comes while a request is under way."""
        self.edit(edits)
        fault = Terminates(at)
        with fault.in_force():
            self._run(settings, selects, fault, ending=ending)

    @precondition(lambda self: self.processes)
    @rule(
        edits=SOME,
        settings=RUNS,
        selects=SELECTED,
        after=st.integers(1, 200),
        by=st.sampled_from([signal.SIGKILL, signal.SIGTERM]),
    )
    def run_in_a_process_and_be_killed(
        self, edits: list[Edit], settings: Settings, selects: Selects, after: int, by: signal.Signals
    ) -> None:
        """Run in a process of its own, and be killed when some lines are written."""
        self.edit(edits)
        self._run(settings, selects, kill=Kill(after, with_signal=by))

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
        *faults: Fault,
        ending: Ending = WHOLE,
        kill: Kill | None = None,
        must_end_well: bool = False,
        compare: bool = True,
    ) -> None:
        """Run, keep what it left, and compare, if all of it did and it ended well.

        What docs/state.md advises against is left out: after a run that did not end well some settings stay until one
        does: the selection, what bodies and attachments are, what leaves folders out, and the date of a run that wrote
        tombstones; the stores that it read are among those of the next. A new lineage begins with the stores that
        earlier ones had fed.
        """
        stores = [store for store in EVERY_STORE if store in self.owed or store in settings["stores"]]
        settings = settings | {"stores": stores} | self.held
        if self.unfinished:
            selects = self.unfinished[0]
        self.world.tick()
        today = clock.today()
        run = self._ended(self._config(settings, selects), selects, faults, kill)
        assert "Unexpected" not in run.stderr, run.stderr[-2000:]
        assert run.exit_code == 0 or not must_end_well, run.stderr[-2000:]
        self._keep(run, ending)
        ended_well = run.exit_code == 0 and ending.is_whole
        self.unfinished = [] if ended_well else [selects]
        holding = HELD | self.held.keys() | ({"start_days_ago"} if settings.get("tombstones") else set())
        self.held = {} if ended_well else {name: settings[name] for name in holding & settings.keys()}
        self.done["runs that ended well" if ended_well else "runs that ended badly"] += 1
        self.fed.update(stores)
        if self.state is None:
            self.owed |= self.fed
        elif not ended_well:
            self.owed |= set(stores)
        else:
            self.owed.clear()
        is_whole = selects is None and not settings.get("folders_exclude")
        is_listed = settings["listing_hours"] == 0 or "public_folders" not in stores
        # They tell of folders that were skipped, and of items that were not found.
        folders = run.table("folder_syncs").values() if ended_well else ()
        is_read = all(row["code"] != "ErrorAccessDenied" and (must_end_well or not row["pending"]) for row in folders)
        if compare and ended_well and is_whole and is_listed and is_read and today == clock.today():
            self._check(settings)

    def _ended(self, config: Settings, selects: Selects, faults: tuple[Fault, ...], kill: Kill | None) -> TapRun:
        """Run to the end, or to the kill, with these faults in force."""
        catalog = selection(selects) if selects else None
        with ExitStack() as meanwhile:
            for fault in faults:
                self.server.faults.add(fault)
                meanwhile.callback(self.server.faults.remove, fault)
            if kill is not None:
                return run_tap(config, state=self.state, catalog=catalog, kill=kill)
            meanwhile.enter_context(quick())
            meanwhile.enter_context(mock.patch.object(searches, "TICK", 0.0))  # this server's clock is moved by hand
            return run_tap_here(config, state=self.state, catalog=catalog)

    def _config(self, settings: Settings, selects: Selects) -> Settings:
        sign_in = {"ews_url": self.server.url, "username": self.address, "password": "secret", "max_wait": 5}
        config = {**sign_in, **WINDOW, **settings}
        start = self.world.start(config.pop("start_days_ago"))
        if start is not None:
            config["start_date"] = start.isoformat()
        if selects:
            config["tombstones"] = False  # the catalog was made without them
        return config

    def _keep(self, run: TapRun, ending: Ending) -> None:
        """Load what reached the tables, and take the state that was durable."""
        records, states = ending.reached(run.messages.parsed)
        note(f"{len(records)} of {len(run.messages.parsed)} lines are rows that reached the tables")
        self.tables.load((line["stream"], line["record"]) for line in records)
        known = ([self.state] if self.state is not None else []) + states
        if len(known) > ending.back:
            self.state = known[-1 - ending.back]

    def _check(self, settings: Settings) -> None:
        today = clock.today()
        true = expected(self.world, settings, self.world.start(settings["start_days_ago"]), today)
        without = unreadable(self.world, settings["stores"], today)
        tables = found(self.tables.live, self.address, settings, without)
        differs = wrong(true, tables, with_attachments=settings["attachments"] != "none")
        assert not differs, "\n".join(differs)
        self.done["comparisons"] += 1
        self.done["rows compared"] += len(true.rows)
