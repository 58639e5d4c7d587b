"""The days of a calendar item are those that people see, in every zone that Exchange may name, all year round."""

# ruff: noqa: DTZ001 - times without a zone are UTC here, as everywhere in the module under test
from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

import exchangelib.winzone  # noqa: F401 - before the clock of a property test runs: it is slow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_exchange.demo.zones import ZONES, Zone, rules
from tap_exchange.ews.zonerules import duration
from tap_exchange.ews.zones import iana_name, is_windows_zone, local_days, offset_of
from tests.elements import element

BERLIN = "W. Europe Standard Time"
# Zones whose rules are the same in Windows and in IANA's data, in the years below.
STEADY = [
    "UTC",
    "GMT Standard Time",
    BERLIN,
    "FLE Standard Time",
    "India Standard Time",
    "Nepal Standard Time",
    "Tokyo Standard Time",
    "AUS Eastern Standard Time",
    "New Zealand Standard Time",
    "Eastern Standard Time",
    "Pacific Standard Time",
]
HOURS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 12, 31)).map(
    lambda time: time.replace(minute=0, second=0, microsecond=0)
)
DAYS = st.dates(date(2010, 1, 1), date(2035, 12, 31))


def zone_xml(zone_id: str, name: str = "", definition: str = "", tag: str = "StartTimeZone") -> str:
    return f"<t:{tag} Id={quoteattr(zone_id)} Name={quoteattr(name)}>{definition}</t:{tag}>"


def days(start: datetime, end: datetime, zone: str, *, all_day: bool) -> tuple[str | None, str | None]:
    """Ask for the days of an item between two times in UTC; its zone is told of the start alone."""
    return local_days(
        element(
            f"<t:CalendarItem><t:Start>{utc(start)}</t:Start><t:End>{utc(end)}</t:End>"
            f"<t:IsAllDayEvent>{str(all_day).lower()}</t:IsAllDayEvent>{zone}</t:CalendarItem>"
        )
    )


def utc(time: datetime) -> str:
    return f"{time.replace(tzinfo=None).isoformat()}Z"


def midnight(day: date, zone: str) -> datetime:
    """Return midnight in an IANA zone, in UTC."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return local.astimezone(timezone.utc)


@given(zone_id=st.sampled_from(STEADY), moment=HOURS)
def test_the_rules_that_exchange_sends_tell_the_offset_of_every_hour(zone_id: str, moment: datetime) -> None:
    offset = offset_of(element(zone_xml("Customized Time Zone", definition=rules(ZONES[zone_id]))))
    expected = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(iana_name(zone_id) or ""))
    assert offset is not None
    assert offset(moment) == expected.utcoffset()
    assert moment + offset(moment) == ZONES[zone_id].to_local(moment.replace(tzinfo=timezone.utc))


@given(
    zone_id=st.sampled_from(STEADY),
    day=DAYS,
    length=st.integers(1, 400),
    defined=st.booleans(),
)
def test_an_all_day_event_is_on_its_days_whatever_the_clocks_do(
    *, zone_id: str, day: date, length: int, defined: bool
) -> None:
    iana = iana_name(zone_id) or ""
    end = day + timedelta(days=length)
    zone = zone_xml("Made up", definition=rules(ZONES[zone_id])) if defined else zone_xml(zone_id)
    found = days(midnight(day, iana), midnight(end, iana), zone, all_day=True)
    assert found == (str(day), str(end - timedelta(days=1)))


@given(zone_id=st.sampled_from(STEADY), start=HOURS, minutes=st.integers(1, 5000), defined=st.booleans())
def test_a_meeting_is_on_the_days_that_its_zones_clock_shows(
    *, zone_id: str, start: datetime, minutes: int, defined: bool
) -> None:
    zone = zone_xml(zone_id, definition=rules(ZONES[zone_id]) if defined else "")
    end = start + timedelta(minutes=minutes)
    local = ZoneInfo(iana_name(zone_id) or "")
    first = start.replace(tzinfo=timezone.utc).astimezone(local).date()
    last = (end - timedelta(seconds=1)).replace(tzinfo=timezone.utc).astimezone(local).date()
    if last < first:  # the clock was set back over midnight, which no zone here does
        pytest.fail("these zones change their clocks in the small hours")
    assert days(start, end, zone, all_day=False) == (str(first), str(last))


@given(day=DAYS, half_hours=st.integers(-23, 24), zone=st.sampled_from(["", zone_xml("Customized Time Zone", "?")]))
def test_a_zone_that_nothing_tells_moves_no_all_day_event(day: date, half_hours: int, zone: str) -> None:
    start = datetime(day.year, day.month, day.day) - timedelta(minutes=30 * half_hours)
    assert days(start, start + timedelta(days=1), zone, all_day=True) == (str(day), str(day))


def test_a_zone_with_a_name_of_other_letters_is_read_like_any() -> None:
    zone = '<t:StartTimeZone Id="W. Europe Standard Time" N\ufffdme="x"/>'
    item = f"<t:CalendarItem><t:Start>2026-05-01T23:00:00Z</t:Start>{zone}</t:CalendarItem>"
    assert local_days(element(item))[0] == "2026-05-02"


def test_rules_that_changed_since_are_those_of_the_item() -> None:
    """In 2012 Moscow was four hours ahead; IANA knows that, and the zone of today's Windows does not."""
    then = zone_xml("Russian Standard Time", definition=rules(Zone("Russian Standard Time", "", -240)))
    evening = datetime(2026, 7, 1, 20, 30)
    assert days(evening, evening + timedelta(minutes=10), then, all_day=False) == ("2026-07-02", "2026-07-02")
    now = zone_xml("Russian Standard Time")
    assert days(evening, evening + timedelta(minutes=10), now, all_day=False) == ("2026-07-01", "2026-07-01")
    for zone in (then, now):  # four hours or three, the day of midnight is the same
        assert (
            days(evening - timedelta(minutes=30), evening + timedelta(hours=24), zone, all_day=True)[0] == "2026-07-02"
        )


AMERICA_2007 = """
  <t:Periods>
    <t:Period Bias="P0DT5H0M0.0S" Name="Standard" Id="std"/><t:Period Bias="PT4H" Name="Daylight" Id="dlt"/>
  </t:Periods>
  <t:TransitionsGroups>
    <t:TransitionsGroup Id="0">
      <t:RecurringDayTransition><t:To Kind="Period">dlt</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>4</t:Month>
        <t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>1</t:Occurrence></t:RecurringDayTransition>
      <t:RecurringDayTransition><t:To Kind="Period">std</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>10</t:Month>
        <t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>-1</t:Occurrence></t:RecurringDayTransition>
    </t:TransitionsGroup>
    <t:TransitionsGroup Id="1">
      <t:RecurringDayTransition><t:To Kind="Period">dlt</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>3</t:Month>
        <t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>2</t:Occurrence></t:RecurringDayTransition>
      <t:RecurringDayTransition><t:To Kind="Period">std</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>11</t:Month>
        <t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>1</t:Occurrence></t:RecurringDayTransition>
    </t:TransitionsGroup>
  </t:TransitionsGroups>
  <t:Transitions>
    <t:Transition><t:To Kind="Group">0</t:To></t:Transition>
    <t:AbsoluteDateTransition><t:To Kind="Group">1</t:To><t:DateTime>2007-01-01T00:00:00</t:DateTime>
    </t:AbsoluteDateTransition>
  </t:Transitions>"""


@given(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)))
def test_groups_of_rules_hold_from_their_dates(moment: datetime) -> None:
    offset = offset_of(element(zone_xml("", definition=AMERICA_2007)))
    expected = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo("America/New_York"))
    assert offset is not None
    assert offset(moment) == expected.utcoffset()


def test_a_change_on_a_date_and_one_on_a_kind_of_day_are_understood() -> None:
    by_date = AMERICA_2007.replace("RecurringDayTransition", "RecurringDateTransition").replace(
        "<t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>2</t:Occurrence>", "<t:Day>8</t:Day>"
    )
    offset = offset_of(element(zone_xml("", definition=by_date)))
    assert offset is not None
    assert offset(datetime(2026, 3, 8, 6, 59)) == -timedelta(hours=5)
    assert offset(datetime(2026, 3, 8, 7)) == -timedelta(hours=4)
    weekend = AMERICA_2007.replace(
        "<t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>2<", "<t:DayOfWeek>WeekendDay</t:DayOfWeek><t:Occurrence>1<"
    )
    offset = offset_of(element(zone_xml("", definition=weekend)))
    assert offset is not None
    assert offset(datetime(2026, 3, 1, 7)) == -timedelta(hours=4)  # the first day of March 2026 is a Sunday


@pytest.mark.parametrize(
    ("zone_id", "name", "iana"),
    [
        (BERLIN, "", "Europe/Berlin"),
        ("w. europe standard time", "", "Europe/Berlin"),
        ("W. Europe Standard Time 1", "", "Europe/Berlin"),
        ("tzone://Microsoft/Utc", "UTC", "UTC"),
        ("UTC", "(UTC) Coordinated Universal Time", "Etc/UTC"),
        ("(UTC) Coordinated Universal Time", "", "UTC"),
        ("Customized Time Zone", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"),
        ("(UTC-08:00) Pacific Time (US & Canada)", "", "America/Los_Angeles"),
        ("(GMT-05:00) Eastern Time (US & Canada)", "", "America/New_York"),
        ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "", "Asia/Kolkata"),
        ("(UTC-06:00) Central America", "", "America/Guatemala"),
        ("Europe/Paris", "", "Europe/Paris"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "", "Europe/Berlin"),
        ("Customized Time Zone", "Customized Time Zone", None),
        ("tzone://Microsoft/Custom", "", None),
        ("(UTC+09:00) Berlin", "", None),  # a city that does not fit its offset says nothing
        ("Mitteleuropäische Zeit", "", None),
        ("", "", None),
        (None, None, None),
    ],
)
def test_a_zone_is_known_by_its_windows_name_or_iana_name_or_the_name_people_see(
    zone_id: str | None, name: str | None, iana: str | None
) -> None:
    assert iana_name(zone_id, name) == iana


def test_only_the_names_of_windows_are_windows_zones() -> None:
    assert is_windows_zone(BERLIN)
    assert not is_windows_zone("Europe/Berlin")
    assert not is_windows_zone(None)


def test_without_rules_the_offset_in_the_name_is_better_than_none() -> None:
    evening = datetime(2026, 1, 15, 20, 0)
    zone = zone_xml("Customized Time Zone", "(UTC+05:00) Somewhere")
    assert days(evening, evening + timedelta(hours=1), zone, all_day=False) == ("2026-01-16", "2026-01-16")
    assert days(evening, evening + timedelta(hours=1), zone_xml("?"), all_day=False) == ("2026-01-15", "2026-01-15")


def test_an_end_in_another_zone_is_on_that_zones_day() -> None:
    flight = element(
        "<t:CalendarItem><t:Start>2026-05-01T08:00:00Z</t:Start><t:End>2026-05-01T22:00:00Z</t:End>"
        "<t:IsAllDayEvent>false</t:IsAllDayEvent>"
        f"{zone_xml(BERLIN)}{zone_xml('Tokyo Standard Time', tag='EndTimeZone')}</t:CalendarItem>"
    )
    assert local_days(flight) == ("2026-05-01", "2026-05-02")


def test_a_day_that_is_only_touched_at_midnight_is_none_of_its_days() -> None:
    start, end = datetime(2026, 5, 1, 18), datetime(2026, 5, 1, 22)  # until midnight in Berlin
    assert days(start, end, zone_xml(BERLIN), all_day=False) == ("2026-05-01", "2026-05-01")
    assert days(end, end, zone_xml(BERLIN), all_day=False) == ("2026-05-02", "2026-05-02")


@pytest.mark.parametrize(
    "definition",
    [
        "<t:Periods/>",
        '<t:Periods><t:Period Bias="PT99H" Id="a"/></t:Periods>',
        '<t:Periods><t:Period Bias="soon" Id="a"/></t:Periods>',
        '<t:Periods><t:Period Bias="PT1H" Id="a"/><t:Period Bias="PT2H" Id="b"/></t:Periods>',
        AMERICA_2007.replace("<t:Month>4</t:Month>", "<t:Month>13</t:Month>"),
        AMERICA_2007.replace(">Sunday<", ">Someday<"),
        AMERICA_2007.replace('Kind="Group">1<', 'Kind="Group">7<'),
        AMERICA_2007.replace("2007-01-01T00:00:00", "in January"),
    ],
)
def test_rules_that_make_no_sense_leave_the_name_to_decide(definition: str) -> None:
    offset = offset_of(element(zone_xml(BERLIN, definition=definition)))
    assert offset is not None
    assert offset(datetime(2026, 7, 1)) == timedelta(hours=2)
    assert offset_of(element(zone_xml("", definition=definition))) is None


def test_the_ends_of_the_calendar_are_no_failure() -> None:
    assert days(datetime(1, 1, 1), datetime(9999, 12, 31, 23), zone_xml(BERLIN), all_day=False)[0] == "0001-01-01"
    assert days(datetime(1, 1, 1), datetime(9999, 12, 31, 23), "", all_day=True) == ("0001-01-01", "9999-12-31")
    assert local_days(element("<t:CalendarItem/>")) == (None, None)
    assert local_days(element("<t:CalendarItem><t:Start>tomorrow</t:Start></t:CalendarItem>")) == (None, None)


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40)


@given(zone_id=TEXTS, name=TEXTS, start=TEXTS | HOURS.map(str), bias=TEXTS)
def test_whatever_a_program_wrote_is_no_failure(zone_id: str, name: str, start: str, bias: str) -> None:
    definition = f'<t:Periods><t:Period Bias={quoteattr(bias)} Id="a"/></t:Periods>'
    made = element("<t:CalendarItem><t:Start/><t:End/></t:CalendarItem>")
    made[0].text = made[1].text = start
    made.append(element(zone_xml(zone_id, name, definition)))
    first, last = local_days(made)
    assert (first is None) == (last is None)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("PT1H", 60), ("-PT5H30M", -330), ("P0DT2H0M0.0S", 120), ("PT0S", 0), ("P1D", 1440), ("-PT60M", -60)],
)
def test_durations_are_read(text: str, minutes: int) -> None:
    assert duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", [None, "", "P", "PT", "1H", "PT1.5H", "PT1H ago", "P1Y"])
def test_what_is_no_duration_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="no duration"):
        duration(text)
