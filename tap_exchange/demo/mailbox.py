"""A mailbox: an address, the people who may open it, its stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo.personal import Personal
from tap_exchange.demo.searches import Search
from tap_exchange.demo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item

CLASS_ELEMENTS = (
    ("IPF.Appointment", "CalendarFolder"),
    ("IPF.Contact", "ContactsFolder"),
    ("IPF.Task", "TasksFolder"),
)


class Mailbox:
    """One mailbox with its primary store and, if it has one, its archive."""

    def __init__(self, exchange: Exchange, address: str, name: str) -> None:
        """Create the mailbox with Exchange's default folders."""
        self.exchange = exchange
        self.address = address
        self.name = name
        self.aliases: list[str] = []
        self.full_access: set[str] = set()
        self.store = Store(exchange, address, "primary")
        self.archive: Store | None = None
        self.personal = Personal()
        self.code: str | None = None
        """When set, the whole mailbox answers with this response code."""

    def add_archive(self) -> Store:
        """Give the mailbox an archive."""
        self.archive = Store(self.exchange, self.address, "archive")
        self.exchange.register(self.archive, self)
        return self.archive

    def grant(self, *usernames: str) -> Mailbox:
        """Give accounts full access (delegate access) to the mailbox."""
        self.full_access.update(name.lower() for name in usernames)
        return self

    def folder(self, path: str) -> Folder:
        """Find a folder by path below the visible root or by distinguished name; KeyError when there is none."""
        if self.archive is not None and path.startswith("archive"):
            return self.archive.folder(path)
        return self.store.folder(path)

    def add_search_folder(self, name: str, matches: Callable[[Item], bool]) -> Folder:
        """Create a search folder that holds whatever matches, wherever it is."""
        finder = self.store.distinguished("searchfolders")
        folder = self.store.new_folder(name, finder, element="SearchFolder")
        folder.search = Search(matches)
        return folder

    def folders(self) -> list[Folder]:
        """Give the folders a person sees: those below msgfolderroot, parents first."""
        return list(self.store.visible_root.subtree())

    def add_folder(
        self, path: str, *, folder_class: str | None = "IPF.Note", element: str | None = None, root: str | None = None
    ) -> Folder:
        """Create a folder by its path below the visible root, or below the distinguished folder `root`."""
        parent_path, _, name = path.rpartition("/")
        kinds = (kind for prefix, kind in CLASS_ELEMENTS if (folder_class or "").startswith(prefix))
        element = element or next(kinds, "Folder")
        with self.exchange.lock:
            parent = self.folder(root) if root else self.store.visible_root
            for part in filter(None, parent_path.split("/")):
                there = next((child for child in parent.children if child.name == part), None)
                parent = there or parent.store.new_folder(part, parent)
            return parent.store.new_folder(name, parent, element=element, folder_class=folder_class)
