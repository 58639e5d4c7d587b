"""A feed that fails: smaller pages, then the items that break it, found by bisecting Ignore.

The order is the one of the field: fewer changes at a time, down to one; then leave out items, which Exchange lets a
client name in Ignore; when no item is to blame and the feed works without a state, begin anew; else list.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import ExchangeError, StateError, TransientError
from tap_exchange.sync.listing import listed_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_exchange.ews.answers import FoundItem, ItemPage
    from tap_exchange.sync.folder import FolderSync

logger = logging.getLogger(__name__)

MOST_IGNORED = 2000
"""Ids of one Ignore list at most: Exchange refuses requests over 400 KB."""

MOST_CULPRITS = 50
"""Items that one page may be made to work without, before its folder is listed instead."""


class BrokenFeedError(ExchangeError):
    """The feed fails with every page size, with and without a state, and no item is to blame."""


async def ask(folder: FolderSync, state: str | None) -> ItemPage:
    """Return the next page of a feed, by whatever of the above works.

    Raises StateError when the state alone is to blame, BrokenFeedError when nothing works.
    """
    size = folder.page_size
    while True:
        try:
            page = await _call(folder, state, size, ())
        except ExchangeError as error:  # noqa: PERF203
            if not _may_be_an_item(error) or not await _server_answers(folder, error):
                raise
            if size == 1:
                return await _without_culprits(folder, state, error)
            size = max(1, size // 10)
            folder.page_size = size
        else:
            folder.page_size = min(folder.store.run.settings.max_changes, size * 2)
            return page


async def _without_culprits(folder: FolderSync, state: str | None, error: ExchangeError) -> ItemPage:
    """Find the items that break the next page, ignore them from now on, and return the page."""
    candidates = await listed_ids(folder)
    for _ in range(MOST_CULPRITS):
        culprit = await _find(folder, state, candidates)
        if culprit is None:
            break
        logger.warning("Folder %s: an item that breaks its feed is ignored and watched.", folder.name)
        folder.ignore(culprit)
        candidates = [item for item in candidates if item.item_id != culprit.item_id]
        try:
            return await _call(folder, state, 1, ())
        except ExchangeError as again:
            if not _may_be_an_item(again):
                raise
    if state is not None and await _works(folder, None, ()):
        raise StateError("The feed works without its sync state, but not with it.", code=error.code)
    raise BrokenFeedError(
        "The folder's feed fails whatever is asked; its contents are listed instead.", code=error.code
    ) from error


async def _find(folder: FolderSync, state: str | None, candidates: Sequence[FoundItem]) -> FoundItem | None:
    """Return an item that must be ignored for the next change to be read, at log2 of the candidates' number of calls.

    It is the last of the shortest prefix of candidates whose absence makes the call work; there may be others in it.
    """
    for start in range(0, len(candidates), MOST_IGNORED):
        window = candidates[start : start + MOST_IGNORED]
        if not await _works(folder, state, window):
            continue
        low, high = 0, len(window)
        while high - low > 1:
            middle = (low + high) // 2
            if await _works(folder, state, window[:middle]):
                high = middle
            else:
                low = middle
        return window[high - 1]
    return None


async def _works(folder: FolderSync, state: str | None, ignored: Sequence[FoundItem]) -> bool:
    try:
        await _call(folder, state, 1, [item.item_id for item in ignored])
    except StateError:
        return False
    except ExchangeError as error:
        if not _may_be_an_item(error):
            raise
        return False
    return True


async def _call(folder: FolderSync, state: str | None, size: int, more: Sequence[str]) -> ItemPage:
    folder.tally.requests += 1
    ignore = [*folder.ignored_ids(), *more]
    call = partial(folder.store.wire.sync_items, folder.place.folder_id, state, max_changes=size, ignore=ignore)
    return await folder.store.run.conveyor.call(call)


def _may_be_an_item(error: ExchangeError) -> bool:
    return error.splittable or isinstance(error, TransientError)


async def _server_answers(folder: FolderSync, error: ExchangeError) -> bool:
    """Return whether the server answers another question: then this folder is to blame for its troubles."""
    if not isinstance(error, TransientError):
        return True
    try:
        await folder.store.run.conveyor.call(folder.store.wire.root)
    except TransientError:
        return False
    return True
