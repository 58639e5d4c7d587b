"""Processes that a test starts: read without blocking them, ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent


def started(
    command: Sequence[str], env: Mapping[str, str] | None = None, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a command with pipes, able to import this project."""
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes], *pipes: IO[bytes]) -> Iterator[None]:
    """Leave no process behind, whatever happens; close the pipes that this thread holds."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in pipes:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@contextlib.contextmanager
def drained(pipe: IO[bytes]) -> Iterator[Callable[[], str]]:
    """Read a pipe to its end in the background; the value tells what came so far."""
    chunks: list[bytes] = []
    reader = threading.Thread(target=lambda: chunks.extend(pipe), daemon=True)
    reader.start()
    try:
        yield lambda: b"".join(chunks).decode("utf-8", errors="replace")
    finally:
        reader.join(timeout=10)
        pipe.close()


@contextlib.contextmanager
def deadline(seconds: float, *processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill processes that take too long, and say so."""
    late = threading.Event()

    def end() -> None:
        late.set()
        for process in processes:
            process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    assert not late.is_set(), f"not at its end after {seconds:g} seconds"
