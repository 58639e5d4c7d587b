"""`notifications: stream` in trouble: what is bad never makes the others wait, and is told."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import FolderFails, How, ItemFails, On, RequestFails, Throttles
from tap_exchange.ews import streaming
from tap_exchange.sync import listen, work
from tests import kept
from tests.pipeline import TapRun, run_tap_here
from tests.trouble import ANNA, folder_row, mark, quick, rows_by_id, store_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server

BOB, CARL = "bob@example.com", "carl@example.com"
SYNC = "SyncFolderItems"
HOLD = 0.8  # seconds that a back-off lasts here


class Live:
    """Three mailboxes that one account reads by impersonation, and a run that listens to them as long as told."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.exchange = server.endpoint.exchange
        self.anna, self.bob, self.carl = (self.exchange.mailboxes[address] for address in (ANNA, BOB, CARL))
        self.over = False
        self._patch = monkeypatch.setattr

    def run(self, story: Callable[[], None], **settings: Any) -> TapRun:  # noqa: ANN401 - whatever a setting takes
        """Run the tap; it listens until the story is told, which begins when the first connection is held."""
        told, failed, late = threading.Event(), [], [0.0]
        follow = listen.Listener.follow

        def tell() -> None:
            try:
                self.until(lambda: self.count("GetStreamingEvents") > 0)
                story()
            except Exception as error:  # noqa: BLE001 - told on the test's thread
                failed.append(error)
            finally:
                told.set()

        async def until_told(listener: listen.Listener, seconds: float) -> None:
            async def end() -> None:
                while not told.is_set():  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.02)
                late[0] = 60 * seconds  # the time to listen is over, whatever is silent was so for long
                listener._arrived.set()

            ending = asyncio.ensure_future(end())
            try:
                await follow(listener, seconds)
            finally:
                self.over = True
                ending.cancel()

        self._patch(listen, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late[0]))
        self._patch(listen.Listener, "follow", until_told)
        teller = threading.Thread(target=tell)
        teller.start()
        config = {
            "ews_url": self.server.url,
            "username": "service",
            "password": "secret",
            "access_type": "impersonation",
            "mailboxes": [ANNA, BOB, CARL],
            "folders_include": ["inbox", "drafts"],
            "notifications": "stream",
            "listen_minutes": 60,
            "notification_delay": 0.05,
            "max_connections": 2,
            **settings,
        }
        with quick():
            ended = run_tap_here(config)
        teller.join()
        assert not failed, failed
        return ended

    def count(self, operation: str) -> int:
        """Count the requests of an operation."""
        return self.server.counts.get(operation, 0)

    def loads(self, item: Item) -> int:
        """Count the requests that ask for an item."""
        return len(self._requests_for(item))

    def has_given(self, item: Item) -> bool:
        """Whether an answer held an item: one that is asked for may still fail."""
        return any(request.ended and not request.codes for request in self._requests_for(item))

    def _requests_for(self, item: Item) -> list[Request]:
        return [it for it in self.server.requests if it.operation == "GetItem" and item.id in it.ids]

    def until(self, reached: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, f"{dict(self.server.counts)} after {seconds} seconds"
            time.sleep(0.01)

    def arrives(self, mailbox: Mailbox, subject: str) -> Item:
        """Add a message to an Inbox, and wait until the tap loads it."""
        item = mailbox.folder("inbox").add("Message", Subject=subject)
        self.until(lambda: self.loads(item) > 0)
        return item

    def heard(self, mailbox: Mailbox) -> None:
        """Wait until all of a mailbox was asked, as is due when it is heard: the second event comes after that."""
        for number in range(2):
            self.arrives(mailbox, f"event {number} of the beginning")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    exchange = Exchange(seed=9)
    exchange.add_account("service", "secret")
    for address in (ANNA, BOB, CARL):
        exchange.add_mailbox(address, password="secret").folder("inbox").add("Message", Subject=f"first of {address}")
    monkeypatch.setattr(listen, "SHORTEST_PAUSE", 0.1)
    with serve(exchange) as server:
        server.endpoint.heartbeat = 0.2
        yield Live(server, monkeypatch)


def last_run(ended: TapRun) -> dict[str, Any]:
    return ended.of("sync_runs")[-1]


def test_a_mailbox_that_refuses_its_subscription_leaves_the_others_heard(live: Live) -> None:
    live.server.faults.add(kept.On("Subscribe", 1, partial(setattr, live.bob, "code", "ErrorAccountDisabled")))

    def story() -> None:
        live.arrives(live.anna, "live for Anna")
        live.arrives(live.carl, "live for Carl")

    ended = live.run(story)
    assert {"live for Anna", "live for Carl"} <= {row["subject"] for row in ended.of("messages")}
    assert ended.exit_code == 1
    assert (last_run(ended)["outcome"], last_run(ended)["mailboxes_failed"]) == ("failed", 1)
    assert (store_row(ended, BOB)["reachable"], store_row(ended, BOB)["code"]) == (False, "ErrorAccountDisabled")
    assert store_row(ended, ANNA)["reachable"]
    assert ended.stderr.count("bob@example.com (primary): Subscribe of bob@example.com: ErrorAccountDisabled") == 1


def test_a_mailbox_that_is_itself_again_is_heard_and_has_not_failed(live: Live) -> None:
    live.anna.code = "ErrorAccountDisabled"  # from the beginning, and the first of its connection

    def story() -> None:
        live.arrives(live.bob, "live for Bob")
        live.anna.code = ""
        live.until(lambda: live.count("GetStreamingEvents") > 1)
        live.arrives(live.anna, "live for Anna")

    ended = live.run(story).checked()
    assert last_run(ended)["outcome"] == "finished"
    assert store_row(ended, ANNA)["reachable"]


def test_a_mailbox_nothing_is_heard_of_to_the_end_has_failed(live: Live) -> None:
    def story() -> None:
        live.server.faults.add(RequestFails("ErrorInternalServerError", On("GetStreamingEvents")))
        live.server.endpoint.subscriptions.expire_all()
        live.until(lambda: live.count("GetStreamingEvents") > 2)

    ended = live.run(story, mailboxes=[ANNA, BOB])
    assert ended.exit_code == 1
    assert (last_run(ended)["outcome"], last_run(ended)["mailboxes_failed"]) == ("failed", 2)
    assert not store_row(ended, BOB)["reachable"]
    assert "anna@example.com and 1 more: the streaming connection ended" in ended.stderr


def test_what_fails_is_tried_alone_after_growing_pauses_and_counts_once(live: Live) -> None:
    drafts = live.anna.folder("drafts")

    def story() -> None:
        live.heard(live.anna)
        live.server.reset_requests()
        live.server.faults.add(FolderFails("ErrorFolderCorrupt", drafts))
        drafts.add("Message", Subject="not to be had")
        live.until(lambda: live.count("FindItem") > 4)  # one for each try

    ended = live.run(story, mailboxes=[ANNA])
    tries = [request.at for request in live.server.requests if request.operation == "FindItem"][:5]
    for number, (one, next_one) in enumerate(pairwise(tries)):
        assert next_one - one >= 0.1 * 2**number
    asked = {folder for request in live.server.requests if request.operation == SYNC for folder in request.folders}
    assert asked == {drafts.id}
    assert ended.exit_code == 1
    assert (last_run(ended)["folders_failed"], last_run(ended)["folders"]) == (1, 2)


def test_a_folder_that_failed_and_is_read_again_has_not_failed(live: Live) -> None:
    drafts = live.anna.folder("drafts")
    fails = FolderFails("ErrorFolderCorrupt", drafts)

    def story() -> None:
        live.server.faults.add(fails)
        item = drafts.add("Message", Subject="late")
        live.until(lambda: live.count("FindItem") > 0)
        live.server.faults.clear()
        live.until(lambda: live.loads(item) > 0)

    ended = live.run(story, mailboxes=[ANNA]).checked()
    assert (last_run(ended)["outcome"], last_run(ended)["folders_failed"]) == ("finished", 0)
    assert folder_row(ended, drafts)["status"] == "finished"


def test_a_run_tries_an_item_that_is_not_found_once_however_many_events_come(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_ATTEMPTS", 2)
    monkeypatch.setattr(listen, "SHORTEST_PAUSE", 60.0)
    inbox = live.anna.folder("inbox")
    ghost = inbox.add("Message", Subject="ghost")
    live.server.faults.add(ItemFails("ErrorItemNotFound", [ghost]))
    asked = []

    def story() -> None:
        live.heard(live.anna)
        for number in range(5):
            asked.append(live.loads(ghost))
            live.arrives(live.anna, f"event {number}")

    ended = live.run(story, mailboxes=[ANNA]).checked()
    assert len(set(asked)) == 1
    assert [item[4] for item in mark(ended, inbox)["pending"]] == [1]
    assert not ended.of("corrupt_items")


def test_an_item_that_is_not_found_is_tried_again_while_the_run_listens(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_ATTEMPTS", 2)
    inbox = live.anna.folder("inbox")
    late = inbox.add("Message", Subject="late")
    live.server.faults.add(ItemFails("ErrorItemNotFound", [late]))

    def story() -> None:
        live.until(lambda: live.loads(late) > 5)
        live.server.faults.clear()
        live.until(lambda: live.has_given(late))

    ended = live.run(story, mailboxes=[ANNA]).checked()
    assert late.id in rows_by_id(ended, "messages")
    assert "pending" not in mark(ended, inbox)
    assert not ended.of("corrupt_items")


def test_nothing_of_a_connection_is_sent_while_exchange_asks_the_account_to_wait(live: Live) -> None:
    throttles = Throttles(How.HTTP_503, hint=HOLD, on=On(SYNC, times=1))

    def story() -> None:
        live.heard(live.anna)
        live.server.faults.add(throttles)
        live.anna.folder("inbox").add("Message", Subject="throttled")
        live.until(lambda: throttles.struck == 1)
        live.server.endpoint.subscriptions.expire_all()
        live.until(lambda: live.count("GetStreamingEvents") > 1)

    live.run(story, mailboxes=[ANNA], max_connections=1).checked()
    assert not throttles.early


def test_the_account_waits_when_a_connection_is_asked_to(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MOST_SUBSCRIPTIONS", 1)
    throttles = Throttles(How.HTTP_503, hint=HOLD, on=On("Subscribe", times=1))

    def story() -> None:
        live.heard(live.anna)
        live.heard(live.bob)
        live.server.faults.add(throttles)
        subscriptions = live.server.endpoint.subscriptions
        subscriptions.drop(next(one.id for one in subscriptions.held.values() if one.mailbox is live.bob))
        live.until(lambda: throttles.struck == 1)
        live.arrives(live.anna, "during the back-off")

    live.run(story, mailboxes=[ANNA, BOB]).checked()
    assert not throttles.early


def test_an_error_that_nobody_expects_ends_the_run_and_tells_nothing_private(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = "secret plans"

    def broken(*_: object) -> None:
        raise ValueError(subject)

    monkeypatch.setattr(streaming.DocumentReader, "feed", broken)
    ended = live.run(lambda: live.until(lambda: live.over), mailboxes=[ANNA])
    assert ended.exit_code == 1
    assert "Unexpected ValueError" in ended.stderr
    assert subject not in ended.stderr


@pytest.mark.parametrize("user", ["EXAMPLE\\anna", "a.nna@tenant.example.com"])
def test_the_users_own_mailbox_is_heard_whatever_the_user_is_called(live: Live, user: str) -> None:
    live.exchange.add_account(user, "secret", impersonates=()).mailbox = live.anna
    live.bob.grant(ANNA)

    def story() -> None:
        live.arrives(live.anna, "live")

    ended = live.run(story, username=user, access_type="delegate", mailboxes=[ANNA, BOB]).checked()
    assert "live" in {row["subject"] for row in ended.of("messages")}
    assert "bob@example.com cannot be listened to" in ended.stderr
    assert "anna@example.com cannot be listened to" not in ended.stderr
