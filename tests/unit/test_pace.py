"""Pace: nothing is sent during a back-off, concurrency falls once per trouble, waits can be ended."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack

import pytest

from tap_exchange.ews.errors import Stopped, TransientError
from tap_exchange.ews.pace import LONGEST_WITHOUT_HINT, QUIET, Pace
from tests.wire import Clock, pace


def send(one: Pace) -> int:
    with one.slot():
        return one.hold()


def test_a_back_off_holds_the_next_request() -> None:
    clock = Clock()
    one = pace(clock)
    one.back_off(5.0)
    began = clock.now
    send(one)
    assert clock.now - began == 5.0


def test_how_long_nothing_is_sent_is_told_once_for_each_trouble(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one = pace(Clock())
    episode = send(one)
    one.back_off(90.0, episode)
    one.back_off(90.0, episode)
    (line,) = caplog.messages
    assert "nothing is sent for 90 s" in line


def test_a_back_off_holds_a_request_that_has_its_slot_already() -> None:
    clock = Clock()
    one = pace(clock)
    with one.slot():
        one.back_off(5.0)
        began = clock.now
        one.hold()
    assert clock.now - began == 5.0


@pytest.mark.parametrize("hint", [0.0, 0.2, None])
def test_a_hint_below_the_floor_waits_the_floor(hint: float | None) -> None:
    assert pace(Clock()).back_off(hint) == 1.0


def test_pauses_without_a_hint_grow_to_a_bound() -> None:
    clock = Clock()
    one = pace(clock)
    pauses = []
    for _ in range(9):
        pauses.append(one.back_off(None))
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_WITHOUT_HINT, LONGEST_WITHOUT_HINT, LONGEST_WITHOUT_HINT]


def test_an_answer_after_the_trouble_ends_the_growth() -> None:
    clock = Clock()
    one = pace(clock)
    one.back_off(None)
    one.back_off(None)
    one.answered(send(one))
    assert one.back_off(None) == 1.0


def test_an_answer_from_before_the_trouble_proves_nothing() -> None:
    clock = Clock()
    one = pace(clock)
    early = send(one)
    one.back_off(None)
    clock.now += 1
    one.answered(early)
    assert one.back_off(None) == 2.0


def test_a_back_off_is_extended_and_never_shortened() -> None:
    clock = Clock()
    one = pace(clock)
    assert one.back_off(10.0) == 10.0
    assert one.back_off(2.0) == 10.0
    clock.now += 4
    assert one.back_off(9.0) == 9.0


def test_many_reports_of_one_trouble_halve_the_concurrency_once() -> None:
    one = pace(Clock(), connections=8)
    episodes = [send(one) for _ in range(5)]
    for episode in episodes:
        one.back_off(3.0, episode)
    assert one.limit == 4


def test_a_new_trouble_halves_it_again_down_to_one() -> None:
    one = pace(Clock(), connections=8)
    limits = []
    for _ in range(5):
        one.back_off(1.0, send(one))
        limits.append(one.limit)
    assert limits == [4, 2, 1, 1, 1]


def test_each_quiet_while_gives_one_connection_back() -> None:
    clock = Clock()
    one = pace(clock, connections=8)
    one.back_off(10.0)
    assert one.limit == 4
    clock.now += 10 + QUIET - 1
    assert one.limit == 4
    clock.now += 1
    assert one.limit == 5
    clock.now += 2 * QUIET
    assert one.limit == 7
    clock.now += 100 * QUIET
    assert one.limit == 8


def test_a_connection_given_back_is_one_more_request_under_way() -> None:
    clock = Clock()
    one = pace(clock, connections=2)
    one.back_off(1.0)
    clock.now += 1 + QUIET
    with one.slot(), one.slot():
        assert clock.waits == []


def test_only_so_many_requests_are_under_way() -> None:
    one = Pace(2, 60)
    inside = threading.Semaphore(0)
    go = threading.Event()

    def work() -> None:
        with one.slot():
            inside.release()
            go.wait(5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=5)
    assert inside.acquire(timeout=5)
    assert not inside.acquire(timeout=0.1), "a third one got in"
    go.set()
    assert inside.acquire(timeout=5), "a place given back must wake the next"
    assert inside.acquire(timeout=5)
    for thread in threads:
        thread.join(5)


def test_a_pausing_thread_never_takes_the_wake_of_one_that_waits_for_a_place() -> None:
    one = Pace(1, 60)
    done = threading.Event()

    def queue() -> None:
        with one.slot():
            done.set()

    with ExitStack() as held:
        held.enter_context(one.slot())
        pausing = threading.Thread(target=lambda: one.pause(1.0))
        pausing.start()
        time.sleep(0.05)
        waiting = threading.Thread(target=queue)
        waiting.start()
        time.sleep(0.05)
    assert done.wait(0.5)
    waiting.join(5)
    pausing.join(5)


def test_a_hint_beyond_max_wait_ends_the_waiting_before_it_begins() -> None:
    clock = Clock()
    one = pace(clock, max_wait=60)
    with pytest.raises(TransientError, match="max_wait"):
        one.back_off(61.0)
    with pytest.raises(TransientError, match="61 s"):
        send(one)
    assert clock.waits == []


def test_throttled_seconds_count_the_time_and_not_the_threads() -> None:
    clock = Clock()
    one = pace(clock)
    one.back_off(10.0)
    one.back_off(10.0)
    assert one.throttled_seconds == 0.0
    clock.now += 4
    assert one.throttled_seconds == 4.0
    one.back_off(10.0)
    clock.now += 50
    assert one.throttled_seconds == 14.0
    one.back_off(2.0)
    clock.now += 2
    assert one.throttled_seconds == 16.0


@pytest.mark.parametrize("waiting_for", ["back-off", "place", "pause", "hold"])
def test_stop_ends_every_wait_at_once(waiting_for: str) -> None:
    one = Pace(1, 3600)
    outcome: list[type[BaseException]] = []

    def wait() -> None:
        try:
            if waiting_for == "pause":
                one.pause(60)
            elif waiting_for == "hold":
                one.hold()
            else:
                with one.slot():
                    pass
        except Stopped as error:
            outcome.append(type(error))

    with ExitStack() as held:
        if waiting_for == "place":
            held.enter_context(one.slot())
        else:
            one.back_off(60.0)
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        one.stop()
        thread.join(30)
    assert outcome == [Stopped]


def test_after_stop_nothing_begins() -> None:
    one = Pace(1, 60)
    one.stop()
    assert one.stopped
    for step in (lambda: send(one), one.check, lambda: one.pause(1)):
        with pytest.raises(Stopped):
            step()


def test_a_slot_is_given_back_after_a_failure() -> None:
    one = Pace(1, 60)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), one.slot():
            raise ValueError("broken")
