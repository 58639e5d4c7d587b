"""One setting: what it is declared as, and how a raw value becomes a typed one.

A value may come from JSON, typed, or from an environment variable, as text: both are read
here, so that `10` and `"10"`, `["a", "b"]` and `"a, b"` mean the same. Messages name the
setting and what it takes; they never repeat the value of a secret one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
SEPARATORS = re.compile(r"[,;\s]+")
KINDS = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "datetime",
    "tuple[str, ...]": "array",
    "tuple[Any, ...]": "objects",
}  # by the annotation of the field
SHOWN = 60  # a refused value is repeated up to this many characters


class SettingsError(ValueError):
    """Tell in one line which setting is wrong and what to do about it."""


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one setting, for the schema, for Meltano, for the README and for reading it.

    `kind` is one of string, integer, number, boolean, array, objects, datetime and switch
    (true, false or an e-mail address). `default` is the typed value, None for none. `words` tells
    that no entry of a list holds a blank.
    """

    name: str
    kind: str
    label: str
    group: str
    help: str
    default: Any
    secret: bool
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    words: bool


def setting(  # noqa: PLR0913 - one keyword for each thing that a declaration says
    group: str,
    text: str,
    *,
    default: Any = None,  # noqa: ANN401 - the field's annotation tells its type
    label: str = "",
    kind: str = "",
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    secret: bool = False,
    words: bool = False,
) -> Any:  # noqa: ANN401
    """Declare one setting as a dataclass field; secret ones stay out of its repr."""
    about = {
        "group": group, "help": text, "label": label, "kind": kind, "choices": choices,
        "minimum": least, "maximum": most, "secret": secret, "words": words or bool(choices),
    }  # fmt: skip
    return field(default=default, repr=not secret, metadata=about)


def options_of(declared: type) -> tuple[Option, ...]:
    """Read the options off a dataclass whose fields were made by `setting`."""
    found = []
    for one in fields(declared):
        about = dict(one.metadata)
        kind = about.pop("kind") or KINDS[str(one.type).removesuffix(" | None")]
        label = about.pop("label") or one.name.replace("_", " ").capitalize()
        found.append(Option(name=one.name, kind=kind, label=label, default=one.default, **about))
    return tuple(found)


def read_value(option: Option, raw: object) -> Any:  # noqa: ANN401 - the type is the option's kind
    """Return `raw` as the option's type; None and empty text mean: not given.

    Raises:
        SettingsError: the value is no such thing, or outside its range or choices.
    """
    text = raw.strip() if isinstance(raw, str) and not option.secret else raw
    if text is None or text == "":
        return option.default
    value = READERS[option.kind](option, text)
    _check_choices(option, value)
    _check_range(option, value)
    return value


def refuse(option: Option, raw: object, wanted: str) -> SettingsError:
    """Make the error for a value that is not `wanted`, without repeating a secret."""
    if option.secret:
        return SettingsError(f"{option.name} must be {wanted}")
    shown = re.sub(r"\s+", " ", f"{raw!r}")
    if len(shown) > SHOWN:
        shown = shown[:SHOWN] + "..."
    return SettingsError(f"{option.name} must be {wanted}, not {shown}")


def _string(option: Option, raw: object) -> str:
    if not isinstance(raw, str):
        raise refuse(option, raw, "text")
    return raw


def _integer(option: Option, raw: object) -> int:
    wanted = f"a whole number{_range(option)}"
    if isinstance(raw, bool) or not isinstance(raw, (int, float, Decimal, str)):
        raise refuse(option, raw, wanted)
    try:
        value = int(raw)
    except (ValueError, OverflowError):
        raise refuse(option, raw, wanted) from None
    if isinstance(raw, (float, Decimal)) and value != raw:
        raise refuse(option, raw, wanted)
    return value


def _number(option: Option, raw: object) -> float:
    wanted = f"a number{_range(option)}"
    if isinstance(raw, bool) or not isinstance(raw, (int, float, Decimal, str)):
        raise refuse(option, raw, wanted)
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        raise refuse(option, raw, wanted) from None
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN differs from itself
        raise refuse(option, raw, wanted)
    return value


def _boolean(option: Option, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).lower() if isinstance(raw, (str, int)) else ""
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise refuse(option, raw, "true or false")


def _switch(option: Option, raw: object) -> bool | str:
    if isinstance(raw, str) and "@" in raw:
        return raw.lower()
    try:
        return _boolean(option, raw)
    except SettingsError:
        raise refuse(option, raw, "true, false or an e-mail address") from None


def _array(option: Option, raw: object) -> tuple[str, ...]:
    values = _listed(option, raw)
    if not all(isinstance(value, str) for value in values):
        raise refuse(option, raw, "a list of texts")
    stripped = (value.strip() for value in values)
    return tuple(dict.fromkeys(value for value in stripped if value))


def _objects(option: Option, raw: object) -> tuple[Any, ...]:
    values = _listed(option, raw)
    if not all(isinstance(value, (str, dict)) for value in values):
        raise refuse(option, raw, "a list of objects")
    return tuple(values)


def _listed(option: Option, raw: object) -> list[Any]:
    """Read a list, the JSON text of one, or words with commas between them.

    Paths may hold spaces: only what cannot (addresses, choices) is split at spaces too.
    """
    if isinstance(raw, (list, tuple)):
        return list(raw)
    if not isinstance(raw, str):
        raise refuse(option, raw, "a list, or text with commas between the entries")
    if raw.startswith(("[", "{")):
        import json  # noqa: PLC0415 - seldom needed

        try:
            parsed = json.loads(raw)
        except ValueError:
            raise refuse(option, raw, "a list in JSON, or text with commas") from None
        return parsed if isinstance(parsed, list) else [parsed]
    if option.words:
        return SEPARATORS.split(raw)
    return raw.split(",")


def _datetime(option: Option, raw: object) -> datetime:
    wanted = "a date like 2024-01-31 or a time like 2024-01-31T08:00:00Z"
    if isinstance(raw, datetime):
        moment = raw
    else:
        text = raw if isinstance(raw, str) else ""
        try:
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        except ValueError:
            raise refuse(option, raw, wanted) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except (OverflowError, ValueError):
        raise refuse(option, raw, wanted) from None


READERS: dict[str, Callable[[Option, object], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "switch": _switch,
    "array": _array,
    "objects": _objects,
    "datetime": _datetime,
}


def _check_choices(option: Option, value: object) -> None:
    if not option.choices:
        return
    for one in value if isinstance(value, tuple) else (value,):
        if one not in option.choices:
            raise refuse(option, one, f"one of {', '.join(option.choices)}")


def _check_range(option: Option, value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    below = option.minimum is not None and value < option.minimum
    above = option.maximum is not None and value > option.maximum
    if below or above:
        what = "a whole number" if option.kind == "integer" else "a number"
        raise refuse(option, value, f"{what}{_range(option)}")


def _range(option: Option) -> str:
    low, high = option.minimum, option.maximum
    if low is not None and high is not None:
        return f" from {low:g} to {high:.12g}"
    if low is not None:
        return f" of at least {low:g}"
    return ""
