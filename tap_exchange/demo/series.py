"""A recurring series: its occurrences, the changed ones and the deleted ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_exchange.demo.item import Item
from tap_exchange.demo.recurrence import at
from tap_exchange.demo.values import Raw, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.recurrence import Recurrence
    from tap_exchange.demo.zones import Zone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
OF_THE_MASTER = (
    "Recurrence", "FirstOccurrence", "LastOccurrence", "ModifiedOccurrences", "DeletedOccurrences",
)  # fmt: skip


class Slot(NamedTuple):
    """One occurrence: when the pattern has it, when it takes place, what was changed about it (None: nothing)."""

    original: datetime
    start: datetime
    end: datetime
    changed: dict[str, Any] | None


@dataclass(slots=True)
class Series:
    """What a recurring master repeats; times are those of its zone's clock, keys are original starts in UTC."""

    recurrence: Recurrence
    zone: Zone
    start: datetime
    duration: timedelta
    changed: dict[datetime, dict[str, Any]] = field(default_factory=dict)
    deleted: set[datetime] = field(default_factory=set)

    def slots(self) -> Iterator[Slot]:
        """Give all occurrences that are not deleted, in the pattern's order; this may never end."""
        for day in self.recurrence.dates():
            original = self.zone.to_utc(at(day, self.start))
            if original not in self.deleted:
                yield self._slot(original)

    def _slot(self, original: datetime) -> Slot:
        changed = self.changed.get(original)
        start = (changed or {}).get("Start", original)
        end = (changed or {}).get("End", start + self.duration)
        return Slot(original, start, end, changed)

    def between(self, low: datetime, high: datetime) -> list[Slot]:
        """Give the occurrences that overlap a window, moved ones where they were moved to."""
        latest = max([high, *(original + timedelta(seconds=1) for original in self.changed)])
        found = []
        for slot in self.slots():
            if slot.original >= latest:
                break
            if slot.start < high and (slot.end > low or slot.start == slot.end >= low):
                found.append(slot)
        return found

    def find(self, original: datetime) -> Slot | None:
        """Find the occurrence of an original start, deleted or not; None when the pattern has none there."""
        near = original.date() - timedelta(days=2)
        for day in self.recurrence.dates():
            if day < near:
                continue
            here = self.zone.to_utc(at(day, self.start))
            if here == original:
                return self._slot(original)
            if here > original:
                break
        return None

    def last(self) -> Slot | None:
        """Give the last occurrence, or None when there is no end."""
        if self.recurrence.end is None and self.recurrence.count is None:
            return None
        return max(self.slots(), key=lambda slot: slot.original, default=None)


class Occurrence(Item):
    """An occurrence of a series, made when asked for; it shares the master's change key."""

    __slots__ = ("_id", "master", "slot")

    def __init__(self, master: Item, slot: Slot) -> None:
        """Take the master and the occurrence's place in the series."""
        properties = {name: value for name, value in master.properties.items() if name not in OF_THE_MASTER}
        properties.update(
            Start=slot.start,
            End=slot.end,
            OriginalStart=slot.original,
            RecurrenceId=slot.original,
            IsRecurring=True,
            CalendarItemType="Occurrence" if slot.changed is None else "Exception",
        )
        properties.update(slot.changed or {})
        super().__init__(master.folder, master.number, master.element, master.change, properties)
        self.attachments = master.attachments
        self.extended.update(master.extended)
        self.master = master
        self.slot = slot
        self._id = occurrence_id(master, slot.original)

    @property
    def id(self) -> str:
        """Give the occurrence's own id."""
        return self._id


def occurrence_id(master: Item, original: datetime) -> str:
    """Make an occurrence's id."""
    minutes = int((original - EPOCH).total_seconds() // 60)
    return master.folder.store.ids.occurrence(master.folder.number, master.number, minutes)


def original_start(minutes: int) -> datetime:
    """Give the original start that an occurrence's id tells."""
    return EPOCH + timedelta(minutes=minutes)


def describe(master: Item, series: Series) -> dict[str, Any]:
    """Give the properties of a master that tell of its occurrences."""

    def info(slot: Slot) -> Raw:
        identity = f'<t:ItemId Id="{occurrence_id(master, slot.original)}" ChangeKey="{master.change_key}"/>'
        return Raw(
            f"{identity}<t:Start>{moment(slot.start)}</t:Start><t:End>{moment(slot.end)}</t:End>"
            f"<t:OriginalStart>{moment(slot.original)}</t:OriginalStart>"
        )

    first = next(series.slots(), None)
    last = series.last()
    modified = [slot for original in sorted(series.changed) if (slot := series.find(original)) is not None]
    return {
        "FirstOccurrence": info(first) if first is not None else None,
        "LastOccurrence": info(last) if last is not None else None,
        "ModifiedOccurrences": [info(slot) for slot in modified] or None,
        "DeletedOccurrences": [{"Start": start} for start in sorted(series.deleted)] or None,
    }
