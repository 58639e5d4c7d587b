"""Runs a tap in a process of its own against an embedded Exchange in another, and measures it.

CPU time and memory are those that the kernel tells of the tap's process when it ends (`wait4`): interpreter, imports
and all its threads; nothing of the server's or of the reader's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

HERE = Path(__file__).parent
TAP = ("-m", "tap_exchange")
PLAIN = (str(HERE / "plain_tap.py"),)
KIND = re.compile(rb'\{"type": ?"([A-Z]+)"(?:, ?"stream": ?"(\w+)")?')
MEGABYTE = 2**20
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent)}
"""Of the processes that are measured: the tap is this one, wherever they are begun."""


@dataclass
class Run:
    """What one run of a tap took, and what it gave."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    """Peak resident set in MB."""
    code: int = 0
    records: Counter[str] = field(default_factory=Counter)
    output: int = 0
    """Bytes of all messages."""
    states: int = 0
    """Bytes of all STATE messages."""
    state: dict[str, Any] = field(default_factory=dict)
    """The value of the last STATE."""
    requests: dict[str, int] = field(default_factory=dict)
    first: float = 0.0
    last: float = 0.0
    """When the first and the last message came out."""

    @property
    def messages(self) -> int:
        """Messages written."""
        return self.records["messages"]

    @property
    def rate(self) -> float:
        """Messages a second, from the first to the last: without the start, and what comes before any load."""
        return self.messages / (self.last - self.first)


class Server:
    """The embedded Exchange, in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Read where it listens."""
        self._process = process
        self.settings: dict[str, Any] = self._answer()

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        if stdout is None:
            raise AssertionError
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command of `server.py`, and return its answer."""
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError
        stdin.write(f"{command}\n")
        stdin.flush()
        return self._answer()


@contextmanager
def exchange(
    items: int,
    folders: int = 1,
    latency: float = 0.0,
    *,
    remember: bool = False,
    beside: Sequence[int] = (),
    **options: Any,  # noqa: ANN401
) -> Iterator[Server]:
    """Serve a mailbox of so many messages in so many folders; `options` say what each of them holds.

    With `remember` the server makes each answer once, and the mailbox must not change. The same server holds other
    mailboxes, of as many messages as `beside` says: run with the user name beside0@example.com, and so on.
    """
    asked = {"items": items, "folders": folders, "latency": latency, "remember": remember, "beside": beside}
    asked["options"] = options
    command = [sys.executable, str(HERE / "server.py"), json.dumps(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        if process.stdin is not None:
            process.stdin.close()


def run(
    server: Server,
    program: Sequence[str] = TAP,
    *,
    state: dict[str, Any] | None = None,
    read: Callable[[IO[bytes], Run], None] | None = None,
    **settings: Any,  # noqa: ANN401
) -> Run:
    """Run a tap to its end; raises when it fails, or when an initial load is not what the server holds."""
    taken = Run()
    asked = server.settings | settings
    server.ask("counts")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, *program, "--config", str(config)]
        if state is not None:
            path = Path(folder) / "state.json"
            path.write_text(json.dumps(state), encoding="utf-8")
            command += ["--state", str(path)]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT)
        if process.stdout is None:
            raise AssertionError
        (read or read_all)(process.stdout, taken)
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = taken.code = os.waitstatus_to_exitcode(status)
        taken.wall = time.monotonic() - began
        if taken.code:
            log.seek(0)
            raise RuntimeError(log.read().decode()[-2000:])
    taken.cpu = usage.ru_utime + usage.ru_stime
    taken.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / MEGABYTE
    taken.requests = server.ask("counts")
    held = server.ask(f"held {asked['username']}")["items"]
    if state is None and taken.messages != held:
        raise RuntimeError(f"{taken.messages} messages came of {held}")
    return taken


def read_all(lines: Iterable[bytes], taken: Run) -> None:
    """Read messages as fast as they come, and count them."""
    last = b""
    for line in lines:
        taken.output += len(line)
        found = KIND.match(line)
        if found is None:
            raise ValueError(line[:80])
        kind, stream = found.groups()
        if kind == b"RECORD":
            name = stream.decode()
            taken.records[name] += 1
            if name == "messages":
                taken.last = time.monotonic()
                taken.first = taken.first or taken.last
        elif kind == b"STATE":
            taken.states += len(line)
            last = line
    if last:
        taken.state = json.loads(last)["value"]
