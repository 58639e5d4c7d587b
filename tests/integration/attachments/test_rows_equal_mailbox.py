"""The attachments stream equals the mailbox after every kind of run: edits, other settings, other selections."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import FolderFails, On
from tap_exchange.resources import ITEM_STREAMS
from tests.attachments import Tables, file, furnish, inner, key_of, link, same_columns, truth
from tests.trouble import requests_of, run

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tests.warehouses import JSONLines


# Metadata


def test_every_attachment_is_a_row_after_each_run(anna: Mailbox, inbox: Folder, server: Server) -> None:
    first, second, third, post, *_ = furnish(inbox)
    tables = Tables()
    done = tables.take(run(server))
    assert tables.told() == truth(anna)
    assert requests_of(server, "GetAttachment") == 0
    assert all("attachments" not in row for row in done.of("messages"))
    assert {row["content_status"] for row in done.of("attachments")} == {"not_requested"}
    assert {row["origin"] for row in done.of("attachments")} == {"feed"}

    first.attachments.pop()
    first.update(Subject="one less")
    second.attach(file(b"more"), inner())
    third.attach(file(b"first of its kind"))
    post.delete()
    inbox.items()[0].move(anna.folder("drafts"))
    inbox.add(attachments=[file(b"new")])
    done = tables.take(run(server, state=done.state))
    known = {key: row for key, row in truth(anna).items() if row["folder_key"] != anna.folder("drafts").id}
    inside = {key for key, row in tables.attachments().items()}
    assert tables.told() == {key: row for key, row in known.items() if key in inside}
    assert len(inside) == sum(len(item.attachments) for item in inbox.items())

    idle = run(server, state=done.state)
    assert not idle.of("attachments")
    assert requests_of(server, "GetItem") == 0


def test_a_reference_tells_where_it_leads_and_what_else_the_server_says(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[link()])
    (row,) = run(server, attachments="content").checked().of("attachments")
    assert row["reference_url"] == "https://files.example.com/plan.xlsx"
    assert row["reference_provider"] == "OneDrivePro"
    assert row["other_properties"] == {"PermissionType": "2", "AttachmentIsFolder": "false"}
    assert (row["content_status"], row["content"]) == ("no_content", None)
    assert requests_of(server, "GetAttachment") == 0


def test_attachments_belong_to_the_load_of_their_item(inbox: Folder, server: Server) -> None:
    furnish(inbox)
    done = run(server, attachments="content").checked()
    items = {row["item_key"]: row["synced_at"] for stream in ITEM_STREAMS for row in done.of(stream)}
    assert len(done.of("attachments")) == sum(len(item.attachments) for item in inbox.items())
    assert all(row["item_synced_at"] == items[row["item_key"]] < row["synced_at"] for row in done.of("attachments"))


@pytest.mark.parametrize(
    ("settings", "selects"),
    [({"attachments": "none"}, None), ({"attachments": "content"}, ("*.*", "!attachments.*", "!*.attachments"))],
)
def test_what_is_not_wanted_is_not_requested(
    inbox: Folder, server: Server, settings: dict[str, str], selects: tuple[str, ...] | None
) -> None:
    furnish(inbox)
    done = run(server, selects=selects, **settings).checked()
    assert not done.of("attachments")
    assert requests_of(server, "GetAttachment") == 0
    asked = [request for request in server.requests if request.operation == "GetItem"]
    assert asked
    assert not any("item:Attachments" in request.properties for request in asked)


def test_contents_are_not_requested_without_a_column_for_them(inbox: Folder, server: Server) -> None:
    furnish(inbox)
    done = run(server, selects=("*.*", "!attachments.content*"), attachments="content").checked()
    assert all("content" not in row and row["name"] is not False for row in done.of("attachments"))
    assert len(done.of("attachments")) == sum(len(item.attachments) for item in inbox.items())
    assert requests_of(server, "GetAttachment") == 0


def test_the_column_of_an_item_is_written_where_it_is_selected(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[file(b"a"), link()])
    done = run(server, selects=("*.*",)).checked()
    (message,) = done.of("messages")
    assert [one["attachment_type"] for one in message["attachments"]] == ["file", "reference"]
    assert len(done.of("attachments")) == 2
    alone = run(server, selects=("*.*", "!attachments.*")).checked()
    assert len(alone.of("messages")[0]["attachments"]) == 2


# Other settings, other selections


def test_changed_settings_fill_what_is_there_already(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, attachments="none"))
    assert not tables.attachments()

    done = tables.take(run(server, state=done.state))
    assert tables.told() == truth(anna)
    assert {row["origin"] for row in done.of("attachments")} == {"fill"}
    reset = [row for row in done.of("folder_syncs") if row["folder_id"] == inbox.id][-1]["resets"]["attachments"]
    assert reset < min(row["synced_at"] for row in done.of("attachments"))

    small = {"attachments": "content", "attachment_max_bytes": 1000}
    done = tables.take(run(server, state=done.state, **small))
    assert {row["content_status"] for row in tables.attachments().values()} == {"loaded", "too_large", "no_content"}
    idle = run(server, state=done.state, **small)
    assert requests_of(server, "GetItem") == requests_of(server, "GetAttachment") == 0

    done = tables.take(run(server, state=idle.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_a_stream_selected_later_is_filled(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, selects=("*.*", "!attachments.*", "!*.attachments", "!posts.*")))
    inbox.items()[-1].delete()
    inbox.add(attachments=[file(b"new")])
    done = tables.take(run(server, state=done.state, selects=("*.*", "!*.attachments")))
    assert tables.told() == truth(anna)
    run(server, state=done.state, selects=("*.*", "!*.attachments"))
    assert requests_of(server, "GetItem") == 0


def test_a_read_flag_that_reloads_its_item_takes_the_attachments_along(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    item = inbox.add(attachments=[file(b"a")])
    tables = Tables()
    done = tables.take(run(server, read_flags="reload", attachments="content"))
    item.mark_read()
    tables.take(run(server, state=done.state, read_flags="reload", attachments="content"))
    assert tables.told() == truth(anna, content=True)
    (row,) = tables.attachments().values()
    assert row["item_synced_at"] == next(iter(tables.items().values()))["synced_at"]


def test_a_folder_started_over_has_its_attachments_anew(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, attachments="content"))
    inbox.items()[0].delete()
    inbox.restore_feed()
    done = tables.take(run(server, state=done.state, attachments="content"))
    reset = [row for row in done.of("folder_syncs") if row["folder_id"] == inbox.id][-1]["resets"]["attachments"]
    live = {key for key, row in tables.attachments().items() if row["synced_at"] > reset}
    assert live == set(truth(anna))
    assert tables.told(live) == truth(anna, content=True)


def test_a_folder_without_a_feed_has_its_attachments_too_and_anew_when_the_setting_changes(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    furnish(inbox)
    broken = FolderFails("ErrorInternalServerError", inbox, On("SyncFolderItems"))
    tables = Tables()
    done = tables.take(run(server, broken))
    assert {row["origin"] for row in done.of("attachments")} == {"listing"}
    assert tables.told() == truth(anna)
    idle = tables.take(run(server, broken, state=done.state))
    assert not idle.of("attachments")
    tables.take(run(server, broken, state=idle.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_attachments_of_other_stores_are_copied_too(anna: Mailbox, server: Server) -> None:
    archive = anna.add_archive()
    public = anna.store.exchange.add_public_folders()
    old = archive.distinguished("archiveinbox").add("Message", attachments=[file(b"old"), inner()])
    shared = public.new_folder("Shared", public.root).add("Message", attachments=[file(b"shared")])
    done = run(server, attachments="content", stores=["archive", "public_folders"], folders_include=[]).checked()
    rows = {(row["store"], row["item_id"], row["name"]): row["content_status"] for row in done.of("attachments")}
    assert rows == {
        ("archive", old.id, "a.bin"): "loaded",
        ("archive", old.id, "Inner"): "loaded",
        ("public_folders", shared.id, "a.bin"): "loaded",
    }


def test_with_a_start_date_only_attachments_of_recent_items_are_loaded(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    recent, old = datetime(2024, 6, 1, tzinfo=timezone.utc), datetime(2020, 6, 1, tzinfo=timezone.utc)
    item = inbox.add(attachments=[file(b"recent")], DateTimeReceived=recent)
    inbox.add(attachments=[file(b"old")], DateTimeReceived=old)
    tables = Tables()
    settings = {"start_date": "2024-01-01", "attachments": "content"}
    done = tables.take(run(server, **settings))
    assert set(tables.told()) == {key_of(item, 1)}
    settings["attachment_max_bytes"] = 2 * 2**20  # a fill
    item.attach(file(b"more"))
    tables.take(run(server, state=done.state, **settings))
    live = {key_of(item, 1), key_of(item, 2)}
    assert tables.told() == {key: row for key, row in truth(anna, content=True).items() if key in live}


# The views


def test_the_live_view_shows_the_attachments_of_the_mailbox(
    anna: Mailbox, inbox: Folder, server: Server, tables: JSONLines
) -> None:
    items = furnish(inbox)
    first = run(server, attachments="content").checked()
    items[0].attachments.pop()
    items[0].update(Subject="one less")
    items[1].delete()
    items[2].attach(file(b"more"))
    second = run(server, state=first.state, attachments="content").checked()
    for done in (first, second):
        tables.load((said["stream"], said["record"]) for said in done.messages.parsed if said["type"] == "RECORD")
    shown = tables.live("attachments")
    assert {key: same_columns(row) for key, row in shown.items()} == truth(anna, content=True)
