"""Real answers of every kind, broken: never a crash, and of a page either all that stands in it or nothing.

A run of the tap is recorded: each answer with the reader that the tap had for it. Then the bytes are broken in one
place, or the tree in a few, and the reader is given what is left.
"""

from __future__ import annotations

import copy
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest
from lxml import etree

from tap_exchange.demo import Exchange, serve
from tap_exchange.ews import soap, transport, xml
from tap_exchange.ews.errors import ExchangeError
from tap_exchange.ews.transport import Transport
from tests.pipeline import run_tap_here
from tests.trouble import config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_exchange.ews.post import Reply
    from tap_exchange.ews.soap import Message

PAGES = ("SyncFolderItems", "SyncFolderHierarchy", "GetItem", "FindItem", "FindFolder", "GetFolder")
MOST_OF_A_KIND = 12
LONGEST = 60_000  # bytes


@dataclass(frozen=True)
class Recorded:
    """An answer, and how the tap read it."""

    operation: str
    each: bool
    read: Callable[[Sequence[Message]], Any]
    document: bytes

    def of(self, document: bytes) -> Any:  # noqa: ANN401 - whatever the tap makes of it
        """Read a document as the transport does; raises ExchangeError."""
        response, fault = soap.opened(xml.parse(document))
        if response is None or fault is not None:
            return None
        listed = soap.messages(response, self.operation)
        if not self.each and any(message.fault is not None for message in listed):
            return None
        return self.read(listed)

    def size(self, document: bytes) -> int | None:
        """Return how much was read, None when it was refused in good order; what was read can be written."""
        try:
            result = self.of(document)
        except ExchangeError:
            return None
        if result is None:
            return None
        msgspec.json.encode(result)
        if isinstance(result, list):
            return len(result)
        pages = (getattr(result, name, None) for name in ("changes", "items", "folders"))
        return next((len(page) for page in pages if isinstance(page, tuple)), 1)


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    """Run the tap on an example that has something of everything, and keep a few answers of each kind."""
    exchange = Exchange.example(items=20, seed=5)
    exchange.add_public_folders()
    address, mailbox = next(iter(exchange.mailboxes.items()))
    mailbox.add_archive()
    kept: dict[str, list[Recorded]] = {}
    here = threading.local()
    call, post = Transport.call, transport.post

    def keeping(self: Transport, operation: str, body: str, **how: Any) -> Any:  # noqa: ANN401
        def read(listed: Sequence[Message]) -> Any:  # noqa: ANN401
            of_kind = kept.setdefault(operation, [])
            if here.document is not None and len(of_kind) < MOST_OF_A_KIND and len(here.document) < LONGEST:
                of_kind.append(Recorded(operation, how.get("each", False), how["read"], here.document))
            return how["read"](listed)

        return call(self, operation, body, **{**how, "read": read})

    def hearing(*args: Any, **how: Any) -> Reply:  # noqa: ANN401
        reply = post(*args, **how)
        here.document = reply.body
        return reply

    with (
        serve(exchange) as server,
        mock.patch.object(Transport, "call", keeping),
        mock.patch.object(transport, "post", hearing),
    ):
        settings = config(server, username=address, batch_size=3, search_folders=True, notifications="pull")
        del settings["folders_include"]
        first = run_tap_here({**settings, "stores": ["primary", "archive", "public_folders"]})
        assert first.exit_code == 0, first.stderr[-2000:]
        assert run_tap_here(settings, state=first.state).exit_code == 0
    assert set(PAGES) <= kept.keys()
    return [one for of_kind in kept.values() for one in of_kind]


def with_a_byte_broken(document: bytes, dice: random.Random) -> bytes:
    """Cut a document, or change, put in or take out a byte."""
    place = dice.randrange(len(document))
    how = dice.randrange(4)
    if how == 0:
        return document[:place]
    byte = bytes([dice.randrange(256)]) if how < 3 else b""
    return document[:place] + byte + document[place + (how != 2) :]


def with_its_tree_broken(document: bytes, dice: random.Random) -> bytes:
    """Take out, repeat, move, rename, empty or retell a few elements."""
    root = xml.parse(document)  # which may hold references to no character
    for _ in range(dice.randrange(1, 4)):
        nodes = list(root.iter("*"))
        node, other = dice.choice(nodes), dice.choice(nodes)
        parent = node.getparent()
        how = dice.randrange(7)
        if how == 0 and parent is not None:
            parent.remove(node)
        elif how == 1 and parent is not None:
            parent.append(copy.deepcopy(node))
        elif how == 2:
            other.append(copy.deepcopy(node) if len(nodes) < 5_000 else etree.Element("x"))
        elif how == 3:
            node.tag = other.tag
        elif how == 4:
            node.clear()
        elif how == 5:
            node.text = dice.choice(["", " ", "true", "-1", "1e400", "2026-13-45T99:00:00Z", "9" * 400, "\U0001f388"])
        else:
            for name in node.attrib:
                node.set(name, dice.choice(["", "true", "x" * 600, other.tag]))
    return etree.tostring(root)


def fuzz(recorded: list[Recorded], inputs: int, seed: int) -> None:
    dice = random.Random(seed)
    whole = {number: one.size(one.document) for number, one in enumerate(recorded)}
    refused = 0
    for turn in range(inputs):
        number = turn % len(recorded)
        one = recorded[number]
        if dice.random() < 0.5:
            found = one.size(with_a_byte_broken(one.document, dice))
            if one.operation in PAGES:
                assert found in {None, whole[number]}, f"seed {seed}, input {turn}: {one.operation} of {found}"
        else:
            found = one.size(with_its_tree_broken(one.document, dice))
            if one.operation == "GetItem":
                assert found in {None, whole[number]}, f"seed {seed}, input {turn}: {found} answers"
        refused += found is None
    assert 0 < refused < inputs


def test_broken_answers_of_every_kind_never_crash_the_tap_nor_shorten_a_page(recorded: list[Recorded]) -> None:
    fuzz(recorded, 5_000, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(200, 210))
def test_broken_answers_at_length(recorded: list[Recorded], seed: int) -> None:
    fuzz(recorded, 50_000, seed)
