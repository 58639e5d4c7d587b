"""The conveyor: order, bounds, and what a failure does."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from tap_exchange.sync.conveyor import HELD_BYTES, Conveyor
from tap_exchange.sync.page import FollowUp, Loaded, Page, Row


class Lines:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, row: Row) -> None:
        self.lines.append(row.record["name"])

    def end_page(self, page: Page) -> None:  # noqa: ARG002 - the writer's
        self.lines.append("end")


def row(name: str) -> Row:
    return Row("messages", {"name": name})


def page(number: int, batches: int, *, delay: float = 0.0, size: int = 1) -> Page:
    def load(batch: int) -> Loaded:
        time.sleep(random.random() * delay)
        return Loaded(rows=[row(f"{number}.{batch}")], size=size)

    return Page(
        opening=lambda: [row(f"{number} opens")],
        loads=[lambda batch=batch: load(batch) for batch in range(batches)],
    )


FIRST = Page(loads=[lambda: Loaded(size=1)])
"""Tells how large answers are."""


def convey(pages: list[Page], connections: int = 4) -> list[str]:
    async def run() -> list[str]:
        lines = Lines()
        with ThreadPoolExecutor(connections) as executor:
            conveyor = Conveyor(lines, executor, connections)
            writing = asyncio.ensure_future(conveyor.write_all())
            putting = asyncio.ensure_future(put_all(conveyor, pages))
            await asyncio.wait({writing, putting}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                putting.cancel()
                writing.result()
            writing.cancel()
            return lines.lines

    return asyncio.run(run())


async def put_all(conveyor: Conveyor, pages: list[Page]) -> None:
    written = [await conveyor.put(one) for one in pages]
    await asyncio.gather(*written)


def test_no_load_is_started_once_writing_has_failed() -> None:
    class Broken(Lines):
        def write(self, row: Row) -> None:  # noqa: ARG002 - the writer's
            raise BrokenPipeError

    failed = threading.Event()
    done: list[int] = []

    def load(number: int) -> Loaded:
        failed.wait(60)
        done.append(number)
        return Loaded(size=1)

    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            conveyor = Conveyor(Broken(), executor, 1)
            loads = [lambda number=number: load(number) for number in range(20)]
            await conveyor.put(Page(opening=lambda: [row("opens")], loads=loads))
            with pytest.raises(BrokenPipeError):
                await conveyor.write_all()
            failed.set()
            await asyncio.get_running_loop().run_in_executor(executor, lambda: None)

    asyncio.run(run())
    assert done == [0]


def test_pages_are_written_one_at_a_time_and_batches_in_order_whatever_the_delays() -> None:
    lines = convey([page(number, 7, delay=0.01) for number in range(6)])
    expected = [
        line for number in range(6) for line in [f"{number} opens", *(f"{number}.{batch}" for batch in range(7)), "end"]
    ]
    assert lines == expected


def test_loads_run_side_by_side_once_the_first_has_told_their_size() -> None:
    barrier = threading.Barrier(4, timeout=5)

    def load() -> Loaded:
        barrier.wait()
        return Loaded()

    assert convey([FIRST, *(Page(loads=[load]) for _ in range(4))]) == ["end"] * 5


def test_no_more_than_two_loads_run_while_their_size_is_not_known() -> None:
    begun = 0
    begun_before_any_ended: list[int] = []

    def load() -> Loaded:
        nonlocal begun
        begun += 1
        time.sleep(0.1)
        begun_before_any_ended.append(begun)
        return Loaded(size=1)

    convey([Page(loads=[load] * 8)])
    assert begun_before_any_ended[0] <= 2


def test_loads_run_side_by_side_once_the_first_came_to_nothing() -> None:
    barrier = threading.Barrier(4, timeout=5)

    def load() -> Loaded:
        barrier.wait()
        return Loaded()

    assert convey([Page(loads=[Loaded, Loaded, *[load] * 4])]) == ["end"]


def test_what_is_loaded_and_not_written_is_bounded_in_bytes() -> None:
    """With answers of a third of the bound, at most three wait besides those under way."""
    held = most = 0
    lock = threading.Lock()

    def load() -> Loaded:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return Loaded(size=HELD_BYTES // 3)

    def take(loaded: Loaded) -> list[Row]:
        nonlocal held
        time.sleep(0.002)
        with lock:
            held -= 1
        return loaded.rows

    convey([Page(loads=[load] * 40, take=take)], connections=2)
    assert most <= 3 + 2 + 1


def test_no_more_pages_are_taken_while_many_wait_to_be_written() -> None:
    async def run() -> int:
        with ThreadPoolExecutor(1) as executor:
            conveyor = Conveyor(Lines(), executor, 1)
            putting = [asyncio.ensure_future(conveyor.put(Page())) for _ in range(100)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            taken = sum(one.done() for one in putting)
            writing = asyncio.ensure_future(conveyor.write_all())
            await asyncio.gather(*[await one for one in putting])
            writing.cancel()
            return taken

    assert asyncio.run(run()) == 16


def test_a_call_for_the_next_page_is_answered_while_many_loads_of_this_one_are_left() -> None:
    loaded: list[int] = []

    def load(number: int) -> Loaded:
        loaded.append(number)
        time.sleep(0.001)
        return Loaded(size=1)

    async def run() -> int:
        with ThreadPoolExecutor(2) as executor:
            conveyor = Conveyor(Lines(), executor, 2)
            writing = asyncio.ensure_future(conveyor.write_all())
            await (await conveyor.put(page(1, 60)))  # tells that answers are small
            written = await conveyor.put(Page(loads=[lambda number=number: load(number) for number in range(50)]))
            done_by_then = await conveyor.call(lambda: len(loaded))
            await written
            writing.cancel()
            return done_by_then

    done_by_then = asyncio.run(run())
    assert len(loaded) == 50
    assert done_by_then <= 8


def test_a_page_is_written_whole_though_nobody_waits_for_it_any_more() -> None:
    async def run() -> list[str]:
        lines = Lines()
        with ThreadPoolExecutor(1) as executor:
            conveyor = Conveyor(lines, executor, 1)
            (await conveyor.put(page(1, 1))).cancel()
            written = await conveyor.put(page(2, 1))
            writing = asyncio.ensure_future(conveyor.write_all())
            await asyncio.wait({writing, written}, return_when=asyncio.FIRST_COMPLETED)
            writing.cancel()
            return lines.lines

    assert asyncio.run(run()) == ["1 opens", "1.0", "end", "2 opens", "2.0", "end"]


def test_an_error_of_a_load_ends_the_run_before_its_page_ends() -> None:
    moved: list[int] = []

    def fail() -> Loaded:
        raise RuntimeError("as planned")

    first = Page(advance=lambda: moved.append(1))
    second = Page(loads=[fail], advance=lambda: moved.append(2))
    with pytest.raises(RuntimeError, match="as planned"):
        convey([first, second, page(3, 1)])
    assert moved == [1]


def test_the_bookmark_moves_after_the_last_record_and_what_is_settled() -> None:
    told: list[str] = []

    async def settle() -> list[Row]:
        told.append("settle")
        return [row("settled")]

    one = page(1, 1)
    one.settle = settle
    one.advance = lambda: told.append("advance")
    assert convey([one]) == ["1 opens", "1.0", "settled", "end"]
    assert told == ["settle", "advance"]


def test_what_follows_a_load_is_written_right_behind_it_whatever_the_delays_and_bounds() -> None:
    def follow(name: str, depth: int) -> Loaded:
        time.sleep(random.random() * 0.005)
        more = [FollowUp(lambda: follow(f"{name}x", depth - 1), HELD_BYTES)] if depth else []
        return Loaded(rows=[row(name)], size=HELD_BYTES, follow_ups=more)

    def load(name: str) -> Loaded:
        follow_ups = [FollowUp(lambda n=n: follow(f"{name}.{n}", 1), HELD_BYTES) for n in range(3)]
        return Loaded(rows=[row(name)], size=1, follow_ups=follow_ups)

    lines = convey([Page(loads=[lambda b=b, p=p: load(f"{p}-{b}") for b in range(5)]) for p in range(3)], connections=2)
    batches = [
        [f"{p}-{b}", *(f"{p}-{b}.{n}{x}" for n in range(3) for x in ("", "x"))] for p in range(3) for b in range(5)
    ]
    assert [line for line in lines if line != "end"] == [line for batch in batches for line in batch]


def test_a_page_lets_go_of_what_it_wrote() -> None:
    alive: list[weakref.ref[Loaded]] = []
    most = 0

    class Kept(Loaded):
        __slots__ = ("__weakref__",)

    def load() -> Loaded:
        loaded = Kept(size=HELD_BYTES // 2)
        alive.append(weakref.ref(loaded))
        return loaded

    def take(loaded: Loaded) -> list[Row]:
        nonlocal most
        most = max(most, sum(one() is not None for one in alive))
        return loaded.rows

    convey([Page(loads=[load] * 30, take=take)], connections=2)
    assert most <= 6


def test_of_many_errors_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    barrier = threading.Barrier(4, timeout=5)

    def fail() -> Loaded:
        barrier.wait()
        raise RuntimeError("as planned")

    with pytest.raises(RuntimeError, match="as planned"):
        convey([FIRST, Page(loads=[fail] * 4)])
    gc.collect()
    assert "never retrieved" not in caplog.text
