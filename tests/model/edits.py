"""What people do in a mailbox, and what becomes of its items, one edit after the other."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import ItemFails
from tests.model.world import DAY, DAYS_AGO, ELEMENTS, add

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.soap import Call
    from tests.model.world import World

SUBJECTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
"""What XML forbids is replaced on its way, which other tests look at."""

MOST_FOLDERS = 16
MOST_ITEMS = 60

CORRUPT = (
    "ErrorItemCorrupt", "ErrorCorruptData", "ErrorContentConversionFailed", "ErrorInternalServerError",
    "ErrorItemPropertyRequestFailed", "ErrorMessageSizeExceeded", "ErrorVirusDetected", "ErrorInvalidIdMalformed",
)  # fmt: skip
"""Codes of an item that cannot be read."""


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


def create(world: World, folder: Folder, edit: Edit) -> None:
    """Create an item."""
    add(folder, ELEMENTS[edit.to % len(ELEMENTS)], edit.text, edit.place, world)


def create_folder(world: World, folder: Folder, edit: Edit) -> None:
    """Create a folder below another, of another name than its siblings."""
    name = f"Sub{'ABC'[edit.to % 3]}"
    is_free = all(child.name != name for child in folder.children)
    if is_free and len(world.folders()) < MOST_FOLDERS and _takes_folders(world, folder):
        folder.store.new_folder(name, folder)


def deliver(world: World, folder: Folder, edit: Edit) -> None:
    """Create many items at once."""
    if sum(1 for _ in world.items()) < MOST_ITEMS:
        for number in range(8 + edit.to % 8):
            add(folder, ELEMENTS[(edit.to + number) % len(ELEMENTS)], f"{number} {edit.text}", number, world)


def empty(_: World, folder: Folder, __: Edit) -> None:
    """Delete all items of a folder for good."""
    for item in folder.items():
        item.delete()


def restore(_: World, folder: Folder, __: Edit) -> None:
    """Let a folder refuse the sync states given out so far, as one that was restored does."""
    folder.restore_feed()


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
    """Change a property of an item, or take one away."""
    text = edit.text.strip()
    changes: tuple[dict[str, Any], ...] = (
        {"Subject": text},
        {"Body": f"<html><body>{html.escape(text)}</body></html>"},
        {"Body": text or None},
        {"Categories": [text, "Work"] if text else None},
        {"Importance": "High", "Sensitivity": "Private"},
    )
    item.update(**changes[edit.to % len(changes)])


def reschedule(world: World, item: Item, edit: Edit) -> None:
    """Let a single meeting take place at another time, which may be too old or not any more."""
    if item.element == "CalendarItem" and item.series is None:
        start = world.today - DAY * DAYS_AGO[edit.to % len(DAYS_AGO)]
        item.update(Start=start, End=start + timedelta(hours=1))


def change_series(_: World, item: Item, edit: Edit) -> None:
    """Delete an occurrence of a series, or let it take place later and under another name."""
    if item.series is None:
        return
    slots = list(islice(item.series.slots(), 3))
    if len(slots) > 1:
        slot = slots[edit.to % len(slots)]
        if edit.to % 2:
            item.delete_occurrence(slot.original)
        else:
            later = timedelta(minutes=30)
            item.change_occurrence(
                slot.original, Subject=edit.text.strip(), Start=slot.start + later, End=slot.end + later
            )


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


def spoil(world: World, item: Item, edit: Edit) -> None:
    """Let an item become unreadable, which the feed reports as a change."""
    if item.id not in world.corrupt and item.id not in world.torn:
        item.update(Subject="spoiled")
        world.corrupt[item.id] = ItemFails(CORRUPT[edit.to % len(CORRUPT)], [item])
        world.server.faults.add(world.corrupt[item.id])


def tear(world: World, item: Item, edit: Edit) -> None:
    """Let an item's body become unreadable, which the feed reports as a change."""
    if item.id not in world.corrupt and item.id not in world.torn:
        item.update(Subject="torn")
        world.torn[item.id] = ItemFails(CORRUPT[edit.to % len(CORRUPT)], [item], asking="item:Body")
        world.server.faults.add(world.torn[item.id])


def heal(world: World, _: Item, edit: Edit) -> None:
    """Let an unreadable item become readable, which the feed reports too."""
    bad = world.corrupt | world.torn
    if not bad:
        return
    item_id = sorted(bad)[edit.to % len(bad)]
    world.server.faults.remove(bad[item_id])
    world.corrupt.pop(item_id, None)
    world.torn.pop(item_id, None)
    for item in list(world.items()):
        if item.id == item_id:
            item.update(Subject="healed")


OF_FOLDERS: dict[str, Callable[[World, Folder, Edit], None]] = {
    "create": create,
    "create again": create,
    "deliver": deliver,
    "empty": empty,
    "restore": restore,
    "create folder": create_folder,
    "rename folder": rename_folder,
    "move folder": move_folder,
    "delete folder": delete_folder,
}
OF_ITEMS: dict[str, Callable[[World, Item, Edit], None]] = {
    "update": update,
    "reschedule": reschedule,
    "change series": change_series,
    "attach": attach,
    "read": read,
    "move": move,
    "copy": copy,
    "delete": delete,
    "soft delete": soft_delete,
    "spoil": spoil,
    "tear": tear,
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
