"""Time zones by the rules that Exchange sends with an item: periods, groups of transitions, and when each holds.

A definition is what the item's times were computed with. It is right where the zone's name is made up,
and where the zone's rules have changed since. Biases are minutes to ADD to local time to get UTC; the
time of a transition is that of the clock before it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from tap_exchange.ews.faults import TYPES as T

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxml.etree import _Element

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GROUPS = {"Day": DAYS, "Weekday": DAYS[:5], "WeekendDay": DAYS[5:]}
MOST_OFFSET = timedelta(hours=26)  # a day more than any zone has: what lies beyond is no time zone

_DURATION = re.compile(
    r"(-)?P(?:(\d{1,3})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})(?:\.\d{1,9})?S)?)?",
)


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of the clock that comes each year: `week` counts from 1, -1 is the last; 0 names `day` itself."""

    offset: timedelta
    month: int
    time: timedelta
    days: tuple[str, ...] = ()
    week: int = 0
    day: int = 1

    def moment(self, year: int) -> datetime:
        """Tell when it comes in a year, on the clock before it."""
        first, length = monthrange(year, self.month)
        if self.week == 0:
            number = min(self.day, length)
        else:
            matching = [n for n in range(1, length + 1) if DAYS[(first + n - 1) % 7] in self.days]
            number = matching[-1] if self.week < 0 or self.week > len(matching) else matching[self.week - 1]
        return datetime(year, self.month, number) + self.time  # noqa: DTZ001 - local time


@dataclass(frozen=True, slots=True)
class Group:
    """The offset of a stretch of years, with the changes of each year if there are any."""

    offset: timedelta
    switches: tuple[Switch, ...] = ()

    def at(self, utc: datetime) -> timedelta:
        """Tell the offset at a time in UTC, without a zone."""
        if not self.switches:
            return self.offset
        found = self.offset
        for moment, offset in _changes(self, utc.year):
            if moment > utc:
                break
            found = offset
        return found


@lru_cache(maxsize=1024)
def _changes(group: Group, year: int) -> list[tuple[datetime, timedelta]]:
    """List the changes of a year and of those beside it, in UTC, each with the offset that follows."""
    moments = sorted(
        (
            (switch.moment(near), switch.offset)
            for near in (year - 1, year, year + 1)
            if MINYEAR <= near <= MAXYEAR
            for switch in group.switches
        ),
        key=lambda change: change[0],
    )
    before = moments[-1][1]
    changes = []
    for moment, offset in moments:
        changes.append((moment - before, offset))
        before = offset
    return changes


@dataclass(frozen=True, slots=True)
class Rules:
    """A zone's groups, each with the local time from which it holds; the first holds from the beginning."""

    groups: tuple[tuple[datetime, Group], ...]

    def offset(self, utc: datetime) -> timedelta:
        """Tell how far local time is ahead of UTC at a time in UTC, given without a zone."""
        held = self.groups[0][1]
        for since, group in self.groups[1:]:
            if utc + group.offset < since:
                break
            held = group
        return held.at(utc)


def rules(zone: _Element) -> Rules | None:
    """Read a time zone's definition; None when there is none, or none that makes sense."""
    if zone.find(f"{T}Periods") is None:
        return None
    try:
        return _rules(zone)
    except (ValueError, KeyError, IndexError, OverflowError):
        return None


def _rules(zone: _Element) -> Rules:
    periods = {period.get("Id", ""): -duration(period.get("Bias")) for period in zone.iterfind(f"{T}Periods/{T}Period")}
    if any(abs(offset) >= MOST_OFFSET for offset in periods.values()):
        raise ValueError
    groups = {
        group.get("Id", ""): _group(list(group), periods)
        for group in zone.iterfind(f"{T}TransitionsGroups/{T}TransitionsGroup")
    }
    since: list[tuple[datetime, Group]] = []
    for transition in zone.iterfind(f"{T}Transitions/*"):
        to = transition.find(f"{T}To")
        if to is None:
            raise ValueError
        name = to.text or ""
        group = Group(periods[name]) if to.get("Kind") == "Period" else groups[name]
        when = transition.findtext(f"{T}DateTime")
        since.append((_moment(when) if when else datetime.min, group))  # noqa: DTZ901 - local time
    if not since:  # a definition of one group may do without
        only = list(groups.values()) or [Group(offset) for offset in periods.values()]
        if len(only) != 1:
            raise ValueError
        since = [(datetime.min, only[0])]  # noqa: DTZ901 - local time
    since.sort(key=lambda entry: entry[0])
    return Rules(tuple(since))


def _group(transitions: Sequence[_Element], periods: Mapping[str, timedelta]) -> Group:
    switches = []
    fixed: timedelta | None = None
    for transition in transitions:
        offset = periods[transition.findtext(f"{T}To", "")]
        if transition.find(f"{T}Month") is None:
            fixed = offset
        else:
            switches.append(_switch(transition, offset))
    if fixed is None:
        # Where one offset has to stand for the group, it is standard time: the smaller one.
        fixed = min(switch.offset for switch in switches)
    return Group(fixed, tuple(switches))


def _switch(transition: _Element, offset: timedelta) -> Switch:
    month = int(transition.findtext(f"{T}Month", ""))
    time = duration(transition.findtext(f"{T}TimeOffset"))
    day = transition.findtext(f"{T}Day")
    if day is not None:
        switch = Switch(offset, month, time, day=int(day))
    else:
        name = transition.findtext(f"{T}DayOfWeek", "")
        days = tuple(one for word in name.split() for one in GROUPS.get(word, (word,)))
        week = int(transition.findtext(f"{T}Occurrence", ""))
        if not days or not set(days) <= set(DAYS) or week == 0:
            raise ValueError
        switch = Switch(offset, month, time, days, week)
    switch.moment(2000)  # raises what its figures are wrong in
    return switch


def duration(text: str | None) -> timedelta:
    """Read an xs:duration of days and less, such as -PT1H or P0DT2H0M0.0S; ValueError for what is none."""
    match = _DURATION.fullmatch((text or "").strip())
    if match is None or not any(match.groups()[1:]):
        raise ValueError("no duration")
    sign, *figures = match.groups()
    days, hours, minutes, seconds = (int(figure or 0) for figure in figures)
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if sign else length


def _moment(text: str) -> datetime:
    """Read when a group begins to hold; it is a date, and a zone behind it says nothing more."""
    return datetime.fromisoformat(text.strip()[:19])
