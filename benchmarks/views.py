"""Time the live views over a million items, ten thousand runs and a thousand folders.

    python -m benchmarks.views [--items N] [--runs N] [--folders N] [--only postgresql|duckdb]

Tables are those of the loader with all their columns, filled by the database itself; nothing is tuned, and
only the loader's primary keys are there. Every fiftieth run lost its last state. Each query is run three times; the
table shows the fewest seconds of processor time, of all cores together, beside the same query on the bare table. It is
the time on one core that does nothing else, and says the same on a busy machine. Linux only.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from tap_exchange import resources
from tests.postgres import running
from tests.warehouses import PostgreSQL, renderer

if TYPE_CHECKING:
    from collections.abc import Callable

# Both databases take these. A run lasts ten minutes of its hour; each row is written within it.
FILL = """
insert into mailboxes (mailbox, store, synced_at, hierarchy_reset_at)
select 'm' || g || '@example.com', 'primary', timestamp '2020-01-01', timestamp '2020-01-01'
from generate_series(0, 9) as t (g);
insert into folders (folder_key, mailbox, store, name, path, feed_id, synced_at, origin)
select md5('f' || g), 'm' || (g % 10) || '@example.com', 'primary', 'Folder ' || g, 'Inbox/Folder ' || g,
  '00000000feed', timestamp '2020-01-01 00:01:00', 'feed'
from generate_series(0, {folders} - 1) as t (g);
insert into folder_syncs (folder_key, feed_id, mailbox, store, status, resets, synced_at)
select folder_key, feed_id, mailbox, store, 'finished',
  '{"messages": "2020-01-01T00:02:00.000000Z", "tasks": "2020-01-01T00:02:00.000000Z"}', timestamp '2030-01-01'
from folders;
insert into sync_runs (run_id, feed_id, began_at, resumed_from, as_of, outcome, synced_at)
select md5('r' || g), '00000000feed', timestamp '2020-01-01' + g * interval '1 hour',
  timestamp '2020-01-01' + (g - 1) * interval '1 hour'
    + case when g % 50 = 1 then 5 else 10 end * interval '1 minute',
  case when g % 50 = 0 then null else timestamp '2020-01-01' + g * interval '1 hour' + interval '10 minutes' end,
  'finished', timestamp '2020-01-01' + g * interval '1 hour' + interval '11 minutes'
from generate_series(1, {runs}) as t (g);
insert into messages (item_key, mailbox, store, folder_key, folder_id, item_id, change_key, feed_id, synced_at,
  origin, subject, is_read, size, date_time_received, internet_message_id, body)
select md5('i' || g), 'm' || (g % 10) || '@example.com', 'primary', md5('f' || (g % {folders})), repeat('A', 120),
  repeat('B', 140) || g, 'change key ' || g, '00000000feed',
  timestamp '2020-01-01' + (1 + (g * 2003) % {runs}) * interval '1 hour' + interval '3 minutes'
    + (g % 400000) * interval '1 millisecond',
  'feed', 'Subject ' || g, g % 3 = 0, g % 9999, timestamp '2019-01-01' + g * interval '1 minute',
  md5('m' || g) || '@example.com', repeat(md5('b' || g), 30)
from generate_series(1, {items}) as t (g);
insert into item_changes (item_key, change_type, mailbox, store, folder_key, item_id, stream, has_row, feed_id,
  synced_at, origin)
select item_key, 'create', mailbox, store, folder_key, item_id, 'messages', true, feed_id,
  synced_at + interval '1 microsecond', origin
from messages;
insert into item_changes (item_key, change_type, mailbox, store, folder_key, item_id, stream, has_row, feed_id,
  synced_at, origin)
select item_key, 'update', mailbox, store, folder_key, item_id, 'messages', true, feed_id,
  synced_at + interval '2 microseconds', origin
from messages where size % 10 < 3;
insert into item_changes (item_key, change_type, mailbox, store, folder_key, item_id, feed_id, synced_at, origin)
select item_key, 'delete', mailbox, store, folder_key, item_id, feed_id, synced_at + interval '1 day', origin
from messages where size % 50 = 7;
insert into item_changes (item_key, change_type, mailbox, store, folder_key, item_id, is_read, feed_id, synced_at,
  origin)
select item_key, 'read_flag', mailbox, store, folder_key, item_id, true, feed_id, synced_at + interval '1 day', origin
from messages where size % 10 = 4;
insert into attachments (attachment_key, item_key, mailbox, store, folder_key, item_synced_at, feed_id, synced_at,
  origin, name)
select md5('a' || item_key), item_key, mailbox, store, folder_key, synced_at, feed_id, synced_at, origin, 'a.pdf'
from messages where size % 5 = 0
"""
# What is asked of a view, and of its table.
QUERIES = (
    ("count of all messages", "select count(*) from {messages}"),
    ("count of unread messages", "select count(*) from {messages} where not is_read"),
    ("count of all items", "select count(*) from live_items"),
    ("count of all attachments", "select count(*) from {attachments}"),
    ("messages of one folder", "select subject, body, is_read from {messages} where folder_key = md5('f5')"),
    (
        "newest 50 of a folder by path",
        (
            "select m.subject from {messages} as m join {folders} as f on f.folder_key = m.folder_key"
            " where f.path = 'Inbox/Folder 5' order by m.date_time_received desc limit 50"
        ),
    ),
    ("one message", "select subject, body, is_read from {messages} where item_key = md5('i12345')"),
    ("attachments of one message", "select name from {attachments} where item_key = md5('i12345')"),
)


def filled(sizes: argparse.Namespace) -> list[str]:
    """Return the statements that fill the tables."""
    text = FILL
    for name in ("items", "runs", "folders"):
        text = text.replace(f"{{{name}}}", str(getattr(sizes, name)))
    return text.split(";\n")


def timed(run: Callable[[str], Any], processor: Callable[[], float]) -> dict[str, tuple[float | None, float | None]]:
    """Return for each query the seconds that it takes on views and, if it can be asked there, on tables."""
    return {
        title: (fewest(run, processor, query, "live_"), fewest(run, processor, query, "")) for title, query in QUERIES
    }


def fewest(run: Callable[[str], Any], processor: Callable[[], float], query: str, prefix: str) -> float | None:
    """Run a query three times and return the fewest seconds that it cost."""
    for table in ("messages", "attachments", "folders"):
        query = query.replace(f"{{{table}}}", prefix + table)
    if "live_" in query and not prefix:
        return None
    taken = []
    for _ in range(3):
        began = processor()
        run(query)
        taken.append(processor() - began)
    return min(taken)


def of_process(process: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def postgresql(sizes: argparse.Namespace) -> dict[str, tuple[float | None, float | None]]:
    """Time the views of PostgreSQL with its settings as they come, but in one process."""
    with running() as server, server.database() as database:
        tables = PostgreSQL(database)
        tables.make_tables()
        for statement in filled(sizes):
            tables.connection.execute(statement.encode())
        tables.connection.execute("analyze")
        tables.connection.execute("set max_parallel_workers_per_gather = 0")
        tables.make_views()
        found = timed(
            lambda query: tables.connection.execute(query.encode()).fetchall(),
            lambda: of_process(tables.connection.info.backend_pid),
        )
        tables.close()
        return found


def duckdb_(sizes: argparse.Namespace) -> dict[str, tuple[float | None, float | None]]:
    """Time the views of DuckDB."""
    connection = duckdb.connect()
    connection.execute("set variable exchange_folder = 'nowhere'")
    for stream in resources.schema_names():
        connection.execute(renderer().duckdb_table(stream))
    connection.execute(resources.view_sql("duckdb"))
    for statement in filled(sizes):
        connection.execute(statement)
    found = timed(lambda query: connection.execute(query).fetchall(), time.process_time)
    connection.close()
    return found


def main() -> None:
    """Print one table for each database, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--only", choices=["postgresql", "duckdb"])
    sizes = parser.parse_args()
    for name, measure in (("postgresql", postgresql), ("duckdb", duckdb_)):
        if sizes.only in {None, name}:
            print(f"\n| {name} | view | table |\n|---|---|---|")
            for title, pair in measure(sizes).items():
                print(f"| {title} | {' | '.join('' if one is None else f'{one:.2f} s' for one in pair)} |")


if __name__ == "__main__":
    main()
