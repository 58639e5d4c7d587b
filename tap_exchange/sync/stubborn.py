"""A feed that fails: smaller pages, then the items that break it, found by bisecting Ignore.

The order is the one of the field: fewer changes at a time, down to one; then leave out items, which Exchange lets a
client name in Ignore; when no item is to blame and the feed works without a state, begin anew; else list. Of a folder
that is listed the feed is asked once in each run, to be searched again when it works.

What a server refuses as such, in any size, is asked without a state, and then listed.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from tap_exchange.ews.errors import ExchangeError, FolderError, StateError
from tap_exchange.ews.faults import Action
from tap_exchange.sync.listing import listed_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import FoundItem, ItemPage
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.packed import FoundItems

logger = logging.getLogger(__name__)

MOST_IGNORED_BYTES = 200_000
"""Ids of one Ignore list at most, beside those that are always ignored: Exchange refuses requests over 400 KB."""

ID_ELEMENT_BYTES = 20
"""What an id takes in a request beside itself."""

MOST_CULPRITS = 50
"""Items that one page may be made to work without, before its folder is listed instead."""


BROKEN = "The folder's feed fails whatever is asked; its contents are listed instead."


class BrokenFeedError(ExchangeError):
    """The feed fails with every page size, with and without a state, and no item is to blame."""


class StaleStateError(StateError):
    """The feed fails with its state and works without: known for sure, no pause would tell more."""


async def ask(folder: FolderSync, state: str | None) -> ItemPage:
    """Return the next page of a feed, by whatever of the above works.

    Raises StateError when the state alone is to blame, BrokenFeedError when nothing works.
    """
    if "broken" in folder.mark:
        await _probe(folder, state)
    size = folder.page_size
    while True:
        try:
            page = await _call(folder, state, size, ())
        except ExchangeError as error:  # noqa: PERF203
            if not error.splittable:
                await _give_up(folder, state, error)
            if size == 1:
                return await _without_culprits(folder, state, error)
            size = max(1, size // 10)
            folder.page_size = size
        else:
            folder.page_size = min(folder.store.run.settings.max_changes, size * 2)
            return page


async def _probe(folder: FolderSync, state: str | None) -> None:
    """Ask once for one change, with and without the state, of a feed that failed whatever was asked."""
    for known in dict.fromkeys((state, None)):
        if await _tried(folder, known, 1, tries=1) is not None:
            del folder.mark["broken"]
            return
    raise BrokenFeedError(BROKEN, code=folder.mark["broken"])


async def _give_up(folder: FolderSync, state: str | None, error: ExchangeError) -> NoReturn:
    """Raise what it means that a page is refused whatever its size."""
    if error.unsupported:
        if state is not None and await _tried(folder, None, folder.page_size) is not None:
            raise StateError("The sync state is refused.", code=error.code) from error
        await _check_others(folder, error)
        raise BrokenFeedError(BROKEN, code=error.code) from error
    if error.action is Action.FOLDER_GONE and "sync_state" not in folder.mark:
        if await folder.store.is_gone(folder.place.folder_id):
            raise error
        raise BrokenFeedError(BROKEN, code=error.code) from error
    raise error


async def _check_others(folder: FolderSync, error: ExchangeError) -> None:
    """Raise FolderError when a folder that had a feed loses it together with others."""
    if "sync_state" in folder.mark and not await folder.store.feeds_others(folder.place.folder_id):
        raise FolderError(
            f"SyncFolderItems fails for other folders too ({error.code}): the server is in trouble; run again later.",
            code=error.code,
        ) from error


async def _without_culprits(folder: FolderSync, state: str | None, error: ExchangeError) -> ItemPage:
    """Find the items that break the next page, ignore them from now on, and return the page."""
    if (page := await _tried(folder, state, 1)) is not None:
        return page
    listed = await _listed(folder)
    hopeless = False
    for _ in range(MOST_CULPRITS):
        ignored = folder.mark.get("ignored", {})
        culprit = await _find(folder, state, (item for item in listed or () if item.item_id not in ignored))
        if culprit is None:
            hopeless = True
            break
        logger.warning("Folder %s: an item that breaks its feed is ignored and watched.", folder.name)
        await folder.ignore(culprit, error.code)
        try:
            return await _call(folder, state, 1, ())
        except ExchangeError as again:
            if not again.splittable:
                raise
    if state is not None and (await _walks(folder) if listed is not None else await _walks_to_its_end(folder)):
        raise StaleStateError("The feed fails with its sync state and works without.", code=error.code)
    await _check_others(folder, error)
    if listed is None:
        raise error
    if hopeless:
        folder.mark["broken"] = error.code
    raise BrokenFeedError(BROKEN, code=error.code) from error


async def _listed(folder: FolderSync) -> FoundItems | None:
    """List the items that may break the feed, None where the server lists no items at all."""
    try:
        return await listed_ids(folder)
    except ExchangeError as error:
        if not error.unsupported:
            raise
        return None


async def _find(folder: FolderSync, state: str | None, candidates: Iterable[FoundItem]) -> FoundItem | None:
    """Return an item that must be ignored for the next change to be read, at log2 of the candidates' number of calls.

    It is the last of the shortest prefix of candidates whose absence makes the call work; there may be others in it.
    """
    for window in _windows(candidates):
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


def _windows(candidates: Iterable[FoundItem]) -> Iterator[Sequence[FoundItem]]:
    """Yield as many candidates at a time as one request can name."""
    window: list[FoundItem] = []
    size = 0
    for item in candidates:
        size += len(item.item_id) + ID_ELEMENT_BYTES
        if size > MOST_IGNORED_BYTES and window:
            yield window
            window, size = [], len(item.item_id) + ID_ELEMENT_BYTES
        window.append(item)
    if window:
        yield window


async def _works(folder: FolderSync, state: str | None, ignored: Sequence[FoundItem]) -> bool:
    return await _tried(folder, state, 1, [item.item_id for item in ignored]) is not None


async def _walks(folder: FolderSync) -> bool:
    """Return whether the feed gives a first page without a state, and what follows it with the new one."""
    for size in (folder.store.run.settings.max_changes, 1):
        page = await _tried(folder, None, size)
        if page is not None and (page.last or await _tried(folder, page.sync_state, size) is not None):
            return True
    return False


async def _walks_to_its_end(folder: FolderSync) -> bool:
    """Return whether the whole feed can be followed without a state: no listing would help where it breaks."""
    page = await _tried(folder, None, folder.store.run.settings.max_changes)
    while page is not None and not page.last and not folder.store.must_stop():
        page = await _tried(folder, page.sync_state, folder.store.run.settings.max_changes)
    return page is not None and page.last


async def _tried(
    folder: FolderSync, state: str | None, size: int, ignored: Sequence[str] = (), *, tries: int | None = None
) -> ItemPage | None:
    try:
        return await _call(folder, state, size, ignored, tries=tries)
    except StateError:
        return None
    except ExchangeError as error:
        if not error.splittable and not error.unsupported:
            raise
        return None


async def _call(
    folder: FolderSync, state: str | None, size: int, more: Sequence[str], *, tries: int | None = None
) -> ItemPage:
    folder.tally.requests += 1
    folder.tally.page_size = min(size, folder.tally.page_size or size)
    ignore = [*folder.ignored_ids(), *more]
    sync = partial(folder.store.wire.sync_items, folder.place.folder_id, state, tries=tries)
    return await folder.store.run.conveyor.call(partial(sync, max_changes=size, ignore=ignore))
