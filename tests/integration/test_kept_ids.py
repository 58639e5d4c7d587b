"""A server that lets an item keep its id when it is moved: the item is shown in the folder in which it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import Answers, delayed
from tap_exchange.demo.faults import On as In
from tap_exchange.demo.soap import T
from tests.kept import Kept, On, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.soap import Call
    from tests.warehouses import JSONLines

ITEM_ID = re.compile(r'(<t:ItemId Id=")([^"]+)')
LEFT = re.compile(r'<t:Delete><t:ItemId Id="([^"]+)"[^>]*/></t:Delete>')
CAME = re.compile(r'<t:Create>(<t:\w+><t:ItemId Id="([^"]+)".*?)</t:Create>', re.DOTALL)
FOLDERS = ("inbox", "sentitems")


class KeepsIds(Fault):
    """Items that are moved by `move` are told, and asked for, by the id that they had at first."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}  # by the present id
        self.present: dict[str, str] = {}  # by the first one

    def move(self, item: Item, folder: str) -> Item:
        """Move an item to a folder; give the item as it is there."""
        moved = item.move(item.folder.store.folder(folder))
        first = self.id(item)
        self.first[moved.id], self.present[first] = first, moved.id
        return moved

    def id(self, item: Item) -> str:
        """Give the id by which an item is told."""
        return self.first.get(item.id, item.id)

    def before(self, call: Call) -> Answer | None:
        """Find what is asked for."""
        for element in call.body.iter(f"{T}ItemId"):
            element.set("Id", self.present.get(element.get("Id", ""), element.get("Id", "")))
        return None

    def body(self, _: Call, body: str) -> str:
        """Tell first ids; what left a folder and came back was updated."""
        told = ITEM_ID.sub(lambda found: found[1] + self.first.get(found[2], found[2]), body)
        back = {found[1] for found in LEFT.finditer(told)} & {found[2] for found in CAME.finditer(told)}
        told = LEFT.sub(lambda found: "" if found[1] in back else found[0], told)
        return CAME.sub(lambda found: f"<t:Update>{found[1]}</t:Update>" if found[2] in back else found[0], told)


@pytest.fixture
def ids() -> KeepsIds:
    return KeepsIds()


@pytest.fixture
def world(tables: JSONLines, ids: KeepsIds) -> Iterator[Kept]:
    with kept(tables, Exchange(seed=8), folders_include=list(FOLDERS), max_connections=1) as made:
        for folder in FOLDERS:
            made.anna.folder(folder).fill(4)
        made.server.faults.add(ids)
        yield made


def equals_mailbox(world: Kept, ids: KeepsIds) -> bool:
    held = {ids.id(item): folder for folder in FOLDERS for item in world.anna.folder(folder).items()}
    names = {world.anna.folder(folder).id: folder for folder in FOLDERS}
    return {row["item_id"]: names[row["folder_id"]] for row in world.live("messages").values()} == held


@pytest.mark.parametrize("tombstones", [False, True])
@pytest.mark.parametrize("way", [("inbox", "sentitems"), ("sentitems", "inbox"), ("inbox", "sentitems", "inbox")])
def test_an_item_that_keeps_its_id_is_shown_where_it_was_moved_to(
    world: Kept, ids: KeepsIds, way: tuple[str, ...], *, tombstones: bool
) -> None:
    world.run(tombstones=tombstones)
    item = world.anna.folder(way[0]).items()[0]
    for folder in way[1:]:
        item = ids.move(item, folder)
        world.run(tombstones=tombstones)
        assert equals_mailbox(world, ids)
    item.update(Subject="changed")
    world.run(tombstones=tombstones)
    assert equals_mailbox(world, ids)
    item.delete()
    run = world.run(tombstones=tombstones)
    assert equals_mailbox(world, ids)
    assert [bool(row["_sdc_deleted_at"]) for row in run.of("messages")] == [True] * tombstones


def test_an_item_that_keeps_its_id_and_is_back_before_the_next_run_is_shown(world: Kept, ids: KeepsIds) -> None:
    world.run()
    ids.move(ids.move(world.anna.folder("inbox").items()[0], "sentitems"), "inbox")
    world.run()
    assert equals_mailbox(world, ids)


@pytest.mark.parametrize(("source", "target"), [FOLDERS, FOLDERS[::-1]])
def test_an_item_that_keeps_its_id_and_is_moved_while_a_run_goes_on_is_shown_after_the_next(
    world: Kept, ids: KeepsIds, source: str, target: str
) -> None:
    world.run()
    item = world.anna.folder(source).items()[0]
    world.server.faults.add(On("SyncFolderItems", 2, lambda: ids.move(item, target)))
    world.run()
    world.run()
    assert equals_mailbox(world, ids)


def test_an_item_that_keeps_its_id_and_was_moved_to_a_folder_that_is_left_out_is_hidden(
    world: Kept, ids: KeepsIds
) -> None:
    world.run()
    ids.move(world.anna.folder("inbox").items()[0], "drafts")
    world.run()
    assert equals_mailbox(world, ids)


def test_a_tombstone_that_would_meet_a_moved_item_is_not_written_and_the_limit_is_told(
    world: Kept, ids: KeepsIds
) -> None:
    world.run(tombstones=True)
    source = world.anna.folder("inbox")
    ids.move(source.items()[0], "sentitems")
    world.server.faults.add(Answers(delayed(1.0), In("SyncFolderItems", folder=source)))
    run = world.run(tombstones=True, max_connections=4)
    assert [row["change_type"] for row in run.of("item_changes")] == ["create", "delete"]
    (row,) = run.of("messages")
    assert not row.get("_sdc_deleted_at")
    assert run.stderr.count("keep their ids") == 1
    assert equals_mailbox(world, ids)
