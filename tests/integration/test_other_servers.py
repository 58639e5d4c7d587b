"""Servers of another make, that tell things in their own way: the tables equal the mailbox all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import Answers, FolderFails, ItemFails, Messages, On, RequestFails, says
from tests.trouble import folder_row, has_all, mark, requests_of, rows_by_id, run, store_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

ROOT = '<t:Folder><t:FolderId Id="{0}"/><t:ParentFolderId Id="{0}"/></t:Folder>'


def test_a_root_that_the_hierarchy_tells_is_a_folder_and_on_no_path(
    server: Server, anna: Mailbox, inbox: Folder
) -> None:
    root = anna.folder("msgfolderroot")
    below = anna.add_folder("Inbox/Projects")
    below.fill(3)

    def with_root(_: Call, messages: list[str]) -> list[str]:
        told = f"<m:Changes><t:Create>{ROOT.format(root.id)}</t:Create>"
        return [message.replace("<m:Changes>", told) for message in messages]

    ended = run(server, Messages(with_root, On("SyncFolderHierarchy"))).checked()
    paths = {row["folder_id"]: row["path"] for row in ended.table("folders").values()}
    assert (paths[inbox.id], paths[below.id]) == (inbox.name, f"{inbox.name}/Projects")
    assert paths[root.id] == root.name
    has_all(ended, below)


def spelled(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r'(<t:ItemId Id="[^"]*?)=*"', r'\1"', message) for message in messages]


def nameless(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r"<t:ItemId [^>]*>", "", message) for message in messages]


@pytest.mark.parametrize("way", [spelled, nameless])
def test_items_whose_ids_are_told_in_another_way_are_loaded_each_under_its_own(
    way: Callable[[Call, list[str]], list[str]], server: Server, inbox: Folder
) -> None:
    inbox.fill(25)
    answers = Messages(way, On("GetItem"))
    ended = run(server, answers).checked()
    assert answers.struck
    subjects = {item_id: row["subject"] for item_id, row in rows_by_id(ended, "messages").items()}
    assert subjects == {item.id: item.properties["Subject"] for item in inbox.items()}
    assert not ended.of("corrupt_items")


# -- states that are refused in words of their own


def plain(status: int) -> Callable[[On], Fault]:
    return lambda on: RequestFails("SOAP:Client", on, status=status, text="Failed to deserialize", bare=True)


def message(code: str) -> Callable[[On], Fault]:
    return lambda on: FolderFails(code, None, on)


def soap(code: str) -> Callable[[On], Fault]:
    return lambda on: RequestFails(code, on)


WAYS = {
    "plain 200": plain(200),
    "plain 500": plain(500),
    "HTTP 400": lambda on: Answers(says(400), on),
    "invalid request": message("ErrorInvalidRequest"),
    "invalid request, as a fault": soap("ErrorInvalidRequest"),
    "invalid operation": message("ErrorInvalidOperation"),
    "schema": soap("ErrorSchemaValidation"),
    "HTTP 501": lambda on: Answers(says(501), on),
    "internal": message("ErrorInternalServerError"),
    "corrupt": message("ErrorCorruptData"),
}
IN_ANY_WORDS = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@IN_ANY_WORDS
def test_a_state_that_is_refused_in_any_words_starts_its_folder_over(
    way: Callable[[On], Fault], server: Server, inbox: Folder
) -> None:
    inbox.fill(5)
    before = run(server).checked()
    ended = run(server, way(On("SyncFolderItems", state=True)), state=before.state).checked()
    has_all(ended, inbox)
    row = folder_row(ended, inbox)
    assert (row["status"], row["resets"] != folder_row(before, inbox)["resets"]) == ("finished", True)
    assert not run(server, state=ended.state).checked().of("messages")


@IN_ANY_WORDS
def test_a_state_of_the_hierarchy_that_is_refused_in_any_words_starts_it_over(
    way: Callable[[On], Fault], server: Server, inbox: Folder
) -> None:
    before = run(server).checked()
    new = inbox.add(Subject="new")
    ended = run(server, way(On("SyncFolderHierarchy", state=True)), state=before.state).checked()
    assert store_row(ended)["hierarchy_reset_at"] != store_row(before)["hierarchy_reset_at"]
    assert ended.of("folders")
    assert set(rows_by_id(ended, "messages")) == {new.id}, "the folders' own states are still good"
    assert mark(ended, inbox)["sync_state"]


@pytest.mark.parametrize("code", ["ErrorInvalidRequest", "ErrorCorruptData"])
def test_a_hierarchy_that_fails_without_its_state_too_is_not_started_over(
    code: str, server: Server, inbox: Folder
) -> None:
    before = run(server).checked()
    new = inbox.add(Subject="new")
    ended = run(server, RequestFails(code, On("SyncFolderHierarchy")), state=before.state)
    assert (ended.exit_code, store_row(ended)["code"]) == (1, code)
    healed = run(server, state=ended.state).checked()
    assert store_row(healed)["hierarchy_reset_at"] == store_row(before)["hierarchy_reset_at"]
    assert set(rows_by_id(healed, "messages")) == {new.id}


@pytest.mark.parametrize("operation", ["SyncFolderItems", "SyncFolderHierarchy"])
def test_an_error_that_passes_starts_nothing_over(operation: str, server: Server) -> None:
    before = run(server).checked()
    passing = FolderFails("ErrorInvalidRequest", None, On(operation, state=True, times=2))
    ended = run(server, passing, state=before.state, folders_include=["inbox"]).checked()
    assert passing.struck == 2
    assert not ended.of("messages") + ended.of("folders")


# -- folders without a feed


@pytest.mark.parametrize("way", [*WAYS.values(), message("ErrorFolderNotFound")], ids=[*WAYS, "folder not found"])
def test_a_folder_whose_feed_is_refused_in_any_words_is_listed(
    way: Callable[[On], Fault], server: Server, inbox: Folder
) -> None:
    inbox.fill(25)
    first = run(server, way(On("SyncFolderItems"))).checked()
    has_all(first, inbox)
    assert folder_row(first, inbox)["status"] == "listed"
    new = inbox.add(Subject="new")
    then = run(server, way(On("SyncFolderItems")), state=first.state).checked()
    assert requests_of(server, "SyncFolderItems") == 1
    assert set(rows_by_id(then, "messages")) == {new.id}
    healed = run(server, state=then.state).checked()
    has_all(healed, inbox)
    assert folder_row(healed, inbox)["status"] == "finished"


@pytest.mark.parametrize("code", ["ErrorInvalidOperation", "ErrorCorruptData"])
def test_a_folder_that_lost_its_feed_alone_is_listed_and_followed_again_from_its_state(
    code: str, server: Server, inbox: Folder
) -> None:
    inbox.store.folder("sentitems").fill(5)
    folders = ["inbox", "sentitems"]
    before = run(server, folders_include=folders).checked()
    lost = FolderFails(code, inbox, On("SyncFolderItems"))
    first = run(server, lost, state=before.state, folders_include=folders).checked()
    then = run(server, lost, state=first.state, folders_include=folders).checked()
    assert {folder_row(ended, inbox)["status"] for ended in (first, then)} == {"listed"}
    assert requests_of(server, "SyncFolderItems") <= 4, "one for the other, three for this"
    new = inbox.add(Subject="new")
    healed = run(server, state=then.state, folders_include=folders).checked()
    assert folder_row(healed, inbox)["status"] == "finished"
    assert set(rows_by_id(healed, "messages")) == {new.id}


def test_a_mailbox_without_search_folders_may_be_told_by_leaving_out_their_root(server: Server, inbox: Folder) -> None:
    def rootless(_: Call, messages: list[str]) -> list[str]:
        return [re.sub(r"<m:RootFolder.*</m:RootFolder>", "", message) for message in messages]

    answers = Messages(rootless, On("FindFolder"))
    ended = run(server, answers, search_folders=True).checked()
    assert answers.struck == requests_of(server, "FindFolder") == 2
    has_all(ended, inbox)


@pytest.mark.parametrize("way", ["plain 500", "invalid request", "HTTP 501"])
def test_a_server_without_a_feed_of_its_hierarchy_is_told_as_such(way: str, server: Server) -> None:
    ended = run(server, WAYS[way](On("SyncFolderHierarchy")))
    assert ended.exit_code == 1
    assert "no SyncFolderHierarchy, which the tap needs" in store_row(ended)["message"]


# -- what is asked of items, refused or answered in words of their own


def renamed(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r'<t:ItemId Id="', '<t:ItemId Id="CANON', message) for message in messages]


def classless(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r' ResponseClass="[^"]*"', "", message) for message in messages]


@pytest.mark.parametrize(
    ("way", "why"), [(renamed, "for another item than was asked for"), (classless, "lacks its ResponseClass")]
)
def test_answers_that_are_never_believed_are_told_with_the_reason_and_what_to_do(
    way: Callable[[Call, list[str]], list[str]], why: str, server: Server, inbox: Folder
) -> None:
    inbox.fill(3)
    inbox.store.folder("sentitems").fill(3)
    ended = run(server, Messages(way, On("GetItem")))
    assert ended.exit_code == 1
    line = ended.stderr.splitlines()[-1]
    assert why in line
    assert "for every item that was tried" in line
    assert "check ews_url" in line
    assert "could be read before" not in ended.stderr
    assert not ended.of("corrupt_items")


@pytest.mark.parametrize("code", ["ErrorInvalidPropertyForOperation", "ErrorInternalServerError"])
def test_a_property_that_the_server_refuses_of_every_item_is_found_once_and_makes_no_corrupt_items(
    code: str, server: Server, inbox: Folder
) -> None:
    inbox.fill(25)
    refuses = ItemFails(code, inbox.items(), asking="item:Importance")
    ended = run(server, refuses).checked()
    assert not ended.of("corrupt_items")
    assert "columns of messages, which stay empty: importance" in ended.stderr
    has_all(ended, inbox)
    assert all(row["subject"] and row["importance"] is None for row in ended.of("messages"))
    assert requests_of(server, "GetItem") < 60


@pytest.mark.parametrize("code", ["ErrorInvalidPropertyForOperation", "ErrorInternalServerError"])
def test_a_damaged_item_takes_no_property_from_the_others(code: str, server: Server, inbox: Folder) -> None:
    inbox.fill(5)
    bad = inbox.items()[0]
    for item in inbox.items():
        item.update(Importance="High")
    ended = run(server, ItemFails(code, [bad], asking="item:Importance")).checked()
    assert rows_by_id(ended, "corrupt_items")[bad.id]["missing_properties"] == ["importance"]
    assert {row["importance"] for item_id, row in rows_by_id(ended, "messages").items() if item_id != bad.id} == {
        "High"
    }
    has_all(ended, inbox)
