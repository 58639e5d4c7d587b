"""A folder of which only recent items are wanted: `start_date`, and what becomes of it from run to run.

A listing must not outrun the feed: an item that FindItem shows and the feed's state does not hold could be deleted
without a word. So the first run drains the feed, loading nothing, keeps the ids it named, and loads of the listed items
only those. Then the feed is followed as ever; whatever it names that is too old is told as out of scope.

The mark holds under `dates` how far back the tables reach:

    since     every item from here on is in the tables; absent as long as the first listing is not done
    lowest    nothing older than this was ever loaded
    after     where the listing that is under way had got to

When the user moves the date back, the part between is listed and loaded; when forward, the part between is listed and
written as out of scope. A run broken off in a listing leaves the state of the drained feed and where the listing was:
the next one follows the feed, names anew what there is (less what came since that state), and lists on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import StateError, SurvivableError
from tap_exchange.sync.changes import LOADED_KINDS
from tap_exchange.sync.dates import APPOINTMENT, EVERYTHING, FAR_OFF, NOTHING, created_from, within
from tap_exchange.sync.fill import IdSet, drain, filling
from tap_exchange.sync.page import Loaded, Page
from tap_exchange.sync.paging import listed_pages
from tap_exchange.sync.stubborn import BrokenFeedError
from tap_exchange.sync.watch import outdate
from tap_exchange.sync.windows import NoListingError
from tap_exchange.sync.work import PageWork, out_of_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tap_exchange.sync.bookmarks import DatesMark, FolderMark
    from tap_exchange.sync.dates import Since
    from tap_exchange.sync.folder import FolderSync
    from tap_exchange.sync.page import Row
    from tap_exchange.sync.paging import Listed


def reaches_elsewhere(mark: FolderMark, since: Since) -> bool:
    """Return whether a folder's tables reach back to another date than the one that is wanted."""
    dates = mark.get("dates") or _whole()
    return not dates.get("since", NOTHING) == dates["lowest"] == since.start


def _whole() -> DatesMark:
    """Return how far back the tables of a folder reach of which everything was wanted so far."""
    return {"since": EVERYTHING, "lowest": EVERYTHING}


def is_dated(folder: FolderSync) -> bool:
    """Return whether dates decide in this folder, now or when it was last synced."""
    return folder.since.start != EVERYTHING or "dates" in folder.mark


async def begin(folder: FolderSync) -> None:
    """Sync a folder that has no state."""
    vocabulary = folder.store.run.transport.vocabulary
    if vocabulary.lists:
        try:
            await (_sample(folder) if folder.store.run.sample else _begin(folder))
        except NoListingError:
            vocabulary.lists = False
    if not vocabulary.lists:
        await _begin_by_feed(folder)


async def _begin_by_feed(folder: FolderSync) -> None:
    """Follow the feed from its beginning and ask for each item's date, where the server lists nothing."""
    start = folder.since.start

    def advance() -> None:
        folder.mark.pop("sync_state", None)  # of a feed that was drained
        folder.mark.pop("dates", None)
        if start != EVERYTHING:
            folder.mark["dates"] = {"since": start, "lowest": start}

    if not folder.store.run.sample:
        await folder.store.run.conveyor.put(Page(advance=advance))
    await folder.follow(None)


async def _begin(folder: FolderSync) -> None:
    """Drain the feed, load what is listed, then follow."""
    walked = await _walk(folder)
    if walked is None:
        return
    known, state = walked
    start = folder.since.start

    def advance() -> None:
        folder.move(state)
        folder.mark["dates"] = {"lowest": start}

    await (await folder.store.run.conveyor.put(Page(advance=advance)))
    if await _fill(folder, (known, set()), start, NOTHING):
        await folder.follow(state)


async def go_on(folder: FolderSync, stale: frozenset[str]) -> None:
    """Sync a folder that has a state: follow it, then bring the tables to the date that the user wants now.

    Where the server lists nothing and the date or the selection moved, the folder is started over.
    """
    try:
        await _go_on(folder, stale)
    except NoListingError as error:
        folder.notes.append(f"{error} The folder is started over.")
        await folder.reset(None)
        await _begin_by_feed(folder)


async def _go_on(folder: FolderSync, stale: frozenset[str]) -> None:
    start = folder.since.start
    _promise_no_more(folder.mark, start)
    await folder.follow(folder.mark["sync_state"])
    if folder.must_stop():
        return
    if not folder.stale_streams():  # any more: the state was refused, and the folder is started over
        stale = frozenset()
    dates = folder.mark.setdefault("dates", _whole())
    done = True
    if start > dates["lowest"]:
        done = await _push_out(folder, dates, start)
    if done and stale:
        done = await _fill_streams(folder, max(start, dates["lowest"]), stale)
    if done and not folder.started_over and start < dates.get("since", NOTHING):
        done = await _widen(folder, dates, start)
    if done and start == EVERYTHING:
        folder.mark.pop("dates", None)
    folder.followed = folder.followed and done


def _promise_no_more(mark: FolderMark, start: str) -> None:
    """Note that older items are not sure to be in the tables, before the first of them is written as out of scope."""
    if start == EVERYTHING:
        return
    dates = mark.setdefault("dates", _whole())
    if dates.get("since", NOTHING) < start:
        dates["since"] = start


async def _walk(folder: FolderSync) -> tuple[IdSet, str] | None:
    """Return the ids of all items that are there, and a state that holds them; None when the run is to end."""
    known = IdSet()
    state: str | None = None
    while True:
        try:
            answer = await folder.ask(state)
        except StateError as error:
            if state is None:
                raise
            text = "The feed fails with each new state; the folder's contents are listed instead."
            raise BrokenFeedError(text, code=error.code) from error
        known.update(change.item_id for change in answer.changes if change.kind in LOADED_KINDS)
        state = answer.sync_state
        if answer.last:
            return known, state
        if folder.must_stop():
            return None


async def _held(folder: FolderSync) -> tuple[IdSet, set[str]] | None:
    """Return the ids that the bookmark's state holds: all that are there, and of those what came since."""
    walked = await _walk(folder)
    if walked is None:
        return None
    came = {change.item_id for change in await drain(folder) if change.kind == "create"}
    return walked[0], came


async def _widen(folder: FolderSync, dates: DatesMark, start: str) -> bool:
    """Load what lies between a date and the one from which on the tables are whole."""
    if dates["lowest"] != start:
        dates["lowest"] = min(start, dates["lowest"])
        dates.pop("after", None)
    held = await _held(folder)
    if held is None or not await _fill(folder, held, start, dates.get("since", NOTHING)):
        return False
    outdate(folder.mark)
    await folder.follow(folder.mark["sync_state"])
    return True


async def _fill_streams(folder: FolderSync, lowest: str, stale: frozenset[str]) -> bool:
    """Load what streams or columns selected later lack, as far back as the tables reach by now."""
    await folder.reset(stale)
    held = await _held(folder)
    if held is None or not await _load_listed(folder, held, (lowest, NOTHING), streams=stale):
        return False
    await (await folder.store.run.conveyor.put(Page(advance=folder.adopt_selection)))
    await folder.follow(folder.mark["sync_state"])
    return True


async def _fill(folder: FolderSync, held: tuple[IdSet, set[str]], low: str, high: str) -> bool:
    """Load the listed items of a range, page by page, noting how far it got; tell whether it is done."""
    if not await _load_listed(folder, held, (low, high)):
        return False

    def advance() -> None:
        folder.mark["dates"]["since"] = low
        folder.mark["dates"].pop("after", None)

    await (await folder.store.run.conveyor.put(Page(advance=advance)))
    return True


async def _load_listed(
    folder: FolderSync,
    held: tuple[IdSet, set[str]],
    reach: tuple[str, str],
    *,
    streams: Collection[str] | None = None,
) -> bool:
    """Load the listed items of a range that the feed's state holds; tell whether all of it is done.

    Rows of a range that is new are of origin `feed`: begun from an older state, a run would list and load them again.
    Those that fill `streams` later selected are rows that were there before.
    """
    known, came = held
    after = folder.mark["dates"].get("after") if streams is None else None
    written = None
    async for listed in listed_pages(folder, within(*reach), after):
        decided = await _keeps_to_dates(folder, listed)
        wanted = [
            ItemChange("create", item.item_id, item.change_key, item.element)
            for item in listed.items
            if item.item_id in known
            and item.item_id not in came
            and (streams is None or folder.selection.stream_of(item.element) in streams)
        ]
        then = partial(_reach, folder, listed.reached)
        if streams is None:
            written = await folder.put(PageWork(folder, wanted, then=then, told=False, decided=decided))
        else:
            for work in filling(folder, wanted, decided=decided):
                written = await folder.put(work)
        if folder.must_stop():
            break
    if written is not None:
        await written
    return not folder.must_stop()


def _reach(folder: FolderSync, created: str | None) -> None:
    if created is not None:
        folder.mark["dates"]["after"] = created


async def _push_out(folder: FolderSync, dates: DatesMark, start: str) -> bool:
    """Write as out of scope what was loaded and is older than a date; tell whether all of it is done.

    It does no harm to tell it of an item that was never loaded, or is gone by now. When dates could not be told, all of
    it is done once more in the next run.
    """
    undated: list[ItemChange] = []
    async for listed in listed_pages(folder, within(dates["lowest"], start)):
        changes = [ItemChange("update", item.item_id, item.change_key, item.element) for item in listed.items]
        decided = await _keeps_to_dates(folder, listed)
        await folder.store.run.conveyor.put(_page_of_old(folder, changes, undated, decided=decided))
        if folder.must_stop():
            return False

    def advance() -> None:
        if folder.error is not None:
            return
        if undated and dates.get("undated") != start:
            dates["undated"] = start
            return
        dates["lowest"] = start
        dates.pop("after", None)
        dates.pop("undated", None)

    await (await folder.store.run.conveyor.put(Page(advance=advance)))
    return not folder.must_stop()


async def _keeps_to_dates(folder: FolderSync, listed: Listed) -> bool:
    """Return whether the server lists what it is asked to list, and not whatever there is; found out once in a run.

    Nothing was created in the year 9999.
    """
    if listed.is_refused:
        return False
    vocabulary = folder.store.run.transport.vocabulary
    if vocabulary.restricts is None and listed.items:
        find = partial(folder.wire.find_items, folder.place.folder_id, page_size=1, restriction=created_from(FAR_OFF))
        vocabulary.restricts = not (await folder.store.run.conveyor.call(find)).items
        if not vocabulary.restricts:
            folder.store.warn("The server lists items of any date: each one's date is asked for, which takes longer.")
    return vocabulary.restricts is not False


def _page_of_old(
    folder: FolderSync, changes: Sequence[ItemChange], undated: list[ItemChange], *, decided: bool
) -> Page:
    appointments = [change for change in changes if change.element == APPOINTMENT or not decided]

    def opening() -> Iterator[Row]:
        for change in changes:
            if change.element != APPOINTMENT and decided:
                yield from out_of_scope(folder, change)

    def take(loaded: Loaded) -> Iterator[Row]:
        if loaded.error is not None:
            folder.fail(loaded.error)
        undated.extend(loaded.undated)
        for change in loaded.out_of_scope:
            yield from out_of_scope(folder, change)

    loads: list[Callable[[], Loaded]] = []
    if appointments:
        loads.append(partial(_decide, folder, folder.since, appointments))
    return Page(opening=opening, loads=loads, take=take)


def _decide(folder: FolderSync, since: Since, changes: Sequence[ItemChange]) -> Loaded:
    try:
        dated = since.split(folder.loader.wire, changes, folder.batch_size)
    except SurvivableError as error:
        return Loaded(error=error)
    return Loaded(out_of_scope=dated.unwanted, undated=dated.untold)


async def _sample(folder: FolderSync) -> None:
    """Load a few items, for a look at what there is."""
    async for listed in listed_pages(folder, within(folder.since.start, NOTHING)):
        few = listed.items[: folder.page_size]
        changes = [ItemChange("create", item.item_id, item.change_key, item.element) for item in few]
        decided = await _keeps_to_dates(folder, listed)
        await (await folder.put(PageWork(folder, changes, then=lambda: None, decided=decided)))
        return
