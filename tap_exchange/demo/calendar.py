"""Calendar views: single items and occurrences of series within a window, by start."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tap_exchange.demo.series import Occurrence

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item


def view(folder: Folder, low: datetime, high: datetime) -> list[Item]:
    """Give what takes place at least partly between two times; series appear as their occurrences."""
    found: list[tuple[datetime, Item]] = []
    for item in folder.iter_items():
        if item.series is not None:
            found += [(slot.start, Occurrence(item, slot)) for slot in item.series.between(low, high)]
            continue
        start, end = item.value("Start"), item.value("End")
        if isinstance(start, datetime) and isinstance(end, datetime) and _overlaps(start, end, low, high):
            found.append((start, item))
    found.sort(key=lambda entry: entry[0])
    return [item for _, item in found]


def _overlaps(start: datetime, end: datetime, low: datetime, high: datetime) -> bool:
    return start < high and (end > low or start == end >= low)
