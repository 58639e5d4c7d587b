"""Put rows where a loader would, and read the live views of each dialect over them.

PostgreSQL holds tables as target-postgres makes them, DuckDB reads files as target-jsonl writes them.
Snowflake and BigQuery cannot run here: the queries of their views are translated and run by DuckDB,
which shows that they are well formed and mean the same, not that those servers take them.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from psycopg import sql
from psycopg.types.json import Jsonb

from tap_exchange import resources
from tests.live import make_views, rows_of
from tests.story import Story

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from types import ModuleType

    import psycopg

    from tests.live import Rows
    from tests.postgres import Database, Server

POSTGRESQL_TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean"}
POSTGRESQL_FORMATS = {"date-time": "timestamp", "date": "date"}
# What target-postgres adds with add_record_metadata, as far as a view could care.
METADATA = {"_sdc_received_at": "timestamp", "_sdc_deleted_at": "timestamp", "_sdc_sequence": "bigint"}


class PostgreSQL:
    """Tables as target-postgres makes them."""

    def __init__(self, database: Database, *, zone: str = "", metadata: bool = True) -> None:
        self.connection: psycopg.Connection[Any] = database.connect("exchange")
        self.zone = zone  # of times: none, or ` with time zone`
        self.metadata = METADATA if metadata else {}
        self.columns: dict[str, list[str]] = {}  # by table
        self.loaded: set[str] = set()  # tables that may hold rows

    def make_tables(self, streams: Collection[str] | None = None, without: Collection[str] = ()) -> None:
        """Make the tables of these streams, or of all, without some columns."""
        for stream in resources.schema_names() if streams is None else streams:
            schema = resources.schema(stream)
            kinds = {name: self._type(column) for name, column in schema["properties"].items()} | self.metadata
            self.columns[stream] = [name for name in kinds if name not in without]
            columns = ", ".join(f'"{name}" {kinds[name]}' for name in self.columns[stream])
            key = ", ".join(schema["key_properties"])
            self.connection.execute(f"create table {stream} ({columns}, primary key ({key}))".encode())

    def make_views(self) -> None:
        """Make the views, or make them anew."""
        make_views(self.connection, "exchange")

    def load(self, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Upsert rows, a table after the other: what a row leaves out becomes NULL."""
        by_stream: dict[str, list[dict[str, Any]]] = {}
        for stream, row in rows:
            by_stream.setdefault(stream, []).append(row)
        self.loaded |= by_stream.keys()
        for stream, own in by_stream.items():
            names = self.columns[stream]
            values = [[_postgresql_value(row.get(name)) for name in names] for row in own]
            with self.connection.cursor() as cursor:
                cursor.executemany(self._upsert(stream), values)

    def _upsert(self, stream: str) -> sql.Composed:
        keys = resources.schema(stream)["key_properties"]
        names = self.columns[stream]
        return sql.SQL("insert into {} ({}) values ({}) on conflict ({}) do update set {}").format(
            sql.Identifier(stream),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
            sql.SQL(", ").join(map(sql.Identifier, keys)),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names),
        )

    def live(self, stream: str) -> Rows:
        """Read a live view."""
        return rows_of(self.connection, stream)

    def clear(self, _: Path | None = None) -> None:
        """Forget all rows; to delete a few is quicker than to truncate tables with their indexes."""
        self.connection.execute("; ".join(f"delete from {stream}" for stream in sorted(self.loaded)).encode())
        self.loaded.clear()

    def close(self) -> None:
        """Leave the database."""
        self.connection.close()

    def _type(self, column: dict[str, Any]) -> str:
        kinds = [column["type"]] if isinstance(column["type"], str) else column["type"]
        kind = next(kind for kind in kinds if kind != "null")
        if kind == "array":
            return "text[]" if column.get("items", {}).get("type") == "string" else "jsonb[]"
        formatted = POSTGRESQL_FORMATS.get(column.get("format", ""))
        if formatted == "timestamp":
            return formatted + self.zone
        return formatted or POSTGRESQL_TYPES.get(kind, "jsonb")


class JSONLines:
    """Files as target-jsonl writes them, read by DuckDB into one database."""

    def __init__(self, folder: Path, dialect: str = "duckdb") -> None:
        self.connection = duckdb.connect()
        self.folder = folder
        self.streams: set[str] = set()  # that have files
        self._read(resources.schema_names())
        if dialect == "duckdb":
            self.connection.execute(resources.view_sql("duckdb"))
            return
        # What the translator does not know.
        self.connection.execute(
            "create macro range_bucket(point, ends) as len(list_filter(ends, lambda e: e <= point))"
        )
        self.connection.execute("create macro to_timestamp_ntz(text) as cast(trim(text, '\"') as timestamp)")
        for name, query in translated(dialect):
            self.connection.execute(f"create view {name} as {query}")

    def load(self, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Append each row to its stream's file, and read the files that grew."""
        lines: dict[str, list[str]] = {}
        for stream, row in rows:
            lines.setdefault(stream, []).append(json.dumps(row, default=_json) + "\n")
        for stream, more in lines.items():
            with (self.folder / f"{stream}.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(more)
        self.streams |= lines.keys()
        self._read(lines)

    def live(self, stream: str) -> Rows:
        """Read a live view."""
        return rows_of(self.connection, stream)

    def clear(self, folder: Path) -> None:
        """Go on in another, empty folder."""
        self.folder = folder
        for stream in self.streams:
            self.connection.execute(f"delete from {stream}")
        self.streams = set()

    def close(self) -> None:
        """Leave the database."""
        self.connection.close()

    def _read(self, streams: Iterable[str]) -> None:
        self.connection.execute("set variable exchange_folder = $folder", {"folder": str(self.folder)})
        for stream in streams:
            self.connection.execute(renderer().duckdb_table(stream))


Warehouse = PostgreSQL | JSONLines


class Warehouses(dict[str, Warehouse]):
    """The warehouses of a session, each made when it is first asked for."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def __missing__(self, dialect: str) -> Warehouse:
        self[dialect] = self._postgresql() if dialect == "postgresql" else JSONLines(self.folder, dialect)
        return self[dialect]

    def postgresql(self) -> PostgreSQL:
        """Return the PostgreSQL of the session."""
        made = self["postgresql"]
        assert isinstance(made, PostgreSQL)
        return made

    def _postgresql(self) -> PostgreSQL:
        made = PostgreSQL(self.database)
        made.make_tables()
        made.make_views()
        return made


@pytest.fixture(scope="session")
def warehouses(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouses]:
    """The warehouses of the session."""
    with postgres.database() as database:
        made = Warehouses(database, tmp_path_factory.mktemp("no_files"))
        yield made
        for each in made.values():
            each.close()


@pytest.fixture(params=["postgresql", "duckdb", "snowflake", "bigquery"])
def warehouse(request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path: Path) -> Warehouse:
    """An empty warehouse of each kind."""
    found = warehouses[request.param]
    found.clear(tmp_path)
    return found


@pytest.fixture
def story() -> Story:
    """A first run that has begun."""
    made = Story()
    made.run()
    return made


def shown(warehouse: Warehouse, story: Story, stream: str = "messages") -> set[str]:
    """Load the whole story and return the keys that a live view shows."""
    warehouse.load(story.rows)
    return set(warehouse.live(stream))


@cache
def renderer() -> ModuleType:
    """Return the script that writes the views' files."""
    spec = importlib.util.spec_from_file_location("render", resources.folder("views") / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["render"] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


def translated(dialect: str) -> Iterator[tuple[str, str]]:
    """Give name and query of each view of a dialect, in DuckDB's words."""
    for view in renderer().views(getattr(renderer(), dialect.upper())):
        query = view.query.replace("<dataset>.", "")
        told = sqlglot.transpile(query, read=dialect, write="duckdb")[0]
        told = re.sub(r"MATCH_CONDITION \((.*?)\) ON", r"ON \1 AND", told)
        yield view.name, told.replace("TIMESTAMPTZ", "TIMESTAMP")


def _postgresql_value(value: object) -> object:
    if isinstance(value, list):
        return [_postgresql_value(one) for one in value]
    return Jsonb(value) if isinstance(value, dict) else value


def _json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds") + "Z"
    raise TypeError(value)
