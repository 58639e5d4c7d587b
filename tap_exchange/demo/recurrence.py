"""Recurrence patterns: their dates, and the XML that tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count, islice, takewhile
from typing import TYPE_CHECKING

from tap_exchange.demo.values import WritesItself
from tap_exchange.demo.zones import DAYS, weekday_of_month

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
INDEXES = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": -1}
GROUPS = {"Day": DAYS, "Weekday": DAYS[:5], "WeekendDay": DAYS[5:]}
LAST_YEAR = 4500
"""Outlook's calendar ends here."""


@dataclass(frozen=True, slots=True)
class Recurrence(WritesItself):
    """A pattern and its range.

    `kind` is Daily, Weekly, AbsoluteMonthly, RelativeMonthly, AbsoluteYearly or RelativeYearly, or for tasks
    DailyRegeneration, WeeklyRegeneration, MonthlyRegeneration or YearlyRegeneration. Without `end` and `count` it
    has no end. `suffix` is what the server writes behind its dates ("Z" or an offset).
    """

    kind: str
    start: date
    interval: int = 1
    days: tuple[str, ...] = ()
    day: int = 1
    month: int = 1
    index: str = "First"
    end: date | None = None
    count: int | None = None
    suffix: str = "Z"

    def dates(self) -> Iterator[date]:
        """Give the dates in order; they end when the range does."""
        dates = self._pattern()
        if self.count is not None:
            return islice(dates, self.count)
        last = self.end or date(LAST_YEAR, 8, 31)
        return takewhile(lambda day: day <= last, dates)

    def _pattern(self) -> Iterator[date]:
        if self.kind == "Daily":
            return (self.start + timedelta(days=n * self.interval) for n in count())
        if self.kind == "Weekly":
            return self._weekly()
        step = 12 if self.kind.endswith("Yearly") else self.interval
        first = self.start.replace(day=1, month=self.month if step == 12 else self.start.month)  # noqa: PLR2004
        months = (first.year * 12 + first.month - 1 + n * step for n in count())
        days = (self._in_month(month // 12, month % 12 + 1) for month in months)
        return (day for day in days if day >= self.start)

    def _in_month(self, year: int, month: int) -> date:
        if self.kind.startswith("Relative"):
            days = tuple(day for name in self.days for day in GROUPS.get(name, (name,)))
            return weekday_of_month(year, month, days, INDEXES[self.index]).date()
        length = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        return date(year, month, min(self.day, length))

    def _weekly(self) -> Iterator[date]:
        week = self.start - timedelta(days=self.start.weekday())
        wanted = sorted({DAYS.index(day) for name in self.days for day in GROUPS.get(name, (name,))})
        for n in count():
            for day in wanted:
                found = week + timedelta(days=7 * n * self.interval + day)
                if found >= self.start:
                    yield found

    def xml(self) -> str:
        """Write the inside of a t:Recurrence."""
        return self._pattern_xml() + self._range_xml()

    def _pattern_xml(self) -> str:
        interval = f"<t:Interval>{self.interval}</t:Interval>"
        days = f"<t:DaysOfWeek>{' '.join(self.days)}</t:DaysOfWeek>"
        index = f"<t:DayOfWeekIndex>{self.index}</t:DayOfWeekIndex>"
        month = f"<t:Month>{MONTHS[self.month - 1]}</t:Month>"
        day = f"<t:DayOfMonth>{self.day}</t:DayOfMonth>"
        inside = {
            "Weekly": f"{interval}{days}<t:FirstDayOfWeek>Monday</t:FirstDayOfWeek>",
            "AbsoluteMonthly": interval + day,
            "RelativeMonthly": interval + days + index,
            "AbsoluteYearly": day + month,
            "RelativeYearly": days + index + month,
        }.get(self.kind, interval)
        name = self.kind if self.kind.endswith("Regeneration") else f"{self.kind}Recurrence"
        return f"<t:{name}>{inside}</t:{name}>"

    def _range_xml(self) -> str:
        start = f"<t:StartDate>{self.start.isoformat()}{self.suffix}</t:StartDate>"
        if self.count is not None:
            number = f"<t:NumberOfOccurrences>{self.count}</t:NumberOfOccurrences>"
            return f"<t:NumberedRecurrence>{start}{number}</t:NumberedRecurrence>"
        if self.end is not None:
            end = f"<t:EndDate>{self.end.isoformat()}{self.suffix}</t:EndDate>"
            return f"<t:EndDateRecurrence>{start}{end}</t:EndDateRecurrence>"
        return f"<t:NoEndRecurrence>{start}</t:NoEndRecurrence>"


def at(day: date, time: datetime) -> datetime:
    """Give a day at the time of day of a local time."""
    return datetime.combine(day, time.time())
