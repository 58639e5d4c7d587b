"""The example world, bulk items, the zones and recurrences behind its calendars, and its command."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tap_exchange import demo
from tap_exchange.demo import Exchange
from tap_exchange.demo.changelog import Cursor, net_changes
from tap_exchange.demo.content.bulk import PROTOTYPES
from tap_exchange.demo.fields import ELEMENTS, FOLDER_ELEMENTS
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.rendering import Shape, item_xml
from tap_exchange.demo.zones import ZONES
from tests.conformance.support import Client, served

if TYPE_CHECKING:
    from pathlib import Path

    from tap_exchange.demo.store import Store

EVERYTHING = Shape(names=frozenset(name for names in ELEMENTS.values() for name in names), mime=True)
WORLD = """
import sys
sys.path[:0] = [{root!r}]
from tests.integration.test_demo_world import fingerprint
print(fingerprint())
"""


def stores(exchange: Exchange) -> list[Store]:
    return [store for store, _ in exchange._stores.values()]


def fingerprint() -> str:
    """Hash every byte that the example world could send."""
    exchange = Exchange.example(items=20, seed=5)
    total = hashlib.sha256()
    for store in stores(exchange):
        for folder in store.folders.values():
            total.update(f"{folder.id} {folder.change_key} {folder.path}".encode())
            for contents in (folder.contents, folder.associated):
                for item in contents.items():
                    total.update(item_xml(item, Shape(base="AllProperties")).encode("utf-8", "surrogatepass"))
    return total.hexdigest()


@pytest.fixture(scope="module")
def example() -> Exchange:
    return Exchange.example(items=100)


def test_the_example_is_the_same_in_each_process(request: pytest.FixtureRequest) -> None:
    code = WORLD.format(root=str(request.config.rootpath))
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate(timeout=120)[0] for run in runs)
    assert first == second != ""


def test_another_seed_is_another_world() -> None:
    assert Exchange.example(seed=1).mailboxes["anna@example.com"].store.guid != (
        Exchange.example(seed=2).mailboxes["anna@example.com"].store.guid
    )


def test_the_example_has_every_class_of_item_and_folder(example: Exchange) -> None:
    items = {item.element for store in stores(example) for folder in store.folders.values() for item in folder.items()}
    assert set(ELEMENTS) - FOLDER_ELEMENTS <= items
    assert {"Booking", "FutureItem"} <= items, "elements that few readers know"
    folders = [folder for store in stores(example) for folder in store.folders.values()]
    assert {folder.element for folder in folders} == FOLDER_ELEMENTS
    assert None in {folder.folder_class for folder in folders}
    anna = example.mailboxes["anna@example.com"]
    assert not anna.folder("Empty").items()
    assert anna.archive is not None
    assert example.public is not None


def test_the_example_holds_what_the_unusual_world_holds(example: Exchange) -> None:
    anna = example.mailboxes["anna@example.com"]
    inbox = [item for folder in anna.folders() for item in folder.items() if item.element == "Message"]
    attachments = [attachment for item in inbox for attachment in item.attachments]
    assert {"FileAttachment", "ItemAttachment", "ReferenceAttachment"} == {held.element for held in attachments}
    assert any(held.inline for held in attachments)
    assert any(len(item.properties.get("ToRecipients") or ()) == 2000 for item in inbox)
    assert any(item.properties.get("Subject") == "" for item in inbox)
    assert any("Subject" not in item.properties for item in inbox)
    assert any("\x01" in (item.properties.get("Subject") or "") for item in inbox)
    calendar = anna.folder("calendar").items() + anna.folder("Calendar/Elsewhere").items()
    series = [item for item in calendar if item.series is not None]
    assert any(item.series.changed and item.series.deleted for item in series)
    assert any(item.properties["IsRecurring"] is False for item in series), "a master may say so"
    assert any(item.series.zone.id == "Customized Time Zone" for item in series)
    assert any(item.properties.get("IsAllDayEvent") for item in calendar)
    photos = [held for item in anna.folder("contacts").items() for held in item.attachments]
    assert any(held.properties.get("IsContactPhoto") for held in photos)


def test_demo_starts_the_same_world_each_time() -> None:
    urls = set()
    for _ in range(2):
        url, username, password = demo.start()
        urls.add(url)
        assert (username, password) == ("anna@example.com", "secret")
    assert len(urls) == 2


@pytest.mark.parametrize(
    "element", ["Message", "CalendarItem", "Contact", "Task", "PostItem", "Item", "MeetingRequest"]
)
def test_bulk_items_are_written_as_if_they_were_held(element: str) -> None:
    folder = Exchange(seed=7).add_mailbox("anna@example.com").folder("inbox")
    folder.fill(2 * PROTOTYPES + 7, element, big_every=40, big_bytes=9000)
    folder.fill(5, element)
    for shape in (Shape(base="AllProperties"), EVERYTHING, Shape(names=frozenset({"Subject"}), mime=True)):
        for number in (1, 2, 40, 55, 80, PROTOTYPES, 2 * PROTOTYPES + 3, 2 * PROTOTYPES + 9):
            item = folder.item(number)
            item.forget_properties()
            assert item.newborn is not None
            born = item_xml(item, shape)
            subject = item.value("Subject")
            assert item.properties["Subject"] == subject
            assert item.newborn is None
            assert item_xml(item, shape) == born


def test_an_edited_bulk_item_stays_edited() -> None:
    folder = Exchange(seed=7).add_mailbox("anna@example.com").folder("inbox").fill(10)
    folder.items()[3].update(Subject="edited")
    assert [item.properties["Subject"] for item in folder.items()].count("edited") == 1
    assert "edited" in item_xml(folder.items()[3], Shape(names=frozenset({"Subject"})))


def test_a_million_items_weigh_nothing() -> None:
    tracemalloc.start()
    try:
        folder = Exchange(seed=7).add_mailbox("anna@example.com").folder("inbox").fill(1_000_000)
        cursor = Cursor()
        for _ in range(20):
            changes, last = net_changes(folder.contents, cursor, 512, folder.store.change)
            assert len(changes) == 512
            assert not last
        item = folder.contents.get(500_000)
        item.update(Subject="one of a million")
        folder.contents.get(3).delete()
        assert folder.total_count == 999_999
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "iana"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("GMT Standard Time", "Europe/London"),
        ("Eastern Standard Time", "America/New_York"),
        ("AUS Eastern Standard Time", "Australia/Sydney"),
        ("New Zealand Standard Time", "Pacific/Auckland"),
        ("Nepal Standard Time", "Asia/Kathmandu"),
    ],
)
def test_zones_show_the_time_that_clocks_show(name: str, iana: str) -> None:
    zone, clock = ZONES[name], ZoneInfo(iana)
    moment = datetime(2025, 1, 1, tzinfo=timezone.utc)
    while moment.year == 2025:
        shown = moment.astimezone(clock)
        assert zone.to_local(moment) == shown.replace(tzinfo=None)
        assert zone.wall_clock(moment) == shown.isoformat()
        moment += timedelta(minutes=60)


@pytest.mark.parametrize(
    ("recurrence", "wanted"),
    [
        (Recurrence("Daily", date(2025, 1, 30), 2), "01-30 02-01 02-03"),
        (Recurrence("Weekly", date(2025, 1, 1), 2, ("Monday", "Thursday")), "01-02 01-13 01-16"),
        (Recurrence("Weekly", date(2025, 1, 3), 1, ("Weekday",), count=2), "01-03 01-06"),
        (Recurrence("AbsoluteMonthly", date(2025, 1, 31), day=31), "01-31 02-28 03-31"),
        (Recurrence("RelativeMonthly", date(2025, 1, 1), days=("Weekday",), index="Last"), "01-31 02-28 03-31"),
        (Recurrence("RelativeMonthly", date(2025, 1, 9), days=("Wednesday",), index="Second"), "02-12 03-12 04-09"),
        (Recurrence("AbsoluteYearly", date(2024, 2, 29), day=29, month=2), "02-29 02-28 02-28"),
        (
            Recurrence("RelativeYearly", date(2025, 1, 1), days=("Thursday",), index="Fourth", month=11),
            "11-27 11-26 11-25",
        ),
        (Recurrence("Daily", date(2025, 1, 1), end=date(2025, 1, 2)), "01-01 01-02"),
    ],
)
def test_recurrences_give_their_dates(recurrence: Recurrence, wanted: str) -> None:
    assert " ".join(f"{day:%m-%d}" for day in islice(recurrence.dates(), 3)) == wanted


@pytest.fixture
def served_by_command(tmp_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tap_exchange.demo.cli", "--items", "30", "--mailboxes", "2", "--seed", "4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    yield process
    process.kill()
    process.communicate()


def test_the_command_serves_until_it_is_asked_to_end(served_by_command: subprocess.Popen[str]) -> None:
    lines = [served_by_command.stdout.readline() for _ in range(3)]
    url, usernames, password = (line.partition(":")[2].strip() for line in lines)
    assert usernames == "anna@example.com, ben@example.com"
    exchange = Exchange.example(items=30, seed=4, mailboxes=2)
    inbox = exchange.mailboxes["ben@example.com"].folder("inbox")

    class Remote:
        pass

    remote = Remote()
    remote.url = url
    with Client(remote, "ben@example.com", password) as client:
        assert {item_id for _, item_id in client.sync(inbox.id).changes} == {item.id for item in inbox.items()}
    served_by_command.send_signal(signal.SIGTERM)
    assert served_by_command.wait(timeout=10) == 0


def test_the_command_says_what_is_wrong_in_one_line() -> None:
    for arguments in (["--host", "0.0.0.0"], ["--port", "99999"], ["--items", "-1"], ["--xsd", "/nowhere"]):
        command = [sys.executable, "-m", "tap_exchange.demo.cli", *arguments]
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert run.returncode != 0
        assert "Traceback" not in run.stderr
        assert run.stderr.strip().splitlines()[-1].startswith("tap-exchange-demo: ")


def test_the_demo_starts_without_what_only_the_server_needs() -> None:
    code = (
        "import sys, json, tap_exchange.demo, tap_exchange.demo.cli; tap_exchange.demo.cli.parser();"
        "print(json.dumps(sorted({'aiohttp', 'faker', 'exchangelib'} & set(sys.modules))))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(run.stdout) == []


def test_edits_happen_while_somebody_reads() -> None:
    exchange = Exchange(seed=7)
    inbox = exchange.add_mailbox("anna@example.com").folder("inbox").fill(50)
    with served(exchange) as server, Client(server) as client:
        state = client.sync(inbox.id).state
        for round_ in range(5):
            new = inbox.add("Message", Subject=str(round_))
            page = client.sync(inbox.id, state)
            assert page.changes == [("Create", new.id)]
            state = page.state
