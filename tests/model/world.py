"""A mailbox with all of its stores."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.recurrence import Recurrence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.faults import ItemFails
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEPT = ("inbox", "sentitems", "deleteditems", "calendar", "contacts", "archiveinbox", "archivedeleteditems")
ELEMENTS = (
    "Message", "Message", "MeetingRequest", "PostItem", "Contact", "CalendarItem", "Task", "Item", "MeetingResponse",
    "MeetingCancellation", "DistributionList", "SharingMessage", "RoleMember", "Network", "Person",
)  # fmt: skip
"""The last ones have no type of their own in older schemas, nor a table of their own."""
DAYS_AGO = (2, 2, 12, 32)
"""How long ago items were received, and meetings took place or are to."""

STARTS = (None, None, 7, 22)
"""How many days ago `start_date` may be."""


class World:
    """One mailbox; its clock moves with each edit and each run, as Exchange's tells whole seconds only."""

    def __init__(self, server: Server, address: str, items: int) -> None:
        """Make the mailbox with its archive, and the organization's public folders anew."""
        self.server = server
        self.exchange: Exchange = server.exchange
        self.today = datetime.now(timezone.utc).replace(second=0, microsecond=0)  # series keep minutes
        self.time = self.today - DAY
        self.exchange.clock = lambda: self.time
        self.anna: Mailbox = self.exchange.add_mailbox(address, password="secret", archive=True)
        self.corrupt: dict[str, ItemFails] = {}
        """What lets items be unreadable, by their ids."""
        self.torn: dict[str, ItemFails] = {}
        """What lets items be readable but for their bodies."""
        deletions = self.anna.store.distinguished("recoverableitemsdeletions")
        public = self.exchange.add_public_folders()
        assert self.anna.archive is not None
        assert deletions.parent is not None
        self.roots = {
            "primary": self.anna.store.visible_root,
            "archive": self.anna.archive.visible_root,
            "recoverable_items": deletions.parent,
            "public_folders": public.root,
        }
        for folder in [*public.root.children, *self.folders()]:
            if not folder.gone and folder is not deletions and folder.distinguished_name not in KEPT:
                folder.delete()
        public.new_folder("SubA", public.root)
        public.new_folder("Rooms", public.root, element="CalendarFolder", folder_class="IPF.Appointment")
        places = self.folders()
        for number in range(items):
            add(places[number % len(places)], ELEMENTS[number % len(ELEMENTS)], f"first {number}", number, self)

    def tick(self) -> None:
        """Let a second pass."""
        self.time += SECOND

    def folders_of(self, store: str) -> list[Folder]:
        """Give the folders of a store that hold items of their own."""
        return [folder for folder in self.roots[store].subtree() if folder.search is None and not folder.gone]

    def folders(self) -> list[Folder]:
        """Give the folders of all stores."""
        return [folder for store in self.roots for folder in self.folders_of(store)]

    def items(self) -> Iterator[Item]:
        """Give the items of all stores."""
        for folder in self.folders():
            yield from folder.items()

    def root_of(self, folder: Folder) -> Folder:
        """Give the root of the store that a folder is in."""
        return next(root for root in self.roots.values() if folder.is_below(root))

    def start(self, days: int | None) -> datetime | None:
        """Give the date so many days ago."""
        return None if days is None else self.today - DAY * days

    def end(self) -> None:
        """Leave nothing behind that another world would meet."""
        for fault in (*self.corrupt.values(), *self.torn.values()):
            self.server.faults.remove(fault)
        self.server.reset_requests()


def add(folder: Folder, element: str, subject: str, number: int, world: World) -> None:
    """Add an item of some age; a meeting takes place so many days ago or from now, or again and again."""
    days = DAYS_AGO[number % len(DAYS_AGO)]
    when = world.today - DAY * days
    properties: dict[str, Any] = {"DateTimeReceived": when, "DateTimeSent": when, "DateTimeCreated": when}
    if element == "CalendarItem":
        start = world.today + DAY * (days if number % 3 == 0 else -days)
        properties |= {"Start": start, "End": start + timedelta(hours=1)}
        if number % 5 == 0:
            properties["Recurrence"] = Recurrence("Daily", start.date(), count=(3, None)[number % 2])
    folder.add(element, Subject=subject.strip(), **properties)
