"""Write the SQL of the live views, one file for each dialect, out of one telling of their rules.

`python views/render.py` writes the files beside this one; they ship as they stand, and a test fails
when they differ from what this script would write. templates/rules.sql holds the rules, the other
templates what a dialect says in its own words and what stands around its views.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_exchange.resources import ITEM_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
# Small tables, of which each run writes all there is: rows of a state that was given up are void.
PERSONAL_STREAMS = ("inbox_rules", "out_of_office", "delegates", "rooms")
# What every item has, whatever its class: the columns of live_items.
COMMON = "mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin"
# Stands for an item stream in a text that is completed for each of them when it runs.
EACH = "@stream@"

READ_FLAGS = """LEFT JOIN {of kept_item_changes} AS r
  ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at"""
# Streams that the resets of a folder name; listed items are counted by their stamp alone.
RESETS = (*ITEM_STREAMS, "attachments", "calendar_view")
NOT_DELETED = "\nAND m._sdc_deleted_at IS NULL"
MEMBER = "SELECT '{stream}' AS stream, {common} FROM {of live_{stream}}"
NEWEST_FLAG = "coalesce(r.is_read, m.is_read) AS is_read"

DUCKDB_TYPES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
DUCKDB_FORMATS = {"date-time": "TIMESTAMP", "date": "DATE"}


@dataclass(frozen=True, slots=True)
class View:
    """A view; without the table that it needs it is left out, or made with the query `otherwise`."""

    name: str
    needs: str | None
    query: str
    otherwise: str | None


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of SQL says in its own words; `{0}` and so on stand for what it is about."""

    gaps: str  # the query of sync_gaps, which `kept` looks into
    kept: Callable[[str, tuple[str, ...]], str]  # the rows of a table, by its key, that no lost page wrote
    last_changes: str  # of each item, the last create or update, unless its folder has told since that it left
    time: str  # a time out of an object in a JSON column
    distinct: str  # the latest row of each: what stands before the columns
    latest: str  # and what stands at the end
    columns: Callable[[str], str]  # the columns of an item stream's view
    of: str = "{0}"  # how a table or view is named
    deleted_at: bool = False  # whether _sdc_deleted_at is sure to be a column
    streams: tuple[str, ...] = ITEM_STREAMS


def views(dialect: Dialect) -> Iterator[View]:
    """Read the views of templates/rules.sql, each after those it stands on, in one dialect's words."""
    for section in re.split(r"^--- (?!or$)", template("rules"), flags=re.MULTILINE)[1:]:
        head, body = section.split("\n", 1)
        name, _, needs = head.partition(" ")
        query, _, otherwise = body.partition("\n--- or\n")
        told_for = {"live_{stream}": dialect.streams, "live_{personal}": PERSONAL_STREAMS}
        for stream in told_for.get(name, ("",)):
            fill = partial(told, dialect, stream=stream)
            yield View(fill(name), fill(needs) or None, fill(query), fill(otherwise) or None)


def told(dialect: Dialect, text: str, stream: str = "") -> str:
    """Put a dialect's words where braces stand; words of many lines keep the indent of their line."""
    while found := re.search(r"^( *)([^\n]*?)\{(\w+)((?: [^{}]*)?)\}", text, flags=re.MULTILINE):
        indent, before, word, about = found.groups()
        words = textwrap.indent(said(dialect, word, about.split(), stream), indent).removeprefix(indent)
        text = f"{text[: found.start()]}{indent}{before}{words}{text[found.end() :]}"
    return re.sub(r"[ \n]+\n", "\n", text).strip()


def said(dialect: Dialect, word: str, about: list[str], stream: str) -> str:
    """Say one word of the rules in a dialect."""
    words: dict[str, Callable[[], str]] = {
        "stream": lambda: stream,
        "personal": lambda: stream,
        "common": lambda: COMMON,
        "of": lambda: dialect.of.format(*about),
        "gaps": lambda: dialect.gaps,
        "kept": lambda: dialect.kept(about[0], tuple(about[1:])),
        "kept_personal": lambda: dialect.kept(stream, tuple(schema(stream)["key_properties"])),
        "last_changes": dialect.last_changes.strip,
        "distinct": lambda: dialect.distinct.format(*about),
        "latest": lambda: dialect.latest.format(*about),
        "resets": lambda: "\n".join(f"{dialect.time.format('s.resets', s)} AS {s}_reset_at," for s in RESETS),
        "reset_of": lambda: "\n".join(
            [f"CASE {about[0]}", *(f"  WHEN '{s}' THEN f.{s}_reset_at" for s in RESETS), "END"]
        ),
        "columns": lambda: dialect.columns(stream),
        "read_flags": lambda: "@read_flags@" if stream == EACH else READ_FLAGS if has_read_flag(stream) else "",
        "not_deleted": lambda: "@not_deleted@" if stream == EACH else NOT_DELETED if dialect.deleted_at else "",
        "members": lambda: "\nUNION ALL\n".join(told(dialect, MEMBER, each) for each in dialect.streams),
    }
    return words[word]()


@cache
def schema(stream: str) -> dict[str, Any]:
    """Read a stream's schema."""
    return dict(json.loads((HERE.parent / "schemas" / f"{stream}.json").read_text(encoding="utf-8")))


def has_read_flag(stream: str) -> bool:
    """Tell whether a stream's items can be read and unread."""
    return "is_read" in schema(stream)["properties"]


def reported(table: str, row: str, break_: str = " ") -> str:
    """Say that a feed reported a row; tables without an origin are told anew by each run, all that a state may lose."""
    return f"{row}.origin = 'feed'{break_}AND " if "origin" in schema(table)["properties"] else ""


def starred(stream: str) -> str:
    """Take all columns, the read flag from where it is newest."""
    return f"m.* REPLACE ({NEWEST_FLAG})" if has_read_flag(stream) else "m.*"


def template(name: str, /, **parts: str) -> str:
    """Read a template and fill in its parts."""
    text = (HERE / "templates" / f"{name}.sql").read_text(encoding="utf-8")
    for part, filling in parts.items():
        text = text.replace(f"{{{part}}}", filling)
    return text


def indented(text: str, spaces: int = 2) -> str:
    """Indent a text that stands within another."""
    return textwrap.indent(text, " " * spaces)


# --- PostgreSQL: all gaps are one row of two arrays, looked up without a join. That leaves the planner
# few enough tables to find the best order, and a multirange is searched by halving.

POSTGRESQL = Dialect(
    gaps=template("gaps_postgresql"),
    kept=lambda table, _: template("kept_postgresql", table=table, reported=reported(table, "t", "\n    ")).strip(),
    time="({0}::jsonb ->> '{1}')::timestamptz@zone@",
    distinct="DISTINCT ON ({0})",
    latest="ORDER BY {0}, {1} DESC NULLS LAST",
    last_changes=template("last_changes_postgresql"),
    columns=lambda _: "@columns@",
    streams=(EACH,),
)


def postgresql_file() -> str:
    """Write the block that looks which tables and columns there are, and makes the views for them."""
    rows = (
        f"      ({place}, '{view.name}', {quoted(view.query)}, {quoted(view.needs)}, {quoted(view.otherwise)})"
        for place, view in enumerate(views(POSTGRESQL), 1)
    )
    return template(
        "postgresql",
        views=",\n".join(rows),
        item_streams=", ".join(f"'{stream}'" for stream in ITEM_STREAMS),
        newest_flag=NEWEST_FLAG,
        read_flags=told(POSTGRESQL, READ_FLAGS),
        not_deleted=NOT_DELETED.replace("\n", "\n  "),
    )


def quoted(text: str | None) -> str:
    """Quote a text so that it can be read."""
    if text is None:
        return "NULL"
    return f"$view$\n{text}\n$view$" if re.search(r"['\n]", text) else f"'{text}'"


# --- DuckDB: each gap stands under every hour that it touches, so that a hash join finds it.

DUCKDB = Dialect(
    gaps=template("gaps_duckdb", gaps=indented(template("gaps")).strip()),
    kept=lambda table, _: template("kept_duckdb", table=table, reported=reported(table, "t")).strip(),
    last_changes=template("last_changes"),
    time="CAST({0} ->> '{1}' AS TIMESTAMP)",
    distinct="",
    latest="QUALIFY row_number() OVER (PARTITION BY {0} ORDER BY {1} DESC NULLS LAST) = 1",
    columns=starred,
    deleted_at=True,
)


def duckdb_file() -> str:
    """Write one statement for each view."""
    made = (f"\nCREATE OR REPLACE VIEW {view.name} AS\n{view.query};\n" for view in views(DUCKDB))
    return template("duckdb", views="".join(made))


def duckdb_jsonl_file() -> str:
    """Write the statements that make each stream's table."""
    streams = sorted(path.stem for path in (HERE.parent / "schemas").glob("*.json"))
    return template("duckdb_jsonl", tables="".join(map(duckdb_table, streams)))


def duckdb_table(stream: str) -> str:
    """Write the statements that read one stream's files, columns typed as its schema types them."""
    types = {name: duckdb_type(column) for name, column in schema(stream)["properties"].items()}
    keys = schema(stream)["key_properties"]
    return template(
        "duckdb_table",
        stream=stream,
        columns=",\n".join(f"    {name}: '{kind}'" for name, kind in types.items()),
        keys=", ".join(keys),
        there=" AND ".join(f"{key} IS NOT NULL" for key in keys),
    )


def duckdb_type(column: dict[str, Any]) -> str:
    """Name the type that holds a column of a schema; lists and objects stay JSON."""
    kinds = [column["type"]] if isinstance(column["type"], str) else column["type"]
    kind = next(kind for kind in kinds if kind != "null")
    return DUCKDB_FORMATS.get(column.get("format", ""), DUCKDB_TYPES.get(kind, "JSON"))


# --- Snowflake: the gap that began last before a row, of gaps that lie apart. Looked for in narrow columns,
# since few rows are lost.


def kept_by_key(table: str, key: tuple[str, ...]) -> str:
    """Leave out the rows whose keys are those of lost rows."""
    return template(
        "kept_snowflake",
        table=table,
        reported=reported(table, "w"),
        keys=", ".join(f"w.{column}" for column in key),
        same=" AND ".join(f"lost.{column} = t.{column}" for column in key),
        key=key[0],
    ).strip()


SNOWFLAKE = Dialect(
    gaps=template("gaps"),
    kept=kept_by_key,
    last_changes=template("last_changes"),
    time="TO_TIMESTAMP_NTZ(GET({0}, '{1}')::STRING)",
    distinct="",
    latest=DUCKDB.latest,
    columns=starred,
)


def snowflake_file() -> str:
    """Write a block that makes the views whose tables are there."""
    made = "\n\n".join(map(snowflake_view, views(SNOWFLAKE)))
    return template("snowflake", views=indented(made))


def snowflake_view(view: View) -> str:
    """Write the statement of one view, behind the question whether its table is there."""
    if view.name == "live_items":
        member = told(SNOWFLAKE, MEMBER, EACH).replace("'", "''")
        return template("snowflake_items", member=member, tables=listed(*map(str.upper, ITEM_STREAMS))).strip()
    made = f"CREATE OR REPLACE VIEW {view.name} AS\n{view.query};"
    without = f"CREATE OR REPLACE VIEW {view.name} AS\n{view.otherwise};" if view.otherwise else None
    return asked(
        f"(EXISTS ({template('snowflake_table', table=(view.needs or '').upper()).strip()}))", view, made, without
    )


# --- BigQuery: the ends of all gaps of a feed are one sorted array, searched by halving; at an odd place
# a row is inside of one. What a view refers to names the dataset, so it is put into each statement.

BIGQUERY = Dialect(
    gaps=template("gaps_bigquery", gaps=indented(template("gaps")).strip()),
    kept=lambda table, _: template("kept_bigquery", table=table, reported=reported(table, "t")).strip(),
    time="CAST(JSON_VALUE({0}, '$.{1}') AS TIMESTAMP)",
    distinct="",
    latest="WHERE TRUE\nQUALIFY row_number() OVER (PARTITION BY {0} ORDER BY {1} DESC) = 1",
    last_changes=template("last_changes"),
    columns=starred,
    of="`<dataset>.{0}`",
)


def bigquery_file() -> str:
    """Write a script that makes the views whose tables are there."""
    return template("bigquery", views="".join(f"\n{bigquery_view(view)}\n" for view in views(BIGQUERY)))


def bigquery_view(view: View) -> str:
    """Write the statement of one view, behind the question whether its table is there."""
    if view.name == "live_items":
        member = told(BIGQUERY, MEMBER, EACH).replace("'", "\\'")
        return template("bigquery_items", member=member, tables=listed(*ITEM_STREAMS)).strip()
    made, without = (
        template("bigquery_view", name=view.name, query=query).strip() if query else ""
        for query in (view.query, view.otherwise)
    )
    return asked(f"'{view.needs}' IN UNNEST(present)", view, made, without)


def listed(*texts: str) -> str:
    """List texts, quoted."""
    return ", ".join(f"'{text}'" for text in texts)


def asked(there: str, view: View, made: str, without: str | None) -> str:
    """Make a view if its table is there, else in the other way, if it has one."""
    if view.needs is None:
        return made
    otherwise = f"\nELSE\n{indented(without)}" if without else ""
    return f"IF {there} THEN\n{indented(made)}{otherwise}\nEND IF;"


FILES: dict[str, Callable[[], str]] = {
    "postgresql.sql": postgresql_file,
    "duckdb.sql": duckdb_file,
    "duckdb_jsonl.sql": duckdb_jsonl_file,
    "snowflake.sql": snowflake_file,
    "bigquery.sql": bigquery_file,
}


def rendered(name: str) -> str:
    """Return the whole text of one of the files."""
    return FILES[name]().rstrip() + "\n"


if __name__ == "__main__":
    for name in FILES:
        (HERE / name).write_text(rendered(name), encoding="utf-8")
