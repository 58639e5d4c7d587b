"""What the views must show of a world after a run with some settings, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import calendar
from tap_exchange.demo.bodies import as_text
from tap_exchange.demo.series import Occurrence
from tap_exchange.resources import ITEM_STREAMS
from tests.truth import Row, Rows, Views, differences, row_of, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tests.model.world import World

WINDOW = {"calendar_past_days": 5, "calendar_future_days": 5}
LISTINGS = {"listing_hours": 0}
"""Public folders are listed whole: without, what was deleted there shows until the next whole listing."""

Pairs = set[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Tables:
    """What is compared of the live views; ids of unreadable items stand nowhere."""

    rows: Rows
    folders: Pairs
    attachments: Pairs
    listed: Pairs
    takes_place: Pairs
    unflagged: frozenset[str] = frozenset()
    """Rows whose read flag is that of their load: listings tell of none."""


def expected(world: World, settings: Mapping[str, Any], start: datetime | None, today: date) -> Tables:
    """Return what the mailbox holds of what a run of this day wants."""
    stores: Collection[str] = settings["stores"]
    wanted = [(store, folder, item) for store, folder, item in _items(world, stores) if item.id not in world.corrupt]
    recent = [(store, folder, item) for store, folder, item in wanted if is_recent(item, start)]
    return Tables(
        rows=dict(_row_of(world, settings, item, _path(world, store, folder)) for store, folder, item in recent),
        folders={(store, _path(world, store, folder)) for store in stores for folder in world.folders_of(store)},
        attachments={
            (item.id, held.name or "", sha256(held.content).hexdigest() if settings["attachments"] == "content" else "")
            for _, _, item in recent
            for held in item.attachments
        },
        listed={(folder.id, item.id) for store, folder, item in wanted if store == "public_folders"}
        | (_searched(world) if settings["search_folders"] and "primary" in stores else set()),
        takes_place=_taking_place(world, stores, start, today),
    )


def _row_of(world: World, settings: Mapping[str, Any], item: Item, path: str) -> tuple[str, Row]:
    name, row = row_of(item, path)
    if item.id in world.torn:
        row["body"] = None
    elif settings["body_type"] == "text" and row["body"] is not None:
        row["body"] = as_text(item.properties["Body"]) or None
    return name, row


def is_recent(item: Item, start: datetime | None) -> bool:
    """Return whether an item is wanted with a `start_date`."""
    date = _date(item)
    return start is None or date is None or date >= start


def _date(item: Item) -> datetime | None:
    """Return the date of an item: when it was received, else sent, else created; of a meeting when it ends at last."""
    held = item.properties
    if item.element != "CalendarItem":
        return held.get("DateTimeReceived") or held.get("DateTimeSent") or held.get("DateTimeCreated")
    if item.series is None:
        return held.get("End")
    last = item.series.last()
    return last.end if last is not None else None


def _items(world: World, stores: Collection[str]) -> Iterator[tuple[str, Folder, Item]]:
    for store in stores:
        for folder in world.folders_of(store):
            for item in folder.items():
                yield store, folder, item


def _path(world: World, store: str, folder: Folder) -> str:
    names = []
    place: Folder | None = folder
    while place is not None and place is not world.roots[store]:
        names.append(place.name)
        place = place.parent
    return "/".join(reversed(names))


def _searched(world: World) -> Pairs:
    finder = world.anna.store.distinguished("searchfolders")
    return {
        (folder.id, item.id)
        for folder in finder.children
        if folder.search is not None
        for item in folder.items()
        if item.id not in world.corrupt
    }


def unreadable(world: World, stores: Collection[str], today: date) -> set[str]:
    """Return the ids of unreadable items, and of what takes place of unreadable series: nothing tells whose it is."""
    of_series = {item.id for item, owner in _occurring(world, stores, None, today) if owner.id in world.corrupt}
    return of_series | world.corrupt.keys()


def _taking_place(world: World, stores: Collection[str], start: datetime | None, today: date) -> Pairs:
    occurring = _occurring(world, stores, start, today)
    return {
        (item.id, item.properties.get("Subject") or "") for item, owner in occurring if owner.id not in world.corrupt
    }


def _occurring(
    world: World, stores: Collection[str], start: datetime | None, today: date
) -> Iterator[tuple[Item | Occurrence, Item]]:
    midnight = datetime.combine(today, time(), timezone.utc)
    low = midnight - timedelta(days=WINDOW["calendar_past_days"])
    high = midnight + timedelta(days=WINDOW["calendar_future_days"] + 1)
    for store in stores:
        for folder in world.folders_of(store):
            if folder.element == "CalendarFolder":
                for item in calendar.view(folder, max(low, start or low), high):
                    yield item, item.master if isinstance(item, Occurrence) else item


def found(views: Views, address: str, settings: Mapping[str, Any], without: Collection[str]) -> Tables:
    """Return what the views show, but for unreadable items."""
    content = settings["attachments"] == "content"
    ids = {
        key: row["folder_id"]
        for key, row in views("folders").items()
        if row["store"] == "public_folders" or row["folder_type"] == "SearchFolder"
    }
    series = {row["item_key"]: row["item_id"] for row in views("calendar_items").values()}
    return Tables(
        rows=shown(views, address),
        folders={(row["store"], row["path"]) for row in _rows(views, "folders", address) if not _searches(row)},
        attachments={
            (row["item_id"], row["name"] or "", (row["content_sha256"] or "") if content else "")
            for row in _rows(views, "attachments", address)
        },
        listed={
            (ids[row["folder_key"]], row["item_id"])
            for row in _rows(views, "listed_items", address)
            if row["folder_key"] in ids and row["item_id"] not in without
        },
        takes_place={
            (row["item_id"], row["subject"] or "")
            for row in _rows(views, "calendar_view", address)
            if row["item_id"] not in without and (row["series_item_key"] is None or row["series_item_key"] in series)
        },
        unflagged=frozenset(
            f"{stream} {row['item_id']}"
            for stream in ITEM_STREAMS
            for row in _rows(views, stream, address)
            if row["origin"] == "listing"
        ),
    )


def _rows(views: Views, stream: str, address: str) -> list[dict[str, Any]]:
    return [row for row in views(stream).values() if row["mailbox"] == address]


def _searches(folder: dict[str, Any]) -> bool:
    return folder["folder_type"] == "SearchFolder" or folder["distinguished_name"] == "searchfolders"


def wrong(true: Tables, tables: Tables, *, with_attachments: bool) -> list[str]:
    """Return a line for each difference; without attachments, rows of those of earlier runs may be left."""
    lines = differences(*(_but_for_flags(rows, tables.unflagged) for rows in (true.rows, tables.rows)))
    for name in ("folders", "listed", "takes_place", *(("attachments",) if with_attachments else ())):
        held, seen = getattr(true, name), getattr(tables, name)
        lines += [f"{name} lacks {one}" for one in sorted(held - seen)]
        lines += [f"{name} has {one}" for one in sorted(seen - held)]
    return lines


def _but_for_flags(rows: Rows, unflagged: Collection[str]) -> Rows:
    return {key: row | {"is_read": None} if key in unflagged else row for key, row in rows.items()}
