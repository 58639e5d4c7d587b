"""The settings as others want them told: a JSON schema for Singer, a list for Meltano."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.settings_values import Option

JSON_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "switch": {"type": ["boolean", "string", "null"]},
    "array": {"type": ["array", "string", "null"], "items": {"type": "string"}},
    "objects": {"type": ["array", "string", "null"], "items": {"type": ["object", "string"]}},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
}
MELTANO_KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "decimal",
    "boolean": "boolean",
    "switch": "string",
    "array": "array",
    "objects": "array",
    "datetime": "date_iso8601",
}


def json_schema(options: Iterable[Option]) -> dict[str, Any]:
    """Return the JSON schema of a configuration of these options.

    It describes; `Settings.from_config` decides: that one also takes numbers and booleans as
    text, as environment variables bring them, and never repeats a secret in a message.
    """
    return {"type": "object", "properties": {one.name: _property(one) for one in options}}


def meltano_entries(options: Iterable[Option]) -> list[dict[str, Any]]:
    """Return one entry of Meltano's `settings:` for each option."""
    return [_entry(one) for one in options]


def _property(option: Option) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": option.label, "description": option.help}
    schema |= deepcopy(JSON_TYPES[option.kind])
    if option.choices and option.kind == "array":
        schema["items"]["enum"] = list(option.choices)
    elif option.choices:
        schema["enum"] = [*option.choices, None]
    if option.minimum is not None:
        schema["minimum"] = option.minimum
    if option.maximum is not None:
        schema["maximum"] = option.maximum
    if option.default not in (None, ()):
        schema["default"] = list(option.default) if option.kind == "array" else option.default
    if option.secret:
        schema |= {"secret": True, "writeOnly": True}
    return schema


def _entry(option: Option) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": option.name,
        "label": option.label,
        "description": option.help,
        "kind": MELTANO_KINDS[option.kind],
    }
    if option.choices and option.kind == "string":
        entry["kind"] = "options"
        entry["options"] = [{"label": one, "value": one} for one in option.choices]
    if option.secret:
        entry["sensitive"] = True
    return entry
