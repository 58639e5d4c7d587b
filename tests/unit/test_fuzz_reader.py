"""The reader under fire: broken answers never crash it, hang it, blow it up, or shorten a page."""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc

import pytest

from tap_exchange.ews import soap, strict, xml
from tap_exchange.ews.errors import ExchangeError

SYNC = "SyncFolderItems"


def answer(count: int) -> bytes:
    """Write a page of changes as Exchange does."""
    changes = "".join(
        f'<t:Create><t:Message><t:ItemId Id="AAMk{number}" ChangeKey="CQ{number}"/></t:Message></t:Create>'
        for number in range(count)
    )
    changes += '<t:Delete><t:ItemId Id="AAMkgone" ChangeKey="CQ"/></t:Delete>'
    inside = (
        f"<m:{SYNC}ResponseMessage ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode>"
        f"<m:SyncState>H4sI</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"
        f"<m:Changes>{changes}</m:Changes></m:{SYNC}ResponseMessage>"
    )
    return (
        "<?xml version='1.0' encoding='utf-8'?>"
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' "
        "xmlns:m='http://schemas.microsoft.com/exchange/services/2006/messages' "
        "xmlns:t='http://schemas.microsoft.com/exchange/services/2006/types'><s:Body>"
        f"<m:{SYNC}Response><m:ResponseMessages>{inside}</m:ResponseMessages></m:{SYNC}Response>"
        "</s:Body></s:Envelope>"
    ).encode()


def read(document: bytes) -> int | None:
    """Return how many changes a page has, None when it is refused in good order."""
    try:
        response, fault = soap.opened(xml.parse(document))
        if response is None or fault is not None:
            return None
        listed = soap.messages(response, SYNC)
        if any(message.fault is not None for message in listed):
            return None
        return len(strict.Feed().items(None)(listed).changes)
    except ExchangeError:
        return None


def mutated(document: bytes, dice: random.Random) -> bytes:
    """Break a document in one place: cut, a byte changed, put in or taken out."""
    place = dice.randrange(len(document))
    how = dice.randrange(4)
    if how == 0:
        return document[:place]
    if how == 1:
        return document[:place] + bytes([dice.randrange(256)]) + document[place + 1 :]
    if how == 2:
        return document[:place] + bytes([dice.randrange(256)]) + document[place:]
    return document[:place] + document[place + 1 :]


def fuzz(inputs: int, seed: int) -> None:
    dice = random.Random(seed)
    whole = answer(12)
    assert read(whole) == 13
    for number in range(inputs):
        broken = mutated(whole, dice)
        found = read(broken)
        assert found in {None, 13}, f"seed {seed}, input {number}: a page of {found} changes"


def test_a_broken_page_is_refused_or_whole_never_shorter() -> None:
    fuzz(20_000, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_broken_pages_are_refused_or_whole(seed: int) -> None:
    fuzz(100_000, seed)


def test_every_cut_is_noticed() -> None:
    whole = answer(5)
    assert all(read(whole[:length]) is None for length in range(len(whole)))


BOMBS = {
    "nesting": b"<a>" * 400_000 + b"</a>" * 400_000,
    "an endless tag": b"<" + b"a" * 3_000_000,
    "a gigantic attribute": b'<a b="' + b"x" * 30_000_000 + b'"/>',
    "many attributes": b"<a " + b" ".join(b'a%d="1"' % number for number in range(400_000)) + b"/>",
    "entities": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
    "an outer entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "not xml": gzip.compress(b"x" * 1000),
    "nothing": b"",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_quickly_and_in_little_memory(bomb: str) -> None:
    tracemalloc.start()
    begun = time.monotonic()
    try:
        assert read(BOMBS[bomb]) is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * len(BOMBS[bomb]) + 10_000_000
    assert time.monotonic() - begun < 60
