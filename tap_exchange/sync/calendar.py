"""The calendar view: what takes place between two days, written anew when a calendar may have changed.

It is never asked for as a poll. A folder's mark says what its view is true for (the days, the columns); a change that
the feed reports takes that away, and so does a feed begun anew. All rows of a view carry one `viewed_at`. It moves to
the mark and to folder_syncs at the end of the page that completes it, so a view broken off leaves the one before.

A view must not outrun the feed: an item that it shows and the feed's state does not hold could be deleted without a
word. So the calendar is listed, then the feed is followed once more, then what was listed is loaded: what exists both
before and after that feed is held by its state. When it reports a change, the calendar is listed again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import FolderError, SurvivableError
from tap_exchange.sync import clock
from tap_exchange.sync.bookmarks import FolderMark
from tap_exchange.sync.corrupt import mark_corrupt, resolve
from tap_exchange.sync.occurrences import STAGE, Masters, OccurrenceLoader
from tap_exchange.sync.page import Corrupt, Loaded, Page, Row
from tap_exchange.sync.selection import VIEW
from tap_exchange.sync.windows import NoListingError, Window, occurrences_within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.run import Run
    from tap_exchange.sync.windows import Gap, Occurrences

CALENDAR = "CalendarFolder"
PAGE_SIZE = 512
"""Occurrences of one page: between pages a STATE may be written."""

SAMPLE_SIZE = 10
TRIES = 3
"""Times a calendar that changes while it is listed is listed again; then what it came to waits for the next run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The view that a run wants of each calendar."""

    shape: Shape
    window: Window
    extra: frozenset[str]
    """Columns of the shape that are not selected."""

    @property
    def name(self) -> str:
        """What stands in the mark of a folder whose view is this one: the days, and 12 hex digits of what is asked."""
        content = self.shape.settings
        own = {entry.column: entry.path.xml for entry in content.extended_properties if VIEW in entry.streams}
        text = json.dumps([sorted(self.shape.columns), content.body_type, content.body_max_bytes, own])
        return f"{self.window} {blake2b(text.encode(), digest_size=6).hexdigest()}"


def wanted(run: Run) -> Wanted | None:
    """Return the view that a run wants, None when calendar_view is not selected."""
    shape, settings = run.selection.view_shape(), run.settings
    if shape is None:
        return None
    window = Window.around(clock.today(), settings.calendar_past_days, settings.calendar_future_days)
    if settings.start_date is not None:
        window = window.since(settings.start_date)
    return Wanted(shape, window, frozenset(shape.columns) - (run.selection.view or frozenset()))


def is_due(run: Run, mark: FolderMark) -> bool:
    """Return whether a folder is a calendar whose view is to be written anew."""
    view = wanted(run) if mark.get("type") == CALENDAR else None
    return view is not None and mark.get("view") != view.name


async def view_calendar(folder: FolderSync, catch_up: Callable[[], Awaitable[object]]) -> None:
    """Write a calendar's view when it is wanted and due; `catch_up` follows the folder's changes to their end."""
    view = wanted(folder.store.run) if is_due(folder.store.run, folder.mark) else None
    if view is None:
        return
    try:
        listed, settled = await _list(folder, view.window, catch_up)
    except NoListingError as error:
        folder.store.warn(str(error))
        folder.notes.append(str(error))
        return
    if listed is None:
        return
    wire, place = folder.wire, folder.place
    loader = OccurrenceLoader(wire, place, view.shape, Masters(wire, place), view.extra)
    await ViewWork(folder, loader, view.name if settled else None).write(list(listed.items), listed.gaps)


async def _list(
    folder: FolderSync, window: Window, catch_up: Callable[[], Awaitable[object]]
) -> tuple[Occurrences | None, bool]:
    """List what takes place, and tell whether nothing changed meanwhile; None when the run is to end."""
    if folder.store.run.sample:
        return await occurrences_within(folder, window), True
    for _ in range(TRIES):
        before = folder.view_changes
        listed = await occurrences_within(folder, window)
        if not listed.items:  # nothing can outrun the feed
            return listed, True
        await catch_up()
        if folder.must_stop():
            return None, False
        if folder.view_changes == before:
            return listed, True
    return listed, False


@dataclass(slots=True)
class ViewWork:
    """Writes one view in pages; the last of them moves the mark."""

    folder: FolderSync
    loader: OccurrenceLoader
    true_for: str | None
    """What the view is true for, None when the calendar changed while it was listed."""
    stamp: str = ""
    found: int = 0
    broken: bool = False
    not_found: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Keys of corrupt_items that this view wrote."""

    async def write(self, ids: Sequence[str], gaps: Sequence[Gap]) -> None:
        """Hand all pages to the writer, and wait for the last."""
        folder = self.folder
        if folder.store.run.sample:
            ids = ids[:SAMPLE_SIZE]
        for start in range(0, len(ids), PAGE_SIZE):
            if self._must_end():
                return
            await folder.store.run.conveyor.put(self._page(ids[start : start + PAGE_SIZE]))
        if not self._must_end():
            last = Page(opening=self._open, settle=partial(self._complete, gaps), advance=self._advance)
            await (await folder.store.run.conveyor.put(last))

    def _must_end(self) -> bool:
        return self.broken or (self.folder.must_stop() and not self.folder.store.run.sample)

    def _page(self, ids: Sequence[str]) -> Page:
        return Page(opening=self._open, loads=list(self._loads(ids)), take=self._take, look_again=self._look_again)

    def _loads(self, ids: Sequence[str], *, again: bool = False) -> Iterator[Callable[[], Loaded]]:
        size = self.folder.batch_size
        for start in range(0, len(ids), size):
            yield partial(self._load, ids[start : start + size], again=again)

    def _load(self, ids: Sequence[str], *, again: bool) -> Loaded:
        try:
            return self.loader.load(ids, again=again)
        except SurvivableError as error:
            return Loaded(error=error)

    def _open(self) -> Iterable[Row]:
        self.stamp = self.stamp or self.folder.stamp()
        return ()

    def _take(self, loaded: Loaded) -> Iterator[Row]:
        folder = self.folder
        self.found += len(loaded.loaded)
        self.not_found += [change.item_id for change in loaded.not_found]
        self.suspects += [suspect.change.item_id for suspect in loaded.suspects]
        if loaded.error is not None:
            self._break(loaded.error)
        folder.progress.add(len(loaded.rows))
        ignored = {folder.place.key(item_id) for item_id in folder.store.run.settings.ignore_item_ids}
        for row in loaded.rows:
            owner = row.record["series_item_key"] or row.record["item_key"]
            if owner not in ignored:
                # What this run's feed named, an older state would report again; the views void rows by it.
                row.record["origin"] = "feed" if owner in folder.named else "listing"
                row.record["viewed_at"] = self.stamp
                yield row
        for corrupt in loaded.corrupt:
            yield self._mark(corrupt)

    async def _look_again(self) -> Iterable[Callable[[], Loaded]]:
        """Ask once more for what was not found or broke its requests, when the store answers for other items."""
        doubted = [*self.suspects, *self.not_found]
        self.suspects, self.not_found = [], []
        if not doubted or self.broken:
            return ()
        if await self.folder.store.answers(self.folder.place.folder_id, doubted):
            return self._loads(doubted, again=True)
        self._break(
            FolderError(
                "The mailbox store gives none of a calendar's occurrences: it seems to be down",
                code="ErrorItemNotFound",
            )
        )
        return ()

    async def _complete(self, gaps: Sequence[Gap]) -> Iterable[Row]:
        """Return what follows the last occurrence: gaps, what is well again, and the folder's new stamp."""
        if self.broken:
            return ()
        folder = self.folder
        rows = [self._mark_gap(gap) for gap in gaps]
        for key in sorted(set(folder.mark.get("view_corrupt", {})) - self.bad):
            row = resolve(folder.place, self._marks, key, "The view could be read without it.", folder.stamp())
            rows += [] if row is None else [row]
        return [*rows, folder.running_row(viewed_at=self.stamp)]

    def _advance(self) -> None:
        if self.broken:
            return
        mark = self.folder.mark
        mark["viewed_at"] = self.stamp
        if self.true_for is not None:
            self._settle(mark, self.true_for)
        if not mark.get("view_corrupt"):
            mark.pop("view_corrupt", None)

    def _settle(self, mark: FolderMark, name: str) -> None:
        """Note what the view is true for; one that lacks an occurrence, or its series, is taken once more before."""
        if (self.not_found or self.loader.masters.failed) and mark.get("view_tried") != name:
            mark["view_tried"] = name
            return
        mark["view"] = name
        mark.pop("view_tried", None)

    def _break(self, error: Exception) -> None:
        self.broken = True
        self.folder.fail(error)

    @property
    def _marks(self) -> FolderMark:
        """The marks of bad occurrences, apart from those of the feed: a single item may be bad in both."""
        return FolderMark(corrupt=self.folder.mark.setdefault("view_corrupt", {}))

    def _mark(self, corrupt: Corrupt) -> Row:
        folder = self.folder
        folder.tally.corrupt += 1
        self.bad.add(folder.place.key(corrupt.change.item_id))
        return mark_corrupt(folder.place, self._marks, corrupt, folder.stamp())

    def _mark_gap(self, gap: Gap) -> Row:
        """Return the row of a window that cannot be listed; it has no item's id."""
        row = self._mark(
            Corrupt(
                change=ItemChange("update", str(gap.window), None, "CalendarItem"),
                stream=VIEW,
                stage=STAGE,
                code=gap.code,
                message=f"The server cannot list what takes place in {gap.window} ({gap.code}); it is not in the view.",
                missing=(),
                salvaged=False,
            )
        )
        row.record["item_id"] = None
        return row
