"""Whatever happens to a mailbox and to the runs: after a last clean run the tables equal it, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tap_exchange.demo import Exchange, serve
from tests.model.machine import MailboxMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(autouse=True)
def _server() -> Iterator[None]:
    with serve(Exchange(seed=17)) as server:
        MailboxMachine.server = server
        yield


def test_tables_equal_the_mailbox_whatever_happens() -> None:
    short = settings(
        max_examples=8,
        stateful_step_count=12,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # shrinking takes its time: make prove does it
        suppress_health_check=CHECKS,
    )
    run_state_machine_as_test(MailboxMachine, settings=short)


@pytest.mark.prove
def test_tables_equal_the_mailbox_whatever_happens_at_length() -> None:
    long = settings(
        max_examples=300, stateful_step_count=30, deadline=None, print_blob=True, suppress_health_check=CHECKS
    )
    run_state_machine_as_test(MailboxMachine, settings=long)
