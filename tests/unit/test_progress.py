"""What the log tells while a run takes its time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tap_exchange.sync import progress
from tap_exchange.sync.progress import INTERVAL, Progress

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds pass by the clock that progress goes by."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def passing(seconds: float) -> None:
        now[0] += seconds

    return passing


def counting(**counts: int) -> Progress:
    return Progress(_began=1000.0, _told=1000.0, **counts)


def test_a_long_load_tells_items_rate_folders_and_the_time_left(
    pass_time: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = counting(expected=100_000, folders=40)
    for _ in range(10):
        pass_time(INTERVAL / 4)
        one.add(250)
    first, second = caplog.messages
    assert first == "1,000 items of about 100,000 loaded, 100 a second, 0 of 40 folders done, about 16 minutes left"
    assert second.startswith("2,000 items")


def test_a_run_that_loads_nothing_tells_of_its_folders(
    pass_time: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = counting(folders=5000)
    for _ in range(30):
        one.end_folder()
        pass_time(INTERVAL / 20)
    assert caplog.messages == ["0 items loaded, 0 a second, 21 of 5,000 folders done"]
