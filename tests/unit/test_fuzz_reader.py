"""The reader under fire: broken answers never crash it, hang it, blow it up, or shorten a page."""

from __future__ import annotations

import gzip
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews import soap, strict, xml
from tap_exchange.ews.errors import ExchangeError
from tests.pipeline import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

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


def within(bomb: bytes) -> bytes:
    """Put a bomb into an answer that would be good without it."""
    beginning, end = answer(0).split(b"<m:Changes>")
    return b"".join([beginning, b"<m:X>", bomb, b"</m:X><m:Changes>", end])


# Made when they are used, the smallest first.
BOMBS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not xml": lambda: gzip.compress(b"x" * 1000),
    "an outer entity": lambda: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + within(b"&b;"),
    "entities": lambda: b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]>' + within(b"&c;" * 100),
    "names that nest": lambda: within(b"".join(b"<a%d:x xmlns:a%d='u'>" % (n, n) for n in range(20_000))),
    "nesting": lambda: within(b"<a>" * 400_000 + b"</a>" * 400_000),
    "an endless tag": lambda: within(b"<" + b"a" * 3_000_000),
    "many elements": lambda: within(b"<a/>" * 4_500_000),
    "many characters to repair": lambda: within(b"&#1;" * 5_000_000),
    "many attributes": lambda: within(b"<a" + b' a="1"' * 8_500_000 + b"/>"),
}


def test_what_the_bombs_stand_in_is_a_good_answer() -> None:
    assert read(within(b"<a b='c'>&#1;</a>")) == 1


def test_bombs_are_refused_quickly_and_in_little_memory() -> None:
    """In a process of its own: nothing else tells what the parser takes."""
    command = [sys.executable, "-c", "from tests.unit.test_fuzz_reader import measure; measure()"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=150, cwd=ROOT).stdout
    assert [line.split("\t")[0] for line in told.splitlines()] == list(BOMBS)
    for line in told.splitlines():
        name, found, size, peak, seconds = line.split("\t")
        assert found == "None", name
        assert int(peak) < 200 + 3 * int(size), f"{name}, {size} MB, took {peak} MB"
        assert float(seconds) < 30, f"{name} took {seconds} s"


def measure() -> None:
    """Read each bomb; tell the outcome, its size and the most memory that was taken so far, in MB, and the seconds."""
    for name, make in BOMBS.items():
        bomb, begun = make(), time.monotonic()
        found = read(bomb)
        sys.stdout.write(f"{name}\t{found}\t{len(bomb) >> 20}\t{most_memory()}\t{time.monotonic() - begun}\n")


def most_memory() -> int:
    """Tell the most memory that this process has taken, in MB; Linux counts its parent's in `ru_maxrss`."""
    if sys.platform == "linux":
        return int(Path("/proc/self/status").read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
