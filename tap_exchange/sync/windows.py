"""What takes place between two days: a calendar's occurrences, listed in windows that Exchange answers.

A calendar view has no pages: a window of more than two years or 1,000 entries is refused, so it is halved. An
occurrence that spans a border stands in both halves, under one id. A window that fails, perhaps because of one item
of it, is halved too; what is left of it when it is short is a gap, and all around it is listed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.ask import CalendarWindow
from tap_exchange.ews.errors import ExchangeError, FolderError, IncompleteAnswer, RequestTooBig, SurvivableError
from tap_exchange.ews.faults import OF_THE_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.ews.answers import Found, FoundItem
    from tap_exchange.sync.folder import FolderSync

LONGEST = timedelta(days=730)
"""Two years, in the shortest way to count them."""

MOST_ENTRIES = 1000
SHORTEST = timedelta(minutes=1)
"""A minute with more entries than can be listed is a gap."""

SHORTEST_BROKEN = timedelta(hours=1)
UNITS = (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
MOST_FAILURES = 200
"""Failed requests after which a calendar counts as broken."""

MOST_FAILURES_AT_FIRST = 31
"""The same as long as none has succeeded: a whole, two halves, and so on down to sixteenths."""


class NoListingError(FolderError):
    """The server does not offer listings (FindItem): many that speak EWS besides Exchange do not."""


@dataclass(frozen=True, slots=True)
class Window:
    """From one moment up to another, in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, day: date, past: int, future: int) -> Window:
        """Return the window from `past` days before a day to the end of the day `future` days after it."""
        midnight = datetime.combine(day, time(), timezone.utc)
        return cls(midnight - timedelta(days=past), midnight + timedelta(days=future + 1))

    def since(self, moment: datetime) -> Window:
        """Return the part from a moment on, which may be empty."""
        return Window(min(max(self.start, moment), self.end), self.end)

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def asked(self) -> CalendarWindow:
        """The window as a question holds it."""
        return CalendarWindow(_text(self.start), _text(self.end))

    def __str__(self) -> str:
        """Return both ends as RFC 3339 times."""
        return f"{_text(self.start)}/{_text(self.end)}"

    def pieces(self) -> list[Window]:
        """Return it in windows that are not too long."""
        if not self.length:
            return []
        starts = [self.start]
        while starts[-1] + LONGEST < self.end:
            starts.append(starts[-1] + LONGEST)
        return [Window(start, end) for start, end in zip(starts, [*starts[1:], self.end], strict=True)]

    def halves(self) -> tuple[Window, Window]:
        """Return both halves, in whole hours or minutes where it is long enough."""
        unit = next((unit for unit in UNITS if self.length >= 2 * unit), UNITS[-1])
        middle = self.start + unit * (self.length // 2 // unit)
        return Window(self.start, middle), Window(middle, self.end)


@dataclass(frozen=True, slots=True)
class Gap:
    """A window that cannot be listed, and the code that says why."""

    window: Window
    code: str


@dataclass(slots=True)
class Occurrences:
    """What a calendar holds between two days: its entries by id, in order, and where they cannot be told."""

    items: dict[str, FoundItem] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


async def occurrences_within(folder: FolderSync, window: Window) -> Occurrences:
    """List a calendar's occurrences and single items, IdOnly; in a sample those of the first window that has any.

    Raises ExchangeError when the folder itself cannot be read, or fails wherever it is asked; NoListingError when
    the server lists nothing at all.
    """
    listed: dict[Window, tuple[FoundItem, ...]] = {}
    gaps: list[Gap] = []
    failures = 0
    todo = deque(window.pieces())  # halves join at the end, so that windows apart are tried before short ones
    while todo and not (folder.store.run.sample and any(listed.values())):
        part = todo.popleft()
        try:
            found = await _list(folder, part)
        except ExchangeError as error:
            if not listed and not failures and _may_lack(error) and await lists_nothing(folder):
                if "viewed_at" in folder.mark and not error.unsupported:
                    raise  # it listed once, and what comes now does not say that it lacks listings
                text = f"The server lists no items ({error.code}): there is no calendar view."
                raise NoListingError(text, code=error.code) from error
            if not error.splittable and error.code not in OF_THE_REQUEST:
                raise
            too_big = isinstance(error, RequestTooBig)
            failures += not too_big
            if failures >= (MOST_FAILURES if listed else MOST_FAILURES_AT_FIRST):
                raise
            if part.length > (SHORTEST if too_big else SHORTEST_BROKEN):
                todo.extend(part.halves())
            else:
                gaps.append(Gap(part, error.code))
            continue
        is_whole = found.last and len(found.items) < MOST_ENTRIES
        if not is_whole and part.length > SHORTEST:
            todo.extend(part.halves())
            continue
        listed[part] = found.items
        if not is_whole:
            gaps.append(Gap(part, "ErrorExceededFindCountLimit"))
    parts = sorted(listed, key=lambda part: part.start)
    return Occurrences({item.item_id: item for part in parts for item in listed[part]}, joined(gaps))


async def lists_nothing(folder: FolderSync) -> bool:
    """Return whether the server does not know a plain listing either, of this folder and of another."""
    this = folder.place.folder_id
    others = [other for other in folder.store.mark["folders"] if other != this]
    for folder_id in (this, *others[:1]):
        folder.tally.requests += 1
        try:
            await folder.store.run.conveyor.call(partial(folder.wire.find_items, folder_id, page_size=1))
        except SurvivableError as error:
            if not _may_lack(error):
                return False
        else:
            return False
    return True


def _may_lack(error: ExchangeError) -> bool:
    """Return whether the server may lack listings: some say so with an answer that is none."""
    return error.unsupported or isinstance(error, IncompleteAnswer)


def joined(gaps: Iterable[Gap]) -> list[Gap]:
    """Return gaps in order, those that touch and have one code as one."""
    whole: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: gap.window.start):
        last = whole[-1] if whole else None
        if last is not None and last.code == gap.code and last.window.end == gap.window.start:
            whole[-1] = Gap(Window(last.window.start, gap.window.end), gap.code)
        else:
            whole.append(gap)
    return whole


async def _list(folder: FolderSync, window: Window) -> Found:
    folder.tally.requests += 1
    ask = partial(folder.wire.find_items, folder.place.folder_id, view=window.asked)
    return await folder.store.run.conveyor.call(ask)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
