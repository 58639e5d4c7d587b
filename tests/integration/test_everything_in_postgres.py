"""The rest of the mailbox in a real database: stores, search folders and the calendar at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.demo import Exchange, serve
from tests.live import live_rows
from tests.pipeline import run_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live import Rows
    from tests.postgres import Database

ANNA = "anna@example.com"


def test_every_store_and_search_folder_reaches_a_real_database_and_stays_true(database: Database) -> None:
    exchange = Exchange(seed=31)
    anna = exchange.add_mailbox(ANNA, password="secret", archive=True)
    inbox = anna.folder("inbox")
    mails = [inbox.add("Message", Subject=f"mail {number}") for number in range(6)]
    anna.archive.folder("archivemsgfolderroot").store.new_folder("Old", anna.archive.visible_root).add(
        "Message", Subject="archived"
    )
    anna.add_search_folder("Mails with a 1", lambda item: "1" in str(item.properties.get("Subject")))
    anna.folder("calendar").add("CalendarItem", Subject="planning")
    with serve(exchange) as server, database.connect("exchange") as connection:
        config = {
            "ews_url": server.url,
            "username": ANNA,
            "password": "secret",
            "stores": ["primary", "archive", "recoverable_items"],
            "search_folders": True,
        }
        run = partial(run_pipeline, config, database.url, schema="exchange")
        first = run().checked()
        live = partial(live_rows, connection, schema="exchange")
        assert {row["subject"] for row in live("messages").values()} == {f"mail {n}" for n in range(6)} | {"archived"}
        assert listed(live) == {"mail 1"}
        assert len(live("calendar_view")) == 1
        mails[1].delete()
        mails[2].update(Subject="now with a 1")
        run(first.durable).checked()
        assert {row["subject"] for row in live("messages").values()} == {
            *(f"mail {n}" for n in (0, 3, 4, 5)),
            "now with a 1",
            "archived",
        }
        assert listed(live) == {"now with a 1"}


def listed(live: Callable[[str], Rows]) -> set[str]:
    """Return the subjects of what the search folder of the test holds, as the views tell it."""
    folders = {row["folder_key"] for row in live("folders").values() if row["name"] == "Mails with a 1"}
    messages = live("messages")
    return {
        messages[row["item_key"]]["subject"] for row in live("listed_items").values() if row["folder_key"] in folders
    }
