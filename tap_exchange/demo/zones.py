"""Time zones by the names Exchange uses, with the rules it sends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """When a zone switches: the n-th (-1 the last) week day of a month, at a time of day in minutes."""

    month: int
    occurrence: int
    day: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: minutes to ADD to local time to get UTC, and its daylight saving if it has one."""

    id: str
    name: str
    iana: str
    bias: int
    to_daylight: Switch | None = None
    to_standard: Switch | None = None


def _sunday(month: int, occurrence: int, minutes: int) -> Switch:
    return Switch(month, occurrence, "Sunday", minutes)


ZONES: dict[str, Zone] = {
    zone.id: zone
    for zone in (
        Zone("UTC", "(UTC) Coordinated Universal Time", "UTC", 0),
        Zone("GMT Standard Time", "(UTC+00:00) Dublin, Edinburgh, Lisbon, London", "Europe/London", 0,
             _sunday(3, -1, 60), _sunday(10, -1, 120)),
        Zone("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
             "Europe/Berlin", -60, _sunday(3, -1, 120), _sunday(10, -1, 180)),
        Zone("Romance Standard Time", "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", "Europe/Paris", -60,
             _sunday(3, -1, 120), _sunday(10, -1, 180)),
        Zone("FLE Standard Time", "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius", "Europe/Kiev", -120,
             _sunday(3, -1, 180), _sunday(10, -1, 240)),
        Zone("Arabian Standard Time", "(UTC+04:00) Abu Dhabi, Muscat", "Asia/Dubai", -240),
        Zone("India Standard Time", "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Calcutta", -330),
        Zone("Nepal Standard Time", "(UTC+05:45) Kathmandu", "Asia/Katmandu", -345),
        Zone("China Standard Time", "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi", "Asia/Shanghai", -480),
        Zone("Tokyo Standard Time", "(UTC+09:00) Osaka, Sapporo, Tokyo", "Asia/Tokyo", -540),
        Zone("AUS Eastern Standard Time", "(UTC+10:00) Canberra, Melbourne, Sydney", "Australia/Sydney", -600,
             _sunday(10, 1, 120), _sunday(4, 1, 180)),
        Zone("New Zealand Standard Time", "(UTC+12:00) Auckland, Wellington", "Pacific/Auckland", -720,
             _sunday(9, -1, 120), _sunday(4, 1, 180)),
        Zone("E. South America Standard Time", "(UTC-03:00) Brasilia", "America/Sao_Paulo", 180),
        Zone("Eastern Standard Time", "(UTC-05:00) Eastern Time (US & Canada)", "America/New_York", 300,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("Central Standard Time", "(UTC-06:00) Central Time (US & Canada)", "America/Chicago", 360,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)", "America/Los_Angeles", 480,
             _sunday(3, 2, 120), _sunday(11, 1, 120)),
        Zone("tzone://Microsoft/Utc", "(UTC) Coordinated Universal Time", "UTC", 0),
    )
}  # fmt: skip


def duration(minutes: int) -> str:
    """Write minutes as an xs:duration."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}PT{hours}H{rest}M" if rest else f"{sign}PT{hours}H"


def definition(zone: Zone, *, full: bool = True, element: str = "TimeZoneDefinition") -> str:
    """Write a zone as a t:TimeZoneDefinition, with its periods and transitions when full."""
    name = zone.name.replace("&", "&amp;")
    head = f'<t:{element} Id="{zone.id}" Name="{name}"'
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
