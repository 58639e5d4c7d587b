"""What a folder holds, indexed by number and by change, so that a million items cost a few ranges.

Every edit in a store takes the next change number. Items that were filled in bulk stay a `Block`
(numbers and change numbers run side by side) until somebody edits one of them.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from tap_exchange.demo.item import Item
from tap_exchange.demo.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.filling import Block
    from tap_exchange.demo.folder import Folder


class Contents:
    """The normal items of a folder, or its associated ones."""

    __slots__ = ("_blocks", "_by_change", "_by_read", "_handles", "_owned", "folder", "live", "total", "unread")

    def __init__(self, folder: Folder) -> None:
        """Begin empty."""
        self.folder = folder
        self.live = RangeSet()
        self.total = 0
        self.unread = 0
        self._blocks: list[Block] = []
        self._owned: dict[int, Item] = {}
        self._handles: WeakValueDictionary[int, Item] = WeakValueDictionary()
        self._by_change: list[tuple[int, int]] = []
        self._by_read: list[tuple[int, int]] = []

    def add(self, item: Item) -> None:
        """Take a new item in."""
        self.live.add(item.number)
        self.total += 1
        self.unread += item.unread
        self._owned[item.number] = item
        insort(self._by_change, (item.change, item.number))

    def fill(self, block: Block) -> None:
        """Take a block of generated items in."""
        self.live.add(block.first, block.first + block.count)
        self.total += block.count
        self.unread += block.unread
        self._blocks.append(block)

    def get(self, number: int) -> Item | None:
        """Find an item that is still here."""
        item = self._owned.get(number)
        if item is not None:
            return item
        if number not in self.live:
            return None
        item = self._handles.get(number)
        if item is None:
            block = self.block_of(number)
            item = Item(self.folder, number, block.element, block.change_of(number), block=block, associated=False)
            self._handles[number] = item
        return item

    def owned(self, number: int) -> Item | None:
        """Find an item that is held as such, none that is still part of a block."""
        return self._owned.get(number)

    def born(self, number: int) -> tuple[str, int] | None:
        """Give element and change number of an item still part of a block, without making the item."""
        if number in self._owned:
            return None
        for block in self._blocks:
            if block.first <= number < block.first + block.count:
                return block.element, block.change_of(number)
        return None

    def block_of(self, number: int) -> Block:
        """Find the block a live number was filled with."""
        return next(block for block in self._blocks if block.first <= number < block.first + block.count)

    def change(self, item: Item, change: int) -> None:
        """Give an item a new change number."""
        if item.number in self._owned:
            del self._by_change[bisect_left(self._by_change, (item.change, item.number))]
        self._owned[item.number] = item
        item.change = change
        insort(self._by_change, (change, item.number))

    def change_read(self, item: Item, change: int) -> None:
        """Give an item's read flag a new change number."""
        self.own(item)
        if item.read_change:
            del self._by_read[bisect_left(self._by_read, (item.read_change, item.number))]
        item.read_change = change
        insort(self._by_read, (change, item.number))

    def own(self, item: Item) -> None:
        """Hold a block's item as an item of its own, unchanged."""
        if item.number not in self._owned:
            self._owned[item.number] = item
            insort(self._by_change, (item.change, item.number))

    def remove(self, item: Item) -> None:
        """Forget an item."""
        self.live.remove(item.number)
        self.total -= 1
        self.unread -= item.unread
        if self._owned.pop(item.number, None) is not None:
            del self._by_change[bisect_left(self._by_change, (item.change, item.number))]
        if item.read_change:
            del self._by_read[bisect_left(self._by_read, (item.read_change, item.number))]
        self._handles.pop(item.number, None)

    def numbers(self) -> Iterator[int]:
        """Give all numbers, newest arrivals first."""
        for start, end in reversed(list(self.live.ranges())):
            yield from range(end - 1, start - 1, -1)

    def items(self) -> Iterator[Item]:
        """Give all items, newest arrivals first."""
        for number in self.numbers():
            item = self.get(number)
            if item is not None:
                yield item

    def owned_items(self) -> Iterator[Item]:
        """Give the items that are no longer, or never were, part of a block."""
        for number in sorted(self._owned, reverse=True):
            yield self._owned[number]

    def slice(self, start: int, end: int) -> Iterator[Item]:
        """Give the items at positions [start, end), newest arrivals first, without walking over the others."""
        passed = 0
        for low, high in reversed(list(self.live.ranges())):
            first = max(start - passed, 0)
            last = min(end - passed, high - low)
            for offset in range(first, last):
                item = self.get(high - 1 - offset)
                if item is not None:
                    yield item
            passed += high - low
            if passed >= end:
                return

    def changed(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Give (change, number) of the items whose last change lies in [low, high), newest first."""
        sources = [_slice(self._by_change, low, high)]
        sources += [self._block_slice(block, low, high) for block in self._blocks if block.overlaps(low, high)]
        return sources[0] if len(sources) == 1 else heapq.merge(*sources, reverse=True)

    def changed_read(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Give (change, number) of the items whose read flag last changed in [low, high), newest first."""
        return _slice(self._by_read, low, high)

    def _block_slice(self, block: Block, low: int, high: int) -> Iterator[tuple[int, int]]:
        shift = block.first_change - block.first
        start = max(block.first, low - shift)
        end = min(block.first + block.count, high - shift)
        for lower, upper in self.live.within(start, end):
            for number in range(upper - 1, lower - 1, -1):
                if number not in self._owned:
                    yield number + shift, number


def _slice(ordered: list[tuple[int, int]], low: int, high: int) -> Iterator[tuple[int, int]]:
    start = bisect_left(ordered, (low, 0))
    for index in range(bisect_right(ordered, (high, 0)) - 1, start - 1, -1):
        if ordered[index][0] < high:
            yield ordered[index]
