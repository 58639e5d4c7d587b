"""The example world: mailboxes with something of everything, the same for a seed in each process."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_exchange.demo.content import agenda, desk, mail, oddities
from tap_exchange.demo.content.cast import Cast
from tap_exchange.demo.values import Address

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.store import Store

NAMES = ("Anna Adler", "Ben Brandt", "Carla Castillo", "David Dvorak", "Emma Eriksen", "Farid Haddad")
BORN = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
"""The example's time while it is built; edits afterwards happen now."""
FIRST = datetime(2025, 1, 7, 7, 30, tzinfo=timezone.utc)
MESSAGES = 160
BUILDING = threading.Lock()


def build(exchange: Exchange, items: int, mailboxes: int) -> Exchange:
    """Fill an empty world; the first mailbox has an archive, and there are public folders."""
    with BUILDING:
        _build(exchange, items, mailboxes)
    return exchange


def _build(exchange: Exchange, items: int, mailboxes: int) -> None:
    present, exchange.clock = exchange.clock, lambda: BORN
    for number in range(mailboxes):
        name = NAMES[number % len(NAMES)]
        address = f"{name.partition(' ')[0].lower()}{number // len(NAMES) or ''}@example.com"
        mailbox = exchange.add_mailbox(address, name=name, archive=number == 0)
        cast = Cast(exchange.seed, Address(name, address))
        _mail(mailbox, cast)
        _rest(mailbox, cast)
        if mailbox.archive is not None:
            _archive(mailbox.archive, cast)
        mailbox.folder("inbox").fill(items)
    _public(exchange.add_public_folders(), Cast(exchange.seed, Address("Postmaster", "postmaster@example.com")))
    exchange.clock = present


def _mail(mailbox: Mailbox, cast: Cast) -> None:
    inbox = mailbox.folder("inbox")
    projects = [mailbox.add_folder(f"Inbox/Projects/{name}") for name in ("Aurora", "Borealis", "Corona")]
    newsletters = mailbox.add_folder("Inbox/Newsletters")
    threads: list[list[str]] = []
    when = FIRST
    for number in range(MESSAGES):
        when += timedelta(minutes=cast.random.randrange(20, 4000))
        folder = inbox if number % 4 else cast.random.choice([*projects, newsletters])
        thread = cast.random.choice(threads) if threads and cast.random.random() < 0.35 else None  # noqa: PLR2004
        item = mail.receive(folder, cast, when, thread)
        if thread is None:
            threads.append([item.properties["Subject"], item.properties["InternetMessageId"]])
        if number % 3 == 0:
            mail.send(mailbox.folder("sentitems"), cast, when + timedelta(minutes=30))
    for number in range(5):
        mail.send(mailbox.folder("drafts"), cast, when + timedelta(hours=number), draft=True)
    for name, count in (("deleteditems", 10), ("junkemail", 8), ("recoverableitemsdeletions", 6)):
        for number in range(count):
            mail.receive(mailbox.folder(name), cast, FIRST + timedelta(days=number))
    agenda.meeting_mail(inbox, cast, FIRST + timedelta(days=30))


def _rest(mailbox: Mailbox, cast: Cast) -> None:
    agenda.fill(mailbox.folder("calendar"), cast)
    agenda.odd_zones(mailbox.add_folder("Calendar/Elsewhere", folder_class="IPF.Appointment"))
    desk.contacts(mailbox, cast, FIRST)
    desk.tasks(mailbox, cast, FIRST)
    desk.papers(mailbox, cast, FIRST)
    oddities.complete_items(mailbox)
    oddities.unknown_elements(mailbox)
    oddities.strange_texts(mailbox)
    oddities.strange_people(mailbox)
    oddities.strange_items(mailbox)
    oddities.strange_folders(mailbox)


def _archive(store: Store, cast: Cast) -> None:
    year = store.new_folder("2024", store.visible_root)
    for number in range(20):
        mail.receive(year, cast, FIRST - timedelta(days=100 + number))
    mail.receive(store.distinguished("archivedeleteditems"), cast, FIRST - timedelta(days=99))


def _public(store: Store, cast: Cast) -> None:
    board = store.new_folder("Company board", store.root)
    archive = store.new_folder("Older", board)
    rooms = store.new_folder("Room bookings", store.root, element="CalendarFolder", folder_class="IPF.Appointment")
    for number in range(8):
        posted = FIRST + timedelta(days=number)
        folder = board if number % 2 else archive
        folder.add("PostItem", Subject=cast.subject(), PostedTime=posted, DateTimeReceived=posted)
        agenda.single(rooms, cast, datetime(2026, 4, number + 1, 10, 0))  # noqa: DTZ001 - a local time
