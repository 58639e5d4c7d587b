"""After each finished run the tables equal the mailbox: the real tap, the real loader, a real PostgreSQL."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.mailbox import Mailbox
from tap_exchange.demo.server import Server
from tests.pipeline import Kill, PipelineRun, State, run_pipeline
from tests.postgres import Database
from tests.truth import differences, shown, shown_folders, true_folders, truth

ANNA = "anna@example.com"


@dataclass(slots=True)
class Copy:
    """A mailbox, the server that has it, and the tables that should equal it."""

    anna: Mailbox
    server: Server
    database: Database
    connection: psycopg.Connection[Any]
    state: State | None = None

    @property
    def config(self) -> dict[str, Any]:
        return {"ews_url": self.server.url, "username": ANNA, "password": "secret", "state_interval": 0}

    def run(self, **options: Any) -> PipelineRun:
        """Run the pipeline from the durable state."""
        self.server.reset_requests()
        config = {**self.config, **options.pop("config", {})}
        run = run_pipeline(config, self.database.url, self.state, schema="exchange", **options)
        self.state = run.durable
        return run

    def check(self) -> None:
        """Compare every row."""
        assert differences(truth(self.anna), shown(self.connection, ANNA)) == []
        assert shown_folders(self.connection, ANNA) == true_folders(self.anna)


@pytest.fixture
def kept(database: Database) -> Iterator[Copy]:
    exchange = Exchange(seed=3)
    anna = exchange.add_mailbox(ANNA, password="secret")  # noqa: S106
    furnish(anna)
    with serve(exchange) as server, database.connect("exchange") as connection:
        yield Copy(anna, server, database, connection)


def furnish(anna: Mailbox) -> None:
    anna.folder("inbox").fill(40)
    for number in range(12):
        anna.folder("inbox").add("Message", Subject=f"mail {number}", IsRead=number % 2 == 0)
    projects = anna.add_folder("Inbox/Projects")
    anna.add_folder("Inbox/Projects/2026").add("Message", Subject="below")
    projects.add("Message", Subject="")
    anna.folder("calendar").add("CalendarItem", Subject="planning")
    anna.folder("contacts").add("Contact", DisplayName="Bob")
    anna.folder("contacts").add("DistributionList", Subject="friends")
    anna.folder("tasks").add("Task", Subject="do it")
    anna.folder("inbox").add("PostItem", Subject="posted")
    anna.folder("inbox").add("MeetingRequest", Subject="come")
    anna.folder("notes").add("Item", ItemClass="IPM.StickyNote", Subject="yellow")


def edit(anna: Mailbox) -> None:
    """Edit a mailbox in every way that a person does."""
    inbox, sent = anna.folder("inbox"), anna.folder("sentitems")
    mails = {item.properties.get("Subject"): item for item in inbox.items()}
    mails["mail 0"].update(Subject="changed")
    mails["mail 1"].mark_read(True)
    mails["mail 2"].mark_read(False)
    mails["mail 3"].mark_read(True)
    mails["mail 3"].mark_read(False)
    mails["mail 4"].move(sent)
    mails["mail 5"].copy(sent)
    mails["mail 6"].delete()
    mails["mail 7"].soft_delete()
    created = inbox.add("Message", Subject="short life")
    created.delete()
    inbox.add("Message", Subject="new 🎈")
    anna.folder("Inbox/Projects").rename("Plans")
    gone = anna.add_folder("Gone")
    gone.add("Message", Subject="never seen")
    gone.delete()
    anna.folder("contacts").items()[0].delete()


def test_tables_equal_the_mailbox_after_a_full_run_and_after_edits_of_every_kind(kept: Copy) -> None:
    kept.run().checked()
    kept.check()
    edit(kept.anna)
    run = kept.run().checked()
    kept.check()
    loaded = sum(len(request.ids) for request in kept.server.requests if request.operation == "GetItem")
    assert loaded == len([row for row in run.tap.of("item_changes") if row["has_row"]])
    assert loaded <= 6

    kept.anna.folder("Inbox/Plans").move(kept.anna.folder("sentitems"))
    kept.anna.folder("Sent Items/Plans/2026").delete()
    kept.run().checked()
    kept.check()


def test_an_idle_run_asks_each_folder_once_and_loads_nothing(kept: Copy) -> None:
    kept.run().checked()
    run = kept.run().checked()
    folders = len(kept.anna.folders())
    assert kept.server.counts.get("GetItem", 0) == 0
    assert sum(kept.server.counts.values()) <= folders + 5
    assert not run.tap.of("messages")
    kept.check()


def test_a_folder_started_over_leaves_no_ghosts(kept: Copy) -> None:
    kept.run().checked()
    inbox = kept.anna.folder("inbox")
    assert kept.state is not None
    kept.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"][inbox.id]["sync_state"] = "bm90IG91cnM="
    for item in inbox.items()[:5]:
        item.delete()
    run = kept.run().checked()
    kept.check()
    assert "started over" in run.tap.stderr


def test_a_hierarchy_started_over_leaves_no_ghosts_of_folders_deleted_meanwhile(kept: Copy) -> None:
    kept.run().checked()
    assert kept.state is not None
    kept.state["bookmarks"]["_feeds"][ANNA]["primary"]["hierarchy"] = "bm90IG91cnM="
    kept.anna.folder("Inbox/Projects").delete()
    kept.run().checked()
    kept.check()


def test_a_lost_state_leaves_no_ghosts(kept: Copy) -> None:
    """Rows written, the run killed, those items deleted on the server, the next run from the older state."""
    kept.run().checked()
    older = copy.deepcopy(kept.state)
    inbox = kept.anna.folder("inbox")
    short_lived = [inbox.add("Message", Subject=f"short {number}") for number in range(30)]
    kept.run().checked()
    for item in short_lived[:20]:
        item.delete()
    kept.state = older
    kept.run().checked()
    kept.check()


def test_a_state_that_is_lost_whole_begins_a_new_lineage_without_ghosts(kept: Copy) -> None:
    kept.run().checked()
    for item in kept.anna.folder("inbox").items()[:5]:
        item.delete()
    kept.anna.folder("Inbox/Projects/2026").delete()
    kept.state = None
    kept.run().checked()
    kept.check()


@pytest.mark.parametrize("after", [30, 90, 160])
def test_a_killed_run_is_made_good_by_the_next(kept: Copy, after: int) -> None:
    killed = kept.run(kill=Kill(after=after), config={"state_interval": 0})
    assert killed.tap.exit_code != 0
    for item in kept.anna.folder("inbox").items()[:10]:
        item.delete()
    kept.run().checked()
    kept.check()


def test_a_stream_and_a_column_selected_later_are_filled(kept: Copy) -> None:
    few = ["*.*", "!contacts.*", "!messages.subject", "!messages.body"]
    kept.run(selects=few).checked()
    edit(kept.anna)
    run = kept.run().checked()
    kept.check()
    assert {row["origin"] for row in run.tap.of("contacts")} == {"fill"}
    run = kept.run().checked()
    assert not run.tap.of("messages")
    assert sum(kept.server.counts.values()) <= len(kept.anna.folders()) + 5


def test_excluded_folders_leave_the_views_and_come_back_whole(kept: Copy) -> None:
    kept.run().checked()
    run = kept.run(config={"folders_exclude": ["Inbox/Projects"]}).checked()
    assert all(row["excluded_at"] for row in run.tap.of("folders"))
    paths = shown_folders(kept.connection, ANNA) if shown(kept.connection, ANNA) else {}
    assert "Inbox/Projects" not in paths
    assert "Inbox/Projects/2026" not in paths
    kept.anna.folder("Inbox/Projects").add("Message", Subject="while away")
    for item in kept.anna.folder("Inbox/Projects/2026").items():
        item.delete()
    kept.run().checked()
    kept.check()
