"""One folder kept true: its feed followed page by page, begun anew when it must, filled when the selection grew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from tap_exchange.ews.answers import FoundItem, ItemChange, ItemPage
from tap_exchange.ews.errors import FolderError, MailboxError, StateError, SurvivableError, TransientError
from tap_exchange.ews.faults import Action
from tap_exchange.sync import scoped, stubborn
from tap_exchange.sync.calendar import CALENDAR, view_calendar
from tap_exchange.sync.changes import LOADED_KINDS, net
from tap_exchange.sync.corrupt import ATTACHMENT, breaks_feed, mark_corrupt, mark_key, resolve
from tap_exchange.sync.dates import Since
from tap_exchange.sync.fill import IdSet, fill
from tap_exchange.sync.listing import end_listing, list_contents
from tap_exchange.sync.page import Page, Place, Row
from tap_exchange.sync.selection import common, fingerprint
from tap_exchange.sync.tally import EVERY, Outcome, Tally, folder_sync_row
from tap_exchange.sync.walk import ENDLESS, Walk
from tap_exchange.sync.watch import outdate, watch, watch_new
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.sync.bookmarks import FolderMark
    from tap_exchange.sync.loader import Loader
    from tap_exchange.sync.progress import Progress
    from tap_exchange.sync.selection import Selection
    from tap_exchange.sync.store import StoreSync

logger = logging.getLogger(__name__)

UNREADABLE = "No permission to read this folder."
REFUSALS = (1.0, 3.0)
"""Pauses in seconds after a refused state; refused once more after the last, the folder is started over."""


@dataclass(slots=True)
class FolderSync:
    """Follows one folder's feed; lives for one run."""

    store: StoreSync
    place: Place
    mark: FolderMark
    loader: Loader
    tally: Tally = field(default_factory=Tally)
    blocked: bool = False
    """Whether the bookmark must not move any more in this run: what the server answers cannot be believed."""
    error: Exception | None = None
    outcome: Outcome | None = None
    followed: bool = False
    """Whether the feed's end was reached."""
    started_at: str | None = None
    unseen_corrupt: set[str] = field(default_factory=set)
    named: IdSet = field(default_factory=IdSet)
    """Keys of the calendar items that this run's feed named."""
    view_changes: int = 0
    """How often the calendar's view became out of date."""
    came: IdSet = field(default_factory=IdSet)
    """Ids of the items that the state did not hold that the run began with."""
    resumed: bool = field(init=False)
    """Whether the run began with a state of this folder."""
    page_size: int = 0
    notes: list[str] = field(default_factory=list)
    """What was done to get there, for the folder's row."""
    throttled_before: float = 0.0
    walk: Walk = field(default_factory=Walk)
    started_over: bool = False
    """Whether a state could not be used in this run: a second time the feed is not believed any more."""

    def __post_init__(self) -> None:
        """Begin with whole pages."""
        self.resumed = "sync_state" in self.mark
        self.throttled_before = self.store.run.transport.pace.throttled_seconds
        self.page_size = batch_of_changes(self.store.run.settings.max_changes, sample=self.store.run.sample)

    @property
    def selection(self) -> Selection:
        """What the user selected."""
        return self.store.run.selection

    @property
    def batch_size(self) -> int:
        """Items of one GetItem at most."""
        return self.store.run.settings.batch_size

    @property
    def wire(self) -> Mailbox:
        """The operations on the folder, led to where its contents are."""
        return self.loader.wire

    @property
    def since(self) -> Since:
        """The date from which on items are wanted."""
        return Since(self.store.run.settings.start_date)

    @property
    def tombstones(self) -> bool:
        """Whether deletes are written to the item streams too."""
        return self.store.run.settings.tombstones

    @property
    def progress(self) -> Progress:
        """The run's progress."""
        return self.store.run.progress

    @property
    def changed(self) -> bool:
        """Whether the folder's counts may have changed."""
        return self.tally.changes > 0

    @property
    def count(self) -> int:
        """How many items the folder holds, by what the feed told and by the count of before."""
        before = self.mark.get("count", 0) if self.resumed and not self.started_over else 0
        return before + self.tally.created - self.tally.deleted

    def stamp(self) -> str:
        """Return the writing thread's next time."""
        return self.store.run.clock.stamp()

    # What a page asks of its folder

    def is_loaded(self, change: ItemChange) -> bool:
        """Return whether a change's properties are asked for."""
        return change.kind in LOADED_KINDS and self.selection.stream_of(change.element) in self.selection.columns

    def see(self, change: ItemChange) -> None:
        """Note that the feed names an item: what a feed begun anew no longer names is resolved at its end."""
        if self.unseen_corrupt:
            key = self.place.key(change.item_id)
            self.unseen_corrupt -= {key, mark_key(key, ATTACHMENT)}
        if change.kind == "create" and self.resumed:
            self.came.update([change.item_id])
        if self.mark.get("type") == CALENDAR:
            self.named.update([self.place.key(change.item_id)])

    def feed_stream(self, stream: str) -> None:
        """Note that the folder has fed a stream, for tombstones."""
        if stream in self.selection.columns:
            fed = self.mark.setdefault("fed", [])
            if stream not in fed:
                fed.append(stream)

    def outdate_view(self) -> None:
        """Note that what takes place may have changed: a calendar's view is due."""
        self.mark.pop("view", None)
        self.view_changes += 1

    def remember(self, item_id: str) -> None:
        """Keep an item that exists: it tells a missing item from a store that is down."""
        self.store.known_items[self.place.folder_id] = item_id

    def block(self) -> None:
        """End the folder's sync without moving its bookmark: the store answers ErrorItemNotFound for everything."""
        self.blocked = True
        self.fail(
            FolderError(
                "The mailbox store finds none of its items: it seems to be down. Nothing was moved; run again later.",
                code="ErrorItemNotFound",
            )
        )

    def fail(self, error: Exception) -> None:
        """Remember the first error; no further page is asked for.

        What outlasted every wait is the server's trouble: each other folder would wait as long once more.
        """
        self.error = self.error or error
        if isinstance(error, (MailboxError, TransientError)):
            self.store.fail(error)

    def must_stop(self) -> bool:
        """Return whether no further page is to be asked for in this run."""
        return self.error is not None or self.blocked or self.store.must_stop() or self.store.run.sample

    def move(self, sync_state: str | None) -> None:
        """Move the bookmark."""
        if sync_state is not None:
            self.mark["sync_state"] = sync_state

    def adopt_selection(self) -> None:
        """Note that the bookmark is true for the present selection."""
        self.mark["selection"] = self.store.run.fingerprint
        self.mark.pop("filling", None)

    def _promise_both(self) -> None:
        """Note that from now on rows come by the present selection, beside those of the former one.

        Where streams are to be filled that may end before they are, and the next run may select what it likes.
        """
        bookmarks = self.store.run.bookmarks
        former = bookmarks.selection(self.mark.get("selection"))
        if not self.stale_streams():
            self.adopt_selection()
        elif former is None:
            self.mark.pop("selection", None)
        else:
            kept = common(former, self.selection.to_state())
            self.mark["selection"] = fingerprint(kept)
            bookmarks.keep_selection(self.mark["selection"], kept)

    def stale_streams(self) -> frozenset[str]:
        """Return the selected streams whose rows do not hold what is selected.

        An older selection left them out, or a fill made their rows void and was broken off.
        """
        streams = self.selection.stale_streams(self.store.run.bookmarks.selection(self.mark.get("selection")))
        return streams | self.selection.filled_with(self.mark.get("filling", ()))

    # The story of one run

    async def sync(self, story: Story | None = None) -> None:
        """Bring the tables to what the folder holds now; an error becomes the folder's row.

        The story is that of its feed, unless another is given.
        """
        try:
            await (self._sync() if story is None else story(self))
        except MailboxError:
            raise
        except FolderError as error:
            if error.action in {Action.FOLDER_GONE, Action.ITEM_GONE} and await self._is_gone():
                await self.store.bury(self.place, self.mark)
                self.outcome = Outcome("gone", error.code, "The folder was deleted.")
            elif error.code == "ErrorAccessDenied":
                self.outcome = Outcome("skipped", error.code, UNREADABLE)
                self.store.warn(f"folder {self.name}: {UNREADABLE} It is skipped; what the tables hold of it stays.")
            else:
                self.fail(error)
        except SurvivableError as error:
            self.fail(error)
        await self._close()

    async def _sync(self) -> None:
        try:
            await self._sync_by_feed()
            if self.followed and not self.must_stop():
                await end_listing(self)
            if self.store.run.sample or (self.followed and not self.must_stop()):
                await view_calendar(self, self._catch_up)
        except stubborn.BrokenFeedError as error:
            if await list_contents(self):
                self.outcome = Outcome("listed", error.code, str(error))
                await view_calendar(self, partial(list_contents, self))

    async def _catch_up(self) -> None:
        await self.follow(self.mark.get("sync_state"))

    async def _sync_by_feed(self) -> None:
        if "sync_state" not in self.mark:
            if "listed" in self.mark:
                await self.ask(None)  # before the listing's rows are void: the feed may fail as it did then
            await self.reset(None)
            await self._begin()
            return
        before = {tuple(item) for item in self.mark.get("pending", [])}
        stale = self.stale_streams()
        if self.mark.get("selection") != self.store.run.fingerprint:
            await self.store.run.conveyor.put(Page(advance=self._promise_both))
        if self.mark.get("ignored"):
            await watch(self)
        if scoped.is_dated(self):
            await scoped.go_on(self, stale)
        else:
            await self.follow(self.mark["sync_state"])
            if stale and self.stale_streams() and not self.must_stop():  # as long as it was not started over
                await fill(self, stale)
        if self.store.again and not self.must_stop():
            await self._try_pending(before)

    async def _begin(self) -> None:
        if self.since.moment is None:
            await self.follow(None)
        else:
            await scoped.begin(self)

    async def follow(self, state: str | None) -> None:
        """Follow the feed from a state to its end, or to where the run is to end."""
        written: asyncio.Future[None] | None = None
        while True:
            try:
                answer = await self.ask(state)
            except StateError as error:
                if state is None:
                    raise
                if written is not None:
                    await written
                if self.started_over:
                    text = "The feed fails with each new state; the folder's contents are listed instead."
                    raise stubborn.BrokenFeedError(text, code=error.code) from error
                self.started_over = True
                self.page_size = batch_of_changes(self.store.run.settings.max_changes, sample=self.store.run.sample)
                logger.warning("A folder's sync state cannot be used (%s): the folder is started over.", self.name)
                self.notes.append(f"Its sync state could not be used ({error.code}): started over.")
                await self.reset(None)
                await self._begin()
                return
            written = await self.put(self._work(answer))
            state = answer.sync_state
            self.followed = answer.last
            if answer.last or self.must_stop():
                break
        self.store.run.make_way()
        await written
        await watch_new(self)

    def _work(self, answer: ItemPage) -> PageWork:
        return PageWork(self, net(self._reloading(answer.changes)), then=partial(self.move, answer.sync_state))

    def _reloading(self, changes: Iterable[ItemChange]) -> Iterator[ItemChange]:
        """Yield the changes; with `read_flags: reload`, a read flag as an update of the message it stands on.

        What it stands on may be of another class, which the load finds out, but not without the stream to load it for.
        """
        reload = self.store.run.settings.read_flags == "reload" and "messages" in self.selection.columns
        for change in changes:
            if reload and change.kind == "read_flag":
                yield ItemChange("update", change.item_id, change.change_key, "Message", None)
            else:
                yield change

    async def ask(self, state: str | None) -> ItemPage:
        """Return the next page; raises StateError when the state is refused three times.

        A feed that would never end: FolderError.
        """
        for pause in (*REFUSALS, None):
            try:
                answer = await stubborn.ask(self, state)
            except StateError as error:  # noqa: PERF203
                if state is None or pause is None or isinstance(error, stubborn.StaleStateError):
                    raise
                await asyncio.sleep(pause)
            else:
                if self.walk.is_endless(state, answer):
                    raise FolderError(ENDLESS, code="SyncStateNeverMoves", action=Action.BACK_OFF)
                return answer
        raise AssertionError("unreachable")

    async def put(self, work: PageWork) -> asyncio.Future[None]:
        """Hand a page to the writer; the future is done when it is written."""
        return await self.store.run.conveyor.put(work.page())

    async def reset(self, streams: Iterable[str] | None) -> None:
        """Write that rows of `streams` (None: all, and the feed begins anew) are void up to now."""
        names = list(streams) if streams is not None else [EVERY]
        resets: dict[str, str] = {}

        def opening() -> Iterator[Row]:
            stamp = self.stamp()
            resets.update(self.mark.get("resets", {}) if streams is not None else {})
            resets.update(dict.fromkeys(names, stamp))
            if self.started_at is None:
                self.started_at = stamp
            yield self.running_row(resets=resets, viewed_at=None if streams is None else self.mark.get("viewed_at"))

        def advance() -> None:
            self.mark["resets"] = resets
            outdate(self.mark)
            if streams is not None:
                self.mark["filling"] = sorted({*self.mark.get("filling", ()), *names})
            else:
                self.adopt_selection()
                self.mark.pop("sync_state", None)
                self.mark.pop("pending", None)
                self.mark.pop("dates", None)
                self.mark.pop("viewed_at", None)
                self.outdate_view()
                self.mark.pop("listed", None)
                self.mark.pop("listing", None)
                self.unseen_corrupt = set(self.mark.get("corrupt", {}))

        await self.store.run.conveyor.put(Page(opening=opening, advance=advance))

    async def _try_pending(self, before: set[tuple[object, ...]]) -> None:
        """Try what was left before this run and its feed did not tell of: what was deleted needs no try."""
        pending = [item for item in self.mark.get("pending", []) if tuple(item) in before]
        if not pending:
            return
        changes = [ItemChange(item[3], item[0], item[1], item[2], None) for item in pending]
        attempts = {item[0]: item[4] for item in pending}
        work = PageWork(self, changes, then=lambda: None, origin="fill", told=False, attempts=attempts)
        await (await self.put(work))

    # Items that break the feed

    def ignored_ids(self) -> list[str]:
        """Return the ids that the feed leaves out: the user's, and those that break it."""
        return [*self.store.run.settings.ignore_item_ids, *self.mark.get("ignored", {})]

    async def ignore(self, item: FoundItem, code: str) -> None:
        """Leave an item out of the feed from now on; it is loaded and watched by itself."""
        self.mark.setdefault("ignored", {})[item.item_id] = ["", item.element]
        corrupt = breaks_feed(item, self.selection.stream_of(item.element), code)

        def opening() -> Iterator[Row]:
            yield mark_corrupt(self.place, self.mark, corrupt, self.stamp())

        await self.store.run.conveyor.put(Page(opening=opening))

    async def _is_gone(self) -> bool:
        """Ask for the folder itself: a sync call alone is no proof of its deletion."""
        return await self.store.is_gone(self.place.folder_id)

    async def _close(self) -> None:
        """Write the folder's last row of this run."""

        def opening() -> Iterator[Row]:
            if self.error is None and self.followed:
                watched = {self.place.key(item_id) for item_id in self.mark.get("ignored", {})}
                for key in sorted(key for key in self.unseen_corrupt if key.partition(":")[0] not in watched):
                    row = resolve(self.place, self.mark, key, "The item is no longer in this folder.", self.stamp())
                    if row is not None:
                        yield row
            self.tally.throttled_seconds = self.store.run.transport.pace.throttled_seconds - self.throttled_before
            yield self._row(self._outcome(), self.stamp(), self.mark)

        def advance() -> None:
            if self.error is None and self.followed:
                self.mark.pop("due", None)

        await (await self.store.run.conveyor.put(Page(opening=opening, advance=advance)))

    def _outcome(self) -> Outcome:
        if self.outcome is not None:
            return self.outcome
        if self.error is not None:
            return Outcome("failed", getattr(self.error, "code", None), str(self.error))
        if not self.followed:
            return Outcome("partial", None, "The run ended before this folder was done; the next run goes on.")
        return Outcome("finished", None, self._story())

    def _story(self) -> str | None:
        """Return in words what was done beside following the feed."""
        notes = list(self.notes)
        if (
            self.tally.page_size
            and self.tally.page_size < self.store.run.settings.max_changes
            and not self.store.run.sample
        ):
            notes.append(f"Larger pages failed: the feed was read by {self.tally.page_size} at a time.")
        if ignored := len(self.mark.get("ignored", ())):
            notes.append(f"Items that break the feed are left out of it and watched by themselves: {ignored}.")
        return " ".join(notes) or None

    def running_row(self, **changed: object) -> Row:
        """Return the folder's row while it is being synced, with what its mark will be."""
        return self._row(Outcome("running"), None, cast("FolderMark", {**self.mark, **changed}))

    def _row(self, outcome: Outcome, ended_at: str | None, mark: FolderMark) -> Row:
        if self.started_at is None:
            self.started_at = self.stamp()
        times = {"started_at": self.started_at, "ended_at": ended_at}
        return folder_sync_row(self.place, mark, self.tally, outcome, times, self.store.run.run_id)

    @property
    def name(self) -> str:
        """The folder in words fit for a log: its distinguished name, or its key."""
        return self.mark.get("dn") or self.place.folder_key


Story = Callable[[FolderSync], Awaitable[None]]
"""What is done with a folder in a run."""


def batch_of_changes(max_changes: int, *, sample: bool) -> int:
    """Return the size of a page: small when only a sample is wanted."""
    return min(max_changes, 10) if sample else max_changes
