"""The figures as a table, and as a chart that needs nothing but an SVG viewer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = tuple[str, str, str, str]
"""What is measured, this tap, the plain tap or another yardstick, and the target with whether it is met."""

STEPS = (("initial", "initial load"), ("idle", "nothing new"), ("changed", "1 % changed"))


def rows(results: dict[str, Any]) -> list[Row]:
    """Return the table's rows, of whatever was measured."""
    found: list[Row] = []
    for name, make in SECTIONS.items():
        if name in results:
            found += make(results[name])
    return found


def _cpu(cpu: dict[str, Any]) -> Iterable[Row]:
    tap, plain, floor = (f"{cpu[name] * 1e3:.3f} ms" for name in ("tap", "plain", "floor"))
    yield (
        "CPU a message, beside the plain tap",
        tap,
        plain,
        told(cpu["of_plain"], 0.1, f"{1 / cpu['of_plain']:.0f} times less, 10"),
    )
    yield (
        "CPU a message, beside the floor",
        tap,
        floor,
        told(cpu["of_floor"], 3, f"{cpu['of_floor']:.1f} times the floor, 3"),
    )
    yield "CPU of a run of 20 messages", f"{cpu['fixed_tap']:.2f} s", f"{cpu['fixed_plain']:.2f} s", ""


def _requests(requests: dict[str, Any]) -> Iterable[Row]:
    for step, words in STEPS:
        tap, plain = requests["tap"][step], requests["plain"][step]
        title = f"requests, {words} ({requests['items']:,} messages)"
        yield title, f"{tap['requests']:,}", f"{plain['requests']:,}", ""


def _network(network: list[dict[str, Any]]) -> Iterable[Row]:
    for row in network:
        title = f"messages a second at 50 ms, {row['mailbox']}, {row['connections']} connections"
        other = f"{row['bare']:,.0f} (bare client)" if row["bare"] else ""
        if "plain" in row["mailbox"]:
            yield title, "", f"{row['rate']:,.0f}", f"{row['of_most']:.0%} of the most"
        else:
            share = f"{row['of_most']:.0%} of the most ({row['of_requests']:.0%} of what its requests allow), 85 %"
            yield title, f"{row['rate']:,.0f}", other, told(-row["of_most"], -0.85, share)


def _memory(memory: dict[str, Any]) -> Iterable[Row]:
    plain = f"{memory['plain_few_messages']:.0f} MB"
    yield "peak memory, 20 messages", f"{memory['few_messages']:.0f} MB", plain, ""
    large = f"peak memory, {memory['large_bodies_messages']:,} messages of 1 MB each"
    for key, title in (("ten_thousand", "peak memory, 10,000 messages"), ("large_bodies", large)):
        yield title, f"{memory[key]:.0f} MB", "", told(memory[key], 150, "150 MB")
    slow = memory["slow_reader"]
    after = slow["requests_afterwards"]
    yield "requests while nobody reads, after 3 s", f"{after}", "", told(after, 0, "0")
    yield "peak memory, reader stopped", f"{slow['memory']:.0f} MB", "", told(slow["memory"], 150, "150 MB")


def _growth(growth: dict[str, Any]) -> Iterable[Row]:
    less, more = growth["items"]
    of_less, of_more = growth["cpu_an_item"]
    title = f"CPU a small message, {more:,} beside {less:,}"
    yield (
        title,
        f"{of_more * 1e3:.3f} ms",
        f"{of_less * 1e3:.3f} ms",
        told(growth["growth"], 0.1, f"{growth['growth']:+.0%}, 10 %"),
    )
    less, more = growth["folders"]
    of_less, of_more = growth["cpu_a_folder"]
    yield f"CPU an empty folder, {more:,} beside {less:,}", f"{of_more * 1e3:.1f} ms", f"{of_less * 1e3:.1f} ms", ""
    yield (
        f"peak memory, {growth['items'][1]:,} small messages",
        f"{growth['memory'][1]:.0f} MB",
        f"{growth['memory'][0]:.0f} MB ({growth['items'][0]:,})",
        told(growth["memory"][1], 150, "150 MB"),
    )
    title = f"STATE, of the output of {growth['state_items']:,} messages in {growth['state_folders']:,} folders"
    yield title, f"{growth['state_share']:.2%}", "", told(growth["state_share"], 0.01, "1 %")


def _start(start: dict[str, Any]) -> Iterable[Row]:
    imports = f"{start['import_sdk_and_exchangelib']['wall']:.2f} s (imports)"
    for name in ("version", "discover"):
        wall = start[name]["wall"]
        yield f"--{name}", f"{wall:.2f} s, CPU {start[name]['cpu']:.2f} s", imports, told(wall, 0.5, "0.5 s")


SECTIONS = {
    "cpu": _cpu,
    "requests": _requests,
    "network": _network,
    "memory": _memory,
    "growth": _growth,
    "start": _start,
}


def told(value: float, most: float, words: str) -> str:
    """Return a target in words with whether it is met."""
    return f"{words}: {'met' if value <= most else 'not met'}"


def table(found: Sequence[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| | tap-exchange | plain tap, or beside | target |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in found])


def written(text: str, results: dict[str, Any], mark: str = "figures") -> str:
    """Return a text in Markdown with the table between `<!-- mark -->` and its end, and how it was taken."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    machine = results["machine"]
    taken = ", ".join(
        f"{name} {one['at']} (load {one['load']}, Python {one['python']})" for name, one in results["taken"].items()
    )
    taken = f"Taken on {machine['cpus']} processors ({machine['processor']}): {taken}."
    return f"{before}{begin}\n\n{table(rows(results))}\n\n{taken}\n\n{end}{after}"


def chart(results: dict[str, Any]) -> str:
    """Return the chart as SVG: CPU a message and messages a second, each bar beside its yardsticks."""
    bars: list[tuple[str, float, str, str]] = []
    if "cpu" in results:
        cpu = results["cpu"]
        for name, title in (("plain", "plain tap"), ("tap", "tap-exchange"), ("floor", "floor: parse, write")):
            bars.append((f"CPU a message: {title}", cpu[name] / cpu["plain"], f"{cpu[name] * 1e3:.2f} ms", name))
    rated = [row for row in results.get("network", ()) if row["folders"] == 1 and row["connections"] == 4]
    for row in sorted(rated, key=lambda row: row["rate"]):
        name = "plain" if "plain" in row["mailbox"] else "tap"
        title = "plain tap" if name == "plain" else "tap-exchange"
        label = f"{row['rate']:,.0f} a second"
        bars.append((f"50 ms, 4 connections: {title}", row["rate"] / row["most"], label, name))
        if name == "tap":
            bars.append(("50 ms, 4 connections: the most", 1.0, f"{row['most']:,.0f} a second", "floor"))
    return svg(bars)


COLOURS = {"tap": "#2a6fb0", "plain": "#b5b5b5", "floor": "#7fb77e"}
WIDE, HIGH, LEFT, ROOM = 760, 30, 270, 120


def svg(bars: Sequence[tuple[str, float, str, str]]) -> str:
    """Draw bars of a title, a share of the widest, a label and a colour's name."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{HIGH * len(bars) + 10}">',
        "<style>text { font: 13px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, share, label, name) in enumerate(bars):
        top, wide = 5 + HIGH * number, max(1.0, share * (WIDE - LEFT - ROOM))
        lines.append(f'<text x="{LEFT - 8}" y="{top + 19}" text-anchor="end">{escape(title)}</text>')
        lines.append(f'<rect x="{LEFT}" y="{top + 4}" width="{wide:.1f}" height="{HIGH - 8}" fill="{COLOURS[name]}"/>')
        lines.append(f'<text x="{LEFT + wide + 6:.1f}" y="{top + 19}">{escape(label)}</text>')
    return "\n".join([*lines, "</svg>", ""])
