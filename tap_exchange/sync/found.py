"""Folders that no feed tells of: found by FindFolder in each run, and compared with what the bookmark knows.

A mark notes under `seen` what of a folder was written, so that a row is written only when something of it changed.
Their rows are of origin `feed`: begun from an older state, a run would find and write them again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tap_exchange.sync.hierarchy import Tree, adopt, decide_scope, page_of
from tap_exchange.sync.keys import short_hash
from tap_exchange.sync.scope import path_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_exchange.ews.answers import Answer
    from tap_exchange.sync.store import StoreSync


async def keep_found(
    store: StoreSync,
    found: Mapping[str, Answer],
    *,
    missing: Collection[str] = (),
    distinguished: Mapping[str, str] | None = None,
    anew: bool = False,
) -> None:
    """Write folders that are new or changed, and bury those of the `missing` that the server says are gone.

    Parents come before their children. With `anew` all rows of the store's folders so far are void.
    """
    before = store.mark["folders"]
    tree = Tree(dict(before), records=dict(found), fed=set(found))
    for folder_id in found:
        adopt(tree, folder_id, before.get(folder_id), (distinguished or {}).get(folder_id))
    for folder_id in missing:
        if await store.is_gone(folder_id):
            tree.gone[folder_id] = tree.folders.pop(folder_id)
    decide_scope(store, tree)
    for folder_id in found:
        mark = tree.folders[folder_id]
        mark["seen"] = _seen(tree, folder_id)
        if not anew and before.get(folder_id, {}).get("seen") == mark["seen"]:
            del tree.records[folder_id]
    if tree.records or tree.gone or anew:
        await (await store.run.conveyor.put(page_of(store, tree, None, anew=anew)))


def _seen(tree: Tree, folder_id: str) -> str:
    told = [tree.records[folder_id].record, path_of(folder_id, tree.folders), "excluded" in tree.folders[folder_id]]
    return f"{short_hash(json.dumps(told, sort_keys=True, default=str)):016x}"
