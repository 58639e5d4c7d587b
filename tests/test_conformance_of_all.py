"""Runs last: over all tests of this process, what did the tap ask of the embedded servers?"""

from __future__ import annotations

import pytest

from tests.observer import seen, validator


@pytest.fixture(autouse=True)
def _something_was_asked() -> None:
    if not seen.requests:
        pytest.skip("no test before this one ran the tap against a server in this process")


@pytest.mark.skipif(validator is None, reason="Microsoft's schema is not here")
def test_every_request_was_valid() -> None:
    assert seen.invalid == []


def test_sync_calls_asked_for_ids_only() -> None:
    assert seen.not_id_only == []


def test_no_request_asked_for_more_items_than_a_batch() -> None:
    assert seen.largest_batch <= seen.largest_allowed


def test_no_request_fell_into_a_back_off() -> None:
    assert seen.during_back_off == []
