"""Pace: nothing is sent during a back-off, waits have a floor and a ceiling, tries an end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import (
    Answers,
    How,
    ItemFails,
    On,
    RequestFails,
    Throttles,
    cut,
    delayed,
    endless,
    reset,
    slow,
)
from tap_exchange.demo.faults.requests import SYNC_CALLS
from tests.trouble import ANNA, folder_row, has_all, ids, mailbox, mark, requests_of, rows_by_id, run, store_row

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server

SYNC = "SyncFolderItems"
HOLD = 0.8  # seconds that a back-off lasts here


@pytest.fixture
def inbox() -> Folder:
    return mailbox(items=100).folder("inbox")


# -- throttling


@pytest.mark.parametrize("how", How)
def test_nothing_is_sent_while_exchange_asks_to_wait(how: How, server: Server, inbox: Folder) -> None:
    hinted = Throttles(how, hint=HOLD, on=On("GetItem", skip=2, times=1))
    unhinted = Throttles(how, on=On("GetItem", skip=9, times=1), least=HOLD)  # when the first one is over
    ended = run(server, hinted, unhinted, floor=HOLD, max_connections=4).checked()
    assert (hinted.struck, unhinted.struck) == (1, 1)
    assert (hinted.early, unhinted.early) == ([], [])
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")
    told = ended.of("sync_runs")[-1]["throttled_seconds"]
    assert 2 * HOLD <= told < 10 * HOLD
    assert folder_row(ended, inbox)["throttled_seconds"] == pytest.approx(told, abs=0.01)
    assert "Exchange asked to wait" in ended.stderr


@pytest.mark.parametrize("how", [How.HTTP_503, How.SOAP_FAULT, How.SOAP_WORDS, How.MESSAGE, How.INNER])
def test_a_hint_of_nothing_has_a_floor(how: How, server: Server, inbox: Folder) -> None:
    fault = Throttles(how, hint=0, on=On("GetItem", skip=2, times=1))
    ended = run(server, fault, floor=HOLD, max_connections=1).checked()
    has_all(ended, inbox)
    assert max(pauses(server.requests)) >= HOLD


def test_a_back_off_is_shared_by_all_folders_and_workers(server: Server, inbox: Folder) -> None:
    store = inbox.store
    for name in ("sentitems", "deleteditems", "drafts", "junkemail"):
        store.folder(name).fill(40)
    fault = Throttles(How.MESSAGE, hint=HOLD, on=On(SYNC_CALLS, every=3))
    folders = ["inbox", "sentitems", "deleteditems", "drafts", "junkemail"]
    ended = run(server, fault, max_connections=8, max_changes=30, folders_include=folders).checked()
    assert fault.struck >= 3
    assert fault.early == [], "GetItem waits too, though the sync calls alone are throttled"
    assert len(rows_by_id(ended, "messages")) == 260


def test_mailboxes_of_one_account_share_its_back_off() -> None:
    exchange = Exchange(seed=3)
    addresses = [ANNA, "bert@example.com", "carl@example.com"]
    for address in addresses:
        mailbox(items=40, address=address, exchange=exchange).grant(ANNA)
    with serve(exchange) as server:
        fault = Throttles(How.HTTP_429, hint=HOLD, on=On(skip=9, every=8, times=3))
        ended = run(server, fault, mailboxes=addresses, max_connections=6).checked()
    assert fault.struck == 3
    assert fault.early == []
    assert len(ended.of("messages")) == 120


def test_some_items_of_a_batch_may_be_busy_alone(server: Server, inbox: Folder) -> None:
    busy = inbox.items()[::30]
    fault = ItemFails("ErrorServerBusy", busy, on=On(times=len(busy)))
    ended = run(server, fault).checked()
    assert fault.struck == len(busy)
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")


def test_the_concurrency_is_halved_and_climbs_again_when_it_is_quiet(server: Server, inbox: Folder) -> None:
    inbox.fill(700)
    server.endpoint.latency = 0.06
    fault = Throttles(How.SOAP_FAULT, hint=HOLD, on=On("GetItem", skip=20, times=1))
    ended = run(server, fault, max_connections=8, batch_size=5, quiet=0.7).checked()
    has_all(ended, inbox)
    loads = [request for request in server.requests if request.operation == "GetItem"]
    throttled = next(request for request in loads if request.status == 500)
    resumed = throttled.ended + HOLD
    before = most_at_once([one for one in loads if one.at < throttled.at])
    after = most_at_once([one for one in loads if resumed < one.at < resumed + 0.6])
    later = most_at_once([one for one in loads if one.at > resumed + 1.6])
    assert before > 4
    assert after <= 4
    assert later > after


# -- how long at most


def test_a_hint_beyond_max_wait_ends_at_once(server: Server, inbox: Folder) -> None:
    ended = run(server, Throttles(How.SOAP_FAULT, hint=500, on=On("GetItem")), max_wait=400)
    assert ended.exit_code == 1
    assert "longer than max_wait" in ended.stderr
    assert not ended.of("corrupt_items")
    has_all(run(server, state=ended.state).checked(), inbox)


@pytest.mark.parametrize("operation", ["GetItem", SYNC])
@pytest.mark.parametrize("code", ["ErrorServerBusy", "ErrorMailboxStoreUnavailable"])
def test_a_server_that_stays_busy_is_waited_for_once_and_no_longer_than_max_wait(
    code: str, operation: str, server: Server, inbox: Folder
) -> None:
    folders = ["inbox", "sentitems", "deleteditems", "drafts", "junkemail", "outbox"]
    for name in folders[1:]:
        inbox.store.folder(name).fill(3)
    ended = run(server, RequestFails(code, On(operation)), max_wait=1, folders_include=folders, max_connections=2)
    assert requests_of(server, operation) < 30, "one wait, not one for each folder, page size and item"
    assert ended.exit_code == 1
    assert (store_row(ended)["reachable"], store_row(ended)["code"]) == (False, code)
    assert not ended.of("corrupt_items")
    assert not ended.of("listed_items")
    then = run(server, state=ended.state, folders_include=folders).checked()
    assert len(rows_by_id(then, "messages")) == 115


def test_resets_are_tried_again_so_often_and_no_more(server: Server, inbox: Folder) -> None:
    fault = Answers(reset(), On("GetFolder", skip=1))
    ended = run(server, fault)
    assert ended.exit_code == 1
    assert 2 <= fault.struck <= 8
    assert store_row(ended)["reachable"] is False
    has_all(run(server, state=ended.state).checked(), inbox)


def test_pauses_between_tries_grow(server: Server) -> None:
    fault = Answers(reset(), On("SyncFolderHierarchy"))
    with mock.patch("tap_exchange.ews.transport.random.random", return_value=0.5):
        run(server, fault)
    tries = [request for request in server.requests if request.operation == "SyncFolderHierarchy"]
    gaps = pauses(tries)
    assert len(tries) == fault.struck >= 3
    assert gaps[-1] > gaps[0]


# -- answers that come late, slowly, never or not at all


@pytest.mark.parametrize("operation", ["GetItem", SYNC, "SyncFolderHierarchy", "GetFolder"])
def test_an_answer_lost_after_the_work_was_done_loses_nothing(operation: str, server: Server, inbox: Folder) -> None:
    first = run(server).checked()
    new = inbox.fill(5).items()[:5]
    gone = inbox.items()[50]
    gone.delete()
    inbox.store.visible_root.children[0].rename("New name")
    faults = [Answers(reset(), On(operation, times=1)), Answers(cut(0.9), On(operation, skip=1, times=1))]
    ended = run(server, *faults, state=first.state).checked()
    assert faults[0].struck == 1
    assert set(rows_by_id(ended, "messages")) == ids(new)
    assert [row["item_id"] for row in ended.of("item_changes") if row["change_type"] == "delete"] == [gone.id]
    assert "New name" in {row["name"] for row in ended.of("folders")}


def test_an_answer_that_comes_too_late_is_asked_for_again(server: Server, inbox: Folder) -> None:
    fault = Answers(delayed(2.5), On("GetItem", times=1))
    ended = run(server, fault, request_timeout=1).checked()
    assert fault.struck == 1
    has_all(ended, inbox)
    assert requests_of(server, "GetItem") == 11


def test_an_answer_that_comes_slowly_is_waited_for(server: Server, inbox: Folder) -> None:
    fault = Answers(slow(0.02, piece=4000), On("GetItem", times=2))
    ended = run(server, fault, request_timeout=5).checked()
    has_all(ended, inbox)
    assert requests_of(server, "GetItem") == 10


def test_an_answer_that_never_ends_is_given_up(server: Server, inbox: Folder) -> None:
    fault = Answers(endless(), On("GetItem", times=1))
    ended = run(server, fault, request_timeout=2).checked()
    assert fault.struck == 1
    has_all(ended, inbox)
    assert mark(ended, inbox)["sync_state"]


def pauses(requests: list[Request]) -> list[float]:
    """Tell the seconds between an answer and the next request."""
    return [later.at - earlier.ended for earlier, later in pairwise(requests)]


def most_at_once(requests: list[Request]) -> int:
    """Tell how many of the requests were under way at the same time, at most."""
    edges = sorted([(one.at, 1) for one in requests] + [(one.ended, -1) for one in requests])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most
