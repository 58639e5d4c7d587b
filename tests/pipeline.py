"""Run the real tap, alone or piped into the real loader, as a person would; look at what came out.

`run_tap` starts `python -m tap_exchange`, `run_tap_here` runs the same entry point inside this
process (no start-up to wait for, but one at a time and never killed), `run_pipeline` pipes the tap
into target-postgres and tells the last state that the loader made durable.
"""

from __future__ import annotations

import contextlib
import fnmatch
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.messages import Messages
from tests.observer import bounded
from tests.processes import deadline, drained, ended, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
LOADER = ROOT / ".meltano/loaders/target-postgres/venv/bin/target-postgres"
JSONL_LOADER = ROOT / ".meltano/loaders/target-jsonl/venv/bin/target-jsonl"
MELTANO = ROOT / ".venv-meltano/bin/meltano"
TIMEOUT = 120.0  # seconds until a run counts as hanging

State = dict[str, Any]
Catalog = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TapRun:
    """What one run of the tap left: its messages, its exit code, its log."""

    messages: Messages
    exit_code: int
    stderr: str
    partial: bytes = b""
    """The half line that a killed tap left behind."""

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """The records by stream."""
        return self.messages.records

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """The schemas by stream."""
        return self.messages.schemas

    @property
    def states(self) -> list[State]:
        """Every STATE, in order."""
        return self.messages.states

    @property
    def state(self) -> State | None:
        """The last STATE."""
        return self.messages.state

    def of(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream, in order."""
        return self.messages.of(stream)

    def table(self, stream: str) -> dict[Any, dict[str, Any]]:
        """Return the rows of a stream by key, the last of each."""
        return self.messages.table(stream)

    def checked(self) -> TapRun:
        """Return this run; fail with its log when it did not end well."""
        assert self.exit_code == 0, f"the tap ended with {self.exit_code}:\n{self.stderr[-4000:]}"
        return self


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """What one run of tap | loader left."""

    tap: TapRun
    exit_code: int
    """The loader's exit code."""
    stderr: str
    """The loader's log."""
    durable: State | None
    """The last state that the loader gave out; what stood before, where it gave none."""

    def checked(self) -> PipelineRun:
        """Return this run; fail with the log of whatever did not end well."""
        self.tap.checked()
        assert self.exit_code == 0, f"the loader ended with {self.exit_code}:\n{self.stderr[-4000:]}"
        return self


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the tap when it has written `after` lines.

    A killed process may leave half a line in the pipe. target-postgres ends with an error on it, and
    nothing of what it still holds is durable; without it, it writes all it has and gives out a state.
    """

    after: int
    loader: bool = False
    """Kill the loader at the same moment."""
    half_line: bool = False
    """Hand on the half line, as Meltano and a shell do."""
    with_signal: signal.Signals = signal.SIGKILL


def run_tap(
    config: Mapping[str, Any],
    *,
    state: State | None = None,
    catalog: Catalog | None = None,
    selects: Sequence[str] | None = None,
    args: Sequence[str] = (),
    kill: Kill | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    python: str = sys.executable,
) -> TapRun:
    """Run `python -m tap_exchange` to its end, or to the kill."""
    with _inputs(config, state, _catalog(catalog, selects)) as inputs:
        tap = started([python, "-m", "tap_exchange", *inputs, *args], env)
        messages = Messages()
        with drained(tap.stderr) as log, ended(tap, tap.stdout), deadline(timeout, tap):
            partial = _read(tap, messages, kill, to=None)
            tap.wait()
    return TapRun(messages, tap.returncode, log(), partial)


def run_tap_here(
    config: Mapping[str, Any],
    *,
    state: State | None = None,
    catalog: Catalog | None = None,
    selects: Sequence[str] | None = None,
    args: Sequence[str] = (),
) -> TapRun:
    """Run the tap's own `main` in this process; quick, for tests that need many runs."""
    from tap_exchange import tap  # noqa: PLC0415 - late, as a run of its own imports it

    out, log = io.BytesIO(), io.StringIO()
    with _inputs(config, state, _catalog(catalog, selects)) as inputs, _unchanged(), warnings.catch_warnings():
        stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
        with (
            mock.patch.object(sys, "argv", ["tap-exchange", *inputs, *args]),
            mock.patch.object(sys, "stdout", stdout),
            mock.patch.object(sys, "stderr", log),
            mock.patch.object(tap, "leave", sys.exit),  # which would end this process
        ):
            exit_code = _exit_code(tap.main, log)
            stdout.flush()
    return TapRun(Messages().take_all(out.getvalue().splitlines()), exit_code, log.getvalue())


def run_pipeline(
    config: Mapping[str, Any],
    pg_url: str,
    state: State | None = None,
    *,
    catalog: Catalog | None = None,
    selects: Sequence[str] | None = None,
    schema: str = "exchange",
    loader_config: Mapping[str, Any] | None = None,
    kill: Kill | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 2 * TIMEOUT,
) -> PipelineRun:
    """Run tap | target-postgres over real pipes; every message is looked at on its way."""
    settings = {
        "sqlalchemy_url": sqlalchemy_url(pg_url),
        "default_target_schema": schema,
        "add_record_metadata": True,
        "validate_records": False,
        "load_method": "upsert",
        **(loader_config or {}),
    }
    command = [os.environ.get("TARGET_POSTGRES", str(LOADER))]
    return _piped(config, command, settings, state, _catalog(catalog, selects), kill, env, timeout)


def run_to_files(
    config: Mapping[str, Any],
    folder: Path,
    state: State | None = None,
    *,
    catalog: Catalog | None = None,
    selects: Sequence[str] | None = None,
    kill: Kill | None = None,
    timeout: float = 2 * TIMEOUT,
) -> PipelineRun:
    """Run tap | target-jsonl: one file for each stream in the folder, appended to."""
    settings = {"destination_path": str(folder), "do_timestamp_file": False}
    command = [os.environ.get("TARGET_JSONL", str(JSONL_LOADER))]
    return _piped(config, command, settings, state, _catalog(catalog, selects), kill, None, timeout)


def sqlalchemy_url(pg_url: str) -> str:
    """Name the driver that the loader has in a PostgreSQL address."""
    scheme, rest = pg_url.split("://", 1)
    return f"{scheme if '+' in scheme else 'postgresql+psycopg'}://{rest}"


def discovered() -> Catalog:
    """Return the catalog of `--discover`, a copy to change."""
    return json.loads(_discovered())


def selection(rules: Sequence[str], catalog: Catalog | None = None) -> Catalog:
    """Return a catalog with only what the rules name: `messages.*`, `!messages.body`, `*.*`.

    As in Meltano: a rule names stream and column, both as globs; `!` takes away; what is
    `inclusion: automatic` stays in a stream that is selected.
    """
    chosen = catalog or discovered()
    wanted = [rule.split(".", 1) for rule in rules if not rule.startswith("!")]
    unwanted = [rule[1:].split(".", 1) for rule in rules if rule.startswith("!")]
    for entry in chosen["streams"]:
        stream = entry["tap_stream_id"]
        for about in entry["metadata"]:
            path, metadata = about["breadcrumb"], about["metadata"]
            column = path[1] if path else "*"
            on = any(_matches(rule, stream, column if path else None) for rule in wanted)
            off = any(_matches(rule, stream, column) for rule in unwanted)
            metadata["selected"] = on and not off
    return chosen


def _matches(rule: list[str], stream: str, column: str | None) -> bool:
    return fnmatch.fnmatchcase(stream, rule[0]) and (column is None or fnmatch.fnmatchcase(column, rule[1]))


@cache
def _discovered() -> str:
    command = [sys.executable, "-m", "tap_exchange", "--discover"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT).stdout


def _catalog(catalog: Catalog | None, selects: Sequence[str] | None) -> Catalog | None:
    return catalog if selects is None else selection(selects, catalog)


@contextlib.contextmanager
def _inputs(config: Mapping[str, Any], state: State | None, catalog: Catalog | None) -> Iterator[list[str]]:
    """Write the files that a Singer tap is given, and name them as its arguments."""
    with bounded(config), tempfile.TemporaryDirectory(prefix="tap-exchange-test-") as folder:
        args = []
        for name, content in (("config", config), ("state", state), ("catalog", catalog)):
            if content is not None:
                file = Path(folder, f"{name}.json")
                file.write_text(json.dumps(content), encoding="utf-8")
                args += [f"--{name}", str(file)]
        yield args


def _piped(
    config: Mapping[str, Any],
    command: Sequence[str],
    settings: Mapping[str, Any],
    state: State | None,
    catalog: Catalog | None,
    kill: Kill | None,
    env: Mapping[str, str] | None,
    timeout: float,
) -> PipelineRun:
    messages = Messages()
    with _inputs(config, state, catalog) as inputs, _inputs(settings, None, None) as loader_inputs:
        loader = started([*command, *loader_inputs], {"PGTZ": "UTC"}, stdin=subprocess.PIPE)
        tap = started([sys.executable, "-m", "tap_exchange", *inputs], env)
        with (
            drained(tap.stderr) as log,
            drained(loader.stderr) as loader_log,
            drained(loader.stdout) as given_out,
            ended(tap, tap.stdout),
            ended(loader, loader.stdin),
            deadline(timeout, tap, loader),
        ):
            partial = _read(tap, messages, kill, to=loader)
            tap.wait()
            with contextlib.suppress(BrokenPipeError):
                loader.stdin.close()
            loader.wait()
    durable = [line for line in given_out().splitlines() if line.strip()]
    return PipelineRun(
        tap=TapRun(messages, tap.returncode, log(), partial),
        exit_code=loader.returncode,
        stderr=loader_log(),
        durable=json.loads(durable[-1]) if durable else state,
    )


def _read(
    tap: subprocess.Popen[bytes], messages: Messages, kill: Kill | None, to: subprocess.Popen[bytes] | None
) -> bytes:
    """Read the tap's lines, hand them on, kill it when its time has come; return the half line it left."""
    open_end = to is not None
    for line in tap.stdout:
        whole = line.endswith(b"\n")
        if open_end and (whole or kill is None or kill.half_line):
            try:
                to.stdin.write(line)
                to.stdin.flush()
            except BrokenPipeError:
                open_end = False  # the loader is dead; its exit code tells
        if not whole:
            return line
        messages.take(line)
        if kill is not None and messages.lines == kill.after:
            tap.send_signal(kill.with_signal)
            if kill.loader and to is not None:
                to.kill()
    return b""


def _exit_code(main: Callable[[], object], log: io.StringIO) -> int:
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        log.write(f"{end.code}\n")
        return 1
    except Exception as error:  # noqa: BLE001 - what would have ended the process
        log.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    """Put back what the tap changes for its whole process: signals, logging, the hook for errors."""
    signals = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)}
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], root.level, sys.excepthook = handlers, level, hook
        for one, handler in signals.items():
            signal.signal(one, handler)
