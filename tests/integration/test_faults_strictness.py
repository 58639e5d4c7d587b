"""A page is believed whole or not at all: beside each case stands what the plain exchangelib way makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import (
    Answers,
    FolderFails,
    ItemFails,
    Messages,
    On,
    StateNeverMoves,
    broken_references,
    broken_utf8,
    called,
    cut,
    of_another_item,
    one_twice,
    out_of_order,
    stopped_after,
    too_few,
    too_many,
    without,
)
from tests import plain as plain_way
from tests.trouble import folder_row, has_all, ids, mailbox, mark, requests_of, rows_by_id, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server
    from tests.plain import Plain

SYNC = "SyncFolderItems"
BATCH = 10


@pytest.fixture
def inbox() -> Folder:
    return mailbox().folder("inbox")


@pytest.fixture
def items(inbox: Folder) -> list[Item]:
    return inbox.items()


@pytest.fixture
def plain(inbox: Folder, server: Server) -> Iterator[Plain]:
    yield from plain_way.plain(inbox, server)


# -- pages of changes


@pytest.mark.parametrize("at", [0.3, 0.5, 0.8])
def test_a_page_cut_at_a_length_that_http_calls_right_is_asked_again(
    at: float, server: Server, inbox: Folder, plain: Plain
) -> None:
    server.faults.add(Answers(cut(at, honest=True), On(SYNC, times=1)))
    lost = ids(inbox.items()) - plain.sync()
    assert lost, "the plain way takes what it gets"
    assert not plain.sync() & lost, "and the new state with it: what was cut off never comes again"

    fault = Answers(cut(at, honest=True), On(SYNC, times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    has_all(ended, inbox)
    assert not run(server, state=ended.state).checked().of("messages")


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_cut_before_its_length_is_asked_again(*, packed: bool, server: Server, inbox: Folder) -> None:
    fault = Answers(cut(packed=packed), On(SYNC, times=1))
    has_all(run(server, fault).checked(), inbox)
    assert fault.struck == 1


def test_a_hierarchy_cut_at_a_length_that_http_calls_right_is_asked_again(server: Server, inbox: Folder) -> None:
    fault = Answers(cut(honest=True), On("SyncFolderHierarchy", times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    seen = set(rows_by_folder(ended.of("folders")))
    assert {folder.id for folder in inbox.store.visible_root.subtree()} <= seen


@pytest.mark.parametrize(
    "error_with_a_state",
    [
        lambda inbox: FolderFails("ErrorAccessDenied", inbox, On(SYNC, times=1)),
        lambda _: Messages(called("ErrorAccessDenied"), On(SYNC, times=1)),
    ],
    ids=["an empty state", "a new state and changes"],
)
def test_no_state_is_taken_from_an_error(
    error_with_a_state: Callable[[Folder], Messages], server: Server, inbox: Folder, items: list[Item], plain: Plain
) -> None:
    gone = items[3]
    plain.sync()
    first = run(server).checked()
    gone.delete()
    server.faults.add(FolderFails("ErrorCorruptData", inbox, On(SYNC, times=1)))
    with pytest.raises(TypeError):  # the error comes as if it were a change
        plain.sync()
    plain.inbox.item_sync_state = ""  # what stood in the error
    assert gone.id in plain.sync(), "the plain way begins anew, and the deletion never comes"

    fault = error_with_a_state(inbox)
    refused = run(server, fault, state=first.state)
    assert fault.struck == 1
    assert not refused.of("item_changes")
    assert mark(refused, inbox)["sync_state"] == mark(first, inbox)["sync_state"]
    then = run(server, state=refused.state).checked()
    assert [(row["item_id"], row["change_type"]) for row in then.of("item_changes")] == [(gone.id, "delete")]


@pytest.mark.parametrize(("element", "emptied"), [("SyncState", False), ("SyncState", True), ("Changes", False)])
def test_a_page_without_its_state_or_changes_is_asked_again(
    element: str, *, emptied: bool, server: Server, inbox: Folder
) -> None:
    fault = Messages(without(element, emptied=emptied), On(SYNC, times=1))
    has_all(run(server, fault).checked(), inbox)
    assert fault.struck == 1


def test_a_page_that_does_not_say_that_more_follows_is_the_last(server: Server, inbox: Folder) -> None:
    fault = Messages(without("IncludesLastItemInRange"), On(SYNC))
    has_all(run(server, fault).checked(), inbox)
    assert requests_of(server, SYNC) == 1


def test_a_state_that_never_moves_is_no_end(server: Server, inbox: Folder, plain: Plain) -> None:
    server.faults.add(StateNeverMoves())
    assert len(plain.sync(page=10)) == 20, "the plain way stops in the middle and calls it done"
    ended = run(server, StateNeverMoves(), max_changes=10)
    assert ended.exit_code == 1
    assert folder_row(ended, inbox)["status"] == "failed"
    loaded = set(rows_by_id(ended, "messages"))
    then = run(server, state=ended.state, max_changes=10).checked()
    assert loaded | set(rows_by_id(then, "messages")) == ids(inbox.items())


def test_deletes_split_over_calls_that_each_say_they_are_the_last_come_with_the_next_run(
    server: Server, items: list[Item]
) -> None:
    first = run(server).checked()
    for item in items[:20]:
        item.delete()
    early = Messages(_says_it_is_the_last, On(SYNC))
    gone: set[str] = set()
    state = first.state
    for _ in range(3):
        ended = run(server, early, state=state, max_changes=10).checked()
        gone |= {row["item_id"] for row in ended.of("item_changes") if row["change_type"] == "delete"}
        state = ended.state
    assert gone == ids(items[:20])
    assert not run(server, state=state).checked().of("item_changes")


# -- answers to GetItem

BELIEVED: dict[str, Callable[[On], Fault]] = {
    "cut in the middle": lambda on: Answers(cut(0.8, honest=True), on),
    "cut early": lambda on: Answers(cut(0.3, honest=True), on),
    "too few messages": lambda on: Messages(too_few, on),
    "one twice, another missing": lambda on: Messages(one_twice, on),
    "out of order": lambda on: Messages(out_of_order, on),
    "another item": lambda on: Messages(of_another_item, on),
    "broken UTF-8": lambda on: Answers(broken_utf8("Subject"), on),
    "a reference to no character": lambda on: Answers(broken_references("Subject"), on),
}
REFUSED: dict[str, Callable[[On], Fault]] = {
    "stopped after the third": lambda on: Messages(stopped_after(3), on),
    "too many messages": lambda on: Messages(too_many, on),
    "cut before its length": lambda on: Answers(cut(), on),
}


@pytest.mark.parametrize("case", [*BELIEVED, *REFUSED])
def test_an_answer_that_is_not_what_was_asked_for_is_asked_again(
    case: str, server: Server, inbox: Folder, items: list[Item], plain: Plain
) -> None:
    way = {**BELIEVED, **REFUSED}[case]
    truth = {item.id: item.properties["Subject"] for item in items}
    if case in BELIEVED:
        server.faults.add(way(On("GetItem", times=1)))
        asked = items[:BATCH]
        assert plain.subjects(asked) != {item.id: truth[item.id] for item in asked}, "the plain way believes it"

    fault = way(On("GetItem", times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    assert {item_id: row["subject"] for item_id, row in rows_by_id(ended, "messages").items()} == truth
    assert not ended.of("corrupt_items")
    has_all(ended, inbox)


def test_answers_out_of_order_are_matched_by_id_and_an_error_among_them_too(
    server: Server, inbox: Folder, items: list[Item], plain: Plain
) -> None:
    bad = items[2]
    mixed = [Messages(out_of_order, On("GetItem")), ItemFails("ErrorItemCorrupt", [bad])]
    server.faults.add(*mixed)
    truth = {item.id: item.properties["Subject"] for item in items}
    with pytest.raises(AttributeError):  # an error stands where another item was asked for
        plain.subjects(items[:BATCH])
    ended = run(server, *mixed).checked()
    subjects = {item_id: row["subject"] for item_id, row in rows_by_id(ended, "messages").items()}
    assert subjects == {item_id: subject for item_id, subject in truth.items() if item_id != bad.id}
    assert set(rows_by_id(ended, "corrupt_items")) == {bad.id}
    has_all(ended, inbox, but={bad.id})


@pytest.mark.parametrize("code", ["ErrorContentConversionFailed", "ErrorVirusDetected", "ErrorInternalServerError"])
def test_a_code_that_exchangelib_does_not_expect_costs_one_item_and_no_batch(
    code: str, server: Server, inbox: Folder, items: list[Item], plain: Plain
) -> None:
    fault = ItemFails(code, [items[2]])
    server.faults.add(fault)
    with pytest.raises(Exception, match=r".+"):
        plain.subjects(items[:BATCH])
    has_all(run(server, fault).checked(), inbox, but={items[2].id})


def rows_by_folder(rows: list[dict[str, object]]) -> dict[object, dict[str, object]]:
    return {row["folder_id"]: row for row in rows}


def _says_it_is_the_last(_: object, messages: list[str]) -> list[str]:
    flag = "<m:IncludesLastItemInRange>"
    return [message.replace(f"{flag}false", f"{flag}true") for message in messages]
