"""A mailbox with calendars, runs of the real tap on it on a day that the test says, and what its views must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

from tap_exchange.demo import calendar
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.series import Occurrence
from tap_exchange.sync.keys import surrogate
from tests.pipeline import run_tap_here
from tests.trouble import quick

if TYPE_CHECKING:
    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server
    from tests.pipeline import State, TapRun
    from tests.warehouses import JSONLines

ANNA = "anna@example.com"
PAST, FUTURE = 6, 14
BERLIN = "W. Europe Standard Time"
WINDOW = {"over the window's start", "over the window's end"}

Row = dict[str, Any]
Rows = dict[str, Row]
Views = Callable[[str], Rows]
Runner = Callable[..., tuple["TapRun", "State | None"]]


@dataclass(slots=True)
class Calendars:
    """A mailbox, its server, and the tables that should show what takes place."""

    anna: Mailbox
    server: Server
    runner: Runner
    views: Views
    today: date
    state: State | None = None
    past: int = PAST
    future: int = FUTURE
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def calendar(self) -> Folder:
        """Anna's own calendar."""
        return self.anna.folder("calendar")

    def at(self, day: int, hour: float = 9) -> datetime:
        """Name an hour, in UTC, of a day that is so many days from today."""
        midnight = datetime.combine(self.today, time(), timezone.utc)
        return midnight + timedelta(days=day, hours=hour)

    def meeting(self, subject: str, day: int = 1, hour: float = 9, length: float = 1, **more: Any) -> Item:  # noqa: ANN401
        """Put a meeting into the calendar."""
        start = self.at(day, hour)
        end = start + timedelta(hours=length)
        return self.calendar.add("CalendarItem", Subject=subject, Start=start, End=end, **more)

    def run(self, *faults: Fault, checked: bool = True, **options: Any) -> TapRun:  # noqa: ANN401
        """Run once, with these faults and no others, from the state of the run before."""
        self.server.faults.clear()
        self.server.faults.add(*faults)
        self.server.reset_requests()
        config = {
            "ews_url": self.server.url,
            "username": ANNA,
            "password": "secret",
            "folders_include": ["calendar"],
            "calendar_past_days": self.past,
            "calendar_future_days": self.future,
            **self.settings,
            **options.pop("config", {}),
        }
        with mock.patch("tap_exchange.sync.clock.today", return_value=self.today), quick():
            run, self.state = self.runner(config, options.pop("state", self.state), **options)
        self.server.faults.clear()
        return run.checked() if checked else run

    def asked(self, operation: str) -> list[Request]:
        """Return the requests of the last run to the calendar that are of an operation."""
        return [request for request in self.server.requests if request.operation == operation]

    @property
    def views_listed(self) -> int:
        """Count the calendar views that the last run asked for."""
        return len(self.asked("FindItem"))

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The days that a view covers."""
        return self.at(-self.past, 0), self.at(self.future + 1, 0)

    def truth(self, folder: Folder | None = None) -> dict[str, tuple[Any, ...]]:
        """Return what takes place in the window, by the key of its row."""
        return {
            surrogate(ANNA, item.id): (
                item.properties["Subject"],
                text(item.properties["Start"]),
                text(item.properties["End"]),
                text(item.properties.get("OriginalStart", item.properties["Start"])),
                surrogate(ANNA, item.master.id) if isinstance(item, Occurrence) else None,
            )
            for item in calendar.view(folder or self.calendar, *self.window)
        }

    def shown(self, rows: Rows | None = None) -> dict[str, tuple[Any, ...]]:
        """Return what the live view shows, in the same words."""
        return {
            key: (
                row["subject"],
                text(row["start_time"]),
                text(row["end_time"]),
                text(row["original_start"]),
                row["series_item_key"],
            )
            for key, row in (self.views("calendar_view") if rows is None else rows).items()
        }

    def check(self, folder: Folder | None = None) -> Rows:
        """Compare the live view with the calendar, row by row; return its rows."""
        rows = self.views("calendar_view")
        assert self.shown(rows) == self.truth(folder)
        assert len({row["viewed_at"] for row in rows.values()}) <= 1
        series = {row["series_item_key"] for row in rows.values()} - {None}
        if "calendar_items" in str(self.state):
            assert series <= set(self.views("calendar_items")), "a series without its master"
        return rows

    def sync_row(self, run: TapRun) -> Row:
        """Return the calendar's last row of folder_syncs."""
        return [row for row in run.of("folder_syncs") if row["folder_id"] == self.calendar.id][-1]

    def mark(self) -> Row:
        """Return the calendar's mark in the state."""
        assert self.state is not None
        return self.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"][self.calendar.id]


def into(warehouse: JSONLines, config: Row, state: State | None, **options: Any) -> tuple[TapRun, State | None]:  # noqa: ANN401
    """Run the tap in this process, and load its records."""
    run = run_tap_here(config, state=state, **options)
    warehouse.load((stream, record) for stream, records in run.records.items() for record in records)
    return run, run.state or state


def text(value: datetime | str) -> str:
    """Write a time as Exchange does, whatever the table made of it."""
    if isinstance(value, str):
        return value
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def furnish(kept: Calendars) -> Item:
    """Put meetings of every kind into the calendar; return the daily series."""
    kept.meeting("single")
    kept.meeting("long ago", day=-200)
    kept.meeting("far away", day=500)
    kept.meeting("over the window's start", day=-kept.past - 1, hour=20, length=10)
    kept.meeting("over the window's end", day=kept.future, hour=20, length=10)
    first = kept.at(-40).date()
    daily = kept.meeting("daily", day=-40, zone=BERLIN, Recurrence=Recurrence("Daily", first))
    kept.meeting("weekly", day=0, Recurrence=Recurrence("Weekly", kept.today, days=(f"{kept.today:%A}",), count=4))
    kept.meeting("over", day=-100, Recurrence=Recurrence("Daily", kept.at(-100).date(), count=3))
    slots = daily.series.between(kept.at(0, 0), kept.at(20, 0))
    daily.change_occurrence(slots[3].original, Start=kept.at(3, 15), End=kept.at(3, 16))
    daily.change_occurrence(slots[4].original, Subject="daily, at length")
    daily.change_occurrence(slots[5].original, Start=kept.at(200), End=kept.at(200, 10))
    daily.delete_occurrence(slots[6].original)
    return daily


def everything(kept: Calendars) -> list[Item]:
    """Return all that takes place, as the server has it."""
    return calendar.view(kept.calendar, *kept.window)


def occurrence(kept: Calendars, subject: str, number: int = 0) -> Occurrence:
    """Return one of what takes place, as the server has it."""
    found = [item for item in everything(kept) if item.properties["Subject"] == subject]
    assert isinstance(found[number], Occurrence)
    return found[number]
