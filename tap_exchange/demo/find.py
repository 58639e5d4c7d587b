"""Find the items of a folder: which, in what order, and a page of them, remembered between pages."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from tap_exchange.demo import computed
from tap_exchange.demo.restrictions import Compiler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_exchange.demo.contents import Contents
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item

REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class View:
    """How a page is asked for: from an offset (or a fraction of all), from the beginning or the end."""

    offset: int = 0
    limit: int | None = None
    from_end: bool = False
    fraction: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what was found, and where it stands in all of it."""

    entries: list[Any]
    start: int
    next: int
    total: int

    @property
    def last(self) -> bool:
        """Tell whether nothing comes after this page."""
        return self.next >= self.total


def place(view: View, total: int, cap: int) -> tuple[int, int]:
    """Give the first and one past the last index of a page."""
    count = cap if view.limit is None else min(view.limit, cap)
    if view.fraction is not None:
        start = total * view.fraction[0] // max(1, view.fraction[1])
    elif view.from_end:
        end = max(0, total - view.offset)
        return max(0, end - count), end
    else:
        start = view.offset
    start = min(start, total)
    return start, min(total, start + count)


class Finder:
    """Answer finds; the order of a folder is computed once per change of its store."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._recent: OrderedDict[tuple[Any, ...], Sequence[int] | list[Item]] = OrderedDict()

    def find(
        self,
        folder: Folder,
        traversal: str,
        restriction: etree._Element | None,
        order: etree._Element | None,
        view: View,
        cap: int,
    ) -> Page:
        """Find a page of a folder's items."""
        if traversal == "SoftDeleted":  # since Exchange 2010 such items are in Recoverable Items
            return Page([], 0, 0, 0)
        contents = folder.associated if traversal == "Associated" else folder.contents
        if restriction is None and order is None and folder.search is None:
            start, end = place(view, contents.total, cap)
            return Page(list(contents.slice(start, end)), start, end, contents.total)
        found = self._found(folder, contents, restriction, order)
        start, end = place(view, len(found), cap)
        entries = [contents.get(entry) if isinstance(entry, int) else entry for entry in found[start:end]]
        return Page([entry for entry in entries if entry is not None], start, end, len(found))

    def _found(
        self, folder: Folder, contents: Contents, restriction: etree._Element | None, order: etree._Element | None
    ) -> Sequence[int] | list[Item]:
        asked = tuple(None if part is None else etree.tostring(part) for part in (restriction, order))
        key = (folder.id, contents is folder.associated, folder.store.change, *asked)
        held = self._recent.get(key)
        if held is None:
            compiler = Compiler(computed.item_value)
            test = None if restriction is None else compiler.test(restriction[0])
            sorting = compiler.order(order)
            items = folder.iter_items() if contents is folder.contents else contents.items()
            chosen = (item for item in items if test is None or test(item))
            if folder.search is not None:
                held = sorting.sort([(item, sorting.keys(item)) for item in chosen])
            else:
                held = array("Q", sorting.sort([(item.number, sorting.keys(item)) for item in chosen]))
            self._recent[key] = held
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(key)
        return held
