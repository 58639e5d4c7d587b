"""Items that the feed is told to ignore because they break it: each run asks for them by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.ews.answers import Answer, ItemChange, ItemKind
from tap_exchange.ews.errors import item_action
from tap_exchange.ews.faults import Action
from tap_exchange.sync.work import PageWork

if TYPE_CHECKING:
    from tap_exchange.sync.folder import FolderSync


async def watch(folder: FolderSync) -> None:
    """Load ignored items that are new or changed, and write those as deleted that are gone.

    One whose change key moved is no longer ignored: it may be healed, and when it breaks the feed again it is found
    again. One is gone when it is not found while another item of the store is.
    """
    ignored = folder.mark.get("ignored", {})
    answers = await _ask(folder, list(ignored))
    changes: list[ItemChange] = []
    kept: dict[str, list[str]] = {}
    for answer in answers:
        change_key, element = ignored[answer.id]
        if answer.record is not None:
            now = answer.record.get("change_key") or ""
            if now != change_key:
                kind: ItemKind = "update" if change_key else "create"
                changes.append(ItemChange(kind, answer.id, now, element))
            if now == change_key or not change_key:
                kept[answer.id] = [now, element]
        elif item_action(answer.code or "") is Action.ITEM_GONE and await folder.store.answers(folder.place.folder_id):
            changes.append(ItemChange("delete", answer.id, None, None))
        else:
            kept[answer.id] = [change_key, element]
            if not change_key:
                changes.append(ItemChange("create", answer.id, None, element))

    def advance() -> None:
        if kept:
            folder.mark["ignored"] = kept
        else:
            folder.mark.pop("ignored", None)

    if changes or kept != ignored:
        await (await folder.put(PageWork(folder, changes, then=advance, origin="fill")))


async def _ask(folder: FolderSync, ids: list[str]) -> list[Answer]:
    answers: list[Answer] = []
    size = folder.batch_size
    for start in range(0, len(ids), size):
        batch = ids[start : start + size]
        answers += await folder.store.run.conveyor.call(folder.store.wire.get_items, batch, folder.store.run.bare_shape)
    return answers
