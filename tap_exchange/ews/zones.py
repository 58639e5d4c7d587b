"""Time zones as Exchange names them, and the days that people see on a calendar.

A zone comes with its definition as a rule, and that decides: times were computed with it. Without one its
id is looked up (a Windows name, an IANA name, what other programs put around one), then its name for
people, "(UTC+01:00) Amsterdam, Berlin": by its cities, else by its offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from lxml import etree

from tap_exchange.ews.faults import TYPES as T
from tap_exchange.ews.values import moment
from tap_exchange.ews.zonerules import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

Offset = Callable[[datetime], timedelta]
"""How far local time is ahead of UTC at a time in UTC, given without a zone."""

HALF_DAY = timedelta(hours=12)
DAY = timedelta(days=1)
ONE_MOMENT = timedelta(microseconds=1)
SECOND_LENGTH = len("2025-08-30T18:10:41")

_DISPLAYED = re.compile(r"\((?:UTC|GMT)(?:\s*([+-])(\d{1,2}):?(\d{2}))?\)\s*(.*)", re.IGNORECASE)
_ZONE_OF_A_REGION = re.compile(r"(.+?) (?:Standard |Daylight |Summer )?Time(?: \(.*\))?", re.IGNORECASE)
_COPY = re.compile(r"\s+\d{1,2}$")  # Outlook numbers zones of one name: "W. Europe Standard Time 1"
_UNIVERSAL = {"z": "UTC", "coordinated universal time": "UTC"}
_MOST_REMEMBERED = 2**16


def local_days(item: etree._Element) -> tuple[str | None, str | None]:
    """Tell the first and the last day of a calendar item in its own time zone; None where nothing tells them.

    An all-day event begins and ends at midnight in the zone that it was made in. The midnight nearest to
    what the zone says is taken, so that a zone that is unknown, or whose rules have changed, moves no event
    to another day: without any zone this is right from twelve hours behind UTC to twelve hours ahead.
    """
    start, end = _time(item, "Start"), _time(item, "End")
    zone = item.find(f"{T}StartTimeZone")
    other = item.find(f"{T}EndTimeZone")
    whole_days = item.findtext(f"{T}IsAllDayEvent") in {"true", "1"}
    first = last = None
    if start is not None:
        first = _day(_local(start, zone if zone is not None else other), whole_days=whole_days)
    if end is not None:
        local = _local(end, other if other is not None else zone)
        begun = start is None or end > start
        last = _last_day(local, whole_days=whole_days, begun=begun)
    if first is not None and last is not None:
        last = max(first, last)
    return (first.isoformat() if first else None), (last.isoformat() if last else None)


def _time(item: etree._Element, name: str) -> datetime | None:
    try:
        text = moment(item.findtext(T + name))
    except ValueError:
        return None
    return datetime.fromisoformat(text[:SECOND_LENGTH]) if text else None


def _local(utc: datetime, zone: etree._Element | None) -> datetime:
    offset = None if zone is None else offset_of(zone)
    try:
        return utc if offset is None else utc + offset(utc)
    except OverflowError:  # at the ends of the calendar
        return utc


def _day(local: datetime, *, whole_days: bool) -> date:
    return _moved(local, HALF_DAY).date() if whole_days else local.date()


def _last_day(local: datetime, *, whole_days: bool, begun: bool) -> date:
    """Tell the last day of what ends at a local time; a day that is only touched at midnight is none of it."""
    if whole_days:
        return _moved(local, HALF_DAY - DAY).date()
    return (_moved(local, -ONE_MOMENT) if begun else local).date()


def _moved(time: datetime, by: timedelta) -> datetime:
    try:
        return time + by
    except OverflowError:
        return time


def offset_of(zone: etree._Element) -> Offset | None:
    """Return what tells a zone's offsets, from t:StartTimeZone or the like; None when it cannot be told."""
    # In ASCII a name with other letters would be written with references, and could not be read again.
    xml = etree.tostring(zone, encoding="utf-8", with_tail=False)
    return _offset_of(xml) if len(xml) <= _MOST_REMEMBERED else _read_offset(xml)


@lru_cache(maxsize=512)
def _offset_of(xml: bytes) -> Offset | None:
    return _read_offset(xml)


def _read_offset(xml: bytes) -> Offset | None:
    zone = etree.fromstring(xml)
    defined = rules(zone)
    if defined is not None:
        return defined.offset
    zone_id, name = zone.get("Id"), zone.get("Name")
    iana = iana_name(zone_id, name)
    return _iana_offset(iana) if iana else _displayed_offset(zone_id) or _displayed_offset(name)


@lru_cache(maxsize=512)
def _iana_offset(name: str) -> Offset:
    zone = ZoneInfo(name)

    def offset(utc: datetime) -> timedelta:
        return utc.replace(tzinfo=timezone.utc).astimezone(zone).utcoffset() or timedelta()

    return offset


def _displayed_offset(name: str | None) -> Offset | None:
    """Return the fixed offset that a name for people begins with; its daylight saving is not known."""
    match = _DISPLAYED.fullmatch((name or "").strip())
    if match is None:
        return None
    sign, hours, minutes, _ = match.groups()
    length = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    fixed = -length if sign == "-" else length
    return lambda _utc: fixed


def is_windows_zone(zone_id: str | None) -> bool:
    """Say whether a time zone id is one that Windows defines, so that its rules are known without it."""
    return zone_id in _windows()


@lru_cache(maxsize=1024)
def iana_name(zone_id: str | None, name: str | None = None) -> str | None:
    """Find the IANA name of a zone by its id, else by its name for people; None when neither tells."""
    texts = [text.strip() for text in (zone_id, name) if text and text.strip()]
    for look in (_by_windows_name, _by_iana_name, _by_displayed_name):
        for text in texts:
            found = look(text)
            if found is not None:
                return found
    return None


def _by_windows_name(text: str) -> str | None:
    folded = _windows_folded()
    return folded.get(text.casefold()) or folded.get(_COPY.sub("", text).casefold())


def _by_iana_name(text: str) -> str | None:
    """Find an IANA name, also at the end of a path: /freeassociation.sourceforge.net/Europe/Berlin."""
    known = _iana()
    parts = text.split("/")
    for start in range(len(parts)):
        found = known.get("/".join(parts[start:]).casefold())
        if found is not None:
            return found
    return None


def _by_displayed_name(text: str) -> str | None:
    match = _DISPLAYED.fullmatch(text)
    places = match.group(4) if match else text
    if places.casefold() in _UNIVERSAL:
        return _UNIVERSAL[places.casefold()]
    region = _ZONE_OF_A_REGION.fullmatch(places)
    named = _by_windows_name(f"{region.group(1) if region else places} Standard Time")
    if named is not None or match is None:
        return named
    said = _displayed_offset(text)
    names = [place.replace(" ", "_").casefold() for place in re.split(r"\s*[,:]\s*", places)]
    for cities in (_windows_cities(), _all_cities()):
        for name in names:
            found = cities.get(name)
            if found is not None and said is not None and said(_JANUARY) in _year_round(found):
                return found
    return None


_JANUARY, _JULY = datetime(2025, 1, 1), datetime(2025, 7, 1)  # noqa: DTZ001 - UTC


def _year_round(name: str) -> set[timedelta]:
    """Tell a zone's offsets in winter and summer; one of them is the standard time that its name says."""
    offset = _iana_offset(name)
    return {offset(_JANUARY), offset(_JULY)}


@cache
def _windows() -> Mapping[str, str]:
    from exchangelib.winzone import MS_TIMEZONE_TO_IANA_MAP  # noqa: PLC0415 - slow, and only calendars need it

    known: Mapping[str, str] = MS_TIMEZONE_TO_IANA_MAP
    return known


@cache
def _windows_folded() -> Mapping[str, str]:
    return {name.casefold(): iana for name, iana in _windows().items()}


@cache
def _iana() -> Mapping[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones())}


@cache
def _windows_cities() -> Mapping[str, str]:
    """Map cities to the IANA names that Windows' zones stand for."""
    return {name.rpartition("/")[2].casefold(): name for name in _windows().values()}


@cache
def _all_cities() -> Mapping[str, str]:
    return {name.rpartition("/")[2].casefold(): name for name in _iana().values()}
