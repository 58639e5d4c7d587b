"""A sign-in that fails or stops working, and one broken mailbox of many."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import requests_mock

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import FolderFails, MailboxFails, On, RequestFails, SignInEnds, TokensEnd
from tests.pipeline import run_tap_here
from tests.trouble import ANNA, config, folder_row, has_all, ids, mailbox, requests_of, rows_by_id, run, store_row

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call
    from tests.trouble import Setting

APPLICATION = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def inbox() -> Folder:
    return mailbox(items=60).folder("inbox")


# -- refused


@pytest.mark.parametrize("status", [401, 403, 456])
def test_a_refusal_ends_the_run_at_once_without_a_record(status: int, server: Server) -> None:
    began = time.monotonic()
    ended = run(server, SignInEnds(status))
    assert time.monotonic() - began < 15
    assert ended.exit_code == 1
    assert len(server.requests) == 1
    assert f"HTTP {status}" in ended.stderr.splitlines()[-1]
    assert not ended.of("sync_runs")


def test_a_refusal_of_exchange_online_tells_of_the_end_of_ews(server: Server) -> None:
    with mock.patch("tap_exchange.ews.refusals._is_online", return_value=True):
        ended = run(server, SignInEnds(403), **oauth(server))
    line = ended.stderr.splitlines()[-1]
    for word in ("Exchange Online", APPLICATION, "EwsAllowedAppIDs", "EWSEnabled", "1 April 2027"):
        assert word in line


@pytest.mark.parametrize(("status", "words"), [(401, "no longer accepts"), (403, "switched off"), (456, "locked")])
def test_a_refusal_in_mid_run_ends_it_and_the_next_run_goes_on(
    status: int, words: str, server: Server, inbox: Folder
) -> None:
    fault = SignInEnds(status, On("GetItem", skip=3))
    ended = run(server, fault, max_connections=1, max_changes=10)
    assert ended.exit_code == 1
    assert words in ended.stderr.splitlines()[-1]
    assert not ended.of("corrupt_items")
    loaded = set(rows_by_id(ended, "messages"))
    assert loaded
    then = run(server, state=ended.state).checked()
    assert loaded | set(rows_by_id(then, "messages")) == ids(inbox.items())


def test_a_sign_in_refused_once_in_mid_run_is_tried_again(server: Server, inbox: Folder) -> None:
    fault = SignInEnds(401, On("GetItem", skip=2, times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    has_all(ended, inbox)


class BusyAndThenLocked(Fault):
    """Of two requests under way the second should wait for a while; then the first hears that it is locked out."""

    def __init__(self, first: str) -> None:
        self._first = first

    def before(self, call: Call) -> Answer | None:
        if call.operation != "GetItem":
            return None
        if self._first in call.record.ids:
            return Answer(456, delay=1.0)
        return Answer(503, headers={"Retry-After": "25"}, delay=0.5)


def test_no_worker_waits_on_when_a_run_has_ended(server: Server, inbox: Folder) -> None:
    server.faults.add(BusyAndThenLocked(inbox.items()[0].id))
    ended = run_tap_here(config(server, max_connections=2))
    assert "locked" in ended.stderr.splitlines()[-1]
    assert server.counts["GetItem"] == 2
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("exchange")]
    for worker in workers:
        worker.join(timeout=10)
    assert not any(worker.is_alive() for worker in workers)


# -- tokens


def oauth(server: Server) -> dict[str, Setting]:
    server.exchange.add_account(APPLICATION, "application secret")
    return {
        "auth_type": "oauth_client_credentials",
        "access_type": "impersonation",
        "username": None,
        "password": None,
        "tenant_id": "common",
        "client_id": APPLICATION,
        "client_secret": "application secret",
        "token_url": server.token_url,
        "mailboxes": [ANNA],
    }


def test_a_token_that_expires_in_mid_run_is_renewed_once_for_all(server: Server, inbox: Folder) -> None:
    fault = TokensEnd(server.tokens, On("GetItem", skip=2, times=1))
    ended = run(server, fault, max_connections=4, **oauth(server)).checked()
    assert fault.struck == 1
    has_all(ended, inbox)
    assert server.tokens.issued == 2
    assert requests_of(server, "Token") == 2


def test_a_token_that_is_short_lived_is_renewed_before_its_end(server: Server, inbox: Folder) -> None:
    server.tokens.lifetime = 2
    server.endpoint.latency = 0.25
    ended = run(server, max_connections=1, **oauth(server)).checked()
    has_all(ended, inbox)
    assert server.tokens.issued >= 2
    assert not [request for request in server.requests if request.status == 401]


def test_a_renewed_token_that_is_refused_too_ends_the_run(server: Server) -> None:
    fault = TokensEnd(server.tokens, On("GetItem", skip=2))
    ended = run(server, fault, max_connections=1, **oauth(server))
    assert ended.exit_code == 1
    assert "HTTP 401" in ended.stderr.splitlines()[-1]
    assert fault.struck <= 3


def test_an_application_whose_secret_is_wrong_is_told_so(server: Server) -> None:
    ended = run(server, **{**oauth(server), "client_secret": "wrong"})
    assert ended.exit_code == 1
    assert "client_secret" in ended.stderr.splitlines()[-1]
    assert requests_of(server, "GetFolder") == 0


def test_an_identity_provider_that_stays_busy_is_one_line(server: Server) -> None:
    with requests_mock.Mocker(real_http=True) as web:
        web.post(server.token_url, status_code=503)
        ended = run(server, **oauth(server), max_wait=1)
    assert ended.exit_code == 1
    assert "503" in ended.stderr.splitlines()[-1]
    assert requests_of(server, "GetFolder") == 0


# -- one of many


@pytest.mark.parametrize("broken", range(5))
def test_one_broken_mailbox_of_many_leaves_its_row_and_the_others_finish(broken: int) -> None:
    exchange = Exchange(seed=3)
    names = ("anna", "bert", "carl", "dora", "emil")
    boxes = [mailbox(items=4, address=f"{name}@example.com", exchange=exchange).grant(ANNA) for name in names]
    out = boxes[broken]
    faults = [
        MailboxFails("ErrorAccountDisabled", out),
        MailboxFails("ErrorMailboxMoveInProgress", out),
        FolderFails("ErrorInternalServerError", out.store.visible_root),
        RequestFails("ErrorItemCorrupt", On("GetItem", items=out.folder("inbox").items())),
        MailboxFails("ErrorNonExistentMailbox", out, On("SyncFolderItems")),
    ]
    fault = faults[broken]
    with serve(exchange) as server:
        ended = run(server, fault, mailboxes=[box.address for box in boxes], max_wait=0.5)
        assert fault.struck
        then = run(server, state=ended.state, mailboxes=[box.address for box in boxes]).checked()
    others = {box.address for box in boxes} - {out.address}
    by_box = {address: [row for row in ended.of("messages") if row["mailbox"] == address] for address in others}
    assert {len(rows) for rows in by_box.values()} == {4}
    assert all(store_row(ended, address)["reachable"] for address in others)
    assert all(folder_row(ended, box.folder("inbox"))["status"] == "finished" for box in boxes if box is not out)
    row = store_row(ended, out.address)
    run_row = ended.of("sync_runs")[-1]
    if isinstance(fault, RequestFails):  # its items are corrupt, or the server is: nothing else of it can be read
        assert not any(row["mailbox"] == out.address for row in ended.of("messages"))
    else:
        assert (ended.exit_code, row["reachable"]) == (1, False)
        assert row["code"]
        assert row["message"]
        assert (run_row["outcome"], run_row["mailboxes_failed"], run_row["mailboxes"]) == ("failed", 1, 5)
        assert len([row for row in then.of("messages") if row["mailbox"] == out.address]) == 4
        assert store_row(then, out.address)["reachable"] is True
