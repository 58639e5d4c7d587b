"""Time zones by the names Exchange uses, with the rules it sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from tap_exchange.demo import values

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Switch:
    """When a zone switches: the n-th (-1 the last) week day of a month, at a time of day in minutes."""

    month: int
    occurrence: int
    day: str
    minutes: int

    def moment(self, year: int) -> datetime:
        """Give the local time of the switch in a year."""
        return weekday_of_month(year, self.month, (self.day,), self.occurrence) + timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: minutes to ADD to local time to get UTC, and its daylight saving (one hour) if it has one."""

    id: str
    name: str
    bias: int
    to_daylight: Switch | None = None
    to_standard: Switch | None = None

    def in_daylight(self, local: datetime) -> bool:
        """Tell whether a local time lies in daylight saving time."""
        if self.to_daylight is None or self.to_standard is None:
            return False
        begins, ends = self.to_daylight.moment(local.year), self.to_standard.moment(local.year)
        return begins <= local < ends if begins < ends else not ends <= local < begins

    def to_utc(self, local: datetime) -> datetime:
        """Give the UTC time of a local time without a zone."""
        utc = local + timedelta(minutes=self.bias) - (HOUR if self.in_daylight(local) else timedelta())
        return utc.replace(tzinfo=timezone.utc)

    def to_local(self, moment: datetime) -> datetime:
        """Give the local time, without a zone, of a time."""
        standard = moment.astimezone(timezone.utc).replace(tzinfo=None) - timedelta(minutes=self.bias)
        if self.to_daylight is None or self.to_standard is None:
            return standard
        # The zone's clock shows standard time when daylight saving begins and daylight time when it ends.
        begun = standard >= self.to_daylight.moment(standard.year)
        ended = standard + HOUR >= self.to_standard.moment(standard.year)
        northern = self.to_daylight.month < self.to_standard.month
        return standard + HOUR if (begun and not ended if northern else begun or not ended) else standard

    def wall_clock(self, moment: datetime) -> str:
        """Write a time as the zone's clock shows it, with the offset of that day."""
        local = self.to_local(moment)
        minutes = round((local - moment.astimezone(timezone.utc).replace(tzinfo=None)).total_seconds() / 60)
        sign = "-" if minutes < 0 else "+"
        return f"{local:%Y-%m-%dT%H:%M:%S}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@lru_cache(maxsize=1024)
def weekday_of_month(year: int, month: int, days: tuple[str, ...], occurrence: int) -> datetime:
    """Give the n-th day of a month that is one of some week days; -1 is the last."""
    first = datetime(year, month, 1)  # noqa: DTZ001 - a local date
    length = ((first + timedelta(days=32)).replace(day=1) - first).days
    matching = [day for n in range(length) if DAYS[(day := first + timedelta(days=n)).weekday()] in days]
    return matching[-1] if occurrence < 0 or occurrence > len(matching) else matching[occurrence - 1]


def _sunday(month: int, occurrence: int, minutes: int) -> Switch:
    return Switch(month, occurrence, "Sunday", minutes)


ZONES: dict[str, Zone] = {
    zone.id: zone
    for zone in (
        Zone("UTC", "(UTC) Coordinated Universal Time", 0),
        Zone("GMT Standard Time", "(UTC+00:00) Dublin, Edinburgh, Lisbon, London", 0,
             _sunday(3, -1, 60), _sunday(10, -1, 120)),
        Zone("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", -60,
             _sunday(3, -1, 120), _sunday(10, -1, 180)),
        Zone("Romance Standard Time", "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", -60,
             _sunday(3, -1, 120), _sunday(10, -1, 180)),
        Zone("FLE Standard Time", "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius", -120,
             _sunday(3, -1, 180), _sunday(10, -1, 240)),
        Zone("Arabian Standard Time", "(UTC+04:00) Abu Dhabi, Muscat", -240),
        Zone("India Standard Time", "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", -330),
        Zone("Nepal Standard Time", "(UTC+05:45) Kathmandu", -345),
        Zone("China Standard Time", "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi", -480),
        Zone("Tokyo Standard Time", "(UTC+09:00) Osaka, Sapporo, Tokyo", -540),
        Zone("AUS Eastern Standard Time", "(UTC+10:00) Canberra, Melbourne, Sydney", -600,
             _sunday(10, 1, 120), _sunday(4, 1, 180)),
        Zone("New Zealand Standard Time", "(UTC+12:00) Auckland, Wellington", -720,
             _sunday(9, -1, 120), _sunday(4, 1, 180)),
        Zone("E. South America Standard Time", "(UTC-03:00) Brasilia", 180),
        Zone("Eastern Standard Time", "(UTC-05:00) Eastern Time (US & Canada)", 300,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("Central Standard Time", "(UTC-06:00) Central Time (US & Canada)", 360,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)", 480,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("tzone://Microsoft/Utc", "(UTC) Coordinated Universal Time", 0),
    )
}  # fmt: skip


def duration(minutes: int) -> str:
    """Write minutes as an xs:duration."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}PT{hours}H{rest}M" if rest else f"{sign}PT{hours}H"


def definition(zone: Zone, *, full: bool = True, element: str = "TimeZoneDefinition") -> str:
    """Write a zone as a t:TimeZoneDefinition, with its periods and transitions when full."""
    head = f'<t:{element} Id="{values.attribute(zone.id)}" Name="{values.attribute(zone.name)}"'
    return f"{head}>{rules(zone)}</t:{element}>" if full else f"{head}/>"


def rules(zone: Zone) -> str:
    """Write a zone's periods and transitions."""
    standard = f"trule:Microsoft/Registry/{zone.id}/2006-Standard"
    daylight = f"trule:Microsoft/Registry/{zone.id}/2006-Daylight"
    periods = f'<t:Period Bias="{duration(zone.bias)}" Name="Standard" Id="{standard}"/>'
    if zone.to_daylight is None or zone.to_standard is None:
        group = f'<t:Transition><t:To Kind="Period">{standard}</t:To></t:Transition>'
    else:
        periods += f'<t:Period Bias="{duration(zone.bias - 60)}" Name="Daylight" Id="{daylight}"/>'
        group = _transition(zone.to_daylight, daylight) + _transition(zone.to_standard, standard)
    return (
        f'<t:Periods>{periods}</t:Periods><t:TransitionsGroups><t:TransitionsGroup Id="0">{group}'
        '</t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind="Group">0</t:To>'
        "</t:Transition></t:Transitions>"
    )


def _transition(switch: Switch, period: str) -> str:
    return (
        f'<t:RecurringDayTransition><t:To Kind="Period">{period}</t:To><t:TimeOffset>{duration(switch.minutes)}'
        f"</t:TimeOffset><t:Month>{switch.month}</t:Month><t:DayOfWeek>{switch.day}</t:DayOfWeek>"
        f"<t:Occurrence>{switch.occurrence}</t:Occurrence></t:RecurringDayTransition>"
    )


def zone_at(name: str, local: datetime) -> datetime:
    """Give the UTC time of a local time in a zone of `ZONES`."""
    return ZONES[name].to_utc(local)
