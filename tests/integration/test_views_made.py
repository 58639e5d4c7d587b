"""Making the views: out of whatever tables, columns and files there are, again and again."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy
import sqlglot
from psycopg import sql

from tap_exchange import resources
from tap_exchange.resources import ITEM_STREAMS
from tests.live import files, live_rows, make_views
from tests.story import Story
from tests.warehouses import PostgreSQL, renderer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Database

AUTOMATIC = ("mailboxes", "folders", "item_changes", "folder_syncs", "sync_runs")
VIEWS = {"live_" + stream for stream in (*ITEM_STREAMS, "folders", "items", "attachments", "calendar_view")} | {
    "live_listed_items",
    "live_item_changes",
    "live_corrupt_items",
    "live_inbox_rules",
    "live_out_of_office",
    "live_delegates",
    "live_rooms",
}


@pytest.fixture
def tables(database: Database) -> Iterator[PostgreSQL]:
    """A database without tables."""
    made = PostgreSQL(database)
    yield made
    made.close()


@pytest.fixture
def told() -> Story:
    """A story of two messages and a task, one message started over."""
    story = Story()
    story.run()
    inbox = story.folder("Inbox")
    story.item(inbox, subject="void", is_read=False)
    story.start_over(inbox)
    story.item(inbox, subject="kept", is_read=False)
    story.item(inbox, "tasks", subject="task")
    return story


def subjects(tables: PostgreSQL, stream: str = "messages") -> list[str]:
    return [row["subject"] for row in live_rows(tables.connection, stream, schema="exchange").values()]


# --- PostgreSQL: which tables and columns ------------------------------------------------------


def test_views_are_made_for_the_tables_that_are_there(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables([*AUTOMATIC, "messages"])
    tables.load(row for row in told.rows if row[0] != "tasks")
    assert subjects(tables) == ["kept"]
    assert [row["stream"] for row in live_rows(tables.connection, "items").values()] == ["messages"]
    made = {
        name for (name,) in tables.connection.execute("select viewname from pg_views where schemaname = 'exchange'")
    }
    assert {name for name in made if name.startswith("live_")} == {
        "live_folders",
        "live_item_changes",
        "live_items",
        "live_listed_items",
        "live_messages",
    }


def test_a_stream_selected_later_gets_its_view(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables([*AUTOMATIC, "messages"])
    tables.make_views()
    tables.make_tables(["tasks", "attachments"])
    tables.load(told.rows)
    assert subjects(tables, "tasks") == ["task"]
    assert {row["stream"] for row in live_rows(tables.connection, "items").values()} == {"messages", "tasks"}


def test_no_item_stream_at_all_leaves_the_folders(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables([*AUTOMATIC, "attachments"])
    tables.load(row for row in told.rows if row[0] in AUTOMATIC)
    assert len(live_rows(tables.connection, "folders")) == 1
    assert live_rows(tables.connection, "attachments") == {}


def test_columns_that_were_deselected_are_not_missed(tables: PostgreSQL, told: Story) -> None:
    columns = set(resources.schema("messages")["properties"])
    automatic = {name for name, column in resources.schema("messages")["properties"].items() if "x-ews" not in column}
    tables.make_tables(without=columns - automatic - {"subject"})
    tables.load(told.rows)
    (row,) = live_rows(tables.connection, "messages").values()
    assert row["subject"] == "kept"
    assert "is_read" not in row
    assert "body" not in row


def test_columns_named_by_the_user_are_shown(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.connection.execute('alter table messages add column "Shoe ""size""" bigint')
    tables.connection.execute('update messages set "Shoe ""size""" = 43')
    (row,) = live_rows(tables.connection, "messages").values()
    assert row['Shoe "size"'] == 43


def test_tables_without_record_metadata_do(database: Database, told: Story) -> None:
    tables = PostgreSQL(database, metadata=False)
    tables.make_tables()
    tables.load(told.rows)
    assert subjects(tables) == ["kept"]
    tables.close()


def test_times_with_a_zone_do(database: Database, told: Story) -> None:
    tables = PostgreSQL(database, zone=" with time zone")
    tables.connection.execute("set time zone 'UTC'")
    tables.make_tables()
    tables.load(told.rows)
    tables.connection.execute("set time zone 'America/New_York'")
    assert subjects(tables) == ["kept"]
    tables.close()


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_the_reader_s_time_zone_does_not_matter(tables: PostgreSQL, told: Story, zone: str) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.connection.execute(f"set time zone '{zone}'".encode())
    assert subjects(tables) == ["kept"]


def test_times_that_a_loader_wrote_in_its_own_zone_are_refused(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    written = told.now.timestamp() * 1000
    local = told.now - timedelta(hours=5)
    told.write("sync_runs", run_id="r", _sdc_sequence=int(written), _sdc_received_at=local)
    tables.load(told.rows)
    with pytest.raises(psycopg.errors.RaiseException, match="another zone than UTC"):
        tables.make_views()


def test_a_schema_without_tables_is_named(tables: PostgreSQL) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="There is no table mailboxes in schema exchange"):
        tables.make_views()


def test_only_the_schema_of_the_search_path_is_looked_at(tables: PostgreSQL, told: Story) -> None:
    tables.connection.execute("create table public.tasks (todo text)")
    tables.make_tables([*AUTOMATIC, "messages"])
    tables.load(row for row in told.rows if row[0] != "tasks")
    tables.connection.execute("set search_path = exchange, public")
    make_views(tables.connection)
    assert tables.connection.execute("select to_regclass('live_tasks')").fetchone() == (None,)


def test_a_schema_may_have_any_name(database: Database, told: Story) -> None:
    tables = PostgreSQL(database)
    tables.make_tables()
    tables.load(told.rows)
    name = 'Anna"s mail'
    tables.connection.execute(sql.SQL("alter schema exchange rename to {}").format(sql.Identifier(name)))
    assert len(live_rows(tables.connection, "messages", schema=name)) == 1
    tables.close()


def test_tables_filled_for_the_first_time_are_analyzed(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.make_views()
    known = tables.connection.execute("select tablename from pg_stats where schemaname = 'exchange'").fetchall()
    assert {"messages", "item_changes", "folders", "sync_runs"} <= {name for (name,) in known}


# --- PostgreSQL: again and again ---------------------------------------------------------------


def test_views_can_be_made_again(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    for _ in range(2):
        tables.make_views()
    assert set(VIEWS) <= {name for (name,) in tables.connection.execute("select viewname from pg_views")}


def test_new_columns_are_shown_when_the_views_are_made_again(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.make_views()
    tables.connection.execute("create view mine as select subject from live_messages")
    for table in ("messages", "item_changes", "folders"):
        tables.connection.execute(f"alter table {table} add column added text default 'new'".encode())
    tables.make_views()
    assert tables.connection.execute("select added from live_messages").fetchall() == [("new",)]
    assert tables.connection.execute("select subject from mine").fetchall() == [("kept",)]


def test_columns_that_changed_are_shown_when_no_other_view_stands_in_the_way(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.make_views()
    tables.connection.execute("drop view live_items cascade")
    tables.connection.execute("drop view live_messages cascade")
    tables.connection.execute("alter table messages drop column size")
    tables.connection.execute("create view live_messages as select 1 as something_else")
    tables.make_views()
    assert tables.connection.execute("select subject from live_messages").fetchall() == [("kept",)]


def test_a_view_in_the_way_is_named_and_nothing_is_changed(tables: PostgreSQL, told: Story) -> None:
    tables.make_tables()
    tables.load(told.rows)
    tables.make_views()
    tables.connection.execute("drop view live_messages cascade")
    tables.connection.execute("create view live_messages as select 1 as something_else")
    tables.connection.execute("create view mine as select something_else from live_messages")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as refused:
        tables.make_views()
    assert "mine" in (refused.value.diag.message_detail or "")
    assert tables.connection.execute("select * from mine").fetchall() == [(1,)]


# --- JSON lines files --------------------------------------------------------------------------


def append(file: Path, *rows: dict[str, object]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, default=lambda at: at.isoformat() + "Z") + "\n" for row in rows)


def written(folder: Path, story: Story, suffix: str = "") -> None:
    for stream, row in story.rows:
        append(folder / f"{stream}{suffix}.jsonl", row)


def test_streams_without_a_file_are_empty(tmp_path: Path, told: Story) -> None:
    written(tmp_path, told)
    connection = files(tmp_path)
    assert len(live_rows(connection, "messages")) == 1
    assert live_rows(connection, "contacts") == {}
    assert live_rows(connection, "attachments") == {}


def test_a_folder_without_files_has_views_without_rows(tmp_path: Path) -> None:
    connection = files(tmp_path)
    assert live_rows(connection, "items") == {}
    made = {
        name for (name,) in connection.execute("select view_name from duckdb_views() where not internal").fetchall()
    }
    assert made >= VIEWS


def test_the_latest_row_of_a_key_counts_in_whatever_file_it_stands(tmp_path: Path, told: Story) -> None:
    written(tmp_path, told, "-20260329T003000")
    item = next(iter(live_rows(files(tmp_path), "messages")))
    (latest,) = (row for stream, row in told.rows if stream == "messages" and row["item_key"] == item)
    append(
        tmp_path / "messages.jsonl", {**latest, "synced_at": latest["synced_at"] - timedelta(days=1), "subject": "old"}
    )
    append(
        tmp_path / "messages-20260101T000000.jsonl",
        {**latest, "synced_at": latest["synced_at"] + timedelta(days=1), "subject": "new"},
    )
    assert live_rows(files(tmp_path), "messages")[item]["subject"] == "new"


def test_files_of_others_are_left_alone(tmp_path: Path, told: Story) -> None:
    written(tmp_path, told)
    (tmp_path / "messages-of-mine.jsonl").write_text("no JSON\n")
    (tmp_path / "messages_backup.jsonl").write_text("no JSON\n")
    assert len(live_rows(files(tmp_path), "messages")) == 1


def test_a_line_cut_short_by_a_killed_loader_is_passed_over(tmp_path: Path, told: Story) -> None:
    written(tmp_path, told)
    with (tmp_path / "messages.jsonl").open("a") as file:
        file.write('{"item_key": "abc", "subj')
    assert len(live_rows(files(tmp_path), "messages")) == 1


def test_values_keep_the_type_of_their_column_whatever_they_look_like(tmp_path: Path, told: Story) -> None:
    inbox = told.key("Inbox")
    item = told.item(inbox, subject="2026-01-01", size=3_000_000_000, categories=["1", "2"])
    written(tmp_path, told)
    row = live_rows(files(tmp_path), "messages")[item]
    assert (row["subject"], row["size"], row["categories"]) == ("2026-01-01", 3_000_000_000, ["1", "2"])


# --- the files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["postgresql.sql", "duckdb.sql", "duckdb_jsonl.sql", "snowflake.sql", "bigquery.sql"])
def test_each_file_is_as_the_script_writes_it(name: str) -> None:
    assert resources.view_sql(name.removesuffix(".sql")) == renderer().rendered(name), "run python views/render.py"


def test_every_dialect_has_the_same_views() -> None:
    for dialect in ("duckdb", "snowflake", "bigquery"):
        text = resources.view_sql(dialect)
        assert set(re.findall(r"CREATE OR REPLACE VIEW (?:`<dataset>\.)?(live_\w+)", text)) == VIEWS, dialect


def test_statements_of_snowflake_are_well_formed() -> None:
    text = resources.view_sql("snowflake")
    statements = re.findall(r"^ *CREATE OR REPLACE VIEW [^;]+;", text, flags=re.MULTILINE)
    assert len(statements) > len(VIEWS)
    for statement in statements:
        sqlglot.parse_one(statement, read="snowflake")
    assert text.count("IF (EXISTS") == text.count("END IF;")


def test_statements_of_bigquery_are_well_formed_and_name_the_dataset() -> None:
    text = resources.view_sql("bigquery")
    statements = re.findall(r"REPLACE\('''(.*?)'''", text, flags=re.DOTALL)
    assert len(statements) > len(VIEWS)
    for statement in statements:
        for table in sqlglot.parse_one(statement, read="bigquery").find_all(sqlglot.exp.Table):
            assert table.db == "<dataset>", table
    assert text.count("\nIF ") == text.count("END IF;")


@pytest.mark.parametrize("dialect", ["postgresql", "duckdb", "duckdb_jsonl", "snowflake", "bigquery"])
def test_nothing_in_a_file_is_a_parameter_to_sqlalchemy_or_a_template_to_dbt(dialect: str) -> None:
    text = resources.view_sql(dialect)
    assert sqlalchemy.text(text).compile().params == {}
    assert not re.search(r"\{\{|\{%|\{#", text)
