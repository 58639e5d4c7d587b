"""The figures, one function each: they return plain dictionaries of seconds, bytes and counts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from benchmarks import bare
from benchmarks.harness import ENVIRONMENT, PLAIN, TAP, Run, Server, exchange, read_all, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MESSAGE = {"body_bytes": 8192, "recipients": 5, "headers": 30}
SMALL = {"body_bytes": 200, "recipients": 1, "headers": 1}
LATENCY = 0.05
BATCH = 10
FEW = 20


@dataclass(frozen=True)
class Sizes:
    """How much is measured: `QUICK` takes minutes, `FULL` an hour."""

    rounds: int
    items: int
    """Of the CPU figures."""
    much: int
    """Messages of the mailbox in which memory and growth are measured."""
    folder: int
    """Messages of the one folder whose load the network bounds."""
    folders: tuple[int, int]
    """Folders, and messages in each, of the load of many folders."""
    empty: tuple[int, int]
    """Folders of two mailboxes without messages."""
    large: int
    """Messages with bodies of 1 MB."""
    pauses: int
    """How often the large mailbox waits for small ones where growth is measured."""
    connections: tuple[int, ...] = (1, 4, 8)
    """Of the network figures."""


QUICK = Sizes(7, 1_000, 40_000, 5_000, (100, 100), (100, 1_000), 300, 6)
FULL = Sizes(7, 2_000, 1_000_000, 100_000, (1_000, 100), (1_000, 10_000), 3_000, 25)


def start(sizes: Sizes) -> dict[str, Any]:
    """Measure how long commands take that need no server, wall and CPU, beside the imports."""
    commands = {
        "version": ("-m", "tap_exchange", "--version"),
        "discover": ("-m", "tap_exchange", "--discover"),
        "plain_discover": (*PLAIN, "--discover"),
        "import_sdk_and_exchangelib": ("-c", "import singer_sdk, exchangelib"),
        "import_sdk": ("-c", "import singer_sdk"),
        "python": ("-c", "pass"),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(sizes.rounds):
        for name, command in commands.items():
            began = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
            )
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            taken[name].append((time.monotonic() - began, usage.ru_utime + usage.ru_stime))
    return {
        name: {"wall": statistics.median(wall for wall, _ in runs), "cpu": statistics.median(cpu for _, cpu in runs)}
        for name, runs in taken.items()
    }


@contextmanager
def on_one_processor() -> Iterator[None]:
    """Let all that is begun meanwhile share one processor, where the system can be told so.

    Two processors may be halves of one core, as they are on most virtual machines: each then takes up to twice the time
    while the other works. A tap would be charged for what its server does at the same moment, the floor would not.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu(sizes: Sizes) -> dict[str, Any]:
    """Measure the client's CPU seconds an item: a large mailbox less a small one of the same round, both taps in turn.

    The plain tap's large mailbox is a tenth of the other: imports weigh less in it all the same. The floor is that
    of the same messages, taken right before and after each large run of the tap, and compared with that run.
    """
    counts = {"tap": 5 * sizes.items, "plain": sizes.items // 2}
    large: dict[str, list[float]] = {"tap": [], "plain": []}
    small: dict[str, list[float]] = {"tap": [], "plain": []}
    floors: list[dict[str, Any]] = []
    with (
        on_one_processor(),
        exchange(FEW, remember=True, **MESSAGE) as few,
        exchange(counts["tap"], remember=True, **MESSAGE) as many,
        exchange(counts["plain"], remember=True, **MESSAGE) as fewer,
        bare.floors(many, counts["tap"]) as take_floor,
    ):
        for server, program in ((few, TAP), (many, TAP), (few, PLAIN), (fewer, PLAIN)):
            run(server, program)  # all answers are made now
        for _ in range(sizes.rounds):
            small["tap"].append(run(few, TAP).cpu)
            before = take_floor()
            large["tap"].append(run(many, TAP).cpu)
            after = take_floor()
            floors.append({part: (before[part] + after[part]) / 2 for part in before})
            small["plain"].append(run(few, PLAIN).cpu)
            large["plain"].append(run(fewer, PLAIN).cpu)
    floor = {name: statistics.median(one[name] for one in floors) for name in floors[0]}
    each = {
        name: [(more - less) / (counts[name] - FEW) for more, less in zip(large[name], small[name], strict=True)]
        for name in ("tap", "plain")
    }
    return {
        "tap": statistics.median(each["tap"]),
        "plain": statistics.median(each["plain"]),
        "floor": floor["cpu"],
        "floor_parse": floor["parse"],
        "floor_write": floor["write"],
        "bytes_in": floor["bytes_in"],
        "bytes_out": floor["bytes_out"],
        "of_plain": statistics.median(each["tap"]) / statistics.median(each["plain"]),
        "of_floor": statistics.median(tap / one["cpu"] for tap, one in zip(each["tap"], floors, strict=True)),
        "fixed_tap": statistics.median(small["tap"]),
        "fixed_plain": statistics.median(small["plain"]),
        "items": counts,
        "runs": {"large": large, "small": small, "floor": [one["cpu"] for one in floors]},
    }


def network(sizes: Sizes) -> list[dict[str, Any]]:
    """Measure messages a second where each request takes 50 ms, by connections, in one folder and in many."""
    rows: list[dict[str, Any]] = []
    many, each = sizes.folders
    for shape, items, folders in (("one folder", sizes.folder, 1), ("many folders", many * each, many)):
        with exchange(items, folders, latency=LATENCY, remember=True, **SMALL) as server:
            run(server, max_connections=max(sizes.connections))  # all answers are made now
            for connections in sizes.connections:
                most = connections * BATCH / LATENCY
                asked = min(items // folders, 250 * connections)
                naked = bare.rate(server, connections, asked) if folders == 1 else None
                taken = run(server, max_connections=connections)
                requests = sum(taken.requests.values())
                allowed = taken.messages / (requests * LATENCY / connections)
                rows.append(
                    {
                        "mailbox": shape,
                        "items": items,
                        "folders": folders,
                        "connections": connections,
                        "rate": taken.rate,
                        "most": most,
                        "of_most": taken.rate / most,
                        "of_requests": taken.rate / allowed,
                        "bare": naked,
                        "wall": taken.wall,
                        "requests": requests,
                    }
                )
            if folders == 1:
                plain = plain_rate(items)
                rows.append(plain)
    return rows


def plain_rate(items: int) -> dict[str, Any]:
    """Measure the plain tap where each request takes 50 ms; a tenth of the messages tells as much."""
    count = max(500, items // 10)
    with exchange(count, latency=LATENCY, remember=True, **SMALL) as server:
        run(server, PLAIN)
        taken = run(server, PLAIN)
    return {
        "mailbox": "one folder, plain tap",
        "items": count,
        "folders": 1,
        "connections": 4,
        "rate": taken.rate,
        "most": 4 * BATCH / LATENCY,
        "of_most": taken.rate / (4 * BATCH / LATENCY),
        "of_requests": None,
        "bare": None,
        "wall": taken.wall,
        "requests": sum(taken.requests.values()),
    }


def memory(sizes: Sizes) -> dict[str, Any]:
    """Measure the peak resident memory in MB, and what a reader that stops does to it."""
    found: dict[str, Any] = {}
    with exchange(FEW, **MESSAGE) as server:
        found["few_messages"] = run(server).memory
        found["plain_few_messages"] = run(server, PLAIN).memory
    with exchange(10_000, 10, **MESSAGE) as server:
        found["ten_thousand"] = run(server).memory
        found["slow_reader"] = slow_reader(server)
    with exchange(sizes.large, big_every=1, big_bytes=2**20, **MESSAGE) as server:
        found["large_bodies"] = run(server).memory
        found["large_bodies_messages"] = sizes.large
        found["large_bodies_slow_reader"] = slow_reader(server, after=20)
    return found


def slow_reader(server: Server, after: int = 500, pause: float = 6.0) -> dict[str, Any]:
    """Let the reader stop after some messages: the tap loads a little ahead, then asks nothing more."""
    ahead: dict[str, Any] = {}

    def read(lines: IO[bytes], taken: Run) -> None:
        for line in lines:
            taken.output += len(line)
            if line.startswith(b'{"type":"RECORD","stream":"messages"'):
                taken.records["messages"] += 1
                if taken.records["messages"] == after:
                    break
        time.sleep(pause / 2)
        ahead["requests_until_it_stops"] = server.ask("counts").get("GetItem", 0)
        time.sleep(pause / 2)
        ahead["requests_afterwards"] = sum(server.ask("counts").values())
        read_all(lines, taken)

    taken = run(server, read=read)
    return {**ahead, "read_before": after, "memory": taken.memory}


def growth(sizes: Sizes) -> dict[str, Any]:
    """Measure CPU an item in a small and in a large mailbox, CPU a folder, and what STATE takes of the output.

    The large mailbox is loaded in pieces: after each of them its reader stops, so that the tap waits, while small
    mailboxes of the same server are loaded. What the machine does in those minutes befalls all of them alike.
    """
    less, more = 10_000, sizes.much
    fews: list[Run] = []
    smalls: list[Run] = []

    with exchange(more, beside=(FEW, less), **SMALL) as server:

        def load_small() -> None:
            fews.append(run(server, username="beside0@example.com"))
            smalls.append(run(server, username="beside1@example.com"))

        def read(lines: IO[bytes], taken: Run) -> None:
            read_all(pausing(lines, taken, more // sizes.pauses, load_small), taken)

        large = run(server, read=read)
    base = statistics.mean(taken.cpu for taken in fews)
    of_less = [(small.cpu - base) / (less - FEW) for small in smalls]
    each = (statistics.mean(of_less), (large.cpu - base) / (more - FEW))
    folders: dict[int, Run] = {}
    for count in sizes.empty:
        with exchange(0, count, **SMALL) as server:
            folders[count] = run(server)
    some, many = sizes.empty
    with exchange(sizes.folders[0] * sizes.folders[1], sizes.folders[0], **SMALL) as server:
        states = run(server)
    return {
        "items": [less, more],
        "cpu_an_item": each,
        "growth": each[1] / each[0] - 1,
        "runs": of_less,
        "memory": [smalls[0].memory, large.memory],
        "folders": list(sizes.empty),
        "cpu_a_folder": [
            (folders[some].cpu - base) / some,
            (folders[many].cpu - folders[some].cpu) / (many - some),
        ],
        "folders_memory": [taken.memory for taken in folders.values()],
        "state_share": states.states / states.output,
        "state_items": states.messages,
        "state_folders": sizes.folders[0],
    }


def pausing(lines: Iterable[bytes], taken: Run, every: int, pause: Callable[[], None]) -> Iterator[bytes]:
    """Give the lines, with a pause after each so many messages."""
    due = every
    for line in lines:
        if taken.messages >= due:
            pause()
            due += every
        yield line


def requests(sizes: Sizes) -> dict[str, Any]:
    """Count requests of an initial load, of a run with nothing new, and of one with 1 % changed."""
    items, folders = max(1000, sizes.items), 5
    found: dict[str, Any] = {"items": items, "folders": folders}
    for name, program in (("tap", TAP), ("plain", PLAIN)):
        with exchange(items, folders, **MESSAGE) as server:
            steps: dict[str, Callable[[], object]] = {
                "initial": lambda: None,
                "idle": lambda: None,
                "changed": lambda: server.ask(f"change {items // 100}"),
            }
            state = None
            found[name] = {}
            for step, prepare in steps.items():
                prepare()
                taken = run(server, program, state=state)
                state = taken.state
                found[name][step] = {
                    "requests": sum(taken.requests.values()),
                    "by_operation": taken.requests,
                    "messages": taken.messages,
                    "cpu": taken.cpu,
                }
                if step == "changed" and taken.messages != items // 100:
                    raise RuntimeError(f"{taken.messages} messages came of {items // 100} that changed")
    return found


FIGURES: dict[str, Callable[[Sizes], Any]] = {
    "start": start,
    "cpu": cpu,
    "requests": requests,
    "network": network,
    "memory": memory,
    "growth": growth,
}


def chosen(names: Sequence[str]) -> dict[str, Callable[[Sizes], Any]]:
    """Return the figures of these names, all without names."""
    return {name: FIGURES[name] for name in names} if names else dict(FIGURES)
