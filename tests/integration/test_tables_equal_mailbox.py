"""After each finished run the tables equal the mailbox: the real tap, the live views, row by row.

Most tests keep the tables as target-jsonl would and look through DuckDB, which is quick; those marked `everywhere`
run through the real loader into a real PostgreSQL too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tests.kept import On
from tests.live import views_anew
from tests.pipeline import Kill, State, TapRun, run_pipeline, run_tap, run_tap_here
from tests.truth import differences, shown, shown_folders, true_folders, truth

if TYPE_CHECKING:
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tests.postgres import Database
    from tests.warehouses import JSONLines

ANNA = "anna@example.com"
everywhere = pytest.mark.parametrize("kept", ["files", "postgres"], indirect=True)

Runner = Callable[..., tuple[TapRun, State | None]]
Rows = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Copy:
    """A mailbox, the server that has it, and the tables that should equal it."""

    anna: Mailbox
    server: Server
    runner: Runner
    views: Callable[[], Callable[[str], Rows]]
    state: State | None = None

    def run(self, **options: Any) -> TapRun:  # noqa: ANN401
        """Run from the state that the loader made durable."""
        self.server.reset_requests()
        config = {"ews_url": self.server.url, "username": ANNA, "password": "secret", "state_interval": 0}
        config |= options.pop("config", {})
        run, self.state = self.runner(config, self.state, **options)
        return run

    def check(self) -> None:
        """Compare every row."""
        views = self.views()
        assert differences(truth(self.anna), shown(views, ANNA)) == []
        assert shown_folders(views, ANNA) == true_folders(self.anna)


def into_postgres(
    database: Database,
    config: dict[str, Any],
    state: State | None,
    **options: Any,  # noqa: ANN401
) -> tuple[TapRun, State | None]:
    run = run_pipeline(config, database.url, state, schema="exchange", **options)
    if "kill" not in options:
        run.checked()
    return run.tap, run.durable


def into_files(
    tables: JSONLines,
    config: dict[str, Any],
    state: State | None,
    **options: Any,  # noqa: ANN401
) -> tuple[TapRun, State | None]:
    """Append records to files, and read these; a STATE is durable when what stands before it is."""
    run = (run_tap if "kill" in options else run_tap_here)(config, state=state, **options)
    if "kill" not in options:
        run.checked()
    tables.load((said["stream"], said["record"]) for said in run.messages.parsed if said["type"] == "RECORD")
    return run, run.state or state


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Iterator[Copy]:
    exchange = Exchange(seed=3)
    anna = exchange.add_mailbox(ANNA, password="secret")
    furnish(anna)
    with serve(exchange) as server:
        if getattr(request, "param", "files") == "files":
            tables: JSONLines = request.getfixturevalue("tables")
            yield Copy(anna, server, partial(into_files, tables), lambda: tables.live)
        else:
            database: Database = request.getfixturevalue("database")
            with database.connect("exchange") as connection:
                yield Copy(anna, server, partial(into_postgres, database), partial(views_anew, connection, "exchange"))


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


@everywhere
def test_tables_equal_the_mailbox_after_a_full_run_and_after_edits_of_every_kind(kept: Copy) -> None:
    kept.run()
    kept.check()
    edit(kept.anna)
    run = kept.run()
    kept.check()
    loaded = sum(len(request.ids) for request in kept.server.requests if request.operation == "GetItem")
    assert loaded == len([row for row in run.of("item_changes") if row["has_row"]])
    assert loaded <= 6

    kept.anna.folder("Inbox/Plans").move(kept.anna.folder("sentitems"))
    kept.anna.folder("Sent Items/Plans/2026").delete()
    kept.run()
    kept.check()


def test_an_idle_run_asks_each_folder_once_and_loads_nothing(kept: Copy) -> None:
    kept.run()
    run = kept.run()
    folders = len(kept.anna.folders())
    assert kept.server.counts.get("GetItem", 0) == 0
    assert sum(kept.server.counts.values()) <= folders + 5
    assert not run.of("messages")
    kept.check()


def test_a_folder_started_over_leaves_no_ghosts(kept: Copy) -> None:
    kept.run()
    inbox = kept.anna.folder("inbox")
    assert kept.state is not None
    kept.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"][inbox.id]["sync_state"] = "bm90IG91cnM="
    for item in inbox.items()[:5]:
        item.delete()
    run = kept.run()
    kept.check()
    assert "started over" in run.stderr


def test_a_folder_whose_sync_state_was_taken_out_of_the_state_is_loaded_anew(kept: Copy) -> None:
    kept.run()
    inbox = kept.anna.folder("inbox")
    assert kept.state is not None
    del kept.state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"][inbox.id]["sync_state"]
    for item in inbox.items()[:5]:
        item.delete()
    run = kept.run()
    kept.check()
    assert {row["folder_id"] for row in run.of("messages")} >= {inbox.id}


def test_a_hierarchy_started_over_leaves_no_ghosts_of_folders_deleted_meanwhile(kept: Copy) -> None:
    kept.run()
    assert kept.state is not None
    kept.state["bookmarks"]["_feeds"][ANNA]["primary"]["hierarchy"] = "bm90IG91cnM="
    kept.anna.folder("Inbox/Projects").delete()
    kept.run()
    kept.check()


@everywhere
def test_a_lost_state_leaves_no_ghosts(kept: Copy) -> None:
    """Rows written, the run killed, those items deleted on the server, the next run from the older state."""
    kept.run()
    older = copy.deepcopy(kept.state)
    inbox = kept.anna.folder("inbox")
    short_lived = [inbox.add("Message", Subject=f"short {number}") for number in range(30)]
    kept.run()
    for item in short_lived[:20]:
        item.delete()
    kept.state = older
    kept.run()
    kept.check()


def test_a_state_that_is_lost_whole_begins_a_new_lineage_without_ghosts(kept: Copy) -> None:
    kept.run()
    for item in kept.anna.folder("inbox").items()[:5]:
        item.delete()
    kept.anna.folder("Inbox/Projects/2026").delete()
    kept.state = None
    kept.run()
    kept.check()


@everywhere
@pytest.mark.parametrize("after", [60, 160])
def test_a_killed_run_is_made_good_by_the_next(kept: Copy, after: int) -> None:
    killed = kept.run(kill=Kill(after=after), config={"state_interval": 0})
    assert killed.exit_code != 0
    for item in kept.anna.folder("inbox").items()[:10]:
        item.delete()
    kept.run()
    kept.check()


def test_a_stream_and_a_column_selected_later_are_filled(kept: Copy) -> None:
    few = ["*.*", "!contacts.*", "!messages.subject", "!messages.body"]
    kept.run(selects=few)
    edit(kept.anna)
    run = kept.run()
    kept.check()
    assert {row["origin"] for row in run.of("contacts")} == {"fill"}
    run = kept.run()
    assert not run.of("messages")
    assert sum(kept.server.counts.values()) <= len(kept.anna.folders()) + 5


def test_counts_are_right_though_a_run_was_killed_before_it_wrote_them(kept: Copy) -> None:
    kept.run()
    kept.anna.folder("inbox").items()[0].delete()
    whole = kept.run(kill=Kill(after=10_000))
    before_the_counts = [state for state in whole.states if not state_owes_nothing(state)]
    assert before_the_counts
    kept.state = before_the_counts[-1]
    run = kept.run()
    assert [row["path"] for row in run.of("folders")] == ["Inbox"]
    kept.check()


def state_owes_nothing(state: State) -> bool:
    folders = state["bookmarks"]["_feeds"][ANNA]["primary"]["folders"]
    return not any(mark.get("owed") for mark in folders.values())


def test_excluded_folders_leave_the_views_and_come_back_whole(kept: Copy) -> None:
    kept.run()
    run = kept.run(config={"folders_exclude": ["Inbox/Projects"]})
    assert all(row["excluded_at"] for row in run.of("folders"))
    paths = shown_folders(kept.views(), ANNA)
    assert "Inbox/Projects" not in paths
    assert "Inbox/Projects/2026" not in paths
    kept.anna.folder("Inbox/Projects").add("Message", Subject="while away")
    for item in kept.anna.folder("Inbox/Projects/2026").items():
        item.delete()
    kept.run()
    kept.check()


def test_a_folder_whose_items_go_before_its_first_page_is_told_with_its_count(kept: Copy) -> None:
    calendar = kept.anna.folder("calendar")
    fault = On("SyncFolderItems", 1, calendar.items()[0].delete, calendar.id)
    kept.server.faults.add(fault)
    kept.run()
    assert fault.seen
    kept.check()


def test_what_comes_after_a_folder_was_asked_and_goes_before_the_next_run_is_not_counted(kept: Copy) -> None:
    kept.run()
    inbox, short_lived = kept.anna.folder("inbox"), []
    inbox.add("Message", Subject="stays")
    fault = On("GetFolder", 1, lambda: short_lived.append(inbox.add("Message", Subject="goes")), inbox.id)
    kept.server.faults.add(fault)
    kept.run()
    assert fault.seen
    short_lived[0].delete()
    kept.run()
    kept.check()
    kept.run()
    kept.run()
    assert kept.server.counts["GetFolder"] == 1  # the root's: no count is in doubt any more
