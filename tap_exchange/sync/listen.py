"""The live mode: after catching up, streaming connections tell which folders to sync, until the time is over.

Each connection is held by a thread of its own, so that no other work waits behind it. What arrives is gathered for
`notification_delay` seconds, since one action of a user makes many events; then each mailbox with news is synced
once. Events are not kept while a connection is down: after each (re)connection everything of its mailboxes is due.

A mailbox that refuses its subscription leaves the others and is tried beside them. What fails, or is pending, is tried
again after pauses that grow. How a mailbox stands when the time is over is what the run tells of it: one that nothing
was heard of to the end has failed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews import streaming
from tap_exchange.ews.errors import ExchangeError, Stopped, SurvivableError, TransientError
from tap_exchange.sync.events import EVERYTHING, News, can_subscribe, news_of
from tap_exchange.sync.store import StoreSync

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_exchange.ews.connect import Connection
    from tap_exchange.ews.events import Events
    from tap_exchange.ews.streaming import Line
    from tap_exchange.sync.run import Run

logger = logging.getLogger(__name__)

SHORTEST_PAUSE = 1.0
"""Seconds until what failed is tried again for the first time; each further pause is twice as long."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries to connect, at most."""

LONGEST_WAIT = 300.0
"""Seconds until what failed or is pending in a mailbox is tried again, at most."""

DEAF = 60.0
"""Seconds without a connection, at the end, after which a mailbox has failed: a short break is none."""


@dataclass(slots=True)
class Silence:
    """Since when nothing is heard of a mailbox, and why; `refused` when its own subscription was."""

    since: float
    code: str = "NotListening"
    refused: bool = False


@dataclass(slots=True)
class Listener:
    """Holds the connections of one run, and syncs what they name."""

    run: Run
    connection: Connection
    mailboxes: Sequence[str]
    """Primary addresses."""
    _news: dict[str, News] = field(default_factory=dict)
    _waiting: dict[str, News] = field(default_factory=dict)
    """What is due once a mailbox's pause is over."""
    _pauses: dict[str, float] = field(default_factory=dict)
    _silent: dict[str, Silence] = field(default_factory=dict)
    _refusals: dict[str, ExchangeError] = field(default_factory=dict)
    """Refused subscriptions whose mailboxes' rows are to be written."""
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _failure: Exception | None = None

    async def start(self) -> None:
        """Connect, in threads that end with the process or with `stop`."""
        listened = [address for address in self.mailboxes if await can_subscribe(self._store(address))]
        self._silent = {address: Silence(time.monotonic()) for address in listened}
        size = streaming.MOST_SUBSCRIPTIONS
        for start in range(0, len(listened), size):
            self._begin(listened[start : start + size])
        for address in sorted(set(self.mailboxes) - set(listened)):
            logger.warning(
                "%s cannot be listened to: it is not known as the user's own mailbox, and a delegate gets no "
                "notifications of another's. It is synced once in this run.",
                address,
            )

    def stop(self) -> None:
        """Let the threads end; one that waits for a heartbeat does so when it comes."""
        self._over.set()

    async def follow(self, seconds: float) -> None:
        """Sync what the connections name, as it comes, for so many seconds or until the run is out of time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.run.out_of_time():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)
                await asyncio.sleep(self.run.settings.notification_delay)
            self._arrived.clear()
            await self._settle()
            news, self._news = self._news, {}
            await self.run.each(news.items(), self._sync, at_once=self.run.settings.max_connections)
            self.run.writer.write_state()
        await self._settle()
        await self._tell_silent()

    async def _settle(self) -> None:
        """Write what the threads told but news: refused subscriptions, and an error that ends the run."""
        if self._failure is not None:
            raise self._failure
        refusals, self._refusals = self._refusals, {}
        for address, error in refusals.items():
            await self._store(address).leave_out(error)

    async def _tell_silent(self) -> None:
        """Note as failed the mailboxes whose connection is lost for good."""
        for address, silence in self._silent.items():
            lasting = time.monotonic() - silence.since
            if lasting > DEAF and not silence.refused:
                text = f"Nothing was heard of {address} in the last {lasting:.0f} s ({silence.code}): run again."
                await self._store(address).leave_out(TransientError(text, code=silence.code))

    async def _sync(self, due: tuple[str, News]) -> None:
        address, news = due
        silence = self._silent.get(address)
        if silence is not None and silence.refused:
            return  # everything is due when it is heard again
        store = self._store(address)
        await store.sync(EVERYTHING if store.has_failed() else news)
        left = store.left()
        if left is not None:
            self._wait(address, left)
        elif address not in self._waiting:
            self._pauses.pop(address, None)

    def _wait(self, address: str, news: News) -> None:
        """Tell news of a mailbox after a pause, which is longer each time in succession."""
        if address in self._waiting:
            self._waiting[address] = self._waiting[address].with_more(news)
            return
        self._waiting[address] = news
        pause = self._pauses[address] = longer(self._pauses.get(address, 0.0), LONGEST_WAIT)
        self._loop.call_later(pause, lambda: self._tell(address, self._waiting.pop(address)))

    def _store(self, address: str) -> StoreSync:
        wire_mailbox = self.run.open_mailbox(address, "primary")
        return StoreSync(self.run, wire_mailbox, address, "primary", self.run.bookmarks.store(address, "primary"))

    # What the threads tell, on the loop's

    def _tell(self, address: str, news: News) -> None:
        """Add news of a mailbox."""
        before = self._news.get(address)
        self._news[address] = news if before is None else before.with_more(news)
        self._arrived.set()

    def _hear(self, group: Sequence[str]) -> None:
        for address in group:
            self._silent.pop(address, None)
            self._refusals.pop(address, None)
            self._tell(address, EVERYTHING)

    def _lose(self, group: Sequence[str], code: str) -> None:
        for address in group:
            silence = self._silent.setdefault(address, Silence(time.monotonic()))
            silence.code = code or silence.code

    def _refuse(self, address: str, error: ExchangeError) -> None:
        silence = self._silent.setdefault(address, Silence(time.monotonic()))
        if not silence.refused:  # told already
            silence.refused = True
            self._refusals[address] = error
            self._arrived.set()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._arrived.set()

    # On a thread of its own

    def _say(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the run is over, and its loop closed
            self._loop.call_soon_threadsafe(what, *arguments)

    def _begin(self, group: Sequence[str], pause: float = 0.0) -> None:
        threading.Thread(target=self._hold, args=(list(group), pause), name="listening", daemon=True).start()

    def _hold(self, group: list[str], pause: float) -> None:
        """Hold one connection, again and again, with growing pauses while it fails."""
        try:
            while not self._over.wait(pause):
                begun = time.monotonic()
                self._connect_once(group)
                held = time.monotonic() - begun > LONGEST_PAUSE
                pause = longer(0.0 if held else pause, LONGEST_PAUSE)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody listens any more
            self._say(self._fail, error)

    def _connect_once(self, group: list[str]) -> None:
        """Subscribe and listen until the connection ends."""
        code = ""
        try:
            with streaming.opened(self.connection, self.run.transport.pace) as line:
                self._subscribe(line, group)
                if line.mailboxes:
                    line.listen(partial(self._take, line), partial(self._say, self._hear, tuple(group)))
        except SurvivableError as error:
            code = error.code
            if not self._over.is_set():
                logger.warning("%s: the streaming connection ended (%s); it is made anew.", _named(group), code)
        self._say(self._lose, tuple(group), code)

    def _subscribe(self, line: Line, group: list[str]) -> None:
        """Subscribe to the mailboxes of a group; those that refuse leave it, unless all do, and are tried beside it."""
        refused: dict[str, ExchangeError] = {}
        for address in group:
            try:
                line.subscribe(address)
            except SurvivableError as error:  # noqa: PERF203 - nothing beside a request
                if not error.of_exchange:
                    raise
                refused[address] = error
        for address, refusal in refused.items():
            self._say(self._refuse, address, refusal)
        if refused and line.mailboxes:
            group[:] = [address for address in group if address not in refused]
            self._begin(list(refused), SHORTEST_PAUSE)

    def _take(self, line: Line, events: Events) -> None:
        mailbox = line.mailboxes.get(events.subscription)
        if mailbox is None or not events.understood:
            for each in [mailbox] if mailbox else line.mailboxes.values():
                self._say(self._tell, each.address, EVERYTHING)
        elif events.events:
            self._say(self._tell, mailbox.address, news_of(events.events))


def longer(pause: float, longest: float) -> float:
    """Return the pause that follows one, 0 for none yet."""
    return min(max(SHORTEST_PAUSE, 2 * pause), longest)


def _named(group: Sequence[str]) -> str:
    """Name the mailboxes of a connection: the first, and how many more."""
    return group[0] if len(group) == 1 else f"{group[0]} and {len(group) - 1} more"
