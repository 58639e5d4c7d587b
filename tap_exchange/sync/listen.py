"""The live mode: after catching up, streaming connections tell which folders to sync, until the time is over.

Each connection is held by a thread of its own, so that no other work waits behind it. What arrives is gathered for
`notification_delay` seconds, since one action of a user makes many events; then each mailbox with news is synced
once. Events are not kept while a connection is down: after each (re)connection everything of its mailboxes is due.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews import events as wire
from tap_exchange.ews import streaming
from tap_exchange.ews.errors import ExchangeError, FatalError
from tap_exchange.sync.events import EVERYTHING, News, can_subscribe, news_of
from tap_exchange.sync.store import StoreSync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_exchange.ews.connect import Connection
    from tap_exchange.ews.events import Events
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.sync.run import Run

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two tries to connect, at most."""


@dataclass(slots=True)
class Listener:
    """Holds the connections of one run, and syncs what they name."""

    run: Run
    connection: Connection
    mailboxes: Sequence[str]
    """Primary addresses."""
    _news: dict[str, News] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _failure: FatalError | None = None

    def start(self) -> None:
        """Connect, in threads that end with the process or with `stop`."""
        listened = [address for address in self.mailboxes if can_subscribe(self._store(address))]
        size = streaming.MOST_SUBSCRIPTIONS
        for start in range(0, len(listened), size):
            group = listened[start : start + size]
            threading.Thread(target=self._hold, args=(group,), name="listening", daemon=True).start()
        for address in set(self.mailboxes) - set(listened):
            logger.warning("%s cannot be listened to as its delegate; it is synced once in this run.", address)

    def stop(self) -> None:
        """Let the threads end; one that waits for a heartbeat does so when it comes."""
        self._over.set()

    async def follow(self, seconds: float) -> None:
        """Sync what the connections name, as it comes, for so many seconds or until the run is out of time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.run.out_of_time():
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except asyncio.TimeoutError:
                break
            await asyncio.sleep(self.run.settings.notification_delay)
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            news, self._news = self._news, {}
            await self.run.each(news.items(), self._sync, at_once=self.run.settings.max_connections)
            self.run.writer.write_state()

    async def _sync(self, due: tuple[str, News]) -> None:
        address, news = due
        store = self._store(address)
        await store.sync(news)
        if store.error is not None or store.folders_failed:
            self._tell(address, EVERYTHING)

    def _store(self, address: str) -> StoreSync:
        wire_mailbox = self.run.open_mailbox(address, "primary")
        return StoreSync(self.run, wire_mailbox, address, "primary", self.run.bookmarks.store(address, "primary"))

    def _tell(self, address: str, news: News) -> None:
        """Add news of a mailbox; on the loop's thread."""
        before = self._news.get(address)
        self._news[address] = news if before is None else before.with_more(news)
        self._arrived.set()

    def _tell_from_thread(self, address: str, news: News) -> None:
        self._loop.call_soon_threadsafe(self._tell, address, news)

    def _fail(self, error: FatalError) -> None:
        self._failure = error
        self._arrived.set()

    # On a thread of its own

    def _hold(self, group: Sequence[str]) -> None:
        """Hold one connection, again and again, with growing pauses while it fails."""
        pause = 1.0
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                self._connect(group)
            except FatalError as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                return
            except ExchangeError as error:
                if self._over.is_set():
                    return
                logger.warning("A streaming connection ended (%s); it is made anew.", error.code)
            pause = 1.0 if time.monotonic() - begun > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            self._over.wait(pause)

    def _connect(self, group: Sequence[str]) -> None:
        """Subscribe and listen until the connection ends."""
        with streaming.affine_mailboxes(self.connection, group, self.run.settings.max_wait) as mailboxes:
            names: dict[str, str] = {}
            try:
                for mailbox in mailboxes:
                    names[wire.subscribe_streaming(mailbox).id] = mailbox.address
                for address in group:
                    self._tell_from_thread(address, EVERYTHING)
                streaming.listen(mailboxes[0], list(names), partial(self._take, names))
            finally:
                by_address = {mailbox.address: mailbox for mailbox in mailboxes}
                for name, address in names.items():
                    self._unsubscribe(by_address[address], name)

    def _unsubscribe(self, mailbox: Mailbox, name: str) -> None:
        try:
            wire.unsubscribe(mailbox, name)
        except ExchangeError as error:
            logger.debug("A subscription could not be ended: %s", error.code)

    def _take(self, names: dict[str, str], events: Events) -> None:
        address = names.get(events.subscription)
        if address is None or not events.understood:
            for each in [address] if address else names.values():
                self._tell_from_thread(each, EVERYTHING)
        elif events.events:
            self._tell_from_thread(address, news_of(events.events))
