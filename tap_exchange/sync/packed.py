"""Found items, packed: a listing is held until its end, and a folder may hold a million items."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import FoundItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOGETHER = 128
"""Items that are packed together: by then what their ids have in common is saved."""


class FoundItems:
    """The items of a listing in their order, some 50 bytes each instead of a kilobyte.

    Ids of one folder have most of their letters in common. They are unpacked a few at a time, each time they are
    gone through.
    """

    def __init__(self, items: Iterable[FoundItem] = ()) -> None:
        """Hold the given items."""
        self._packed: list[bytes] = []
        self._last: list[FoundItem] = []
        self.extend(items)

    def add(self, item: FoundItem) -> None:
        """Add an item behind all others."""
        self._last.append(item)
        if len(self._last) == TOGETHER:
            told = [(one.item_id, one.change_key, one.element, one.record) for one in self._last]
            self._packed.append(zlib.compress(json.dumps(told).encode(), 1))
            self._last = []

    def extend(self, items: Iterable[FoundItem]) -> None:
        """Add items behind all others."""
        for item in items:
            self.add(item)

    def __iter__(self) -> Iterator[FoundItem]:
        """Go through the items."""
        for packed in self._packed:
            for told in json.loads(zlib.decompress(packed)):
                yield FoundItem(*told)
        yield from self._last

    def __len__(self) -> int:
        """Return how many there are."""
        return TOGETHER * len(self._packed) + len(self._last)
