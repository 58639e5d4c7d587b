"""The example world: mailboxes with something of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Exchange

NAMES = ("Anna Adler", "Ben Brandt", "Carla Castillo", "David Dvorak", "Emma Eriksen", "Farid Haddad")


def build(exchange: Exchange, items: int, mailboxes: int) -> Exchange:
    """Fill an empty world."""
    for number in range(mailboxes):
        name = NAMES[number % len(NAMES)]
        address = f"{name.partition(' ')[0].lower()}{number // len(NAMES) or ''}@example.com"
        mailbox = exchange.add_mailbox(address, "secret", name)
        inbox = mailbox.folder("inbox")
        for element in ("Message", "MeetingRequest", "MeetingResponse", "MeetingCancellation"):
            inbox.add(element)
        for folder, element in (
            ("calendar", "CalendarItem"),
            ("contacts", "Contact"),
            ("contacts", "DistributionList"),
            ("tasks", "Task"),
            ("notes", "Item"),
            ("inbox", "PostItem"),
        ):
            mailbox.folder(folder).add(element)
        inbox.fill(items)
    return exchange
