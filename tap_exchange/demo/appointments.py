"""What follows from a calendar item's start, end, zone and recurrence."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tap_exchange.demo import zones
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Raw, attribute
from tap_exchange.demo.zones import ZONES, Zone

if TYPE_CHECKING:
    from tap_exchange.demo.item import Item


def settle(item: Item, zone: Zone | str | None = None) -> None:
    """Bring what depends on start, end, zone and recurrence up to date.

    A zone is one of `zones.ZONES` by name, or one of its own making; without one an item stays in the zone
    it has, at first UTC.
    """
    given = item.properties
    start, end = given.get("Start"), given.get("End")
    if not isinstance(start, datetime) or not isinstance(end, datetime) or start.tzinfo is None:
        return
    place = _zone(item, zone)
    if place is not None:
        given.update(zone_properties(place, start, end))
    recurrence = given.get("Recurrence")
    if isinstance(recurrence, Recurrence):
        _repeat(item, recurrence, place or ZONES["UTC"], start, end)
    elif item.series is not None:
        item.series = None
        given["CalendarItemType"] = "Single"
    minutes = int((end - start).total_seconds() // 60)
    given["Duration"] = zones.duration(minutes)


def _zone(item: Item, zone: Zone | str | None) -> Zone | None:
    if isinstance(zone, Zone):
        return zone
    if item.series is not None and zone is None:
        return item.series.zone
    return ZONES.get(zone or item.properties.get("StartTimeZoneId", "UTC"))


def zone_properties(zone: Zone, start: datetime, end: datetime) -> dict[str, object]:
    """Give the properties that tell an item's zone."""
    definition = Raw(zones.rules(zone), f' Id="{attribute(zone.id)}" Name="{attribute(zone.name)}"')
    return {
        "TimeZone": zone.name,
        "StartTimeZone": definition,
        "EndTimeZone": definition,
        "StartWallClock": Raw(zone.wall_clock(start)),
        "EndWallClock": Raw(zone.wall_clock(end)),
        "StartTimeZoneId": zone.id,
        "EndTimeZoneId": zone.id,
    }


def _repeat(item: Item, recurrence: Recurrence, zone: Zone, start: datetime, end: datetime) -> None:
    from tap_exchange.demo.series import Series  # noqa: PLC0415 - a series' occurrences are items

    local = zone.to_local(start)
    before = item.series
    item.series = Series(recurrence, zone, local, end - start)
    if before is not None and before.recurrence == recurrence and before.start == local:
        item.series.changed, item.series.deleted = before.changed, before.deleted
    item.properties["CalendarItemType"] = "RecurringMaster"
