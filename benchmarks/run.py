"""The figures, each beside the plain way of doing it: a table, JSON and a chart.

    python benchmarks/run.py [--full] [--only cpu --only network ...] [--rounds N] [--json FILE] [--chart FILE]

Without `--full` it takes minutes, with it up to an hour. With `--only` the other figures of the JSON file stay.
The table stands in docs/performance.md too, unless it went to a JSON file of its own.
Every run of a tap ends with a count against the server; a difference ends the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a file, it finds its sisters

from benchmarks import figures, report

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs/performance.md"
PACKAGES = ("tap-exchange", "singer-sdk", "exchangelib", "lxml", "msgspec", "requests", "urllib3")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "system": platform.platform(terse=True),
        **{name: version(name) for name in PACKAGES},
    }


def moment() -> dict[str, Any]:
    """Return when a figure is taken, how busy the machine is then, and by which Python."""
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    at = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return {"at": at, "load": load, "python": platform.python_version()}


def processor() -> str:
    """Return the processor's name where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="a million messages; takes up to an hour")
    parser.add_argument("--only", action="append", default=[], choices=sorted(figures.FIGURES))
    parser.add_argument("--rounds", type=int, help="how often each of what alternates is run")
    parser.add_argument("--connections", type=int, nargs="+", help="of the network figures; 1, 4 and 8 by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path)
    asked = parser.parse_args()
    sizes = figures.FULL if asked.full else figures.QUICK
    if asked.rounds:
        sizes = replace(sizes, rounds=asked.rounds)
    if asked.connections:
        sizes = replace(sizes, connections=tuple(asked.connections))
    kind = "results-full" if asked.full else "results"
    path = asked.json or HERE / f"{kind}.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if asked.only and path.is_file() else {}
    results["machine"] = machine()
    for name, measure in figures.chosen(asked.only).items():
        began = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        taken = moment()
        results[name] = measure(sizes)
        results.setdefault("taken", {})[name] = taken
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (asked.chart or HERE / f"{kind}.svg").write_text(report.chart(results), encoding="utf-8")
    if asked.json is None:
        text = report.written(DOCS.read_text(encoding="utf-8"), results, "full figures" if asked.full else "figures")
        DOCS.write_text(text, encoding="utf-8")
    print(report.table(report.rows(results)))


if __name__ == "__main__":
    main()
