"""Read the live views as rows by key, out of PostgreSQL or out of a folder of JSON lines files.

    rows = live_rows(connection, "messages", schema="exchange")     # psycopg
    rows = live_rows(files(folder), "messages")                     # what target-jsonl wrote

Rows of both are dictionaries by column; times are UTC without a zone.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
from psycopg import sql

from tap_exchange import resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    Row = dict[str, Any]
    Rows = dict[str, Row]

# What names a row of a live view; the other views are named by item_key.
KEYS = {
    "folders": ("folder_key",),
    "attachments": ("attachment_key",),
    "listed_items": ("folder_key", "item_key"),
    "corrupt_items": ("item_key", "stage"),
    "inbox_rules": ("rule_key",),
    "out_of_office": ("mailbox",),
    "delegates": ("delegate_key",),
    "rooms": ("room_list", "room"),
}


def live_rows(
    connection: psycopg.Connection[Any] | duckdb.DuckDBPyConnection, stream: str, *, schema: str | None = None
) -> Rows:
    """Return the rows of a stream's live view by key; a key of several columns is joined by a space.

    In PostgreSQL the views are made anew first, in the schema or, without one, where the search path
    leads. A view that is not there, since its stream was never loaded, has no rows.
    """
    if not isinstance(connection, duckdb.DuckDBPyConnection):
        make_views(connection, schema)
    return rows_of(connection, stream)


def rows_of(connection: psycopg.Connection[Any] | duckdb.DuckDBPyConnection, stream: str) -> Rows:
    """Return the rows of a stream's live view by key, of views that are there."""
    read = _duckdb_rows if isinstance(connection, duckdb.DuckDBPyConnection) else _postgresql_rows
    found = read(connection, f"live_{stream}")
    rows: Rows = {}
    for row in found:
        key = " ".join(row[part] for part in KEYS.get(stream, ("item_key",)))
        assert key not in rows, f"live_{stream} shows {key} twice"
        rows[key] = row
    return rows


def make_views(connection: psycopg.Connection[Any], schema: str | None = None) -> None:
    """Make the views in PostgreSQL, or make them anew; the schema becomes the search path."""
    if schema is not None:
        connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(schema)))
    connection.execute(resources.view_sql("postgresql").encode())


def views_anew(connection: psycopg.Connection[Any], schema: str) -> Callable[[str], Rows]:
    """Make the views in PostgreSQL anew, once for all that is then read by what is returned."""
    make_views(connection, schema)
    return partial(rows_of, connection)


def files(folder: Path) -> duckdb.DuckDBPyConnection:
    """Read the files of target-jsonl into a database in memory, with the views."""
    connection = duckdb.connect()
    connection.execute("set variable exchange_folder = $folder", {"folder": str(folder)})
    connection.execute(resources.view_sql("duckdb_jsonl"))
    connection.execute(resources.view_sql("duckdb"))
    return connection


def _postgresql_rows(connection: psycopg.Connection[Any], view: str) -> list[Row]:
    if connection.execute("select to_regclass(%s)", (view,)).fetchone() == (None,):
        return []
    cursor = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(view)))
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _duckdb_rows(connection: duckdb.DuckDBPyConnection, view: str) -> list[Row]:
    found = connection.execute(f"select * from {view}")
    kinds = {name: str(kind) for name, kind, *_ in found.description or ()}
    rows = found.fetchall()
    return [
        {
            name: json.loads(value) if kind == "JSON" and value is not None else value
            for (name, kind), value in zip(kinds.items(), row, strict=True)
        }
        for row in rows
    ]
