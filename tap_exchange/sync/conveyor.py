"""The conveyor: many workers load side by side, one writer takes page after page in the order they were put."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import ThreadPoolExecutor

    from tap_exchange.sync.page import Loaded, Page, Row

T = TypeVar("T")

HELD_BYTES = 16 * 2**20
"""Loaded and not yet written, at most, as received; the objects made of them take about three times that."""


class Writer(Protocol):
    """The one who writes: rows as Singer messages, and the state between pages."""

    def write(self, row: Row) -> None:
        """Write one row, stamped."""

    def end_page(self, page: Page) -> None:
        """Note that a page is written whole, and write a STATE where one is due."""


class _Batch:
    """A load on the conveyor: what it comes to, and what follows it; `size` is expected, 0 for unknown."""

    def __init__(self, load: Callable[[], Loaded], size: int, loop: asyncio.AbstractEventLoop) -> None:
        self.load = load
        self.size = size
        self.is_started = False
        self.loaded: asyncio.Future[Loaded] = loop.create_future()
        self.follow_ups: list[_Batch] = []


class _Entry:
    """A page on the conveyor with its batches."""

    def __init__(self, page: Page, loop: asyncio.AbstractEventLoop) -> None:
        self.page = page
        self.batches = deque(_Batch(load, 0, loop) for load in page.loads)
        self.written: asyncio.Future[None] = loop.create_future()


class Conveyor:
    """Loads are started in the order in which they will be written, so waiting for the first can never block it.

    What follows a load comes behind it in that order, whenever it becomes known: hence the load that the writer
    waits for is started whatever the bounds say.

    Bounded five ways: batches started and not loaded, those not written, their bytes, batches waiting to be started,
    and pages. A slow target thus stops the loading, no page waits in memory for another, and a call for the next page
    stands behind few loads: it is answered while there is still something to load.
    """

    def __init__(self, writer: Writer, executor: ThreadPoolExecutor, connections: int) -> None:
        """Write to `writer`, work on `executor`, which has at least a thread for each of `connections`."""
        self._writer = writer
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._entries: deque[_Entry] = deque()
        self._waiting: deque[_Batch] = deque()
        self._started = 0
        self._loading = 0
        self._expected = 0
        self._held = 0
        self._connections = connections
        self._typical = HELD_BYTES // min(connections, 2)  # until the first answer tells better
        self._is_guessed = True
        self._most_started = 8 * connections
        self._most_loading = 2 * connections  # as many wait for a worker as are under way
        self._most_waiting = 4 * connections
        self._most_pages = 16 * connections
        self._news = asyncio.Event()
        self._room = asyncio.Condition()
        self._failure: BaseException | None = None

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function on a worker."""
        return await self._loop.run_in_executor(self._executor, lambda: function(*arguments))

    async def put(self, page: Page) -> asyncio.Future[None]:
        """Add a page behind all others, once there is room; the future is done when it is written whole."""
        async with self._room:
            await self._room.wait_for(lambda: self._takes_pages() or self._failure is not None)
        if self._failure is not None:
            raise self._failure
        entry = _Entry(page, self._loop)
        self._entries.append(entry)
        self._waiting.extend(entry.batches)
        self._start()
        self._news.set()
        return entry.written

    async def write_all(self) -> None:
        """Write pages as they come, for ever; ends by being cancelled, or with the error that ends the run."""
        try:
            while True:
                while not self._entries:
                    self._news.clear()
                    await self._news.wait()
                entry = self._entries[0]
                await self._write(entry)
                self._entries.popleft()
                if not entry.written.cancelled():  # by the end of whoever waited for it
                    entry.written.set_result(None)
                await self._notify()
        except BaseException as error:
            self._failure = error
            await self._notify()
            raise

    async def _write(self, entry: _Entry) -> None:
        page = entry.page
        self._write_rows(page.opening())
        await self._write_batches(entry)
        again = [_Batch(load, 0, self._loop) for load in await page.look_again()]
        entry.batches.extend(again)
        self._waiting.extendleft(reversed(again))
        self._start()
        await self._write_batches(entry)
        self._write_rows(await page.settle())
        page.advance()
        self._writer.end_page(page)

    async def _write_batches(self, entry: _Entry) -> None:
        while entry.batches:
            batch = entry.batches.popleft()  # and let go of, when it is written
            if not batch.is_started:
                self._waiting.remove(batch)
                self._begin(batch)
            loaded = await batch.loaded
            entry.batches.extendleft(reversed(batch.follow_ups))
            self._write_rows(entry.page.take(loaded))
            self._started -= 1
            self._held -= loaded.size
            self._start()
            await self._notify()

    def _write_rows(self, rows: Iterable[Row]) -> None:
        write = self._writer.write
        for row in rows:
            write(row)

    async def _notify(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _start(self) -> None:
        """Start waiting loads while the bounds allow, and always one; none for a run that has failed."""
        while self._failure is None and self._waiting and (self._started == 0 or self._has_room()):
            self._begin(self._waiting.popleft())

    def _takes_pages(self) -> bool:
        return len(self._waiting) < self._most_waiting and len(self._entries) < self._most_pages

    def _has_room(self) -> bool:
        coming = self._waiting[0].size or self._typical
        is_few = self._loading < self._most_loading and self._started < self._most_started
        return is_few and self._held + self._expected + coming <= HELD_BYTES

    def _begin(self, batch: _Batch) -> None:
        expected = batch.size or self._typical
        batch.is_started = True
        self._started += 1
        self._loading += 1
        self._expected += expected
        work = self._loop.run_in_executor(self._executor, batch.load)
        work.add_done_callback(lambda work: self._finish(work, batch, expected))

    def _finish(self, work: asyncio.Future[Loaded], batch: _Batch, expected: int) -> None:
        self._expected -= expected
        self._loading -= 1
        if work.cancelled():
            return
        error = work.exception()  # asked for, lest asyncio logs it when the run is being ended
        if batch.loaded.cancelled():
            return
        if error:
            batch.loaded.set_exception(error)
            batch.loaded.exception()
            return
        loaded = work.result()
        self._held += loaded.size
        if loaded.size and not batch.size:
            grown = self._typical // self._connections if self._is_guessed else (self._typical * 7 + loaded.size) // 8
            self._typical, self._is_guessed = max(loaded.size, grown), False
        elif self._is_guessed and not loaded.follow_ups:
            # Where answers hold nothing, each connection may ask.
            self._typical = min(self._typical, HELD_BYTES // self._connections)
        batch.follow_ups = [_Batch(more.run, more.size, self._loop) for more in loaded.follow_ups]
        self._waiting.extendleft(reversed(batch.follow_ups))
        batch.loaded.set_result(loaded)
        self._start()
