"""What no client can do without: the floor of CPU, and how fast the server answers a client that reads nothing."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from lxml import etree

from tap_exchange.ews import ask, soap
from tap_exchange.ews.connect import connect
from tap_exchange.ews.faults import TYPES
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.pace import Pace
from tap_exchange.ews.post import HEADERS
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.ews.transport import Transport
from tap_exchange.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Server

BATCH = 10
SHAPE = shape("messages", None, settings=ContentSettings())


def questions(settings: dict[str, Any], most: int) -> list[bytes]:
    """Return GetItem requests for the first items of the inbox, as the tap sends them."""
    connection = connect(Settings.from_config(settings))
    try:
        transport = Transport(connection, Pace(1, 60))
        mailbox = Mailbox(transport, settings["username"])
        mailbox.root()
        inbox = next(folder for folder, name in mailbox.distinguished().names.items() if name == "inbox")
        state, ids = None, []
        while len(ids) < most:
            page = mailbox.sync_items(inbox, state)
            state = page.sync_state
            ids += [change.item_id for change in page.changes]
            if page.last:
                break
        version = transport.version(mailbox.address)
        xml = SHAPE.for_server(version).xml
    finally:
        connection.close()
    return [
        soap.envelope(ask.get_item(ask.item_ids(ids[start : start + BATCH]), xml), version)
        for start in range(0, min(most, len(ids)), BATCH)
    ]


def post(session: requests.Session, settings: dict[str, Any], question: bytes) -> bytes:
    """Ask, and return the answer's bytes."""
    answer = session.post(
        settings["ews_url"],
        data=question,
        headers=HEADERS,
        auth=(settings["username"], settings["password"]),
        timeout=60,
    )
    answer.raise_for_status()
    return answer.content


@contextmanager
def floors(server: Server, items: int) -> Iterator[Callable[[], dict[str, float]]]:
    """Yield what takes the floor of so many messages, in a process of its own.

    That one holds their answers: what a process holds counts as peak memory of those that it begins, too.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _gather, (server.settings, items)) as process:
        yield lambda: process.submit(_floor).result()


_answers: list[bytes] = []


def _gather(settings: dict[str, Any], items: int) -> None:
    _answers[:] = gathered(settings, items)


def gathered(settings: dict[str, Any], items: int) -> list[bytes]:
    """Return the server's answers to GetItem for so many messages."""
    with requests.Session() as session:
        return [post(session, settings, question) for question in questions(settings, items)]


def converted(answer: etree._Element) -> list[dict[str, Any]]:
    """Return the records of an answer's messages."""
    return [SHAPE.convert(element) for element in answer.iter(f"{TYPES}Message")]


def _floor() -> dict[str, float]:
    """Return CPU seconds an item: lxml parses the answers, msgspec writes the records; nothing else is counted.

    Each answer is taken once, as in a run. The same few again and again take between four fifths and four thirds of
    that, by how their memory happens to lie.
    """
    encode = msgspec.json.Encoder().encode
    parsing = writing = 0.0
    count = bytes_out = 0
    for answer in _answers:
        began = time.process_time()
        root = etree.fromstring(answer)
        parsing += time.process_time() - began
        records = converted(root)
        began = time.process_time()
        written = [encode(record) for record in records]
        writing += time.process_time() - began
        count += len(records)
        bytes_out += sum(map(len, written))
    return {
        "parse": parsing / count,
        "write": writing / count,
        "cpu": (parsing + writing) / count,
        "bytes_in": sum(map(len, _answers)) / count,
        "bytes_out": bytes_out / count,
    }


def rate(server: Server, connections: int, items: int) -> float:
    """Return the items a second of so many threads that ask one batch after the other and drop the answers."""
    waiting = questions(server.settings, items)
    count = len(waiting)

    def work() -> None:
        with requests.Session() as session:
            while True:
                try:
                    question = waiting.pop()
                except IndexError:
                    return
                post(session, server.settings, question)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count * BATCH / (time.monotonic() - began)
