"""The queries that docs/operations.md gives to operators run on the tables, and tell what it says they tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faults import FolderFails, On, RequestFails
from tests.conformance.support import served
from tests.pipeline import ROOT
from tests.trouble import ANNA, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.warehouses import Warehouse, Warehouses

BOB = "bob@example.com"
BLOCKS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.DOTALL)
QUERIES = [query for block in BLOCKS for query in block.split(";\n") if query.strip()]


@pytest.fixture(scope="module", params=["postgresql", "duckdb"])
def warehouse(
    request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """Tables of two mailboxes after a good run, and one in which a mailbox and a folder failed."""
    made = warehouses[request.param]
    made.clear(tmp_path_factory.mktemp("tables"))
    exchange = Exchange(seed=7)
    anna, bob = (exchange.add_mailbox(address, password="secret") for address in (ANNA, BOB))
    bob.grant(ANNA)
    with served(exchange) as server:
        both = {"mailboxes": [ANNA, BOB], "folders_include": None}
        first = run(server, **both).checked()
        bob.code = "ErrorAccountDisabled"
        broken = [FolderFails("ErrorCorruptData", anna.folder("inbox"), On("SyncFolderItems"))]
        broken += [RequestFails("ErrorCorruptData", On("FindItem"))]
        second = run(server, *broken, state=first.state, **both)
    for each in (first, second):
        made.load((stream, row) for stream, rows in each.records.items() for row in rows)
    yield made
    made.clear(tmp_path_factory.mktemp("no_tables"))


def told(warehouse: Warehouse, query: str) -> list[dict[str, Any]]:
    answer = warehouse.connection.execute(query)
    assert answer.description is not None
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_runs(warehouse: Warehouse, query: str) -> None:
    told(warehouse, query)


def test_a_mailbox_that_failed_was_well_when_its_folders_last_were(warehouse: Warehouse) -> None:
    (query,) = (query for query in QUERIES if "as age" in query)
    rows = {row["mailbox"]: row for row in told(warehouse, query)}
    (began,) = told(warehouse, "select max(began_at) as second, min(began_at) as first from sync_runs")
    assert (rows[ANNA]["reachable"], rows[BOB]["reachable"]) == (True, False)
    assert began["first"] < rows[BOB]["last_good"] < began["second"] < rows[ANNA]["last_good"]
    assert rows[BOB]["age"] > rows[ANNA]["age"]


def test_folders_that_failed_come_first(warehouse: Warehouse) -> None:
    (query,) = (query for query in QUERIES if "live_folders" in query)
    rows = told(warehouse, query)
    assert (rows[0]["path"], rows[0]["status"], rows[0]["last_good"]) == ("Inbox", "failed", None)
    assert all(row["last_good"] for row in rows[1:])
