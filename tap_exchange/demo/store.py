"""A store: one tree of folders with one change log (a primary mailbox, an archive, the public folders)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_exchange.demo import ids
from tap_exchange.demo.content import defaults
from tap_exchange.demo.content.bulk import Bulk, recipe_for
from tap_exchange.demo.folder import Folder
from tap_exchange.demo.ranges import RangeSet
from tap_exchange.demo.tree import TREES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.filling import Recipe
    from tap_exchange.demo.item import Item


class Store:
    """The folders of one mailbox store and the counter of its changes."""

    def __init__(self, exchange: Exchange, owner: str, kind: str) -> None:
        """Build the default tree of the kind: primary, archive or public."""
        self.exchange = exchange
        self.owner = owner
        self.kind = kind
        self.lock = exchange.lock
        self.guid = ids.guid(exchange.seed, owner, kind)
        self.ids = ids.IdFactory(self.guid)
        self.folders: dict[int, Folder] = {}
        self.live_folders = RangeSet()
        self.change = 0
        self.feed_resets: dict[int, int] = {}
        self._next_folder = 1
        self._by_distinguished: dict[str, Folder] = {}
        self.watchers: list[Callable[[str, Folder, Item | None], None]] = []
        self.root = self._grow(kind)

    def _grow(self, kind: str) -> Folder:
        tree = TREES[kind]
        for line in tree.lines:
            self.new_folder(
                line.name,
                self._at(line.parent),
                element=line.element,
                folder_class=line.folder_class,
                distinguished_name=line.distinguished_name,
            )
        self.visible_root = self._by_distinguished[tree.visible_root]
        return self.folders[1]

    def _at(self, path: str) -> Folder | None:
        if not path:
            return None
        first, *rest = path.split("/")
        folder = self._by_distinguished[first]
        for name in rest:
            folder = next(child for child in folder.children if child.name == name)
        return folder

    # -- finding

    def distinguished(self, name: str) -> Folder:
        """Find a distinguished folder; KeyError when the store has none of that name."""
        return self._by_distinguished[name]

    def find_distinguished(self, name: str) -> Folder | None:
        """Find a distinguished folder, or None."""
        folder = self._by_distinguished.get(name)
        return None if folder is None or folder.gone else folder

    def folder(self, path: str) -> Folder:
        """Find a folder by distinguished name or by path below the visible root; KeyError when there is none."""
        if path in self._by_distinguished:
            return self._by_distinguished[path]
        folder = self.visible_root
        for name in filter(None, path.split("/")):
            child = next((child for child in folder.children if child.name == name), None)
            if child is None:
                raise KeyError(path)
            folder = child
        return folder

    # -- changing

    def now(self) -> datetime:
        """Give the world's time."""
        return self.exchange.now()

    def next_change(self, count: int = 1) -> int:
        """Take the next change number, or the first of several."""
        first = self.change + 1
        self.change += count
        return first

    def new_folder(
        self,
        name: str,
        parent: Folder | None,
        *,
        element: str = "Folder",
        folder_class: str | None = "IPF.Note",
        distinguished_name: str | None = None,
    ) -> Folder:
        """Create a folder."""
        with self.lock:
            number = self._next_folder
            self._next_folder += 1
            folder = Folder(
                self,
                number,
                name,
                parent,
                element=element,
                folder_class=folder_class,
                distinguished_name=distinguished_name,
            )
            self.folders[number] = folder
            self.live_folders.add(number)
            if parent is not None:
                parent.children.append(folder)
            if distinguished_name:
                self._by_distinguished[distinguished_name] = folder
            folder.change = self.next_change()
            self.notify("created", folder, None)
        return folder

    def folder_changed(self, folder: Folder) -> None:
        """Note that a folder's own properties changed."""
        folder.fragments.clear()
        folder.change = self.next_change()
        self.notify("modified", folder, None)

    def forget(self, folder: Folder) -> None:
        """Take a folder out of the store."""
        folder.gone = True
        self.next_change()
        self.folders.pop(folder.number, None)
        self.live_folders.remove(folder.number)
        if folder.distinguished_name:
            self._by_distinguished.pop(folder.distinguished_name, None)
        self.notify("deleted", folder, None)

    def deleted(self, folder: Folder) -> None:
        """Note that an item left a folder."""
        folder.deleted_count += 1
        self.next_change()

    def reset_feed(self, folder: Folder) -> None:
        """Refuse older sync states of a folder from now on."""
        self.feed_resets[folder.number] = self.next_change()

    def notify(self, event: str, folder: Folder, item: Item | None) -> None:
        """Note when the folder's contents changed, and tell the watchers (subscriptions) of an event."""
        if item is not None or event == "filled":
            folder.committed = self.now()
        for watcher in self.watchers:
            watcher(event, folder, item)

    # -- content

    def defaults(self, folder: Folder, number: int, element: str, given: dict[str, Any]) -> dict[str, Any]:
        """Give the properties that a new item has unless it brings its own."""
        return defaults.properties(folder, number, element, given)

    def recipe(self, bulk: Bulk) -> Recipe:
        """Give the recipe of bulk items."""
        return recipe_for(self.exchange.seed, bulk)

    def search_key(self, folder: Folder, number: int) -> bytes:
        """Give the PR_SEARCH_KEY of an item that was born in a folder."""
        return ids.digest("search key", self.guid, folder.number, number)
