"""Read single values: the text of an element to what its column holds.

Every reader takes the text that the server sent, None for an empty element, and returns the value,
None for nothing, or raises ValueError when the text is no such value. Times become RFC 3339 in UTC;
what has no zone is UTC already (Exchange leaves it out of attachments' times).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import date, datetime, timedelta, timezone
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INTEGER_DIGITS = 19
INTEGER_LEAST, INTEGER_MOST = -(2**63), 2**63 - 1
MICROSECOND_DIGITS = 6
SECOND_LENGTH = len("2025-08-30T18:10:41")
DATE_LENGTH = len("2025-08-30")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
NUMBER_CHARACTERS = frozenset("0123456789+-.eE")


def text(raw: str | None) -> str:
    """Return the text as it is; an empty element is an empty text."""
    return raw or ""


def lower(raw: str | None) -> str | None:
    """Return the text in lower case: for words that the schema fixes, such as HTML."""
    return raw.lower() if raw else None


def boolean(raw: str | None) -> bool | None:
    """Return a truth value: true, false, 1 or 0; some servers write the words in other letters."""
    if raw in BOOLEANS:
        return BOOLEANS[raw]
    if not raw or not (word := raw.strip().lower()):
        return None
    if word not in BOOLEANS:
        raise ValueError
    return BOOLEANS[word]


def integer(raw: str | None) -> int | None:
    """Return a whole number of at most 64 bits, which is what a warehouse's integer holds."""
    if not raw or not (digits := raw.strip()):
        return None
    sign = digits[0] in "+-"
    if not digits.isascii() or not digits[sign:].isdigit() or len(digits) > 2 * INTEGER_DIGITS:
        raise ValueError
    value = int(digits)
    if not INTEGER_LEAST <= value <= INTEGER_MOST:
        raise ValueError
    return value


def number(raw: str | None) -> float | None:
    """Return a number; JSON has neither infinity nor NaN."""
    if not raw or not (digits := raw.strip()):
        return None
    if not NUMBER_CHARACTERS.issuperset(digits):
        raise ValueError
    value = float(digits)
    if not isfinite(value):
        raise ValueError
    return value


def moment(raw: str | None) -> str | None:
    """Return a time in RFC 3339, UTC, with a fraction of six digits when one is given.

    Nearly all times come as `2025-08-30T18:10:41Z`, which is that already: checked, not rebuilt.
    """
    if raw is None:
        return None
    if len(raw) == SECOND_LENGTH + 1 and raw[-1] == "Z" and _is_second(raw):
        return raw
    return _other_moment(raw.strip())


def _is_second(raw: str) -> bool:
    """Say whether a text begins with a real `2025-08-30T18:10:41`; ValueError for unreal dates."""
    if raw[10] != "T" or raw[4] != "-" or raw[7] != "-" or raw[13] != ":" or raw[16] != ":" or raw[11:13] == "24":
        return False
    datetime.fromisoformat(raw[:SECOND_LENGTH])
    return True


def _other_moment(raw: str) -> str | None:
    """Read a time with a fraction, with an offset, or without a zone."""
    if not raw:
        return None
    if len(raw) < SECOND_LENGTH or not _is_second(raw):
        raise ValueError
    value = datetime.fromisoformat(raw[:SECOND_LENGTH])
    rest = raw[SECOND_LENGTH:]
    fraction = ""
    if rest.startswith("."):
        digits = len(rest) - len(rest[1:].lstrip("0123456789")) - 1
        fraction, rest = rest[1 : 1 + digits], rest[1 + digits :]
        if not fraction:
            raise ValueError
        fraction = "." + fraction[:MICROSECOND_DIGITS].ljust(MICROSECOND_DIGITS, "0")
    if rest not in {"", "Z"}:
        value = _shifted(value, _offset(rest))
    return f"{value.isoformat()}{fraction}Z"


def day(raw: str | None) -> str | None:
    """Return a date; a zone or a time behind it is left off, the day stays as it is written."""
    if raw is None or not (stripped := raw.strip()):
        return None
    head, rest = stripped[:DATE_LENGTH], stripped[DATE_LENGTH:]
    if len(head) != DATE_LENGTH or head[4] != "-" or head[7] != "-":
        raise ValueError
    date.fromisoformat(head)
    if rest.startswith("T"):
        _other_moment(stripped)
    elif rest not in {"", "Z"}:
        _offset(rest)
    return head


def binary(raw: str | None) -> str | None:
    """Return base64 as it was sent: the text of bytes that JSON cannot hold."""
    return raw


def hexadecimal(raw: str | None) -> str | None:
    """Return bytes sent as base64 in lower-case hexadecimal digits, which compare well."""
    if not raw:
        return None
    try:
        return b64decode("".join(raw.split()).encode("ascii"), validate=True).hex()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError from error


def words(raw: str | None) -> list[str]:
    """Return the words of a list that XML separates by blanks."""
    return raw.split() if raw else []


def _offset(rest: str) -> timedelta:
    """Read `+02:00`; XML allows fourteen hours at most."""
    if len(rest) != len("+02:00") or rest[0] not in "+-" or rest[3] != ":":
        raise ValueError
    hours, minutes = rest[1:3], rest[4:6]
    if not (hours + minutes).isascii() or not (hours + minutes).isdigit() or int(minutes) >= 60 or int(hours) > 14:  # noqa: PLR2004 - the clock's own figures
        raise ValueError
    distance = timedelta(hours=int(hours), minutes=int(minutes))
    return -distance if rest[0] == "-" else distance


def _shifted(value: datetime, offset: timedelta) -> datetime:
    try:
        return (value.replace(tzinfo=timezone(offset)).astimezone(timezone.utc)).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError from error


SCALARS: Mapping[str, Callable[[str | None], object]] = {
    "text": text,
    "lower": lower,
    "boolean": boolean,
    "integer": integer,
    "number": number,
    "datetime": moment,
    "date": day,
    "binary": binary,
    "hex": hexadecimal,
    "words": words,
}
"""The kinds of value that an element's or attribute's text alone decides."""
