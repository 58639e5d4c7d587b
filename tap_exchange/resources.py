"""Find the data files that ship with the tap: one JSON schema per stream, and the SQL of the views.

In a wheel they stand inside the package (`_schemas`, `_views`), in the source tree beside it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec

PACKAGE = Path(__file__).parent

ITEM_STREAMS = (
    "messages",
    "meeting_messages",
    "calendar_items",
    "contacts",
    "distribution_lists",
    "tasks",
    "posts",
    "other_items",
)
"""The streams that items go to by their class."""


LONGEST_LINE = 50 * 2**20
"""Bytes of a message: Meltano refuses a longer line, half of its `elt.buffer_size`."""


def schema_names() -> tuple[str, ...]:
    """Return the names of all streams that have a schema, sorted."""
    return tuple(sorted(path.stem for path in folder("schemas").glob("*.json")))


def schema(name: str) -> dict[str, Any]:
    """Return a stream's schema as it is written, `x-` members included; a fresh copy at each call.

    Raises:
        LookupError: when no stream has that name.
    """
    return cast("dict[str, Any]", msgspec.json.decode(_schema_text(name)))


def catalog_schema(name: str) -> dict[str, Any]:
    """Return a stream's schema for the catalog: a plain JSON schema without any `x-` member."""
    return cast("dict[str, Any]", without_extensions(schema(name)))


def without_extensions(node: object) -> object:
    """Return a JSON schema without its `x-` members, at every depth; no column is named so."""
    if isinstance(node, dict):
        return {key: without_extensions(value) for key, value in node.items() if not key.startswith("x-")}
    if isinstance(node, list):
        return [without_extensions(value) for value in node]
    return node


def view_sql(dialect: str) -> str:
    """Return the SQL that creates the views in one dialect, such as `postgres`.

    Raises:
        LookupError: when there are no views for that dialect.
    """
    path = folder("views") / f"{dialect}.sql"
    if not dialect.isidentifier() or not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder("views").glob("*.sql")))
        message = f"There are no views for {dialect!r}; there are views for: {known}"
        raise LookupError(message)
    return path.read_text(encoding="utf-8")


def folder(kind: str) -> Path:
    """Return the folder of the `schemas` or the `views`."""
    inside = PACKAGE / f"_{kind}"
    return inside if inside.is_dir() else PACKAGE.parent / kind


@cache
def _schema_text(name: str) -> bytes:
    path = folder("schemas") / f"{name}.json"
    if not name.isidentifier() or not path.is_file():
        message = f"There is no stream {name!r}; the streams are: {', '.join(schema_names())}"
        raise LookupError(message)
    return path.read_bytes()
