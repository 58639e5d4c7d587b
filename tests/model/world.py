"""A mailbox with all of its stores, and what people do in it, one edit after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import ItemFails
from tap_exchange.demo.recurrence import Recurrence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEPT = ("inbox", "sentitems", "deleteditems", "calendar", "contacts", "archiveinbox", "archivedeleteditems")
ELEMENTS = ("Message", "Message", "MeetingRequest", "PostItem", "Contact", "CalendarItem", "Task", "Item")
DAYS_AGO = (2, 2, 12, 32)
"""How long ago items were received, and meetings took place or are to."""

STARTS = (None, None, 7, 22)
"""How many days ago `start_date` may be."""

SUBJECTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
"""What XML forbids is replaced on its way, which other tests look at."""

MOST_FOLDERS = 16


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
        for fault in self.corrupt.values():
            self.server.faults.remove(fault)
        self.server.reset_requests()


@dataclass(frozen=True)
class Edit:
    """Something that somebody does; the numbers choose what to do it to, and a name what is possible."""

    what: str
    place: int
    to: int
    text: str

    def do(self, world: World) -> None:
        """Do it, if there is something to do it to."""
        world.tick()
        if self.what in OF_FOLDERS:
            folders = world.folders()
            OF_FOLDERS[self.what](world, folders[self.place % len(folders)], self)
        elif items := list(world.items()):
            OF_ITEMS[self.what](world, items[self.place % len(items)], self)

    def target(self, world: World) -> Folder:
        """Choose a folder to move or copy to."""
        folders = world.folders()
        return folders[self.to % len(folders)]


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


def create(world: World, folder: Folder, edit: Edit) -> None:
    """Create an item."""
    add(folder, ELEMENTS[edit.to % len(ELEMENTS)], edit.text, edit.place, world)


def create_folder(world: World, folder: Folder, edit: Edit) -> None:
    """Create a folder below another, of another name than its siblings."""
    name = f"Sub{'ABC'[edit.to % 3]}"
    is_free = all(child.name != name for child in folder.children)
    if is_free and len(world.folders()) < MOST_FOLDERS and _takes_folders(world, folder):
        folder.store.new_folder(name, folder)


def rename_folder(_: World, folder: Folder, edit: Edit) -> None:
    """Rename a folder of the user's."""
    name = f"Sub{'XYZ'[edit.to % 3]}"
    siblings = folder.parent.children if folder.parent else ()
    if not folder.distinguished_name and all(child.name != name for child in siblings):
        folder.rename(name)


def move_folder(world: World, folder: Folder, edit: Edit) -> None:
    """Move a folder of the user's within its store."""
    parent = edit.target(world)
    is_free = all(child.name != folder.name for child in parent.children)
    if folder.distinguished_name or parent is folder or parent.is_below(folder) or not is_free:
        return
    if world.root_of(parent) is world.root_of(folder):
        folder.move(parent)


def delete_folder(_: World, folder: Folder, __: Edit) -> None:
    """Delete a folder of the user's with all below it."""
    if not folder.distinguished_name:
        folder.delete()


def _takes_folders(world: World, folder: Folder) -> bool:
    return world.root_of(folder) is not world.roots["recoverable_items"]


def update(_: World, item: Item, edit: Edit) -> None:
    """Change an item."""
    item.update(Subject=edit.text.strip())


def reschedule(world: World, item: Item, edit: Edit) -> None:
    """Let a single meeting take place at another time, which may be too old or not any more."""
    if item.element == "CalendarItem" and item.series is None:
        start = world.today - DAY * DAYS_AGO[edit.to % len(DAYS_AGO)]
        item.update(Start=start, End=start + timedelta(hours=1))


def attach(_: World, item: Item, edit: Edit) -> None:
    """Attach a file."""
    if len(item.attachments) < 3:
        item.attach(Attachment(name=f"file {edit.to}", content=edit.text.encode()))


def read(_: World, item: Item, edit: Edit) -> None:
    """Mark a message read or unread."""
    if "IsRead" in item.properties:
        item.mark_read(edit.to % 2 == 0)


def move(world: World, item: Item, edit: Edit) -> None:
    """Move an item; it may be to where it is, or to another store, always with a new id."""
    item.move(edit.target(world))


def copy(world: World, item: Item, edit: Edit) -> None:
    """Copy an item."""
    item.copy(edit.target(world))


def delete(_: World, item: Item, __: Edit) -> None:
    """Delete an item for good."""
    item.delete()


def soft_delete(_: World, item: Item, __: Edit) -> None:
    """Delete an item as people do: it goes to the bin of its store, and from there for good."""
    name = {"primary": "deleteditems", "archive": "archivedeleteditems"}.get(item.folder.store.kind)
    bin_ = item.folder.store.distinguished(name) if name else None
    if bin_ is None or item.folder is bin_:
        item.delete()
    else:
        item.move(bin_)


def spoil(world: World, item: Item, _: Edit) -> None:
    """Let an item become unreadable, which the feed reports as a change."""
    if item.id not in world.corrupt:
        item.update(Subject="spoiled")
        world.corrupt[item.id] = ItemFails("ErrorItemCorrupt", [item])
        world.server.faults.add(world.corrupt[item.id])


def heal(world: World, _: Item, edit: Edit) -> None:
    """Let an unreadable item become readable, which the feed reports too."""
    if not world.corrupt:
        return
    item_id = sorted(world.corrupt)[edit.to % len(world.corrupt)]
    world.server.faults.remove(world.corrupt.pop(item_id))
    for item in list(world.items()):
        if item.id == item_id:
            item.update(Subject="healed")


OF_FOLDERS: dict[str, Callable[[World, Folder, Edit], None]] = {
    "create": create,
    "create again": create,
    "create folder": create_folder,
    "rename folder": rename_folder,
    "move folder": move_folder,
    "delete folder": delete_folder,
}
OF_ITEMS: dict[str, Callable[[World, Item, Edit], None]] = {
    "update": update,
    "reschedule": reschedule,
    "attach": attach,
    "read": read,
    "move": move,
    "copy": copy,
    "delete": delete,
    "soft delete": soft_delete,
    "spoil": spoil,
    "heal": heal,
}
EDITS = st.builds(
    Edit,
    what=st.sampled_from([*OF_FOLDERS, *OF_ITEMS]),
    place=st.integers(0, 99),
    to=st.integers(0, 99),
    text=SUBJECTS,
)


@dataclass(eq=False)
class PeopleWork(Fault):
    """Let people work while a run is under way: before some of its requests are answered."""

    world: World
    edits: dict[int, Edit]
    """By the number of the request."""
    asked: int = field(default=0, init=False)

    def before(self, _: Call) -> None:
        """Do what is to be done before this request."""
        if (edit := self.edits.get(self.asked)) is not None:
            edit.do(self.world)
        self.asked += 1
