"""The rest of the mailbox in a real database: everything switched on at once, and after each run equal to the mailbox.

Two mailboxes of a group, with all their stores; search folders, a calendar's view, attachments with their content,
columns of the user's own, a start date, and the small tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, calendar, serve
from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.resources import ITEM_STREAMS
from tap_exchange.tap import TapExchange
from tests.attachments import inner, link
from tests.attachments import same_columns as attachment
from tests.attachments import truth as attachments_of
from tests.calendars import text
from tests.elements import XSD
from tests.live import views_anew
from tests.pipeline import run_pipeline, selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tests.live import Rows
    from tests.pipeline import State
    from tests.postgres import Database

ANNA, BOB, TEAM = "anna@example.com", "bob@example.com", "team@example.com"
LONG_AGO = datetime(2010, 1, 1, tzinfo=timezone.utc)
CUSTOMER = Extended("String", tag=0x3A4A)
EVERYTHING = {
    "username": ANNA,
    "password": "secret",
    "mailboxes_from": TEAM,
    "stores": ["primary", "archive", "recoverable_items", "public_folders"],
    "search_folders": True,
    "listing_hours": 0,
    "start_date": "2020-01-01",
    "attachments": "content",
    "extended_properties": [
        {"column": "customer", "streams": ["messages", "calendar_view"], "tag": "0x3A4A", "type": "String"}
    ],
}


@dataclass(slots=True)
class World:
    """Two mailboxes, the public folders, and the database that should equal them."""

    exchange: Exchange
    server: Server
    database: Database
    views: Callable[[], Callable[[str], Rows]]
    live: Callable[[str], Rows] = field(init=False)
    state: State | None = None
    items: dict[str, Item] = field(default_factory=dict)

    @property
    def mailboxes(self) -> list[Mailbox]:
        return [self.exchange.mailboxes[ANNA], self.exchange.mailboxes[BOB]]

    def run(self) -> None:
        self.server.reset_requests()
        config = {"ews_url": self.server.url, **EVERYTHING}
        catalog = selection(["*.*"], TapExchange(config=config).catalog_dict)
        run = run_pipeline(config, self.database.url, self.state, catalog=catalog, schema="exchange").checked()
        self.state = run.durable
        self.live = self.views()

    def put(self, subject: str, folder: Folder, element: str = "Message", **more: Any) -> Item:  # noqa: ANN401
        item = folder.add(element, Subject=subject, **more)
        self.items[subject] = item
        return item

    def folders(self, mailbox: Mailbox) -> Iterator[tuple[str, Folder]]:
        """Give every folder that a mailbox shows, with its store."""
        assert self.exchange.public is not None
        roots = {
            "primary": mailbox.store.visible_root,
            "archive": mailbox.archive.visible_root if mailbox.archive else None,
            "recoverable_items": mailbox.store.distinguished("recoverableitemsroot"),
            "public_folders": self.exchange.public.root,
        }
        for store, root in roots.items():
            for folder in () if root is None else root.subtree():
                if folder.search is None:
                    yield store, folder


def in_scope(item: Item) -> bool:
    """Tell whether the start date leaves an item in; those of the test that are not mail are."""
    return item.properties.get("DateTimeReceived") != LONG_AGO


def customer_of(item: Item) -> object:
    """Return the value of the user's own column, None where the stream has none."""
    return item.extended.get(CUSTOMER) if item.element == "Message" else None


def items(world: World) -> set[tuple[Any, ...]]:
    return {
        (mailbox.address, store, folder.name, item.id, item.properties["Subject"], customer_of(item))
        for mailbox in world.mailboxes
        for store, folder in world.folders(mailbox)
        for item in folder.items()
        if in_scope(item)
    }


def shown_items(world: World) -> set[tuple[Any, ...]]:
    names = {key: row["name"] for key, row in world.live("folders").items()}
    return {
        (row["mailbox"], row["store"], names[row["folder_key"]], row["item_id"], row["subject"], row.get("customer"))
        for stream in ITEM_STREAMS
        for row in world.live(stream).values()
    }


def listed(world: World) -> set[tuple[str, str, str]]:
    """Give what the folders without a feed hold: search folders and public folders."""
    public = {
        (mailbox.address, folder.name, item.id)
        for mailbox in world.mailboxes
        for store, folder in world.folders(mailbox)
        if store == "public_folders"
        for item in folder.items()
        if in_scope(item)
    }
    found = {
        (mailbox.address, folder.name, item.id)
        for mailbox in world.mailboxes
        for folder in mailbox.store.distinguished("searchfolders").children
        for item in folder.items()
    }
    return public | found


def shown_listed(world: World) -> set[tuple[str, str, str]]:
    names = {key: row["name"] for key, row in world.live("folders").items()}
    return {(row["mailbox"], names[row["folder_key"]], row["item_id"]) for row in world.live("listed_items").values()}


def attachments(world: World) -> dict[str, dict[str, Any]]:
    found = {}
    for mailbox in world.mailboxes:
        found.update(attachments_of(mailbox, content=True))
    return found


def shown_attachments(world: World) -> dict[str, dict[str, Any]]:
    return {key: attachment(row) for key, row in world.live("attachments").items() if row["store"] == "primary"}


def occurrences(world: World) -> set[tuple[Any, ...]]:
    """Give what takes place within half a year: the test puts nothing near the ends of the tap's own window."""
    now = datetime.now(timezone.utc)
    return {
        (
            mailbox.address,
            item.id,
            item.properties["Subject"],
            text(item.properties["Start"]),
            text(item.properties["End"]),
            item.extended.get(CUSTOMER),
        )
        for mailbox in world.mailboxes
        for item in calendar.view(mailbox.folder("calendar"), now - timedelta(days=20), now + timedelta(days=180))
    }


def shown_occurrences(world: World) -> set[tuple[Any, ...]]:
    return {
        (
            row["mailbox"],
            row["item_id"],
            row["subject"],
            text(row["start_time"]),
            text(row["end_time"]),
            row["customer"],
        )
        for row in world.live("calendar_view").values()
    }


def small(world: World) -> dict[str, set[tuple[Any, ...]]]:
    told: dict[str, set[tuple[Any, ...]]] = {
        "rooms": {(lst, room) for lst, (_, rooms) in world.exchange.rooms.items() for room in rooms}
    }
    for mailbox in world.mailboxes:
        personal = mailbox.personal
        told.setdefault("inbox_rules", set()).update((mailbox.address, rule.name) for rule in personal.rules)
        told.setdefault("delegates", set()).update((mailbox.address, one.address) for one in personal.delegates)
        told.setdefault("out_of_office", set()).add((mailbox.address, personal.absence.state))
    return told


def shown_small(world: World) -> dict[str, set[tuple[Any, ...]]]:
    columns = {
        "rooms": ("room_list", "room"),
        "inbox_rules": ("mailbox", "display_name"),
        "delegates": ("mailbox", "primary_smtp_address"),
        "out_of_office": ("mailbox", "oof_state"),
    }
    return {
        stream: {tuple(row[name] for name in names) for row in world.live(stream).values()}
        for stream, names in columns.items()
    }


def check(world: World) -> None:
    """Compare every view with what the server has."""
    assert shown_items(world) == items(world)
    assert shown_listed(world) == listed(world)
    assert shown_attachments(world) == attachments(world)
    assert shown_occurrences(world) == occurrences(world)
    assert shown_small(world) == small(world)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    exchange = Exchange(seed=31)
    exchange.add_mailbox(ANNA, password="secret", archive=True)
    exchange.add_mailbox(BOB, password="secret").grant(ANNA)
    exchange.add_group(TEAM, ANNA, BOB)
    exchange.add_public_folders()
    with serve(exchange, xsd=XSD if XSD.is_dir() else None) as server, database.connect("exchange") as connection:
        yield World(exchange, server, database, partial(views_anew, connection, "exchange"))


def furnish(world: World) -> None:
    """Put something into every part."""
    anna, bob = world.mailboxes
    assert anna.archive is not None
    assert world.exchange.public is not None
    inbox = anna.folder("inbox")
    files = [Attachment(name="a.txt", content=b"a"), Attachment(name="b.txt", content=b"b" * 5000), inner(), link()]
    for number in range(6):
        world.put(f"mail {number}", inbox, extended={CUSTOMER: f"C-{number}"}, attachments=files if number < 2 else [])
    world.put("too old", inbox, DateTimeReceived=LONG_AGO, DateTimeSent=LONG_AGO, DateTimeCreated=LONG_AGO)
    world.put("a post", anna.add_folder("Posts"), "PostItem")
    world.put("bob's mail 1", bob.folder("inbox"))
    world.put("archived", anna.archive.new_folder("Old", anna.archive.visible_root))
    world.put("purged soon", anna.store.distinguished("recoverableitemsdeletions"))
    anna.add_search_folder("Mails with a 1", lambda item: "1" in str(item.properties.get("Subject")) and in_scope(item))
    board = world.exchange.public.new_folder("Board", world.exchange.public.root)
    below = world.exchange.public.new_folder("Below", board)
    for subject, folder in (("notice", board), ("notice 2", board), ("deep notice", below)):
        world.put(subject, folder)
    start = datetime.now(timezone.utc).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=2)
    when = {"Start": start, "End": start + timedelta(hours=1)}
    world.put("planning", anna.folder("calendar"), "CalendarItem", **when)
    daily = Recurrence("Daily", start.date(), count=5)
    own = {CUSTOMER: "C-9"}
    world.put("stand-up", anna.folder("calendar"), "CalendarItem", Recurrence=daily, extended=own, **when)
    weekly = Recurrence("Weekly", start.date(), days=(f"{start:%A}",), count=4)
    world.put("retro", anna.folder("calendar"), "CalendarItem", Recurrence=weekly, **when)
    for name in ("bills", "private"):
        anna.personal.add_rule(name)
    bob.personal.add_delegate(ANNA, calendar="Editor")
    bob.personal.absence.state = "Enabled"
    world.exchange.rooms["floor1@example.com"] = ("First floor", {"red@example.com": "Red", "blue@example.com": "Blue"})


def edit(world: World) -> None:
    """Change every part."""
    anna, bob = world.mailboxes
    made = world.items
    del made["mail 0"].attachments[1:]
    made["mail 0"].attach(Attachment(name="c.txt", content=b"c"))
    made["mail 1"].delete()
    made["mail 2"].update(Subject="now with a 1", extended={CUSTOMER: "C-22"})
    made["mail 3"].update(DateTimeReceived=LONG_AGO, DateTimeSent=LONG_AGO, DateTimeCreated=LONG_AGO)
    made["archived"].update(Subject="archived, changed")
    made["purged soon"].delete()
    made["notice"].delete()
    made["notice 2"].update(Subject="notice 2, changed")
    made["deep notice"].folder.rename("Renamed")
    series = made["stand-up"].series
    slots = series.between(datetime.now(timezone.utc), datetime.now(timezone.utc) + timedelta(days=30))
    made["stand-up"].delete_occurrence(slots[1].original)
    made["stand-up"].change_occurrence(slots[2].original, Subject="stand-up, longer")
    for subject in ("planning", "retro"):
        made[subject].delete()
    del anna.personal.rules[0]
    bob.personal.delegates.clear()
    bob.personal.absence.state = "Disabled"
    del world.exchange.rooms["floor1@example.com"][1]["blue@example.com"]


def more_edits(world: World) -> None:
    """Take away from every part while no state remembers it."""
    anna = world.mailboxes[0]
    made = world.items
    for subject in ("mail 0", "bob's mail 1", "archived", "notice 2", "stand-up", "a post"):
        made[subject].delete()
    anna.personal.rules.clear()
    anna.personal.add_delegate(BOB)
    world.exchange.rooms.clear()


def test_every_part_of_a_mailbox_reaches_a_real_database_and_stays_true(world: World) -> None:
    furnish(world)
    world.run()
    check(world)
    assert len(shown_items(world)) == 19
    assert all(row["content_sha256"] for row in shown_attachments(world).values() if row["attachment_type"] == "file")
    edit(world)
    world.run()
    check(world)
    contents = {row["content_sha256"] for row in shown_attachments(world).values()}
    assert contents == {sha256(content).hexdigest() for content in (b"a", b"c")}
    world.run()
    check(world)
    assert not {"GetItem", "GetAttachment"} & world.server.counts.keys(), "nothing changed, nothing is loaded"
    more_edits(world)
    world.state = None
    world.run()
    check(world)
