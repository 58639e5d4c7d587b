"""Tell quickly that a value fits a JSON schema; whether one that does not seem to is wrong, jsonschema has to say.

Every record of every run is held against its schema, and jsonschema needs more time for that than the tap for all
else. So it is asked only about what is not plainly right. A schema with words that are not known here has no quick
way at all, so nothing passes by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Fits = Callable[[object], bool]

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
RFC3339_DATE = re.compile(r"\d{4}-\d\d-\d\d")
FORMATS = {"date-time": RFC3339_UTC, "date": RFC3339_DATE}
# As JSON is read: a boolean is no integer, and of a whole float jsonschema decides.
TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
RULES = {"type", "format", "properties", "additionalProperties", "items"}
WORDS = {"title", "description", "contentEncoding", "key_properties"}  # that rule nothing


def quick(schema: dict[str, Any]) -> Fits | None:
    """Return what tells that a value fits a schema; None when there is no quick way."""
    try:
        return _compiled(schema)
    except _UnknownError:
        return None


class _UnknownError(Exception):
    """A schema says something that is not known here."""


def _compiled(schema: dict[str, Any]) -> Fits:
    if not isinstance(schema, dict) or not schema.keys() <= RULES | WORDS or "type" not in schema:
        raise _UnknownError
    named = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = frozenset(kind for name in named for kind in TYPES[name])
    within: dict[type, Fits] = {}
    if "format" in schema:
        if schema["format"] not in FORMATS:
            raise _UnknownError
        within[str] = FORMATS[schema["format"]].fullmatch  # type: ignore[assignment]
    if "items" in schema:
        within[list] = _each(_compiled(schema["items"]))
    if "properties" in schema or "additionalProperties" in schema:
        columns = {name: _compiled(column) for name, column in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties", True)
        within[dict] = _columns(columns, None if others is True else _compiled(others))

    def fits(value: object) -> bool:
        kind = type(value)
        return kind in kinds and (kind not in within or bool(within[kind](value)))

    return fits


def _each(item: Fits) -> Fits:
    return lambda values: all(map(item, values))  # type: ignore[call-overload]


def _columns(columns: dict[str, Fits], others: Fits | None) -> Fits:
    def fit(row: object) -> bool:
        for name, value in row.items():  # type: ignore[attr-defined]
            column = columns.get(name, others)
            if column is not None and not column(value):
                return False
        return True

    return fit
