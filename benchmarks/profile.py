"""Where the CPU time of an initial load goes: a profile of all the tap's threads, as a table in Markdown.

    python -m benchmarks.profile [--items N]

cProfile measures the CPU time of each thread by itself; what functions written in C take counts for who calls them. It
makes Python code look dearer than it is beside C. Python 3.10 and 3.11 only: later ones profile one thread at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import os
import pstats
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import MESSAGE
from benchmarks.harness import HERE, exchange
from tap_exchange.engine import Engine
from tap_exchange.sync import run as run_module
from tap_exchange.tap import TapExchange

if TYPE_CHECKING:
    from collections.abc import Callable

Function = tuple[str, int, str]

LAYERS = (
    ("HTTP: requests, the socket", ("site-packages/requests", "site-packages/urllib3", "http/", "email/")),
    (
        "HTTP: requests, the socket",
        ("urllib/", "socket.py", "ssl.py", "queue.py", "_collections_abc", "ews/post.py", "ews/kept.py"),
    ),
    ("parsing: lxml", ("ews/xml.py",)),
    ("columns: elements to records", ("ews/records.py", "ews/nested.py", "ews/handlers.py", "ews/values.py")),
    ("strictness, pace, requests' text", ("tap_exchange/ews/",)),
    ("the feed: pages, batches, order", ("tap_exchange/sync/", "asyncio/", "concurrent/", "selectors.py", "threading")),
    ("writing: msgspec, the pipe", ("tap_exchange/streams/",)),
)
"""What a part of a file's path belongs to; the first that fits counts."""


class Profiles:
    """One profile for each thread that works for a run."""

    def __init__(self) -> None:
        self.all: list[cProfile.Profile] = []

    def begin(self) -> None:
        """Profile the thread that calls this."""
        profile = cProfile.Profile(time.thread_time)
        self.all.append(profile)
        profile.enable()

    def executor(self, *arguments: Any, **options: Any) -> ThreadPoolExecutor:  # noqa: ANN401
        """Make an executor whose threads are profiled."""
        return ThreadPoolExecutor(*arguments, initializer=self.begin, **options)

    def stats(self) -> dict[Function, tuple[Any, ...]]:
        """Add up what was measured."""
        for profile in self.all:
            profile.create_stats()
        whole = pstats.Stats(self.all[0], stream=io.StringIO())
        for profile in self.all[1:]:
            whole.add(profile)
        found: dict[Function, tuple[Any, ...]] = whole.stats  # type: ignore[attr-defined]
        return found


def profiled(config: dict[str, Any]) -> dict[Function, tuple[Any, ...]]:
    """Run the tap in this process, its output thrown away, and return what its functions took."""
    profiles = Profiles()
    run: Callable[[Engine], Any] = Engine.run

    def measured(engine: Engine) -> Any:  # noqa: ANN401
        profiles.begin()
        try:
            return run(engine)
        finally:
            profiles.all[0].disable()

    Engine.run = measured  # type: ignore[method-assign]
    run_module.ThreadPoolExecutor = profiles.executor  # type: ignore[assignment, misc]
    with Path(os.devnull).open("w", encoding="utf-8") as nothing, contextlib.redirect_stdout(nothing):
        TapExchange(config=config).sync_all()
    return profiles.stats()


def by_layer(stats: dict[Function, tuple[Any, ...]]) -> Counter[str]:
    """Return CPU seconds by layer."""
    found: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, callers) in stats.items():
        if file == "~" and callers:
            for caller, (_, _, share, _) in callers.items():
                found[layer(caller[0])] += share
        else:
            found[layer(file)] += own
    return found


def layer(file: str) -> str:
    """Return what a file belongs to."""
    return next((name for name, parts in LAYERS if any(part in file for part in parts)), "all else")


def main() -> None:
    """Profile, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=5_000)
    asked = parser.parse_args()
    if sys.version_info >= (3, 12):
        parser.error("this needs Python 3.10 or 3.11")
    with exchange(asked.items, **MESSAGE) as server:
        stats = profiled(server.settings)
    layers = by_layer(stats)
    whole = sum(layers.values())
    print(f"| {asked.items:,} messages, each with 8 KB of HTML | share | CPU a message, profiled |\n|---|---|---|")
    for name, seconds in layers.most_common():
        print(f"| {name} | {seconds / whole:.0%} | {seconds / asked.items * 1e3:.3f} ms |")
    print("\n| the dearest functions, by their own time | share |\n|---|---|")
    own = {name: entry[2] for name, entry in stats.items()}
    for file, line, name in sorted(own, key=lambda each: -own[each])[:12]:
        place = Path(file).relative_to(HERE.parent) if file.startswith(str(HERE.parent)) else Path(file).name
        print(f"| `{name}`{'' if file == '~' else f' ({place}:{line})'} | {own[file, line, name] / whole:.1%} |")


if __name__ == "__main__":
    main()
