"""SIGTERM and SIGINT: a record's end, a STATE, an exit within ten seconds, whatever the run is waiting for."""

from __future__ import annotations

import fcntl
import json
import signal
import struct
import sys
import termios
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import Answers, How, On, Throttles, delayed, endless, says
from tests.messages import Messages
from tests.processes import drained, ended, started
from tests.trouble import config, ids, mailbox, rows_by_id, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.server import Server

pytestmark = pytest.mark.pipeline

WITHIN = 10.0  # seconds
TAP = ("-m", "tap_exchange")
SIGNALLED_AT_ITS_END = """
import os, signal
from tap_exchange.tap import TapExchange, main

conclude = TapExchange.conclude

def late(tap):
    os.kill(os.getpid(), signal.SIGTERM)
    conclude(tap)

TapExchange.conclude = late
main()
"""
TERM, INT = signal.SIGTERM, signal.SIGINT


@dataclass
class Tap:
    """A run in a process of its own, whose output is read when it is told to."""

    process: subprocess.Popen[bytes]
    log: Callable[[], str]
    written: bytearray = field(default_factory=bytearray)

    def read(self) -> threading.Thread:
        """Read the output in the background from now on."""
        reader = threading.Thread(target=lambda: self.written.extend(self.process.stdout.read()), daemon=True)
        reader.start()
        return reader

    def interrupted(self, by: signal.Signals, reader: threading.Thread | None = None) -> Messages:
        """Send the signal; return what was written, which must be whole lines."""
        began = time.monotonic()
        self.process.send_signal(by)
        code = self.process.wait(WITHIN + 5)
        took = time.monotonic() - began
        (reader or self.read()).join(10)
        assert took < WITHIN, f"it took {took:.1f} s"
        assert code == 128 + by, self.log()
        assert self.written.endswith(b"\n"), "half a line"
        assert "Traceback" not in self.log()
        return Messages().take_all(bytes(self.written).splitlines())


@contextmanager
def tap(server: Server, folder: Path, *faults: Fault, program: Sequence[str] = TAP, **settings: int) -> Iterator[Tap]:
    """Start a run."""
    server.faults.add(*faults)
    file = Path(folder, "config.json")
    file.write_text(json.dumps(config(server, **settings)), encoding="utf-8")
    process = started([sys.executable, *program, "--config", str(file)])
    with drained(process.stderr) as log, ended(process, process.stdout):
        yield Tap(process, log)
    server.faults.clear()


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to happen."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


@pytest.fixture
def inbox() -> Folder:
    return mailbox(items=100).folder("inbox")


def goes_on(server: Server, inbox: Folder, before: Messages) -> None:
    """Fail unless a second run completes what the first one wrote."""
    assert before.state is not None
    assert before.parsed[-1]["type"] == "STATE"
    assert before.of("sync_runs")[-1]["outcome"] == "interrupted"
    then = run(server, state=before.state).checked()
    tables = {record["item_id"] for record in before.of("messages")} | set(rows_by_id(then, "messages"))
    assert tables == ids(inbox.items())


def test_a_loader_that_closes_the_pipe_is_told_of_in_one_line(server: Server, inbox: Folder, tmp_path: Path) -> None:
    inbox.fill(2000)
    with tap(server, tmp_path) as running:
        assert running.process.stdout.readline()
        running.process.stdout.close()
        assert running.process.wait(60) == 1
        wait_until(lambda: "The loader closed the pipe" in running.log(), 10)
        assert "Traceback" not in running.log()


@pytest.mark.parametrize("by", [TERM, INT])
def test_a_signal_while_backing_off(by: signal.Signals, server: Server, inbox: Folder, tmp_path: Path) -> None:
    fault = Throttles(How.SOAP_FAULT, hint=300, on=On("GetItem", skip=3))
    # One connection: of several, one may have sent its request before it could know, and a busy machine be late.
    with tap(server, tmp_path, fault, max_wait=600, max_connections=1) as it:
        reader = it.read()
        wait_until(lambda: fault.struck)
        time.sleep(0.5)
        messages = it.interrupted(by, reader)
    assert fault.early == []
    goes_on(server, inbox, messages)


@pytest.mark.parametrize(("trouble", "by"), [(delayed(60), TERM), (endless(), INT)], ids=["none", "an endless one"])
def test_a_signal_while_waiting_for_an_answer(
    trouble: Callable[..., object], by: signal.Signals, server: Server, inbox: Folder, tmp_path: Path
) -> None:
    fault = Answers(trouble, On("GetItem", skip=3))
    with tap(server, tmp_path, fault) as it:
        reader = it.read()
        wait_until(lambda: fault.struck)
        time.sleep(0.5)
        messages = it.interrupted(by, reader)
    goes_on(server, inbox, messages)


def test_a_signal_before_the_first_item(server: Server, inbox: Folder, tmp_path: Path) -> None:
    fault = Answers(says(503, retry_after="200"), On("SyncFolderItems"), undone=True)
    with tap(server, tmp_path, fault, max_wait=600) as it:
        reader = it.read()
        wait_until(lambda: fault.struck)
        messages = it.interrupted(INT, reader)
    assert not messages.of("messages")
    goes_on(server, inbox, messages)


def test_a_signal_in_the_middle_of_a_page(server: Server, inbox: Folder, tmp_path: Path) -> None:
    inbox.fill(400)
    server.endpoint.latency = 0.05
    with tap(server, tmp_path, max_changes=100, batch_size=5) as it:
        reader = it.read()
        wait_until(lambda: server.counts.get("GetItem", 0) > 40)
        messages = it.interrupted(TERM, reader)
    assert 0 < len(messages.of("messages")) < 500
    ends = messages.of("sync_runs")[-1]
    as_of = messages.state["bookmarks"]["_feeds"]["_tap"]["as_of"]
    assert ends["as_of"] is None, "a page lies half written: this run vouches for nothing after the STATE"
    assert as_of < ends["synced_at"]
    goes_on(server, inbox, messages)


def test_a_signal_when_all_is_written_leaves_the_run_as_it_ended(server: Server, inbox: Folder, tmp_path: Path) -> None:
    with tap(server, tmp_path, program=("-c", SIGNALLED_AT_ITS_END)) as it:
        reader = it.read()
        assert it.process.wait(60) == 0, it.log()
        reader.join(10)
    messages = Messages().take_all(bytes(it.written).splitlines())
    assert messages.of("sync_runs")[-1]["outcome"] == "finished"
    assert set(rows_by_id(messages, "messages")) == ids(inbox.items())
    assert messages.parsed[-1]["type"] == "STATE"
    assert not run(server, state=messages.state).checked().of("messages")


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="the size of a pipe is fixed here")
@pytest.mark.parametrize(("lines", "by"), [(0, TERM), (0, INT), (1, INT), (60, TERM)])
def test_a_signal_while_the_pipe_takes_nothing(
    lines: int, by: signal.Signals, server: Server, inbox: Folder, tmp_path: Path
) -> None:
    inbox.fill(400)
    with tap(server, tmp_path) as it:
        for _ in range(lines):
            it.written += it.process.stdout.readline()
        wait_until(lambda: is_stuck(it.process))
        messages = it.interrupted(by)
    loaded = {record["item_id"] for record in messages.of("messages")}
    assert bool(loaded) is (lines > 17)
    assert len(loaded) < 500
    then = run(server, state=messages.state).checked()
    assert loaded | set(rows_by_id(then, "messages")) == ids(inbox.items())


def is_stuck(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a pipe holds much, and no more after a while."""
    held = _held(process)
    time.sleep(0.5)
    return held == _held(process) > 30_000


def _held(process: subprocess.Popen[bytes]) -> int:
    return struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0\0\0\0"))[0]
