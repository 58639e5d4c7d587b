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


def net_changes(
    contents: Contents, cursor: Cursor, limit: int, top: int, ignore: Collection[int] = ()
) -> tuple[list[Change], bool]:
    """Give at most `limit` changes and whether they are the last; the cursor is moved.

    `top` is the newest change number of the store. Changes of items come first, newest first, then
    deletions, then read flags. Ignored items are passed over as if they did not exist.
    """
    changes: list[Change] = []
    given, seen, read_seen = cursor.given, cursor.seen, cursor.read_seen
    for low, high in list(seen.gaps(1, top + 1)):
        upper = high
        for change, number in contents.changed(low, high):
            if number in ignore:
                continue
            if len(changes) == limit:
                seen.add(upper, high)
                return changes, False
            changes.append(Change(UPDATE if number in given else CREATE, number))
            given.add(number)
            item = contents.owned(number)
            if item is not None and item.read_change:
                read_seen.add(item.read_change)
            upper = change
        seen.add(low, high)
    for low, high in list(given.minus(contents.live)):
        for number in range(high - 1, low - 1, -1):
            if number in ignore:
                continue
            if len(changes) == limit:
                return changes, False
            changes.append(Change(DELETE, number))
            given.remove(number)
    for low, high in list(read_seen.gaps(1, top + 1)):
        upper = high
        for change, number in contents.changed_read(low, high):
            if number in ignore or number not in given:
                continue
            if len(changes) == limit:
                read_seen.add(upper, high)
                return changes, False
            changes.append(Change(READ_FLAG, number))
            upper = change
        read_seen.add(low, high)
    return changes, True


def net_folder_changes(root: Folder, cursor: Cursor, limit: int) -> tuple[list[Change], bool]:
    """Give the changes of the folders below a root, parents before their children; the cursor is moved."""
    changes: list[Change] = []
    store = root.store
    below = list(root.subtree())
    for folder in below:
        if folder.change in cursor.seen and folder.number in cursor.given:
            continue
        if len(changes) == limit:
            return changes, False
        changes.append(Change(UPDATE if folder.number in cursor.given else CREATE, folder.number))
        cursor.given.add(folder.number)
        cursor.seen.add(folder.change)
    there = RangeSet()
    for number in sorted(folder.number for folder in below):
        there.add(number)
    for low, high in list(cursor.given.minus(there)):
        for number in range(high - 1, low - 1, -1):
            if len(changes) == limit:
                return changes, False
            changes.append(Change(DELETE, number))
            cursor.given.remove(number)
    cursor.seen.add(1, store.change + 1)
    return changes, True
