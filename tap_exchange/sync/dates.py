"""Which items are recent enough to be wanted, and how a server is asked for them.

An item's date is the time it was received, else sent, else created; a calendar item's is its end, a series' the end
of its last occurrence. A restriction of FindItem cannot tell that last one: it takes in every series, and `in_range`
decides what the server's answer says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_exchange.ews import ask
from tap_exchange.ews.errors import MailboxError
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.sync.salvage import FAILS_AS_A_WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_exchange.ews.answers import ItemChange
    from tap_exchange.ews.ask import Restriction
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.page import Record

EVERYTHING = ""
"""The start of a range without one; it is less than every other start."""

NOTHING = "~"
"""The start of an empty range; it is greater than every other start."""

FAR_OFF = "9999-01-01T00:00:00Z"
"""A moment from which on there is nothing."""

A_LITTLE = timedelta(days=3)
LAST_DAY = datetime.max.replace(tzinfo=timezone.utc) - A_LITTLE

APPOINTMENT = "CalendarItem"
"""The element whose date is its end."""

PID_LID_RECURRING = 0x8223
"""[MS-OXOCAL] 2.2.1.12: whether the item is a series."""

RECEIVED, SENT, CREATED = "date_time_received", "date_time_sent", "date_time_created"
OF_ITEMS = (RECEIVED, SENT, CREATED)
OF_APPOINTMENTS = ("end_time", "calendar_item_type", "recurrence", "last_occurrence", "modified_occurrences")


@dataclass(frozen=True, slots=True)
class Since:
    """The date from which on items are wanted; `start` is what the bookmarks hold, and sorts as the dates do."""

    moment: datetime | None

    @property
    def start(self) -> str:
        """Return the start of the range as text."""
        return EVERYTHING if self.moment is None else self.moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def takes(self, element: str | None, record: Record) -> bool:
        """Return whether an item is wanted, by what the server tells of its dates; an item without any is."""
        date = date_of(element, record)
        return date is None or self.moment is None or date >= self.moment

    def split(self, wire: Mailbox, changes: Iterable[ItemChange], batch_size: int) -> Split:
        """Ask for the dates of changed items, so many at once, and part them by what they say.

        Runs on a worker thread.
        """
        parted = Split()
        changes = list(changes)
        for kind in (True, False):
            group = [change for change in changes if (change.element == APPOINTMENT) is kind]
            records = _dates(wire, group, batch_size, appointments=kind)
            for change in group:
                record = records.get(change.item_id)
                if record is None:
                    parted.untold.append(change)
                else:
                    (parted.wanted if self.takes(change.element, record) else parted.unwanted).append(change)
        return parted


@dataclass(frozen=True, slots=True)
class Split:
    """Items by their dates; those whose dates could not be told are loaded, and looked at again in the next run."""

    wanted: list[ItemChange] = field(default_factory=list)
    unwanted: list[ItemChange] = field(default_factory=list)
    untold: list[ItemChange] = field(default_factory=list)


def date_of(element: str | None, record: Record) -> datetime | None:
    """Return the time that decides about an item, None for one without: it has no end, or tells no date."""
    if element == APPOINTMENT:
        return _end_of(record)
    return next((_moment(text) for name in OF_ITEMS if (text := record.get(name))), None)


def _end_of(record: Record) -> datetime | None:
    ends = [record.get("end_time")]
    recurrence = record.get("recurrence")
    if recurrence is not None:
        reach = recurrence.get("range") or {}
        last = record.get("last_occurrence") or {}
        ends += [last.get("end"), *(changed.get("end") for changed in record.get("modified_occurrences") or ())]
        if last.get("end") is None and reach.get("end_date") is None:
            return None  # without an end, or counted and not told where it ends
        if last.get("end") is None:
            day = datetime.fromisoformat(f"{reach['end_date']}T00:00:00+00:00")
            if day > LAST_DAY:
                return None
            # The day is one of the series' own zone; the last occurrence may run into the next.
            ends.append((day + A_LITTLE).isoformat())
    return max((_moment(end) for end in ends if end), default=None)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def _dates(wire: Mailbox, changes: Sequence[ItemChange], batch_size: int, *, appointments: bool) -> dict[str, Record]:
    found: dict[str, Record] = {}
    asked = _shape(appointments=appointments)
    ids = [change.item_id for change in changes]
    for start in range(0, len(ids), batch_size):
        try:
            answers = wire.get_items(ids[start : start + batch_size], asked, suspect=True)
        except (*FAILS_AS_A_WHOLE, MailboxError):  # the load that follows finds out what is to blame
            continue
        found.update((answer.id, answer.record) for answer in answers if answer.record is not None)
    return found


def _shape(*, appointments: bool) -> Shape:
    if appointments:
        return shape("calendar_items", OF_APPOINTMENTS, settings=ContentSettings())
    return shape("other_items", OF_ITEMS, settings=ContentSettings())


def listing_shape() -> Shape:
    """Return the shape of a listing that can be gone on with from where it stopped."""
    return shape("other_items", (CREATED,), settings=ContentSettings())


def created_from(start: str) -> Restriction:
    """Return the restriction to items that were created from a moment on."""
    return ask.at_least("item:DateTimeCreated", start)


def within(low: str, high: str) -> Restriction | None:
    """Return the restriction to items from `low` on and before `high`, and to all series; None for everything."""
    conditions: list[Restriction] = []
    if low != EVERYTHING:
        conditions.append(_from_on(low, series=True))
    if high != NOTHING:
        conditions.append(ask.negate(_from_on(high, series=False)))
    if len(conditions) > 1:
        return ask.all_of(*conditions)
    return conditions[0] if conditions else None


def _from_on(start: str, *, series: bool) -> Restriction:
    appointment = ask.begins_with("item:ItemClass", "IPM.Appointment")
    end = ask.at_least("calendar:End", start)
    if series:
        end = ask.any_of(end, ask.of_appointment(PID_LID_RECURRING, "Boolean", "true"))
    created = created_from(start)
    sent = _else("item:DateTimeSent", start, created)
    received = _else("item:DateTimeReceived", start, sent)
    return ask.any_of(ask.all_of(appointment, end), ask.all_of(ask.negate(appointment), received))


def _else(field: str, start: str, otherwise: Restriction) -> Restriction:
    return ask.any_of(ask.at_least(field, start), ask.all_of(ask.negate(ask.exists(field)), otherwise))
