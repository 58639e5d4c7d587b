"""A bad day: bad items of every kind, throttling, resets, cut and garbled answers, all at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import (
    Answers,
    FeedBreaks,
    How,
    ItemFails,
    Messages,
    On,
    RequestFails,
    Throttles,
    broken_references,
    broken_utf8,
    cut,
    of_another_item,
    one_twice,
    reset,
    says,
    slow,
    stopped_after,
    too_few,
)
from tests.live import files, live_rows
from tests.trouble import ANNA, mark, run
from tests.truth import Rows, differences, shown, truth

if TYPE_CHECKING:
    from pathlib import Path

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tests.pipeline import TapRun

FOLDERS = {"Inbox": "Message", "Sent Items": "Message", "Calendar": "CalendarItem", "Contacts": "Contact"}
SUBJECT = "item:Subject"
HINT = 0.6
CODES = (
    "ErrorItemCorrupt",
    "ErrorCorruptData",
    "ErrorContentConversionFailed",
    "ErrorInternalServerError",
    "ErrorVirusDetected",
    "ErrorPropertyValidationFailure",
    "ErrorMessageSizeExceeded",
    "ErrorItemPropertyRequestFailed",
)


@dataclass
class BadItems:
    """Forty bad items: what is wrong with them, and what must be told of them."""

    faults: list[Fault] = field(default_factory=list)
    unreadable: list[Item] = field(default_factory=list)
    without_subject: list[Item] = field(default_factory=list)
    feed: list[Item] = field(default_factory=list)

    def told(self) -> set[tuple[str, str]]:
        """Return what corrupt_items must name: id and stage."""
        load = {(item.id, "load") for item in self.unreadable + self.without_subject}
        return load | {(item.id, "feed") for item in self.feed}


def forty(mailbox: Mailbox) -> BadItems:
    """Choose forty items over all folders, and let each be bad in a way of its own."""
    chosen = [item for path in FOLDERS for item in mailbox.folder(path).items()[3::19][:10]]
    assert len(chosen) == 40
    items = iter(chosen)
    bad = BadItems()

    def take(into: list[Item]) -> Item:
        into.append(next(items))
        return into[-1]

    for number, code in enumerate(CODES):
        bad.faults.append(ItemFails(code, [take(bad.unreadable)]))
        if number % 2:
            bad.faults.append(ItemFails(code, [take(bad.without_subject)], asking=SUBJECT))
    ways = [
        lambda on: RequestFails("ErrorItemCorrupt", on),
        lambda on: Answers(says(500, b"<html/>"), on),
        lambda on: Answers(cut(honest=True), on),
        lambda on: Answers(cut(), on),
        lambda on: Answers(reset(), on),
        lambda on: Messages(too_few, on),
    ]
    for way in ways:
        bad.faults.append(way(On("GetItem", items=[take(bad.unreadable)])))
        bad.faults.append(way(On("GetItem", items=[take(bad.without_subject)], asking=SUBJECT)))
    for garble in (broken_utf8, broken_references):
        for _ in range(3):
            item = take(bad.without_subject)
            bad.faults.append(Answers(garble("Subject"), On("GetItem", items=[item], asking=SUBJECT)))
    for number in range(10):
        item = take(bad.feed)
        bad.faults.append(FeedBreaks([item], change=cut(honest=True) if number % 2 else None))
        if number < 2:
            bad.unreadable.append(item)
            bad.faults.append(ItemFails("ErrorItemCorrupt", [item]))
    assert next(items, None) is None
    return bad


def weather(requests: int) -> tuple[list[Fault], list[Throttles]]:
    """Make the day's weather: each trouble comes once in so many requests, throttling in all its shapes."""
    troubles: list[Fault] = [
        Answers(reset(), On(every=requests, skip=11)),
        Answers(cut(honest=True), On(every=requests, skip=23)),
        Answers(cut(0.8), On(every=requests, skip=37)),
        Answers(cut(packed=True, honest=True), On(every=requests, skip=41)),
        Answers(says(502, b"<html/>"), On(every=requests, skip=53), undone=True),
        Answers(slow(0.01, 4096), On(every=requests, skip=67)),
        RequestFails("ErrorInternalServerTransientError", On(every=requests, skip=71)),
        Messages(one_twice, On("GetItem", every=requests, skip=13)),
        Messages(of_another_item, On("GetItem", every=requests, skip=29)),
        Messages(stopped_after(4), On("GetItem", every=requests // 4, skip=31)),
    ]
    throttling = [Throttles(how, HINT, On(every=2 * requests, skip=40 * number)) for number, how in enumerate(How)]
    return troubles, throttling


def views_of(ended: TapRun, folder: Path) -> Rows:
    """Return what the live views show of what a run wrote."""
    for stream, records in ended.records.items():
        with (folder / f"{stream}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
    connection = files(folder)
    try:
        return shown(lambda stream: live_rows(connection, stream), ANNA)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("items", "seldom"),
    [(2_000, 211), pytest.param(20_000, 499, marks=[pytest.mark.prove, pytest.mark.timeout(600)])],
)
def test_a_bad_day_costs_time_and_nothing_else(items: int, seldom: int, tmp_path: Path) -> None:
    exchange = Exchange(seed=11)
    anna = exchange.add_mailbox(ANNA, password="secret")
    for path, share in zip(FOLDERS, (0.6, 0.2, 0.1, 0.1), strict=True):
        anna.folder(path).fill(int(items * share), FOLDERS[path])
    bad = forty(anna)
    troubles, throttling = weather(seldom)
    with serve(exchange) as server:
        ended = run(
            server,
            *bad.faults,
            *troubles,
            *throttling,
            folders_include=list(FOLDERS),
            max_connections=4,
            max_wait=300,
            max_changes=200,
        ).checked()
        early = [request.operation for fault in throttling for request in fault.early]
        assert early == [], "no request fell into a back-off"
        assert all(fault.struck for fault in [*bad.faults, *troubles, *throttling])
        quiet = run(server, *bad.faults, state=ended.state, folders_include=list(FOLDERS)).checked()

    told = {(row["item_id"], row["stage"]) for row in ended.table("corrupt_items").values()}
    assert told == bad.told()
    unreadable = {item.id for item in bad.unreadable}
    lost_subjects = {item.id for item in bad.without_subject}
    true = {
        key: row | {"subject": None} if key.split(" ")[1] in lost_subjects else row
        for key, row in truth(anna, without=unreadable).items()
    }
    assert differences(true, views_of(ended, tmp_path)) == []
    salvaged = [row for row in ended.table("corrupt_items").values() if row["item_id"] in lost_subjects]
    assert all((row["salvaged"], row["missing_properties"]) == (True, ["subject"]) for row in salvaged)
    ignored = {item_id for path in FOLDERS for item_id in mark(ended, anna.folder(path)).get("ignored", ())}
    assert ignored == {item.id for item in bad.feed}
    assert ended.of("sync_runs")[-1]["items_corrupt"] == len(bad.unreadable) + len(bad.without_subject)
    assert not quiet.of("messages")
    # An ignored item that gave nothing for a moment passes for changed, and the feed is asked to tell of it again.
    assert {row["stage"] for row in quiet.of("corrupt_items")} <= {"feed"}
