"""Lend the fixtures that several files of tests use; keep a slow machine from failing random tests."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.observer", "tests.postgres", "tests.warehouses"]

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Let one process more than there are processors run tests: some wait, for a back-off or another process."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _no_authorities_of_this_machine() -> Iterator[None]:
    """Let no run read the bundle that this machine names for all programs: that takes longer than most runs."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_rubbish_piles_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect after each file that runs the tap: runs in this process put off the collections that would do it."""
    yield
    if "unit" not in request.path.parts:
        gc.collect()
