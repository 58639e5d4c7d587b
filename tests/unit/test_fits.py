"""What tells quickly that a record fits says what jsonschema says, of every stream."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.resources import catalog_schema, schema_names
from tests.fits import quick
from tests.messages import Messages, fits, validator

if TYPE_CHECKING:
    from tests.fits import Fits

TEXTS = ["", "x", "2026-03-29", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00.5+00:00", "2026-03-29\n"]
PLAIN = [None, True, 0, -7, 1.5, *TEXTS]
SCHEMAS = {stream: catalog_schema(stream) for stream in schema_names()}


def anything(dice: random.Random, schema: dict[str, Any], depth: int = 3) -> object:
    """Return what could stand under a schema, right or wrong."""
    how = dice.randrange(4 if depth else 2)
    columns = schema.get("properties", {"x": schema.get("additionalProperties", {})})
    if "properties" in schema and depth:
        how = max(how, 2)
    if how < 2:
        return dice.choice(PLAIN)
    if how == 2 and "properties" not in schema:
        return [anything(dice, schema.get("items", {}), depth - 1) for _ in range(dice.randrange(3))]
    names = [*dice.sample(sorted(columns), min(len(columns), dice.randrange(4))), *(["unknown"] * dice.randrange(2))]
    return {name: anything(dice, columns.get(name, {}), depth - 1) for name in names}


def quickly(schema: dict[str, Any]) -> Fits:
    found = quick(schema)
    assert found is not None
    return found


@pytest.mark.parametrize("stream", SCHEMAS)
def test_every_stream_has_a_quick_way(stream: str) -> None:
    assert quickly(SCHEMAS[stream])({})


@pytest.mark.parametrize("stream", SCHEMAS)
def test_what_is_plainly_right_is_right_and_what_is_right_plainly_so(stream: str) -> None:
    dice = random.Random(stream)
    schema = json.dumps(SCHEMAS[stream])
    drawn = [anything(dice, SCHEMAS[stream]) for _ in range(200)]
    right = [validator(schema).is_valid(row) for row in drawn]
    assert [bool(fits(schema)(row)) for row in drawn] == right
    assert {True, False} == set(right)


@pytest.mark.parametrize("value", [True, 1.0, "1", [1], {"a": 1}, None])
def test_a_value_of_another_type_is_not_plainly_an_integer(value: object) -> None:
    assert not quickly({"type": "integer"})(value)


def test_what_a_map_holds_beside_its_columns_has_its_schema() -> None:
    resets = quickly({"type": "object", "additionalProperties": {"type": "string", "format": "date"}})
    assert resets({"a": "2026-03-29"})
    assert not resets({"a": "2026-03-29", "b": "soon"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "x"},
        {"type": "string", "format": "email"},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["x"]}}}},
        {"type": "object", "additionalProperties": False},
        {},
    ],
)
def test_a_schema_with_words_that_are_not_known_has_no_quick_way(schema: dict[str, Any]) -> None:
    assert quick(schema) is None


def test_what_is_wrong_is_told_by_its_place() -> None:
    schema = {"type": "object", "properties": {"key": {"type": "string"}, "n": {"type": "integer"}}}
    said = Messages()
    said.take(json.dumps({"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["key"]}).encode())
    said.take(json.dumps({"type": "RECORD", "stream": "s", "record": {"key": "a", "n": 1.0}}).encode())
    with pytest.raises(AssertionError, match="s: n: '1' is not of type 'integer'"):
        said.take(json.dumps({"type": "RECORD", "stream": "s", "record": {"key": "a", "n": "1"}}).encode())
