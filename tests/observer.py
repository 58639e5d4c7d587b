"""Watches what the tap asks of every embedded server in this process, over the whole test run.

A plugin of pytest (conftest names it). `tests/test_conformance_of_all.py`, which runs last, tells what it saw. Where
pytest-xdist spreads the tests over processes, each leaves what it saw in a file when its tests are done.
Requests of other clients (exchangelib's own, the tests' bare ones) are told apart by their User-Agent.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tap_exchange.demo import endpoint
from tap_exchange.demo.faults.throttling import Throttles
from tap_exchange.demo.validation import Validator
from tests.elements import NO_SCHEMA, XSD
from tests.promises import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lxml import etree

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.requestlog import Request

LAST = "test_conformance_of_all.py"
LONGEST_TEST = 170  # seconds
READING = ("Get", "Find", "Sync", "ResolveNames", "ExpandDL", "Subscribe", "Unsubscribe")
"""How the names of operations begin that change nothing."""
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")


@dataclass(slots=True)
class Seen:
    """What was wrong with requests of the tap, and how many there were."""

    requests: int = 0
    invalid: list[str] = field(default_factory=list)
    not_id_only: list[str] = field(default_factory=list)
    during_back_off: list[str] = field(default_factory=list)
    too_many_items: list[str] = field(default_factory=list)
    not_reading: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    """Tests that keep a promise and were run, or could not be without the schema."""

    def add(self, other: Seen) -> None:
        """Add what another process saw."""
        self.requests += other.requests
        self.invalid += other.invalid
        self.not_id_only += other.not_id_only
        self.during_back_off += other.during_back_off
        self.too_many_items += other.too_many_items
        self.not_reading += other.not_reading
        self.ran += other.ran


seen = Seen()
batch_sizes: dict[str, int] = {}
"""What the runs under way were given, by the server that they ask; tests of the wire alone have no such bound."""
validator = Validator(XSD) if (XSD / "messages.xsd").is_file() else None
_describe = endpoint.describe
_arrived = Throttles.arrived


@contextmanager
def bounded(config: Mapping[str, Any]) -> Iterator[None]:
    """Hold the runs within to the `batch_size` that they are given."""
    host, size = urlsplit(str(config.get("ews_url", ""))).netloc, config.get("batch_size", 10)
    batch_sizes[host] = size if isinstance(size, int) else 10
    try:
        yield
    finally:
        batch_sizes.pop(host, None)


def is_the_tap(record: Request) -> bool:
    """Tell whether the tap sent a request."""
    return record.headers.get("User-Agent", "").startswith("tap-exchange")


def describe(record: Request, body: etree._Element) -> None:
    """Describe a request as the server does, and look at it."""
    _describe(record, body)
    if not is_the_tap(record):
        return
    seen.requests += 1
    if not record.operation.startswith(READING):
        seen.not_reading.append(record.operation)
    if record.operation.startswith("Sync") and (record.base_shape != "IdOnly" or record.properties):
        seen.not_id_only.append(f"{record.operation}: {record.base_shape} {record.properties}")
    allowed = batch_sizes.get(record.headers.get("Host", ""))
    if record.operation == "GetItem" and allowed is not None and len(record.ids) > allowed:
        seen.too_many_items.append(f"{len(record.ids)} items where batch_size is {allowed}")
    problem = validator.problem(body) if validator is not None else None
    if problem is not None:
        seen.invalid.append(f"{record.operation}: {problem}")


def arrived(self: Throttles, request: Request) -> Answer | None:
    """Let a throttling server note who comes too early, and note it here."""
    before = len(self.early)
    answer = _arrived(self, request)
    if len(self.early) > before and is_the_tap(request):
        seen.during_back_off.append(request.operation)
    return answer


endpoint.describe = describe
Throttles.arrived = arrived  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the last word be the last test."""
    items.sort(key=lambda item: item.path.name == LAST)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note which tests that keep a promise were really run."""
    test = report.nodeid.partition("[")[0]
    excused = report.skipped and NO_SCHEMA in str(report.longrepr)
    if test in PROMISES and (excused or (report.when == "call" and not report.skipped)):
        seen.ran.append(test)


@pytest.fixture(scope="session", autouse=True)
def _leave_what_was_seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    if PROCESS:
        path = _left_by(tmp_path_factory, PROCESS)
        whole = path.with_suffix(".json")
        path.write_text(json.dumps(asdict(seen)), encoding="utf-8")
        path.rename(whole)


@pytest.fixture(scope="session")
def seen_by_all(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What all processes saw; waits until the others have run their tests."""
    found = Seen()
    found.add(seen)
    for number in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))):
        process = f"gw{number}"
        path = _left_by(tmp_path_factory, process).with_suffix(".json")
        deadline = time.monotonic() + LONGEST_TEST
        while process != PROCESS and not path.exists():
            assert time.monotonic() < deadline, f"{process} did not tell what it saw"
            time.sleep(0.1)
        if process != PROCESS:
            found.add(Seen(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def _left_by(factory: pytest.TempPathFactory, process: str) -> Path:
    return factory.getbasetemp().parent / f"seen-by-{process}"
