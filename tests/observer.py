"""Watches what the tap asks of every embedded server in this process, over the whole test run.

A plugin of pytest (conftest names it). `tests/test_conformance_of_all.py`, which runs last, tells what it saw.
Requests of other clients (exchangelib's own, the tests' bare ones) are told apart by their User-Agent.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tap_exchange.demo import endpoint
from tap_exchange.demo.faults.throttling import Throttles
from tap_exchange.demo.validation import Validator

if TYPE_CHECKING:
    import pytest
    from lxml import etree

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.requestlog import Request

XSD = Path(os.environ.get("EWS_XSD", Path(__file__).resolve().parents[2] / "shared/ews/xsd"))
LAST = "test_conformance_of_all.py"


@dataclass(slots=True)
class Seen:
    """What was wrong with requests of the tap, and how many there were."""

    requests: Counter[str] = field(default_factory=Counter)
    invalid: list[str] = field(default_factory=list)
    not_id_only: list[str] = field(default_factory=list)
    during_back_off: list[str] = field(default_factory=list)
    largest_batch: int = 0
    largest_allowed: int = 10
    """The largest `batch_size` that any run was given."""


seen = Seen()
validator = Validator(XSD) if (XSD / "messages.xsd").is_file() else None
_describe = endpoint.describe
_arrived = Throttles.arrived


def is_the_tap(record: Request) -> bool:
    """Tell whether the tap sent a request."""
    return record.headers.get("User-Agent", "").startswith("tap-exchange")


def describe(record: Request, body: etree._Element) -> None:
    """Describe a request as the server does, and look at it."""
    _describe(record, body)
    if not is_the_tap(record):
        return
    seen.requests[record.operation] += 1
    if record.operation.startswith("Sync") and (record.base_shape != "IdOnly" or record.properties):
        seen.not_id_only.append(f"{record.operation}: {record.base_shape} {record.properties}")
    if record.operation == "GetItem":
        seen.largest_batch = max(seen.largest_batch, len(record.ids))
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
