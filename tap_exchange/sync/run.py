"""One run: the mailboxes side by side, one writer, one state, and how it ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tap_exchange.ews.errors import SurvivableError
from tap_exchange.sync.conveyor import Conveyor
from tap_exchange.sync.listen import Listener
from tap_exchange.sync.mailboxes import Roster
from tap_exchange.sync.page import Page, Row
from tap_exchange.sync.personal import write_rooms
from tap_exchange.sync.progress import Progress
from tap_exchange.sync.selection import fingerprint
from tap_exchange.sync.store import StoreSync

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from tap_exchange.ews.connect import Connection
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.ews.transport import Transport
    from tap_exchange.settings import Settings
    from tap_exchange.sync.bookmarks import Bookmarks
    from tap_exchange.sync.clock import Clock
    from tap_exchange.sync.scope import Scope
    from tap_exchange.sync.selection import Selection
    from tap_exchange.sync.tally import Tally
    from tap_exchange.sync.writer import RunWriter

logger = logging.getLogger(__name__)

Job = TypeVar("Job")

READERS = 2
"""Workers beyond one for each connection: while they read answers, others keep every connection asking."""


@dataclass(slots=True)
class Totals:
    """What the run came to."""

    mailboxes: int = 0
    items_loaded: int = 0
    items_corrupt: int = 0
    asked: set[str] = field(default_factory=set)
    """Keys of the folders that were asked."""
    failures: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What failed and was not made good since, in words: by mailbox and store, of a folder also by what it is."""

    def add(self, folder_key: str, tally: Tally) -> None:
        """Add a folder's counts; in the live mode it has some more than once."""
        self.asked.add(folder_key)
        self.items_loaded += tally.loaded
        self.items_corrupt += tally.corrupt

    def forget_failures(self, mailbox: str, store: str) -> None:
        """Forget what failed in a store that is asked anew as a whole."""
        for key in [key for key in self.failures if key[:2] == (mailbox, store)]:
            del self.failures[key]

    @property
    def folders(self) -> int:
        """How many folders were asked."""
        return len(self.asked)

    @property
    def mailboxes_failed(self) -> int:
        """How many mailboxes failed, in one store or more."""
        return len({mailbox for mailbox, _, *folder in self.failures if not folder})

    @property
    def folders_failed(self) -> int:
        """How many folders failed."""
        return sum(bool(folder) for _, _, *folder in self.failures)

    @property
    def errors(self) -> list[str]:
        """What failed, in words: mailboxes and folders."""
        return list(self.failures.values())


@dataclass(slots=True)
class Run:
    """Everything that the parts of one run share; `go()` runs it."""

    settings: Settings
    selection: Selection
    scope: Scope
    bookmarks: Bookmarks
    clock: Clock
    writer: RunWriter
    transport: Transport
    connection: Connection
    open_mailbox: Callable[[str, str], Mailbox]
    folder_shape: Shape
    bare_shape: Shape
    tap_version: str
    mailboxes: Sequence[str] = ()
    sample: bool = False
    """Whether a record of each stream is enough: one page of a few folders, and no bookmark moves."""
    progress: Progress = field(default_factory=Progress)
    totals: Totals = field(default_factory=Totals)
    run_id: str = field(default_factory=lambda: secrets.token_hex(16))
    fingerprint: str = ""
    conveyor: Conveyor = field(init=False)
    roster: Roster = field(init=False)
    cut_short: bool = False
    """Whether `max_runtime_minutes` ended it."""
    began_at: str = ""
    resumed_from: str = ""
    new_folders: set[str] = field(default_factory=set)
    """Ids of the folders that the state did not hold that the run began with."""
    tried: set[str] = field(default_factory=set)
    """Keys of the items that this run tried in vain and left pending: further tries of it count no more."""
    left_over: set[str] = field(default_factory=set)
    """Keys of the folders that this run asked and left with work: for later runs, or for news that name them."""
    _begun: asyncio.Lock = field(init=False)
    _folders_at_once: asyncio.Semaphore = field(init=False)
    _places: dict[asyncio.Task[None] | None, asyncio.Semaphore] = field(default_factory=dict)
    _deadline: float | None = None
    _own_root: str | None = None

    async def go(self) -> None:
        """Sync every mailbox; raises FatalError or Stopped, and else ends in the totals."""
        connections = self.settings.max_connections
        if minutes := self.settings.max_runtime_minutes:
            self._deadline = time.monotonic() + 60 * minutes
        self.resumed_from = self.bookmarks.as_of
        self.fingerprint = fingerprint(self.selection.to_state())
        self.roster = Roster(self)
        self._begun = asyncio.Lock()
        self._folders_at_once = asyncio.Semaphore(2 * connections)
        executor = ThreadPoolExecutor(connections + READERS, thread_name_prefix="exchange")
        self.conveyor = Conveyor(self.writer, executor, connections)
        writing = asyncio.ensure_future(self.conveyor.write_all())
        syncing = asyncio.ensure_future(self._work(connections))
        try:
            await asyncio.wait({writing, syncing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
            await syncing
            self.cut_short = self.out_of_time()
            await self._end("failed" if self.failed else "partial" if self.cut_short else "finished")
        finally:
            self.transport.pace.stop()  # workers that wait have nothing left to ask
            for task in (syncing, writing):
                task.cancel()
            await asyncio.gather(syncing, writing, return_exceptions=True)
            executor.shutdown(wait=False, cancel_futures=True)

    @property
    def failed(self) -> bool:
        """Whether a mailbox or folder failed."""
        return bool(self.totals.failures)

    def out_of_time(self) -> bool:
        """Return whether `max_runtime_minutes` are over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    async def own_root(self, near: Mailbox) -> str:
        """Return the id of the root of the mailbox that the account itself has, empty when it has none; asked once.

        Whose mailbox that is nobody knows yet: the question goes where that of a mailbox `near` goes.
        """
        if self._own_root is None:
            self._own_root = await self.conveyor.call(near.own_root)
        return self._own_root

    async def begin(self) -> None:
        """Write the run's first STATE and its first record, once, when a first mailbox has answered."""
        async with self._begun:
            if self.began_at:
                return
            self.began_at = self.clock.stamp()
            self.bookmarks.drop_selections()
            self.bookmarks.keep_selection(self.fingerprint, self.selection.to_state())
            self.writer.write_state()
            await self.conveyor.put(Page(opening=partial(self._rows, "running"), counts=False))

    async def each(
        self, jobs: Iterable[Job], work: Callable[[Job], Awaitable[None]], at_once: int | None = None
    ) -> None:
        """Work on all jobs, some at a time; the first exception ends them all and is raised."""
        places = self._folders_at_once if at_once is None else asyncio.Semaphore(at_once)
        tasks: set[asyncio.Future[None]] = set()

        async def one(job: Job) -> None:
            self._places[asyncio.current_task()] = places
            try:
                await work(job)
            finally:
                self.make_way()

        try:
            for job in jobs:
                await places.acquire()
                for task in [task for task in tasks if task.done()]:
                    tasks.remove(task)
                    task.result()
                tasks.add(asyncio.ensure_future(one(job)))
            for task in asyncio.as_completed(list(tasks)):
                await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def make_way(self) -> None:
        """Let the next job of `each` begin; this one has asked what it had to, and waits to be written."""
        places = self._places.pop(asyncio.current_task(), None)
        if places is not None:
            places.release()

    async def _work(self, at_once: int) -> None:
        await self._sync_mailboxes(at_once)
        minutes = self.settings.listen_minutes
        if self.settings.notifications == "stream" and minutes and not self.sample:
            self.writer.write_state()
            listener = Listener(self, self.connection, sorted(self.roster.taken))
            await listener.start()
            try:
                await listener.follow(60.0 * minutes)
            finally:
                listener.stop()

    async def _sync_mailboxes(self, at_once: int) -> None:
        addresses = await self.roster.addresses()
        await self.each(addresses, self._sync_mailbox, at_once=at_once)
        self._tell_unmatched()
        await write_rooms(self)
        if not self.sample and not self.out_of_time():
            self.roster.forget(addresses)
            await (await self.conveyor.put(self.roster.left()))

    def _tell_unmatched(self) -> None:
        """Warn of patterns that name no folder: a slip of the pen, and nothing is copied without an error."""
        if self.failed or self.out_of_time():
            return
        trees = (mark["folders"] for *place, mark in self.bookmarks.stores() if tuple(place) in self.roster.synced)
        for pattern in self.scope.unmatched(trees):
            logger.warning(
                "folders_include or folders_exclude: no folder is named %r; the table folders has their paths.", pattern
            )

    async def _sync_mailbox(self, address: str) -> None:
        try:
            primary = await self.roster.claim(address)
        except SurvivableError as error:
            self.totals.mailboxes += 1
            for name, mark in self.roster.unresolved(address):
                await StoreSync(self, self.open_mailbox(address, name), address, name, mark).leave_out(error)
            return
        if primary is None:
            return
        self.totals.mailboxes += 1
        for name in self.settings.stores:
            store = StoreSync(self, self.open_mailbox(primary, name), primary, name, self.roster.begin(primary, name))
            await store.sync()

    def break_off(self) -> None:
        """Write what an interrupted run leaves: STATE, and its row without `as_of`: a page may lie half written."""
        if self.began_at and not self.sample:
            for row in self._rows("interrupted"):
                self.writer.write(row)
            self.writer.write_state()

    async def _end(self, outcome: str) -> None:
        await self.begin()  # a shard without a mailbox has its row too
        await (await self.conveyor.put(Page(opening=partial(self._rows, outcome), counts=False)))
        if not self.sample:
            self.writer.write_state()

    def _rows(self, outcome: str) -> Iterator[Row]:
        ended = outcome != "running"
        traffic = self.transport
        yield Row(
            "sync_runs",
            {
                "run_id": self.run_id,
                "tap_version": self.tap_version,
                "began_at": self.began_at,
                "resumed_from": self.resumed_from,
                "as_of": self.bookmarks.as_of if ended and outcome != "interrupted" else None,
                "ended_at": self.clock.stamp() if ended else None,
                "outcome": outcome,
                "mailboxes": self.totals.mailboxes,
                "mailboxes_failed": self.totals.mailboxes_failed,
                "folders": self.totals.folders,
                "folders_failed": self.totals.folders_failed,
                "records": self.writer.records,
                "items_loaded": self.totals.items_loaded,
                "items_corrupt": self.totals.items_corrupt,
                "requests": traffic.requests,
                "bytes_received": traffic.bytes_in,
                "bytes_sent": traffic.bytes_out,
                "throttled_seconds": round(traffic.pace.throttled_seconds, 3),
                "shard_index": self.settings.shard_index,
                "shard_count": self.settings.shard_count,
            },
        )
