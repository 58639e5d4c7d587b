"""Whatever happens to a mailbox and to the runs: after a last clean run the tables equal it, row by row."""

from __future__ import annotations

import logging
import os
import secrets
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tap_exchange.demo import Exchange, serve
from tests.model.machine import MailboxMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.warehouses import Warehouses

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
ROUNDS = 10


@pytest.fixture(autouse=True)
def _world(caplog: pytest.LogCaptureFixture, warehouses: Warehouses) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL)  # thousands of runs
    MailboxMachine.tables = warehouses.postgresql()
    with serve(Exchange(seed=17)) as server:
        MailboxMachine.server = server
        yield


@pytest.mark.timeout(900)  # two minutes on a machine that has nothing else to do
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
@pytest.mark.parametrize("number", range(ROUNDS))
def test_tables_equal_the_mailbox_whatever_happens_at_length(number: int) -> None:
    """The seed is printed; `MODEL_SEED` gives it again to the first round."""
    given = os.environ.get("MODEL_SEED")
    chosen = int(given) if given and number == 0 else secrets.randbelow(10**9)
    long = settings(max_examples=40, stateful_step_count=30, deadline=None, database=None, suppress_health_check=CHECKS)

    class AtLength(MailboxMachine):
        processes = True
        done: ClassVar[Counter[str]] = Counter()

    print(f"MODEL_SEED={chosen}", flush=True)  # noqa: T201
    run_state_machine_as_test(seed(chosen)(AtLength), settings=long)
    print(f"{AtLength.done}")  # noqa: T201
