"""The engine put together: settings, connection, bookmarks and writer; run, and stopped by a signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_exchange.allocator import give_back_large_blocks
from tap_exchange.ews.columns import columns_of, extended_properties
from tap_exchange.ews.connect import Connection, connect
from tap_exchange.ews.errors import ExchangeError, FatalError, Stopped, TransientError
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.pace import Pace
from tap_exchange.ews.shapes import ContentSettings, Shape, folder_shape, shape
from tap_exchange.ews.transport import Transport
from tap_exchange.resources import ITEM_STREAMS
from tap_exchange.streams.sink import SingerSink
from tap_exchange.sync.bookmarks import NAME, Bookmarks, StateRefusedError, open_bookmarks
from tap_exchange.sync.clock import Clock
from tap_exchange.sync.files import FileStore
from tap_exchange.sync.run import Run
from tap_exchange.sync.scope import Scope
from tap_exchange.sync.selection import ATTACHMENTS, VIEW, AttachmentChoice, Selection
from tap_exchange.sync.soundness import check_state
from tap_exchange.sync.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_exchange.ews.extended import ExtendedProperty
    from tap_exchange.settings import Settings
    from tap_exchange.streams.outlet import Outlet
    from tap_exchange.streams.stream import ExchangeStream

logger = logging.getLogger(__name__)


COLLECT_AFTER = 50_000
"""Containers made and not yet let go of; a page of messages has a few thousand."""

TURN = 0.0005
"""Seconds after which a thread lets another run; Python's own are ten times that."""

CONTENT_COLUMNS = ("content", "content_sha256", "content_size", "content_path")

MIME = frozenset({"mime_content"})
"""A setting decides about it: the rule `*.*` selects it, too."""


class InterruptedRunError(Exception):
    """A signal ended the run; STATE was written where the pipe took it."""

    def __init__(self, signum: int) -> None:
        """Remember the signal: it decides the exit code."""
        super().__init__(f"signal {signum}")
        self.signum = signum


class UserError(Exception):
    """An error whose text is all that a user needs."""

    for_the_user = True


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended."""

    failed: bool
    text: str


class Engine:
    """One run; `run()` on the main thread, `stop()` from a signal handler."""

    def __init__(
        self,
        settings: Settings,
        state: Mapping[str, Any],
        streams: Mapping[str, ExchangeStream],
        outlet: Outlet,
        *,
        version: str,
        sample: bool,
    ) -> None:
        """Prepare a run with the selected streams; a `sample` reads a record of each and moves no bookmark."""
        self._settings = settings
        self._state = state
        self._streams = streams
        self._outlet = outlet
        self._version = version
        self._sample = sample
        self._pace = Pace(settings.max_connections, settings.max_wait)
        self._task: asyncio.Task[None] | None = None
        self._signum: int | None = None

    def run(self) -> Summary:
        """Run to the end; raises UserError for what no retry can mend, InterruptedRunError after a signal."""
        give_back_large_blocks()
        try:
            with rare_collections(), quick_turns():
                return asyncio.run(self._run())
        except (FatalError, TransientError, StateRefusedError) as error:
            raise UserError(str(error)) from error

    def stop(self, signum: int) -> None:
        """End the run at the next record's end; one that is over already stays as it ended."""
        self._signum = signum
        self._pace.stop()
        if self._task is not None and not self._task.done():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _run(self) -> Summary:
        settings = self._settings
        given = self._state.get("bookmarks", {}).get(NAME)
        shard = (settings.shard_index, settings.shard_count) if settings.shard_count > 1 else None
        if given:
            check_state(given)
        clock = Clock(after=_as_of(given))
        bookmarks = open_bookmarks(given, shard, clock)
        selection = self._selection()
        connection = connect(settings)
        try:
            transport = Transport(connection, self._pace)
            run = self._assemble(connection, transport, bookmarks, clock, selection)
            self._task = asyncio.ensure_future(run.go())
            try:
                await self._task
            except (asyncio.CancelledError, Stopped):
                run.break_off()
                raise InterruptedRunError(self._signum or 15) from None
            except ExchangeError:
                run.break_off()
                raise
            return _summary(run)
        finally:
            connection.close()

    def _assemble(
        self,
        connection: Connection,
        transport: Transport,
        bookmarks: Bookmarks,
        clock: Clock,
        selection: Selection,
    ) -> Run:
        settings = self._settings
        sink = SingerSink(self._streams, self._outlet)
        folder_columns = [
            column.name for column in columns_of("folders") if self._streams["folders"].selects(column.name)
        ]
        return Run(
            settings=settings,
            selection=selection,
            scope=Scope(settings.folders_include, settings.folders_exclude),
            bookmarks=bookmarks,
            clock=clock,
            writer=RunWriter(sink, clock, bookmarks, settings.state_interval, sample=self._sample),
            connection=connection,
            transport=transport,
            open_mailbox=partial(Mailbox, transport),
            folder_shape=folder_shape(folder_columns),
            bare_shape=bare_shape(),
            tap_version=self._version,
            mailboxes=connection.mailboxes,
            sample=self._sample,
        )

    def _selection(self) -> Selection:
        extended = extended_properties(self._settings.extended_properties)
        unwanted: frozenset[str] = frozenset() if self._settings.include_mime else MIME
        columns = {
            name: frozenset(
                column.name for column in columns_of(name, extended) if self._streams[name].selects(column.name)
            )
            - unwanted
            for name in ITEM_STREAMS
            if name in self._streams
        }
        view = self._occurrences(extended, unwanted)
        self._warn_of_unselected(columns | ({} if view is None else {VIEW: view}), extended)
        return Selection(
            columns,
            self._settings.content,
            frozenset(self._streams),
            self._attachments(),
            view,
        )

    def _occurrences(self, extended: tuple[ExtendedProperty, ...], unwanted: frozenset[str]) -> frozenset[str] | None:
        stream = self._streams.get(VIEW)
        if stream is None:
            return None
        return frozenset(column.name for column in columns_of(VIEW, extended) if stream.selects(column.name)) - unwanted

    def _warn_of_unselected(self, columns: Mapping[str, frozenset[str]], extended: Iterable[ExtendedProperty]) -> None:
        """Tell of columns that a setting adds and an older catalog does not know: they would be missing in silence."""
        added = [("extended_properties", entry.column, entry.streams) for entry in extended]
        if self._settings.include_mime:
            added.append(("include_mime", "mime_content", ITEM_STREAMS))
        for setting, column, streams in added:
            if not any(column in columns.get(stream, ()) for stream in streams):
                logger.warning(
                    "%s: the catalog selects the column %s in no stream; make a new one with --discover.",
                    setting,
                    column,
                )

    def _attachments(self) -> AttachmentChoice | None:
        """Return how attachments are wanted; their folder is opened here, before anything is asked."""
        stream, settings = self._streams.get(ATTACHMENTS), self._settings
        if stream is None or settings.attachments == "none":
            return None
        if settings.attachments == "metadata" or not any(map(stream.selects, CONTENT_COLUMNS)):
            return AttachmentChoice()
        folder = settings.attachment_dir
        files = None if folder is None else FileStore(folder)
        return AttachmentChoice(content=True, max_bytes=settings.attachment_max_bytes, folder=folder, files=files)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector look seldom, and never at what was there before.

    Records come and go by the thousand and hold no cycles: at its usual pace it would walk through all of them,
    and all modules, again and again.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def quick_turns() -> Iterator[None]:
    """Let threads take turns often: one whose answer has come should ask on, not wait for those that convert."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def bare_shape() -> Shape:
    """Return the shape that asks for nothing but an item's id and change key."""
    least = shape("other_items", (), settings=ContentSettings())
    return least.without(least.columns)


def _as_of(feeds: object) -> str | None:
    tap = feeds.get("_tap") if isinstance(feeds, Mapping) else None
    as_of = tap.get("as_of") if isinstance(tap, Mapping) else None
    return as_of if isinstance(as_of, str) else None


def counted(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _summary(run: Run) -> Summary:
    totals = run.totals
    text = (
        f"{counted(totals.mailboxes, 'mailbox', 'mailboxes')}, {counted(totals.folders, 'folder')}, "
        f"{counted(totals.items_loaded, 'item')} loaded, {totals.items_corrupt:,} unreadable, "
        f"{counted(run.transport.requests, 'request')}."
    )
    throttled = run.transport.pace.throttled_seconds
    if throttled > 0:
        text += f" Exchange asked to wait: {throttled:,.1f} seconds."
    if run.cut_short:
        text += " Stopped because max_runtime_minutes are over: the next run goes on from here."
    if run.failed:
        first, *others = totals.errors
        more = f"; {len(others)} more failed, see mailboxes and folder_syncs" if others else ""
        rest = "All else" if run.cut_short else "All else is done"
        return Summary(failed=True, text=f"{first}{more}. {rest}: {text}")
    return Summary(failed=False, text=text)
