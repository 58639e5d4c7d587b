"""What changed since a sync state: the four changes, net per item, in pages.

A state holds what Exchange's own incremental synchronisation holds (MS-OXCFXICS): the set of items
given to the client, and the sets of change numbers it has seen, of items and of read flags. So any
older state works, an initial walk stays right while items come, change and go between its pages, and
a deletion is reported when, and only when, the client was given the item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tap_exchange.demo.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_exchange.demo.contents import Contents
    from tap_exchange.demo.folder import Folder

CREATE, UPDATE, DELETE, READ_FLAG = "Create", "Update", "Delete", "ReadFlagChange"


class Change(NamedTuple):
    """One change of an item or folder, by its number."""

    kind: str
    number: int


@dataclass(slots=True)
class Cursor:
    """What a client holds of one folder: items given, changes seen, read flag changes seen."""

    given: RangeSet = field(default_factory=RangeSet)
    seen: RangeSet = field(default_factory=RangeSet)
    read_seen: RangeSet = field(default_factory=RangeSet)

    def copy(self) -> Cursor:
        """Return an independent copy."""
        return Cursor(self.given.copy(), self.seen.copy(), self.read_seen.copy())


@dataclass(slots=True)
class _Page:
    """The changes of one answer, at most `limit`."""

    limit: int
    changes: list[Change] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.changes) >= self.limit

    def take(self, kind: str, number: int) -> None:
        self.changes.append(Change(kind, number))


def net_changes(
    contents: Contents, cursor: Cursor, limit: int, top: int, ignore: Collection[int] = ()
) -> tuple[list[Change], bool]:
    """Give at most `limit` changes and whether they are the last; the cursor is moved.

    `top` is the newest change number of the store. Changes of items come first, newest first, then
    deletions, then read flags. Ignored items are passed over as if they did not exist.
    """
    page = _Page(limit)
    last = (
        _changed(contents, cursor, page, top, ignore)
        and _deleted(contents.live, cursor.given, page, ignore)
        and _read(contents, cursor, page, top, ignore)
    )
    return page.changes, last


def _changed(contents: Contents, cursor: Cursor, page: _Page, top: int, ignore: Collection[int]) -> bool:
    """Take created and updated items; tell whether there are no more."""
    for low, high in list(cursor.seen.gaps(1, top + 1)):
        reached = high
        for change, number in contents.changed(low, high):
            if number in ignore:
                continue
            if page.full:
                cursor.seen.add(reached, high)
                return False
            page.take(UPDATE if number in cursor.given else CREATE, number)
            cursor.given.add(number)
            item = contents.owned(number)
            if item is not None and item.read_change:
                cursor.read_seen.add(item.read_change)  # the item carries its flag
            reached = change
        cursor.seen.add(low, high)
    return True


def _deleted(live: RangeSet, given: RangeSet, page: _Page, ignore: Collection[int]) -> bool:
    """Take what was given and is no longer there; tell whether there is no more."""
    for low, high in list(given.minus(live)):
        for number in range(high - 1, low - 1, -1):
            if number in ignore:
                continue
            if page.full:
                return False
            page.take(DELETE, number)
            given.remove(number)
    return True


def _read(contents: Contents, cursor: Cursor, page: _Page, top: int, ignore: Collection[int]) -> bool:
    """Take items of which only the read flag changed; tell whether there are no more."""
    for low, high in list(cursor.read_seen.gaps(1, top + 1)):
        reached = high
        for change, number in contents.changed_read(low, high):
            if number in ignore or number not in cursor.given:
                continue
            if page.full:
                cursor.read_seen.add(reached, high)
                return False
            page.take(READ_FLAG, number)
            reached = change
        cursor.read_seen.add(low, high)
    return True


def net_folder_changes(root: Folder, cursor: Cursor, limit: int) -> tuple[list[Change], bool]:
    """Give the changes of the folders below a root, parents before their children; the cursor is moved."""
    page = _Page(limit)
    below = list(root.subtree())
    for folder in below:
        known = folder.number in cursor.given
        if known and folder.change in cursor.seen:
            continue
        if page.full:
            return page.changes, False
        page.take(UPDATE if known else CREATE, folder.number)
        cursor.given.add(folder.number)
        cursor.seen.add(folder.change)
    there = RangeSet()
    for number in sorted(folder.number for folder in below):
        there.add(number)
    last = _deleted(there, cursor.given, page, ())
    if last:
        cursor.seen.add(1, root.store.change + 1)
    return page.changes, last
