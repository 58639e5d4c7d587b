"""Streaming connections, many mailboxes on each, where many servers stand behind one address."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.soap import Call, ServiceError
from tap_exchange.ews import streaming
from tap_exchange.sync.listen import Listener
from tests.pipeline import run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server

ADDRESSES = [f"{name}@example.com" for name in ("anna", "bob", "carl", "dora", "emil")]
COOKIE = "X-BackEndOverrideCookie"


class Backends(Fault):
    """Subscriptions live on the server that the cookie names; one is given with the first of each connection."""

    def __init__(self) -> None:
        self.given = 0
        self.lost = 0

    def before(self, call: Call) -> Answer | None:
        if call.operation in {"GetStreamingEvents", "Unsubscribe"} and COOKIE not in cookies(call.record):
            self.lost += 1
            raise ServiceError("ErrorSubscriptionNotFound")
        return None

    def after(self, call: Call, answer: Answer) -> Answer:
        if call.operation == "Subscribe" and COOKIE not in cookies(call.record):
            self.given += 1
            answer.headers = {**answer.headers, "Set-Cookie": f"{COOKIE}=server{self.given}"}
        return answer


def cookies(request: Request) -> str:
    """Return the cookies that a request carries."""
    return request.headers.get("Cookie", "")


@pytest.fixture
def server() -> Iterator[Server]:
    exchange = Exchange(seed=9)
    exchange.add_account("service", "secret")
    for address in ADDRESSES:
        exchange.add_mailbox(address).folder("inbox").add("Message", Subject=f"to {address}")
    with serve(exchange) as running:
        running.endpoint.heartbeat = 0.2
        yield running


def listened(server: Server, connections: int, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Run until so many streaming connections are held; return the requests that they are made of."""

    async def until_held(_: Listener, __: float) -> None:
        deadline = time.monotonic() + 60
        while server.counts.get("GetStreamingEvents", 0) < connections:
            assert time.monotonic() < deadline, "a connection is missing"
            await asyncio.sleep(0.02)

    monkeypatch.setattr(Listener, "follow", until_held)
    config = {
        "ews_url": server.url,
        "username": "service",
        "password": "secret",
        "access_type": "impersonation",
        "mailboxes": ADDRESSES,
        "folders_include": ["inbox"],
        "notifications": "stream",
        "listen_minutes": 5,
        "max_wait": 0.1,
    }
    run_tap_here(config).checked()
    wanted = ("Subscribe", "GetStreamingEvents")
    return [request for request in server.requests if request.operation in wanted]


def test_a_connection_holds_so_many_mailboxes_and_the_others_have_their_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "MOST_SUBSCRIPTIONS", 2)
    asked = listened(server, 3, monkeypatch)
    anchors = [request.headers["X-AnchorMailbox"] for request in asked if request.operation == "GetStreamingEvents"]
    assert sorted(anchors) == [ADDRESSES[0], ADDRESSES[2], ADDRESSES[4]]
    assert sorted(request.mailbox for request in asked if request.operation == "Subscribe") == ADDRESSES


def test_all_of_a_connection_goes_to_one_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    backends = Backends()
    server.faults.add(backends)
    asked = listened(server, 1, monkeypatch)
    assert {request.headers["X-AnchorMailbox"] for request in asked} == {ADDRESSES[0]}
    assert {request.headers["X-PreferServerAffinity"] for request in asked} == {"true"}
    assert [COOKIE in cookies(request) for request in asked] == [False] + [True] * len(ADDRESSES)
    assert (backends.given, backends.lost) == (1, 0)
