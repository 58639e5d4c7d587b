"""Items that cannot be read: found in their batch, read as far as possible, told in corrupt_items, healed later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import (
    Answers,
    ItemFails,
    MailboxFails,
    Messages,
    On,
    RequestFails,
    StoreIsDown,
    broken_references,
    broken_utf8,
    cut,
    one_twice,
    out_of_order,
    reset,
    says,
    too_few,
    too_many,
)
from tests.trouble import folder_row, has_all, ids, mailbox, mark, requests_of, rows_by_id, run, store_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server

    Way: TypeAlias = Callable[[On], Fault]

SUBJECT = "item:Subject"

WAYS: dict[str, Way] = {
    "SOAP fault": lambda on: RequestFails("ErrorCorruptData", on),
    "SOAP fault without detail": lambda on: RequestFails("ErrorItemCorrupt", on, bare=True),
    "HTTP 500": lambda on: Answers(says(500, b"<html>oops</html>"), on),
    "cut, Content-Length right": lambda on: Answers(cut(honest=True), on),
    "cut, Content-Length wrong": lambda on: Answers(cut(), on),
    "cut while compressed": lambda on: Answers(cut(packed=True, honest=True), on),
    "connection reset at once": lambda on: Answers(reset(), on),
    "connection reset in the body": lambda on: Answers(reset(0.7), on),
    "a reference to no character": lambda on: Answers(broken_references("Subject"), on),
    "broken UTF-8": lambda on: Answers(broken_utf8("Subject"), on),
    "too few messages": lambda on: Messages(too_few, on),
    "too many messages": lambda on: Messages(too_many, on),
}


@pytest.fixture
def inbox() -> Folder:
    return mailbox().folder("inbox")


@pytest.fixture
def bad(inbox: Folder) -> Item:
    return inbox.items()[13]


@pytest.mark.parametrize("way", WAYS)
def test_an_item_that_breaks_every_answer_with_it_is_found_and_the_others_are_loaded(
    way: str, server: Server, inbox: Folder, bad: Item
) -> None:
    fault = WAYS[way](On("GetItem", items=[bad]))
    # One of these breaks where a property stands: without any there is nothing to break.
    ended = run(server, fault).checked()
    assert fault.struck
    assert set(rows_by_id(ended, "corrupt_items")) == {bad.id}
    has_all(ended, inbox, but=set() if rows_by_id(ended, "corrupt_items")[bad.id]["salvaged"] else {bad.id})
    row = folder_row(ended, inbox)
    assert (row["status"], row["corrupt"]) == ("finished", 1)


@pytest.mark.parametrize("way", WAYS)
def test_of_an_item_that_breaks_an_answer_with_one_property_all_others_are_loaded(
    way: str, server: Server, inbox: Folder, bad: Item
) -> None:
    bad.update(Importance="High")
    fault = WAYS[way](On("GetItem", items=[bad], asking=SUBJECT))
    ended = run(server, fault).checked()
    row = rows_by_id(ended, "corrupt_items")[bad.id]
    assert (row["salvaged"], row["missing_properties"]) == (True, ["subject"])
    has_all(ended, inbox)
    message = rows_by_id(ended, "messages")[bad.id]
    assert (message["subject"], message["importance"]) == (None, "High")
    assert rows_by_id(ended, "item_changes")[bad.id]["has_row"] is True
    others = [row for item_id, row in rows_by_id(ended, "messages").items() if item_id != bad.id]
    assert all(row["subject"] for row in others)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 10, 25, 100])
@pytest.mark.parametrize("way", ["item", "SOAP fault", "broken UTF-8", "HTTP 500"])
def test_a_bad_property_costs_at_most_batch_size_and_12_requests_more(
    way: str, batch_size: int, server: Server, inbox: Folder, bad: Item
) -> None:
    inbox.fill(80)
    plain = -(-inbox.total_count // batch_size)
    fault = (
        ItemFails("ErrorCorruptData", [bad], asking=SUBJECT)
        if way == "item"
        else WAYS[way](On("GetItem", items=[bad], asking=SUBJECT))
    )
    ended = run(server, fault, batch_size=batch_size).checked()
    assert rows_by_id(ended, "corrupt_items")[bad.id]["missing_properties"] == ["subject"]
    assert requests_of(server, "GetItem") - plain <= batch_size + 12


def test_each_bad_property_of_an_item_is_found_by_trying(server: Server, bad: Item) -> None:
    fields = ["item:Body", SUBJECT, "item:Categories", "message:ToRecipients"]
    fault = RequestFails("ErrorContentConversionFailed", On("GetItem", items=[bad], asking=fields))
    ended = run(server, fault).checked()
    row = rows_by_id(ended, "corrupt_items")[bad.id]
    missing = {"body", "body_type", "body_truncated", "subject", "categories", "to_recipients"}
    assert set(row["missing_properties"]) == missing
    assert row["code"] == "ErrorContentConversionFailed"
    message = rows_by_id(ended, "messages")[bad.id]
    assert not any(message[column] for column in missing)
    assert message["item_class"] == "IPM.Note"
    assert requests_of(server, "GetItem") - 3 <= len(fields) * (10 + 12)


def test_mime_content_that_cannot_be_made_leaves_the_rest_of_the_message(
    server: Server, inbox: Folder, bad: Item
) -> None:
    fault = ItemFails("ErrorMimeContentConversionFailed", [bad], asking="item:MimeContent")
    ended = run(server, fault, include_mime=True).checked()
    assert rows_by_id(ended, "corrupt_items")[bad.id]["missing_properties"] == ["mime_content"]
    has_all(ended, inbox)
    with_mime = [row["item_id"] for row in ended.of("messages") if row["mime_content"]]
    assert set(with_mime) == ids(inbox.items()) - {bad.id}


@pytest.mark.parametrize("change", [out_of_order, one_twice, too_few, too_many])
def test_an_answer_that_went_wrong_once_makes_no_corrupt_item(
    change: Callable[..., list[str]], server: Server, inbox: Folder
) -> None:
    fault = Messages(change, On("GetItem", times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    assert not ended.of("corrupt_items")
    has_all(ended, inbox)


def test_control_characters_and_surrogates_are_content_and_no_fault(server: Server, bad: Item) -> None:
    bad.update(Subject="bell \x07, half \ud83d, whole \U0001f600, none \x00")
    ended = run(server).checked()
    assert not ended.of("corrupt_items")
    assert rows_by_id(ended, "messages")[bad.id]["subject"] == "bell �, half �, whole \U0001f600, none �"


def test_a_folder_of_nothing_but_bad_items_is_done(server: Server, inbox: Folder) -> None:
    other = inbox.store.folder("sentitems").fill(3)
    ended = run(server, ItemFails("ErrorItemCorrupt", inbox.items()), folders_include=["inbox", "sentitems"]).checked()
    assert set(rows_by_id(ended, "corrupt_items")) == ids(inbox.items())
    assert folder_row(ended, inbox)["status"] == "finished"
    has_all(ended, other)


# -- what becomes of it later


def test_a_bad_item_is_left_alone_until_it_changes_and_resolved_when_it_heals(
    server: Server, inbox: Folder, bad: Item
) -> None:
    fault = ItemFails("ErrorItemCorrupt", [bad])
    first = run(server, fault).checked()
    failed = rows_by_id(first, "corrupt_items")[bad.id]
    assert (failed["attempts"], failed["resolved_at"]) == (1, None)

    idle = run(server, fault, state=first.state).checked()
    assert requests_of(server, "GetItem") == 0
    assert not idle.of("corrupt_items")

    bad.update(Subject="changed, no better")
    again = run(server, fault, state=idle.state).checked()
    row = rows_by_id(again, "corrupt_items")[bad.id]
    assert (row["attempts"], row["resolved_at"]) == (2, None)
    assert row["first_failed_at"] == failed["first_failed_at"] < row["last_tried_at"]
    assert row["item_key"] == failed["item_key"]

    bad.update(Subject="well again")
    healed = run(server, state=again.state).checked()
    row = rows_by_id(healed, "corrupt_items")[bad.id]
    assert row["resolved_at"] is not None
    assert row["first_failed_at"] == failed["first_failed_at"]
    assert rows_by_id(healed, "messages")[bad.id]["subject"] == "well again"
    assert "corrupt" not in mark(healed, inbox) or not mark(healed, inbox)["corrupt"]


def test_a_salvaged_item_that_heals_is_written_whole(server: Server, bad: Item) -> None:
    first = run(server, ItemFails("ErrorItemCorrupt", [bad], asking=SUBJECT)).checked()
    assert rows_by_id(first, "messages")[bad.id]["subject"] is None
    bad.update(Subject="well again")
    healed = run(server, state=first.state).checked()
    assert rows_by_id(healed, "messages")[bad.id]["subject"] == "well again"
    assert rows_by_id(healed, "corrupt_items")[bad.id]["resolved_at"]


@pytest.mark.parametrize("edit", ["delete", "move"])
def test_a_bad_item_that_leaves_its_folder_is_resolved(edit: str, server: Server, inbox: Folder, bad: Item) -> None:
    first = run(server, ItemFails("ErrorItemCorrupt", [bad])).checked()
    if edit == "delete":
        bad.delete()
    else:
        bad.move(inbox.store.folder("sentitems"))
    then = run(server, state=first.state).checked()
    assert rows_by_id(then, "corrupt_items")[bad.id]["resolved_at"]
    assert rows_by_id(then, "item_changes")[bad.id]["change_type"] == "delete"


def test_a_read_flag_of_a_bad_item_is_told_and_loads_nothing(server: Server, bad: Item) -> None:
    fault = ItemFails("ErrorItemCorrupt", [bad])
    first = run(server, fault).checked()
    bad.mark_read(not bad.properties["IsRead"])
    then = run(server, fault, state=first.state).checked()
    assert requests_of(server, "GetItem") == 0
    assert rows_by_id(then, "item_changes")[bad.id]["change_type"] == "read_flag"


# -- a server in trouble is no corrupt item


def test_a_server_that_fails_at_everything_makes_no_item_corrupt(server: Server, inbox: Folder) -> None:
    dead = Answers(says(500, b"dead"), On(("GetItem", "GetFolder", "FindItem", "SyncFolderItems"), skip=6))
    ended = run(server, dead)
    assert ended.exit_code == 1
    assert dead.struck
    assert not ended.of("corrupt_items")
    assert folder_row(ended, inbox)["status"] == "failed"
    loaded = set(rows_by_id(ended, "messages"))
    then = run(server, state=ended.state).checked()
    assert loaded | set(rows_by_id(then, "messages")) == ids(inbox.items())


def test_a_get_item_that_fails_for_all_items_makes_none_of_them_corrupt(server: Server, inbox: Folder) -> None:
    sent = inbox.store.folder("sentitems").fill(5)
    first = run(server, folders_include=["inbox", "sentitems"]).checked()
    new = inbox.fill(12).items()[:12]
    dead = RequestFails("ErrorInternalServerError", On("GetItem"))
    ended = run(server, dead, state=first.state, folders_include=["inbox", "sentitems"])
    assert ended.exit_code == 1
    assert not ended.of("corrupt_items")
    then = run(server, state=ended.state, folders_include=["inbox", "sentitems"]).checked()
    assert ids(new) <= set(rows_by_id(then, "messages"))
    assert sent.total_count == 5


def test_a_store_that_finds_none_of_its_items_moves_nothing(server: Server, inbox: Folder) -> None:
    inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    down = StoreIsDown(inbox.store.exchange.mailbox("anna@example.com"))
    ended = run(server, down, folders_include=folders)
    assert ended.exit_code == 1
    assert not ended.of("messages")
    assert not ended.of("corrupt_items")
    assert not any(row["change_type"] == "delete" for row in ended.of("item_changes"))
    assert folder_row(ended, inbox)["status"] == "failed"
    assert "sync_state" not in mark(ended, inbox)
    has_all(run(server, state=ended.state).checked(), inbox)


def test_a_bad_item_that_is_not_found_for_a_moment_is_not_lost(server: Server, inbox: Folder) -> None:
    bad = inbox.items()[3]
    torn = ItemFails("ErrorItemCorrupt", [bad], asking="item:Body")
    alone = On("GetItem", where=lambda request: len(request.ids) == 1 and SUBJECT in request.properties, times=4)
    ended = run(server, torn, ItemFails("ErrorItemNotFound", [bad], on=alone)).checked()
    assert alone.struck == 4
    assert "body" in rows_by_id(ended, "corrupt_items")[bad.id]["missing_properties"]
    has_all(ended, inbox)


def test_a_page_of_ghosts_is_kept_as_pending_while_other_items_are_found(server: Server, inbox: Folder) -> None:
    inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    first = run(server, folders_include=folders).checked()
    ghosts = inbox.fill(3).items()[:3]
    fault = ItemFails("ErrorItemNotFound", ghosts)
    ended = run(server, fault, state=first.state, folders_include=folders).checked()
    row = folder_row(ended, inbox)
    assert (row["status"], row["pending"]) == ("finished", 3)
    assert not ended.of("messages")
    assert not any(change["change_type"] == "delete" for change in ended.of("item_changes"))
    then = run(server, state=ended.state, folders_include=folders).checked()
    assert set(rows_by_id(then, "messages")) == ids(ghosts)
    assert folder_row(then, inbox)["pending"] == 0


def test_a_mailbox_that_goes_away_in_mid_load_keeps_its_items_for_later(server: Server, inbox: Folder) -> None:
    anna = inbox.store.exchange.mailbox("anna@example.com")
    ended = run(server, MailboxFails("ErrorAccountDisabled", anna, On("GetItem", skip=3)))
    assert ended.exit_code == 1
    assert not ended.of("corrupt_items")
    loaded = set(rows_by_id(ended, "messages"))
    then = run(server, state=ended.state).checked()
    assert loaded | set(rows_by_id(then, "messages")) == ids(inbox.items())


STORES = ("ErrorNonExistentMailbox", "ErrorMailboxConfiguration", "ErrorMailboxStoreUnavailable")


@pytest.mark.parametrize("code", STORES)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_an_item_that_says_its_mailbox_is_out_is_corrupt_while_others_can_be_read(
    batch_size: int, code: str, server: Server, inbox: Folder, bad: Item
) -> None:
    ended = run(server, ItemFails(code, [bad]), batch_size=batch_size, max_wait=20).checked()
    assert rows_by_id(ended, "corrupt_items")[bad.id]["code"] == code
    assert rows_by_id(ended, "item_changes")[bad.id]["has_row"] is False
    has_all(ended, inbox, but={bad.id})
    assert folder_row(ended, inbox)["pending"] == 0
    assert requests_of(server, "GetItem") < -(-inbox.total_count // batch_size) + 12


@pytest.mark.parametrize("code", STORES)
def test_an_item_that_says_so_and_is_the_only_one_to_load_is_held_against_others_of_the_mailbox(
    code: str, server: Server, inbox: Folder, bad: Item
) -> None:
    first = run(server).checked()
    bad.update(Subject="changed")
    ended = run(server, ItemFails(code, [bad]), state=first.state, max_wait=20).checked()
    assert set(rows_by_id(ended, "corrupt_items")) == {bad.id}
    bad.update(Subject="well again")
    healed = run(server, state=ended.state).checked()
    assert rows_by_id(healed, "corrupt_items")[bad.id]["resolved_at"]
    assert rows_by_id(healed, "messages")[bad.id]["subject"] == "well again"
    assert inbox.total_count == 30


@pytest.mark.parametrize("code", ["ErrorAccountDisabled", "ErrorMailboxMoveInProgress"])
@pytest.mark.parametrize("changed", [1, 2, 12])
def test_a_mailbox_that_is_out_blames_none_of_its_items(changed: int, code: str, server: Server, inbox: Folder) -> None:
    inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    first = run(server, folders_include=folders).checked()
    new = inbox.fill(changed).items()[:changed]
    anna = inbox.store.exchange.mailbox("anna@example.com")
    fault = MailboxFails(code, anna, On(("GetItem", "FindItem")))
    ended = run(server, fault, state=first.state, folders_include=folders, max_wait=0.5)
    assert ended.exit_code == 1
    assert (store_row(ended)["reachable"], store_row(ended)["code"]) == (False, code)
    assert not ended.of("corrupt_items")
    then = run(server, state=ended.state, folders_include=folders).checked()
    assert set(rows_by_id(then, "messages")) == ids(new)
