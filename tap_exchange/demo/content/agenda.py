"""Calendars: single meetings, series with exceptions, all-day events, odd time zones, and the mail around them."""
# ruff: noqa: DTZ001 - local times, which a zone makes moments

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Address, Attendee
from tap_exchange.demo.zones import ZONES, Switch, Zone, zone_at

if TYPE_CHECKING:
    from tap_exchange.demo.content.cast import Cast
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item

BERLIN = ZONES["W. Europe Standard Time"]
NEW_YORK = ZONES["Eastern Standard Time"]
# A zone of somebody's own making: a quarter of an hour off, with switches nobody else has.
HOUSE = Zone(
    "Customized Time Zone",
    "(UTC-02:45) The house's own time",
    165,
    Switch(5, 2, "Tuesday", 90),
    Switch(9, 3, "Saturday", 150),
)
UNKNOWN = Zone("tzone://Microsoft/Custom", "", -345)
HOUR = timedelta(hours=1)


def attendees(people: list[Address], when: datetime) -> list[Attendee]:
    """Invite people who have answered or not."""
    answers = (
        ("Accept", when),
        ("Tentative", when),
        ("Decline", when),
        ("NoResponseReceived", None),
        ("Unknown", None),
    )
    return [Attendee(person, *answers[number % len(answers)]) for number, person in enumerate(people)]


def fill(calendar: Folder, cast: Cast) -> None:
    """Fill a calendar from 2024 to 2028, so that any window of today has something in it."""
    day = datetime(2024, 1, 8, 9, 0)
    while day.year < 2029:  # noqa: PLR2004
        single(calendar, cast, day)
        day += timedelta(days=cast.random.randrange(3, 12))
        day = day.replace(hour=cast.random.randrange(8, 17), minute=cast.random.choice((0, 15, 30)))
    series(calendar, cast)
    all_day(calendar, cast)


def single(calendar: Folder, cast: Cast, local: datetime) -> Item:
    """Add a single appointment or meeting."""
    start = BERLIN.to_utc(local)
    people = cast.some(6)
    more: dict[str, Any] = {}
    if people:
        mine = cast.random.random() < 0.5  # noqa: PLR2004
        more = {
            "RequiredAttendees": attendees(people, start - timedelta(days=3)),
            "OptionalAttendees": attendees(people[:1], start - timedelta(days=3)),
            "Resources": [Attendee(Address("Room 2", "room2@example.com"), "Accept", start - timedelta(days=4))],
            "Organizer": cast.owner if mine else people[0],
            "MyResponseType": "Organizer" if mine else "Accept",
            "IsOrganizer": mine,
            "When": f"{local:%A %d %B %Y %H:%M}",
        }
    return calendar.add(
        "CalendarItem",
        zone=BERLIN,
        Subject=cast.subject(),
        Body=cast.body(),
        Start=start,
        End=start + HOUR * cast.random.choice((0.5, 1, 1, 2)),
        Location=cast.random.choice(("Room 2", "Room 5", "online", "")),
        LegacyFreeBusyStatus=cast.random.choice(("Busy", "Busy", "Tentative", "Free", "OOF", "WorkingElsewhere")),
        DateTimeReceived=start - timedelta(days=5),
        ReminderIsSet=True,
        ReminderMinutesBeforeStart=15,
        ReminderDueBy=start,
        **more,
    )


def repeat(calendar: Folder, subject: str, local: datetime, recurrence: Recurrence, **more: Any) -> Item:  # noqa: ANN401
    """Add a series in Berlin's time."""
    zone = more.pop("zone", BERLIN)
    start = zone.to_utc(local)
    return calendar.add(
        "CalendarItem",
        zone=zone,
        Subject=subject,
        Start=start,
        End=start + more.pop("length", HOUR),
        Recurrence=recurrence,
        DateTimeReceived=start - timedelta(days=9),
        **more,
    )


def series(calendar: Folder, cast: Cast) -> None:
    """Add series of every pattern; some with moved, changed and deleted occurrences."""
    team = {"RequiredAttendees": attendees(cast.colleagues[:5], datetime(2024, 1, 2, tzinfo=timezone.utc))}
    monday = datetime(2024, 1, 8, 9, 30)
    weekly = repeat(
        calendar,
        "Weekly planning",
        monday,
        Recurrence("Weekly", monday.date(), days=("Monday",)),
        IsRecurring=False,
        **team,
    )
    for week in (3, 40, 80, 120, 150):
        original = BERLIN.to_utc(monday + timedelta(weeks=week))
        weekly.change_occurrence(
            original, Start=original + 26 * HOUR, End=original + 27 * HOUR, Subject="Planning, moved"
        )
    for week in (5, 51, 52, 104, 156):
        weekly.delete_occurrence(BERLIN.to_utc(monday + timedelta(weeks=week)))
    daily = datetime(2025, 3, 3, 8, 45)
    repeat(
        calendar,
        "Stand-up",
        daily,
        Recurrence("Weekly", daily.date(), days=("Weekday",)),
        length=HOUR / 4,
        zone=NEW_YORK,
    )
    repeat(
        calendar, "Pills", daily, Recurrence("Daily", daily.date(), interval=2, end=date(2025, 6, 30)), length=HOUR / 6
    )
    repeat(calendar, "Salary run", daily, Recurrence("AbsoluteMonthly", daily.date(), day=31, suffix="+01:00"))
    repeat(
        calendar,
        "Board",
        daily,
        Recurrence("RelativeMonthly", daily.date(), interval=3, days=("Thursday",), index="Last"),
    )
    repeat(calendar, "Leap day lunch", daily, Recurrence("AbsoluteYearly", date(2024, 2, 29), day=29, month=2))
    thanks = Recurrence("RelativeYearly", date(2024, 11, 1), days=("Thursday",), index="Fourth", month=11, count=10)
    repeat(
        calendar, "Thanksgiving", datetime(2024, 11, 28), thanks, zone=NEW_YORK, length=24 * HOUR, IsAllDayEvent=True
    )
    three = datetime(2025, 1, 6, 14, 0)
    training = repeat(
        calendar,
        "Training \U0001f3cb\ufe0f",
        three,
        Recurrence("Weekly", three.date(), days=("Monday", "Friday"), count=9),
    )
    training.change_occurrence(
        BERLIN.to_utc(datetime(2025, 1, 10, 14, 0)), Location="Hall B", LegacyFreeBusyStatus="Free"
    )


def all_day(calendar: Folder, cast: Cast) -> None:
    """Add all-day events, one day and many days long, across a change of the clock."""
    for name, first, days, zone in (
        ("Spring fair", date(2025, 3, 29), 3, "W. Europe Standard Time"),
        ("Holiday", date(2026, 12, 24), 10, "W. Europe Standard Time"),
        ("Offsite", date(2026, 10, 24), 2, "Eastern Standard Time"),
        ("Day in Kathmandu", date(2027, 5, 1), 1, "Nepal Standard Time"),
    ):
        start = datetime(first.year, first.month, first.day)
        calendar.add(
            "CalendarItem",
            zone=zone,
            Subject=name,
            IsAllDayEvent=True,
            LegacyFreeBusyStatus="OOF",
            Start=zone_at(zone, start),
            End=zone_at(zone, start + timedelta(days=days)),
            DateTimeReceived=datetime(2025, 1, 15, 10, tzinfo=timezone.utc),
            Categories=["Holiday"] if cast.random.random() < 0.5 else None,  # noqa: PLR2004
        )


def odd_zones(calendar: Folder) -> None:
    """Add appointments in zones that few programs know."""
    start = datetime(2026, 6, 1, 9, 0)
    repeat(calendar, "In the house's own time", start, Recurrence("Weekly", start.date(), days=("Monday",)), zone=HOUSE)
    repeat(calendar, "In a zone without a name", start, Recurrence("Daily", start.date(), count=3), zone=UNKNOWN)
    for zone in ("India Standard Time", "AUS Eastern Standard Time", "tzone://Microsoft/Utc"):
        begin = zone_at(zone, start)
        calendar.add(
            "CalendarItem", zone=zone, Subject=f"Call ({zone})", Start=begin, End=begin + HOUR, DateTimeReceived=begin
        )
    begin = datetime(2026, 6, 2, 7, tzinfo=timezone.utc)
    calendar.add(
        "CalendarItem",
        bare=True,
        ItemClass="IPM.Appointment",
        Subject="An appointment with little in it",
        Start=begin,
        End=begin,
        CalendarItemType="Single",
    )
    calendar.add(
        "CalendarItem",
        Subject="An occurrence that somebody forwarded alone",
        Start=begin,
        End=begin + HOUR,
        OriginalStart=begin - HOUR,
        RecurrenceId=begin - HOUR,
        CalendarItemType="Exception",
        IsRecurring=True,
        DateTimeReceived=begin,
    )


def meeting_mail(inbox: Folder, cast: Cast, when: datetime) -> None:
    """Let requests, answers and cancellations arrive."""
    for number in range(12):
        sender = cast.somebody()
        subject = cast.subject()
        start = BERLIN.to_utc((when + timedelta(days=number + 7)).replace(hour=10, minute=0, tzinfo=None))
        more: dict[str, Any] = {
            "From": sender,
            "DateTimeReceived": when + timedelta(days=number),
            "Start": start,
            "End": start + HOUR,
            "Location": "Room 2",
            "UID": f"040000008200E00074C5B7101A82E008{number:016X}",
            "IsRead": number % 3 > 0,
        }
        recurrence = Recurrence("Weekly", start.date(), days=("Tuesday",), count=4) if number % 4 == 0 else None
        inbox.add(
            "MeetingRequest",
            Subject=subject,
            Organizer=sender,
            RequiredAttendees=attendees([cast.owner, *cast.some(3)], when),
            CalendarItemType="RecurringMaster" if recurrence else "Single",
            IsRecurring=bool(recurrence),
            Recurrence=recurrence,
            IntendedFreeBusyStatus="Busy",
            ResponseType="NoResponseReceived",
            MyResponseType="NoResponseReceived",
            StartTimeZoneId="W. Europe Standard Time",
            **more,
        )
        verb, kind = (("Accepted", "Pos"), ("Tentative", "Tent"), ("Declined", "Neg"))[number % 3]
        inbox.add(
            "MeetingResponse",
            Subject=f"{verb}: {subject}",
            ItemClass=f"IPM.Schedule.Meeting.Resp.{kind}",
            ResponseType={"Pos": "Accept", "Tent": "Tentative", "Neg": "Decline"}[kind],
            ProposedStart=start + HOUR if kind == "Tent" else None,
            ProposedEnd=start + 2 * HOUR if kind == "Tent" else None,
            **more,
        )
        if number % 4 == 1:
            inbox.add("MeetingCancellation", Subject=f"Canceled: {subject}", **more)
    inbox.add("MeetingMessage", Subject="Meeting Forward Notification: Planning", DateTimeReceived=when)
