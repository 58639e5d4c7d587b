"""The wire on the embedded Exchange: many threads under throttling, and answers that never arrive whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import Answers, How, On, Throttles, broken_utf8, cut, reset
from tap_exchange.ews.connect import connect
from tap_exchange.ews.errors import ExchangeError
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.pace import Pace
from tap_exchange.ews.transport import Transport
from tap_exchange.settings import Settings
from tests.wire import IdShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.server import Server

ANNA = "anna@example.com"
COUNT = 400
THREADS = 8
CONNECTIONS = 4


@contextmanager
def anna(*, max_wait: float = 60) -> Iterator[tuple[Server, Mailbox, str, list[str]]]:
    """Serve a mailbox; its server, the wire to it, a folder and the ids in it."""
    exchange = Exchange(seed=7)
    mailbox = exchange.add_mailbox(ANNA, password="secret")
    folder = mailbox.add_folder("Inbox/Projects", folder_class="IPF.Note")
    folder.fill(COUNT)
    with serve(exchange) as server:
        config = {"ews_url": server.url, "username": ANNA, "password": "secret", "max_connections": CONNECTIONS}
        connection = connect(Settings.from_config(config))
        wire = Mailbox(Transport(connection, Pace(CONNECTIONS, max_wait, floor=0.1, quiet=1.0)), ANNA)
        wire.root()
        try:
            yield server, wire, folder.id, [item.id for item in folder.items()]
        finally:
            connection.close()


def drained(wire: Mailbox, folder_id: str) -> list[str]:
    ids: list[str] = []
    state = None
    while True:
        page = wire.sync_items(folder_id, state, 100)
        ids += [change.item_id for change in page.changes]
        state = page.sync_state
        if page.last:
            return ids


def loaded(wire: Mailbox, ids: list[str]) -> list[str]:
    """Load all in batches of ten, by more threads than there are connections."""
    batches = [ids[i : i + 10] for i in range(0, len(ids), 10)]
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda batch: wire.get_items(batch, IdShape()), batches)
        return [answer.record["item_id"] for batch in answers for answer in batch if answer.record]


@pytest.mark.parametrize("how", How)
def test_no_request_falls_into_a_back_off_however_many_threads_there_are(how: How) -> None:
    with anna() as (server, wire, folder_id, ids):
        throttles = Throttles(how, 0.5, On(skip=5, every=15))
        server.faults.add(throttles)
        assert sorted(drained(wire, folder_id)) == sorted(ids)
        assert loaded(wire, ids) == ids
        assert throttles.struck >= 2
        assert throttles.early == []
        assert wire.transport.pace.throttled_seconds >= 0.4 * throttles.struck


@pytest.mark.parametrize("change", [reset(), reset(0.5), cut(), cut(honest=True), cut(packed=True), broken_utf8()])
def test_answers_that_break_now_and_then_lose_and_repeat_nothing(change: object) -> None:
    with anna() as (server, wire, folder_id, ids):
        server.faults.add(fault := Answers(change, On(every=5)))  # type: ignore[arg-type]
        assert sorted(drained(wire, folder_id)) == sorted(ids)
        assert [a.record for a in wire.get_items(ids[:50], IdShape())] == [{"item_id": i} for i in ids[:50]]
        assert fault.struck


def test_a_page_that_never_arrives_whole_gives_no_state() -> None:
    with anna() as (server, wire, folder_id, _):
        server.faults.add(Answers(cut(0.9, honest=True), On("SyncFolderItems")))
        with pytest.raises(ExchangeError) as raised:
            wire.sync_items(folder_id, None)
        assert raised.value.splittable
