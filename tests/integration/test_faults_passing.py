"""What fails for a while leaves nothing behind: the next run, with a server that is well again, makes it good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import (
    Answers,
    FeedBreaks,
    FolderFails,
    ItemFails,
    Messages,
    On,
    RequestFails,
    StoreIsDown,
    called,
    says,
)
from tap_exchange.demo.soap import ServiceError
from tests import kept
from tests.attachments import file
from tests.trouble import ANNA, folder_row, has_all, ids, mailbox, mark, requests_of, run

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call
    from tests.pipeline import TapRun

SYNC = "SyncFolderItems"
EVERYTHING = {"folders_include": None}


@pytest.fixture
def inbox() -> Folder:
    return mailbox().folder("inbox")


@pytest.fixture
def anna(server: Server) -> Mailbox:
    return server.endpoint.exchange.mailboxes[ANNA]


def held(stream: str, *runs: TapRun) -> dict[str, dict[str, Any]]:
    """Return the rows that a target would hold after these runs, by the id of the item or folder."""
    rows = {key: row for one in runs if one.of(stream) for key, row in one.table(stream).items()}
    return {row.get("item_id") or row["folder_id"]: row for row in rows.values()}


# Folders


def once(folder: Folder, code: str) -> FolderFails:
    return FolderFails(code, folder, On("GetFolder", folder=folder, times=1))


@pytest.mark.parametrize("settings", [EVERYTHING, {}], ids=["everything", "the inbox"])
@pytest.mark.parametrize("code", ["ErrorFolderNotFound", "ErrorItemNotFound", "ErrorInternalServerError"])
def test_a_new_folder_whose_properties_fail_once_is_loaded_by_the_next_run(
    server: Server, inbox: Folder, code: str, settings: dict[str, Any]
) -> None:
    first = run(server, once(inbox, code), **settings)
    then = run(server, state=first.state, **settings).checked()
    assert set(held("messages", first, then)) == ids(inbox.items())
    row = held("folders", first, then)[inbox.id]
    assert (row["name"], row["path"], row["folder_class"]) == ("Inbox", "Inbox", "IPF.Note")


@pytest.mark.parametrize("code", ["ErrorFolderNotFound", "ErrorInternalServerError"])
def test_a_folder_whose_new_name_fails_once_is_told_by_the_next_run(server: Server, anna: Mailbox, code: str) -> None:
    made = anna.add_folder("Inbox/Projects")
    below = anna.add_folder("Inbox/Projects/Below")
    before = run(server, **EVERYTHING).checked()
    made.rename("Renamed")
    failed = run(server, once(made, code), once(below, code), state=before.state, **EVERYTHING)
    new = made.add(Subject="new")
    then = run(server, state=failed.state, **EVERYTHING).checked()
    rows = held("folders", before, failed, then)
    assert [rows[folder.id]["path"] for folder in (made, below)] == ["Inbox/Renamed", "Inbox/Renamed/Below"]
    assert new.id in held("messages", before, failed, then)


def test_a_folder_left_out_whose_properties_fail_once_is_told_by_the_next_run(server: Server, anna: Mailbox) -> None:
    made = anna.add_folder("Inbox/Projects")
    before = run(server).checked()
    without = {"folders_exclude": ["Inbox/Projects"]}
    failed = run(server, once(made, "ErrorInternalServerError"), state=before.state, **without)
    then = run(server, state=failed.state, **without).checked()
    assert held("folders", before, failed, then)[made.id]["excluded_at"]


@pytest.mark.parametrize("code", ["ErrorInternalServerError", "ErrorMailboxStoreUnavailable"])
def test_a_distinguished_name_that_fails_once_is_told_by_the_next_run(server: Server, inbox: Folder, code: str) -> None:
    first = run(server, FolderFails(code, inbox, On("GetFolder", times=1)), **EVERYTHING)
    then = run(server, state=first.state, **EVERYTHING).checked()
    assert held("folders", first, then)[inbox.id]["distinguished_name"] == "inbox"


@pytest.mark.parametrize("times", [4, 10])
def test_distinguished_names_that_fail_for_a_while_are_asked_for_by_the_next_run(
    server: Server, inbox: Folder, times: int
) -> None:
    inbox.rename("Posteingang")
    first = run(server, Answers(says(500), On("GetFolder", skip=1, times=times)))
    then = run(server, state=first.state).checked()
    assert set(held("messages", first, then)) == ids(inbox.items())
    whole = held("folders", run(server).checked())
    told = held("folders", first, then)
    assert {key: row["distinguished_name"] for key, row in whole.items()} == {
        key: row["distinguished_name"] for key, row in told.items()
    }
    run(server, state=then.state).checked()
    assert not [request for request in server.requests if "inbox" in request.ids]


# Mailboxes


@pytest.mark.parametrize(
    "fault",
    [
        Messages(called("ErrorInternalServerError"), On("ResolveNames", times=1)),
        Messages(called("ErrorTimeoutExpired"), On("ResolveNames", times=1)),
        RequestFails("ErrorAccessDenied", On("ResolveNames", times=1)),
        Answers(says(500), On("ResolveNames", times=4)),
        Answers(says(400), On("ResolveNames", times=1)),
    ],
    ids=["internal error", "timeout", "denied", "HTTP 500", "HTTP 400"],
)
def test_an_alias_that_is_not_resolved_for_a_while_becomes_no_mailbox_of_its_own(
    server: Server, anna: Mailbox, fault: Fault
) -> None:
    anna.aliases.append("anni@example.com")
    first = run(server, fault, mailboxes=["anni@example.com"])
    then = run(server, state=first.state, mailboxes=["anni@example.com"])
    assert {row["mailbox"] for row in then.of("mailboxes") if not row["left_at"]} == {ANNA}


# Attachments


@pytest.mark.parametrize(
    "fault",
    [
        RequestFails("ErrorTimeoutExpired", On("GetAttachment", times=2)),
        RequestFails("ErrorInternalServerTransientError", On("GetAttachment", times=2)),
        Answers(says(408), On("GetAttachment", times=2)),
    ],
    ids=["timeout", "transient", "HTTP 408"],
)
def test_an_attachment_that_takes_too_long_is_no_large_one(server: Server, inbox: Folder, fault: Fault) -> None:
    inbox.add(attachments=[file(b"hello", "a.bin")])
    ended = run(server, fault, attachments="content").checked()
    assert [row["content_status"] for row in ended.of("attachments")] == ["failed"]
    assert [row["stage"] for row in ended.of("corrupt_items")] == ["attachment"]


class ItemWithAttachmentsFails(Fault):
    """An attachment, and from then on its item, is answered with a code."""

    def __init__(self, code: str) -> None:
        self.code, self.seen = code, 0

    def attachment(self, _call: Call, _item: Item, _attachment: object) -> None:
        self.seen += 1
        raise ServiceError("ErrorItemNotFound")

    def item(self, call: Call, _item: Item, _shape: object) -> None:
        if self.seen and call.operation == "GetItem":
            raise ServiceError(self.code)


IN_TURN = {"attachments": "content", "max_connections": 1, "batch_size": 50}


def test_an_attachment_whose_item_is_not_found_either_is_loaded_by_the_next_run(server: Server, inbox: Folder) -> None:
    inbox.add(attachments=[file(b"hello", "a.bin")])
    first = run(server, ItemWithAttachmentsFails("ErrorItemNotFound"), **IN_TURN)
    then = run(server, state=first.state, **IN_TURN).checked()
    assert [row["content_status"] for row in then.of("attachments")] == ["loaded"]


def test_an_attachment_whose_item_fails_too_is_told(server: Server, inbox: Folder) -> None:
    inbox.add(attachments=[file(b"hello", "a.bin")])
    ended = run(server, ItemWithAttachmentsFails("ErrorInternalServerError"), **IN_TURN).checked()
    assert [row["content_status"] for row in ended.of("attachments")] == ["failed"]
    assert [row["stage"] for row in ended.of("corrupt_items")] == ["attachment"]


# Items


NOTHING_IS_READ = RequestFails("ErrorInternalServerError", On(("GetItem", "FindItem")))


def test_no_item_is_blamed_while_neither_items_nor_listings_can_be_read(server: Server, inbox: Folder) -> None:
    first = run(server, NOTHING_IS_READ)
    assert not first.of("corrupt_items")
    then = run(server, state=first.state).checked()
    has_all(then, inbox)


def test_closed_folders_do_not_speak_against_a_store_that_answers(server: Server, inbox: Folder, anna: Mailbox) -> None:
    closed = [anna.add_folder(f"Inbox/Closed {number}") for number in range(4)]
    for folder in closed:
        folder.fill(2)
    everything = {"folders_include": None, "max_connections": 1}
    before = run(server, **everything).checked()
    alone = anna.add_folder("Inbox/Alone").add(Subject="alone")
    denied = [FolderFails("ErrorAccessDenied", folder, On("FindItem")) for folder in (inbox, *closed)]
    missing = ItemFails("ErrorItemNotFound", [alone], on=On("GetItem"))
    then = run(server, *denied, missing, state=before.state, **everything).checked()
    assert [item[0] for item in mark(then, alone.folder)["pending"]] == [alone.id]


def test_an_item_that_is_not_found_for_a_while_among_others_is_loaded_by_the_next_run(
    server: Server, inbox: Folder
) -> None:
    hidden = inbox.items()[3]
    first = run(server, ItemFails("ErrorItemNotFound", [hidden], on=On("GetItem", times=2))).checked()
    assert hidden.id not in held("messages", first)
    assert (folder_row(first, inbox)["not_found"], folder_row(first, inbox)["pending"]) == (1, 1)
    then = run(server, state=first.state).checked()
    assert set(held("messages", first, then)) == ids(inbox.items())


def test_an_item_that_was_read_while_it_could_not_be_found_is_still_tried(server: Server, inbox: Folder) -> None:
    hidden = next(item for item in inbox.items() if not item.properties["IsRead"])
    missing = ItemFails("ErrorItemNotFound", [hidden])
    first = run(server, missing).checked()
    hidden.mark_read(True)
    second = run(server, missing, state=first.state).checked()
    assert [row["change_type"] for row in second.of("item_changes")] == ["read_flag"]
    third = run(server, state=second.state).checked()
    assert set(held("messages", first, second, third)) == ids(inbox.items())


def test_an_item_that_went_before_it_was_loaded_is_tried_until_the_feed_tells_it(server: Server, inbox: Folder) -> None:
    goes = inbox.items()[3]
    first = run(server, kept.On("GetItem", 1, goes.delete)).checked()
    assert folder_row(first, inbox)["pending"] == 1
    then = run(server, state=first.state).checked()
    assert [row["item_id"] for row in then.of("item_changes") if row["change_type"] == "delete"] == [goes.id]
    assert "pending" not in mark(then, inbox)
    assert not requests_of(server, "GetItem")
    assert not then.of("corrupt_items")


def test_an_ignored_item_is_not_told_deleted_while_nothing_can_be_read(
    server: Server, inbox: Folder, anna: Mailbox
) -> None:
    breaks = FeedBreaks([inbox.items()[3]])
    first = run(server, breaks).checked()
    assert mark(first, inbox)["ignored"]
    no_listing = RequestFails("ErrorInternalServerError", On("FindItem"))
    down = run(server, breaks, StoreIsDown(anna, On("GetItem")), no_listing, state=first.state)
    then = run(server, breaks, state=down.state).checked()
    assert not [row for one in (down, then) for row in one.of("item_changes") if row["change_type"] == "delete"]
    assert mark(then, inbox)["ignored"]


def test_an_ignored_item_that_was_not_found_in_a_store_that_is_down_is_loaded_by_the_next_run(
    server: Server, inbox: Folder, anna: Mailbox
) -> None:
    bad = inbox.items()[3]
    down = StoreIsDown(anna, On("GetItem", items=[bad], asking="item:Subject"))
    others = On("GetItem", where=lambda request: bad.id not in request.ids and "item:Subject" not in request.properties)
    first = run(server, FeedBreaks([bad]), down, StoreIsDown(anna, others))
    then = run(server, FeedBreaks([bad]), state=first.state).checked()
    assert set(held("messages", first, then)) == ids(inbox.items())


def test_a_listed_folder_that_was_not_found_in_a_store_that_is_down_is_loaded_by_the_next_run(
    server: Server, inbox: Folder, anna: Mailbox
) -> None:
    inbox.store.folder("sentitems").fill(5)
    broken = FolderFails("ErrorCorruptData", inbox, On(SYNC))
    first = run(server, broken, StoreIsDown(anna, On("GetItem")))
    then = run(server, broken, state=first.state).checked()
    assert set(held("messages", first, then)) == ids(inbox.items())


def test_no_item_is_ignored_for_a_feed_that_fails_for_a_while(server: Server, inbox: Folder) -> None:
    first = run(server, RequestFails("ErrorInternalServerError", On(SYNC, folder=inbox, times=12)))
    has_all(first, inbox)
    assert "ignored" not in mark(first, inbox)
