"""What no client can do without: the floor of CPU, and how fast the server answers a client that reads nothing."""

from __future__ import annotations

import statistics
import threading
import time
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
    from benchmarks.harness import Server

BATCH = 10
SHAPE = shape("messages", None, settings=ContentSettings())


def questions(server: Server, most: int) -> list[bytes]:
    """Return GetItem requests for the first items of the inbox, as the tap sends them."""
    connection = connect(Settings.from_config(server.settings))
    try:
        transport = Transport(connection, Pace(1, 60))
        mailbox = Mailbox(transport, server.settings["username"])
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


def post(session: requests.Session, server: Server, question: bytes) -> bytes:
    """Ask, and return the answer's bytes."""
    answer = session.post(
        server.settings["ews_url"],
        data=question,
        headers=HEADERS,
        auth=(server.settings["username"], server.settings["password"]),
        timeout=60,
    )
    answer.raise_for_status()
    return answer.content


def floor(server: Server, items: int = 200) -> dict[str, Any]:
    """Return CPU seconds an item: lxml parses the answers, msgspec writes the records; nothing else is counted.

    The median of some rounds, each right after the other: the caches are warm, which they never are in a run.
    """
    with requests.Session() as session:
        answers = [post(session, server, question) for question in questions(server, items)]
    elements = [element for answer in answers for element in etree.fromstring(answer).iter(f"{TYPES}Message")]
    records = [SHAPE.convert(element) for element in elements]
    encode = msgspec.json.Encoder().encode
    parsing, writing = [], []
    for _ in range(7):
        began = time.process_time()
        for answer in answers:
            etree.fromstring(answer)
        parsed = time.process_time()
        for record in records:
            encode(record)
        parsing.append(parsed - began)
        writing.append(time.process_time() - parsed)
    return {
        "parse": statistics.median(parsing) / len(records),
        "write": statistics.median(writing) / len(records),
        "cpu": (statistics.median(parsing) + statistics.median(writing)) / len(records),
        "bytes_in": sum(map(len, answers)) / len(records),
        "bytes_out": sum(len(encode(record)) for record in records) / len(records),
    }


def rate(server: Server, connections: int, items: int) -> float:
    """Return the items a second of so many threads that ask one batch after the other and drop the answers."""
    waiting = questions(server, items)
    count = len(waiting)

    def work() -> None:
        with requests.Session() as session:
            while True:
                try:
                    question = waiting.pop()
                except IndexError:
                    return
                post(session, server, question)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count * BATCH / (time.monotonic() - began)
