"""Runs last: over all tests, what did the tap ask of the embedded servers that the tests started?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.elements import NO_SCHEMA
from tests.observer import validator
from tests.promises import PROMISES

if TYPE_CHECKING:
    from tests.observer import Seen


@pytest.fixture(autouse=True)
def _something_was_asked(seen_by_all: Seen) -> None:
    if not seen_by_all.requests:
        pytest.skip("no test before this one ran the tap against a server in its process")


@pytest.mark.skipif(validator is None, reason=NO_SCHEMA)
def test_every_request_was_valid(seen_by_all: Seen) -> None:
    assert seen_by_all.invalid == []


def test_sync_calls_asked_for_ids_only(seen_by_all: Seen) -> None:
    assert seen_by_all.not_id_only == []


def test_no_request_asked_for_more_items_than_a_batch(seen_by_all: Seen) -> None:
    assert seen_by_all.too_many_items == []


def test_every_request_only_reads(seen_by_all: Seen) -> None:
    assert seen_by_all.not_reading == []


def test_every_promise_was_put_to_the_test(seen_by_all: Seen, request: pytest.FixtureRequest) -> None:
    collected = {item.nodeid.partition("[")[0] for item in request.session.items if item.path != request.path}
    assert sorted(PROMISES & collected - set(seen_by_all.ran)) == []


def test_no_request_fell_into_a_back_off(seen_by_all: Seen) -> None:
    assert seen_by_all.during_back_off == []
