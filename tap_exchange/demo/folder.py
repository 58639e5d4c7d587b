"""A folder: its place in the tree, its contents, and the edits a person makes to both."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import appointments
from tap_exchange.demo.content.bulk import Bulk
from tap_exchange.demo.contents import Contents
from tap_exchange.demo.extended import SEARCH_KEY, Extended
from tap_exchange.demo.filling import Block
from tap_exchange.demo.item import Item
from tap_exchange.demo.searches import BY_NAME, NOTHING, found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from tap_exchange.demo.attachments import Attachment
    from tap_exchange.demo.searches import Search
    from tap_exchange.demo.store import Store
    from tap_exchange.demo.zones import Zone

TYPE_BYTES = {"Folder": 0x01, "CalendarFolder": 0x02, "ContactsFolder": 0x03, "TasksFolder": 0x04, "SearchFolder": 0x07}


class Folder:
    """One folder of a store; edits are thread-safe and go through the store's change log."""

    __slots__ = (
        "_found", "_held", "associated", "change", "children", "committed", "contents", "deleted_count",
        "distinguished_name", "element", "folder_class", "fragments", "gone", "id", "item_prefix", "name", "next_item",
        "number", "parent", "properties", "search", "store",
    )  # fmt: skip

    def __init__(
        self,
        store: Store,
        number: int,
        name: str,
        parent: Folder | None,
        *,
        element: str = "Folder",
        folder_class: str | None = "IPF.Note",
        distinguished_name: str | None = None,
    ) -> None:
        """Hold a folder that the store has numbered."""
        self.store = store
        self.number = number
        self.name = name
        self.parent = parent
        self.element: str = element
        self.folder_class = folder_class
        self.distinguished_name = distinguished_name
        self.id: str = store.ids.folder(number)
        self.item_prefix = store.ids.item_prefix(number)
        self.children: list[Folder] = []
        self.contents = Contents(self)
        self.associated = Contents(self)
        self.next_item = 1
        self.change = 0
        self.committed: datetime | None = None
        self.deleted_count: int = 0
        self.gone = False
        self.properties: dict[str, Any] = {}
        self.fragments: dict[str, str] = {}
        self.search: Search | None = BY_NAME.get(name, NOTHING) if element == "SearchFolder" else None
        self._found: tuple[int, list[Item]] = (-1, [])
        self._held: dict[str, tuple[int, int]] | None = None

    @property
    def change_key(self) -> str:
        """Give the change key."""
        return self.store.ids.change_key(TYPE_BYTES.get(self.element, 0x01), self.change)

    @property
    def path(self) -> str:
        """Give the path below the tree's visible root, with slashes between the names."""
        names = []
        folder: Folder | None = self
        while folder is not None and folder is not self.store.visible_root and folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return "/".join(reversed(names))

    @property
    def total_count(self) -> int:
        """Count the normal items."""
        return self.contents.total if self.search is None else len(self._members(self.search))

    @property
    def unread_count(self) -> int:
        """Count the unread items."""
        if self.search is None:
            return self.contents.unread
        return sum(item.unread for item in self._members(self.search))

    def last_commit(self) -> datetime:
        """Give the time of the last change of the contents (PR_LOCAL_COMMIT_TIME_MAX)."""
        self._look_for_changes()
        return self.committed or self.store.exchange.born

    def deleted_total(self) -> int:
        """Count what has left the folder so far (PR_DELETED_COUNT_TOTAL)."""
        self._look_for_changes()
        return self.deleted_count

    def _look_for_changes(self) -> None:
        """See what a search folder holds by now; its changes count from when somebody looks."""
        if self.search is None:
            return
        held = {item.id: (item.change, item.read_change) for item in self._members(self.search)}
        if self._held is not None and held != self._held:
            self.deleted_count += len(self._held.keys() - held.keys())
            self.committed = self.store.now()
        self._held = held

    def subtree(self) -> Iterator[Folder]:
        """Give all folders below this one, parents first."""
        for child in self.children:
            yield child
            yield from child.subtree()

    def is_below(self, root: Folder) -> bool:
        """Tell whether the folder lies somewhere below another."""
        folder = self.parent
        while folder is not None:
            if folder is root:
                return True
            folder = folder.parent
        return False

    # -- items

    def add(
        self,
        element: str = "Message",
        *,
        associated: bool = False,
        attachments: Iterable[Attachment] = (),
        extended: dict[Extended, Any] | None = None,
        zone: Zone | str | None = None,
        bare: bool = False,
        **properties: Any,  # noqa: ANN401 - whatever a property holds
    ) -> Item:
        """Add an item; what is not given gets a sensible value, unless `bare`; None leaves a property out.

        A calendar item stands in a `zone`, and is a series when it has a `Recurrence`.
        """
        with self.store.lock:
            self._check()
            number = self.next_item
            self.next_item += 1
            given = {} if bare else self.store.defaults(self, number, element, properties)
            given.update(properties)
            given = {name: value for name, value in given.items() if value is not None}
            item = Item(self, number, element, self.store.next_change(), given, associated=associated)
            item.attachments.extend(attachments)
            item.extended.update(extended or {})
            item.extended.setdefault(SEARCH_KEY, self.store.search_key(self, number))
            if element == "CalendarItem" and not bare:
                appointments.settle(item, zone)
            item.contents.add(item)
            self.store.notify("created", self, item)
        return item

    def fill(self, count: int, element: str = "Message", **options: int) -> Folder:
        """Add many generated items that cost no memory until one of them is edited.

        Args:
            count: how many.
            element: their class.
            options: fields of `content.bulk.Bulk`: body_bytes, recipients, headers, big_every, big_bytes.
        """
        with self.store.lock:
            self._check()
            if count > 0:
                recipe = self.store.recipe(Bulk(element, **options))
                self.contents.fill(Block(self.next_item, count, self.store.next_change(count), element, recipe))
                self.next_item += count
                self.store.notify("filled", self, None)
        return self

    def items(self) -> list[Item]:
        """Give the items, newest arrivals first; think of the memory in a folder filled with many."""
        with self.store.lock:
            return list(self.iter_items())

    def iter_items(self) -> Iterator[Item]:
        """Give the items one by one."""
        return self.contents.items() if self.search is None else iter(self._members(self.search))

    def _members(self, search: Search) -> list[Item]:
        if self._found[0] != self.store.change:
            self._found = (self.store.change, list(found(self, search)))
        return self._found[1]

    def item(self, number: int) -> Item | None:
        """Find a normal or associated item by its number."""
        return self.contents.get(number) or self.associated.get(number)

    def take(self, item: Item) -> Item:
        """Take in a copy of another folder's item, with a new id and the same search key."""
        self._check()
        number = self.next_item
        self.next_item += 1
        copy = Item(
            self, number, item.element, self.store.next_change(), dict(item.properties), associated=item.associated
        )
        copy.attachments.extend(item.attachments)
        copy.extended.update(item.extended)
        copy.series = deepcopy(item.series)
        copy.extended.setdefault(SEARCH_KEY, item.folder.store.search_key(item.folder, item.number))
        copy.contents.add(copy)
        self.store.notify("created", self, copy)
        return copy

    # -- the folder itself

    def rename(self, name: str) -> Folder:
        """Give the folder another name."""
        with self.store.lock:
            self._check()
            self.name = name
            self.store.folder_changed(self)
        return self

    def move(self, parent: Folder) -> Folder:
        """Hang the folder under another parent; it keeps its id, and so do its items."""
        with self.store.lock:
            self._check()
            if parent is self or parent.is_below(self):
                raise ValueError("a folder cannot move below itself")
            if self.parent is not None:
                self.parent.children.remove(self)
            parent.children.append(self)
            self.parent = parent
            self.store.folder_changed(self)
        return self

    def update(self, *, folder_class: str | None = None, **properties: Any) -> Folder:  # noqa: ANN401
        """Change the folder's class or other properties."""
        with self.store.lock:
            self._check()
            self.folder_class = folder_class or self.folder_class
            self.properties.update(properties)
            self.store.folder_changed(self)
        return self

    def delete(self) -> None:
        """Delete the folder for good, with all below it."""
        with self.store.lock:
            self._check()
            for folder in [*self.subtree(), self]:
                self.store.forget(folder)
            if self.parent is not None:
                self.parent.children.remove(self)

    def soft_delete(self) -> Folder:
        """Move the folder into Deleted Items, as Outlook does."""
        return self.move(self.store.distinguished("deleteditems"))

    def restore_feed(self) -> Folder:
        """Forget what older sync states knew: the folder refuses them with ErrorInvalidSyncStateData from now on."""
        with self.store.lock:
            self.store.reset_feed(self)
        return self

    def _check(self) -> None:
        if self.gone:
            raise LookupError("this folder is deleted")
