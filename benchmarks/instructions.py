"""Instructions of the processor that a message takes, beside the floor: other work on the machine changes times alone.

    python -m benchmarks.instructions [--items N]

Needs valgrind, and takes minutes. Its cachegrind counts what a process does itself; what the kernel does for it, at the
socket and the pipe, is not among it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from lxml import etree

from benchmarks import bare
from benchmarks.figures import FEW, MESSAGE
from benchmarks.harness import ENVIRONMENT, TAP, exchange, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.harness import Server

ITSELF = ("-m", "benchmarks.instructions")
COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
TOLD = re.compile(r"I\s+refs:\s+([0-9,]+)")
PATIENCE = 600
"""Seconds for an answer: counting takes fifty times as long."""


def main() -> None:
    """Count, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=500, help="messages that are counted")
    parser.add_argument("--floor", type=int, metavar="TIMES", help=argparse.SUPPRESS)  # in a process that is counted
    parser.add_argument("--under", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)  # becomes one
    asked = parser.parse_args()
    if asked.under:
        log, *program = asked.under
        os.execvp(COUNTER[0], [*COUNTER, f"--log-file={log}", sys.executable, *program])
    if asked.floor:
        take_floor(json.load(sys.stdin), asked.items, asked.floor)
        return
    if shutil.which(COUNTER[0]) is None:
        parser.error("valgrind counts the instructions: install it (apt install valgrind)")
    with exchange(FEW, **MESSAGE) as few, exchange(FEW + asked.items, **MESSAGE) as many:
        tap = (counted(partial(load, many)) - counted(partial(load, few))) / asked.items
        once, thrice = (counted(partial(floor, many, asked.items, times)) for times in (1, 3))
    least = (thrice - once) / 2 / asked.items
    print(f"a message: {tap:,.0f} instructions; the floor: {least:,.0f}; {tap / least:.2f} times")


def counted(work: Callable[[tuple[str, ...]], None]) -> int:
    """Return the instructions of the Python process that `work` begins with the arguments it is given."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        work((*ITSELF, "--under", str(log)))
        told = TOLD.search(log.read_text(encoding="utf-8"))
    if told is None:
        raise RuntimeError("valgrind did not tell how many instructions it counted")
    return int(told[1].replace(",", ""))


def load(server: Server, under: tuple[str, ...]) -> None:
    """Run the tap on a whole mailbox."""
    run(server, (*under, *TAP), request_timeout=PATIENCE)


def floor(server: Server, items: int, times: int, under: tuple[str, ...]) -> None:
    """Run what takes the floor so many times."""
    command = [sys.executable, *under, *ITSELF, "--items", str(items), "--floor", str(times)]
    subprocess.run(command, input=json.dumps(server.settings), text=True, check=True, env=ENVIRONMENT)


def take_floor(settings: dict[str, object], items: int, times: int) -> None:
    """Parse the answers for so many messages and write their records, so many times."""
    answers = bare.gathered(settings, items)
    records = [record for answer in answers for record in bare.converted(etree.fromstring(answer))]
    encode = msgspec.json.Encoder().encode
    for _ in range(times):
        for answer in answers:
            etree.fromstring(answer)
        for record in records:
            encode(record)


if __name__ == "__main__":
    main()
