"""Search folders: what they look for, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item

LARGE = 60_000


@dataclass(frozen=True, slots=True)
class Search:
    """A search: `matches` decides per item; `looks_into_bulk` tells whether bulk items can match at all."""

    matches: Callable[[Item], bool]
    looks_into_bulk: bool = True


def _flagged(item: Item) -> bool:
    flag = item.value("Flag")
    return isinstance(flag, dict) and flag.get("FlagStatus") == "Flagged"


def _large(item: Item) -> bool:
    size = item.value("Size")
    return isinstance(size, int) and size > LARGE


NOTHING = Search(lambda _: False, looks_into_bulk=False)
# What the search folders of a new mailbox look for; the others find nothing.
BY_NAME = {
    "Unread Mail": Search(lambda item: item.unread),
    "Large Mail": Search(_large, looks_into_bulk=False),
    "Flagged Mail": Search(_flagged, looks_into_bulk=False),
    "To-Do Search": Search(lambda item: item.element == "Task" or _flagged(item), looks_into_bulk=False),
    "AllContacts": Search(lambda item: item.element == "Contact", looks_into_bulk=False),
}


def found(folder: Folder, search: Search) -> Iterator[Item]:
    """Give what a search folder holds now, from all folders a person sees, newest arrivals first in each."""
    for place in folder.store.visible_root.subtree():
        if place.search is None:
            items = place.contents.items() if search.looks_into_bulk else place.contents.owned_items()
            yield from filter(search.matches, items)
