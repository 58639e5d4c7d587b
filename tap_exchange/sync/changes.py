"""What a page's changes come to: one change for each item, and the rows that need no load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.sync.loader import change_row
from tap_exchange.sync.page import Place, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_exchange.ews.answers import ItemChange

LOADED_KINDS = frozenset({"create", "update"})


def net(changes: Iterable[ItemChange]) -> list[ItemChange]:
    """Return one change for each item: the last, but a read flag only when nothing else is told of the item.

    Exchange nets by itself; servers of other make may report an item twice in one page.
    """
    kept: dict[str, ItemChange] = {}
    for change in changes:
        before = kept.get(change.item_id)
        if change.kind == "read_flag" and before is not None and before.kind != "read_flag":
            continue
        kept[change.item_id] = change
    return list(kept.values())


def tombstones(place: Place, change: ItemChange, fed: Iterable[str], stamp: str) -> Iterator[Row]:
    """Yield a row to hard-delete for each stream that the item may stand in: a Delete does not tell its class."""
    for stream in fed:
        yield Row(
            stream,
            {
                **place.columns(),
                "folder_id": place.folder_id,
                "item_key": place.key(change.item_id),
                "item_id": change.item_id,
                "change_key": change.change_key,
                "origin": "feed",
                "_sdc_deleted_at": stamp,
            },
        )


def rows_without_load(place: Place, change: ItemChange, stream: str | None) -> Row:
    """Return the row of a delete, a read flag, or a change of an item whose stream is not selected."""
    has_row = False if change.kind in LOADED_KINDS else None
    return change_row(place, change, stream=stream, has_row=has_row)
