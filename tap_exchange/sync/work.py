"""One page of a folder at work: what it loads, what it came to, and what the folder's mark keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import ExchangeError, FolderError, Level, SurvivableError, error_for, may_be_the_stores
from tap_exchange.ews.faults import Fault, action_of
from tap_exchange.sync.changes import rows_without_load, tombstones
from tap_exchange.sync.corrupt import ATTACHMENT, bad_attachments, given_up, mark_corrupt, mark_key, resolve
from tap_exchange.sync.dates import APPOINTMENT
from tap_exchange.sync.loader import change_row, unreadable_row
from tap_exchange.sync.page import BadAttachment, Corrupt, FollowUp, Loaded, Page, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import ItemChange
    from tap_exchange.sync.bookmarks import Pending
    from tap_exchange.sync.folder import FolderSync

MOST_ATTEMPTS = 20
"""Runs that try an item which is never found, before it is written to corrupt_items and given up."""


@dataclass(slots=True)
class PageWork:
    """Turns changes into a Page; `then` moves the bookmark after its last record."""

    folder: FolderSync
    changes: Sequence[ItemChange]
    then: Callable[[], None]
    origin: str = "feed"
    told: bool = True
    """Whether changes that need no load are written: not when items are filled or tried again."""
    decided: bool = False
    """Whether the items' dates are known to be wanted, but for those of series."""
    attempts: dict[str, int] = field(default_factory=dict)
    found: int = 0
    not_found: list[ItemChange] = field(default_factory=list)
    failed: list[ItemChange] = field(default_factory=list)
    undated: list[ItemChange] = field(default_factory=list)
    corrupt: list[Corrupt] = field(default_factory=list)
    suspects: list[Corrupt] = field(default_factory=list)
    bad_attachments: list[BadAttachment] = field(default_factory=list)
    reloaded: list[ItemChange] = field(default_factory=list)
    """Items that are loaded again whose attachments could not be read before."""
    keep: list[Pending] = field(default_factory=list)

    def page(self) -> Page:
        """Return the page, its loads in batches of one stream each."""
        return Page(
            opening=self._open,
            loads=list(self._loads(self.changes)),
            take=self._take,
            look_again=self._look_again,
            settle=self._settle,
            advance=self._advance,
        )

    def _loads(self, changes: Sequence[ItemChange]) -> Iterator[Callable[[], Loaded]]:
        """Yield what is to be loaded; with a `start_date`, what asks for the dates first and leads to the loads."""
        wanted = [change for change in changes if self.folder.is_loaded(change)]
        if self.folder.since.moment is not None:
            doubtful = [change for change in wanted if not self.decided or change.element == APPOINTMENT]
            wanted = [change for change in wanted if self.decided and change.element != APPOINTMENT]
            size = self.folder.batch_size
            for start in range(0, len(doubtful), size):
                yield partial(self._sift, doubtful[start : start + size])
        yield from self._batches(wanted)

    def _sift(self, changes: Sequence[ItemChange]) -> Loaded:
        try:
            dated = self.folder.since.split(self.folder.loader.wire, changes, self.folder.batch_size)
        except SurvivableError as error:
            return Loaded(failed=list(changes), error=error)
        loads = [FollowUp(load, 0) for load in self._batches(dated.wanted + dated.untold)]
        return Loaded(out_of_scope=dated.unwanted, undated=dated.untold, follow_ups=loads)

    def _batches(self, changes: Sequence[ItemChange]) -> Iterator[Callable[[], Loaded]]:
        by_stream: dict[str, list[ItemChange]] = {}
        for change in changes:
            by_stream.setdefault(self.folder.selection.stream_of(change.element), []).append(change)
        size = self.folder.batch_size
        for stream, wanted in by_stream.items():
            for start in range(0, len(wanted), size):
                yield partial(self._load, stream, wanted[start : start + size])

    def _load(self, stream: str, changes: Sequence[ItemChange]) -> Loaded:
        """Load on a worker; what ends the mailbox is remembered, and the page still ends whole."""
        try:
            return self.folder.loader.load(stream, changes, self.origin)
        except SurvivableError as error:
            return Loaded(failed=list(changes), error=error)

    def _open(self) -> Iterator[Row]:
        folder, tally = self.folder, self.folder.tally
        if not self.told:
            return
        tally.changes += len(self.changes)
        tally.created += sum(change.kind == "create" for change in self.changes)
        tally.updated += sum(change.kind == "update" for change in self.changes)
        for change in self.changes:
            folder.see(change)
            if change.kind == "delete":
                tally.deleted += 1
                if folder.tombstones and not folder.store.was_moved(folder.place.folder_id, change.item_id):
                    yield from tombstones(folder.place, change, folder.mark.get("fed", ()), folder.stamp())
                yield rows_without_load(folder.place, change, None)
                yield from self._resolve(change, "The item was deleted.")
                yield from self._resolve(change, "The item was deleted.", ATTACHMENT)
            elif change.kind == "read_flag":
                tally.read_flags += 1
                yield rows_without_load(folder.place, change, None)
            elif not folder.is_loaded(change):
                yield rows_without_load(folder.place, change, folder.selection.stream_of(change.element))

    def _take(self, loaded: Loaded) -> Iterator[Row]:
        self.found += len(loaded.loaded)
        self.not_found += loaded.not_found
        self.failed += loaded.failed
        self.undated += loaded.undated
        self.corrupt += loaded.corrupt
        self.suspects += loaded.suspects
        self.bad_attachments += loaded.bad_attachments
        self.found += len(loaded.out_of_scope)
        for change in loaded.out_of_scope:
            yield from out_of_scope(self.folder, change)
        self.folder.tally.loaded += len(loaded.loaded)
        self.folder.progress.add(len(loaded.loaded))
        if loaded.loaded:
            self.folder.remember(loaded.loaded[-1].item_id)
            if self.folder.tombstones:
                self.folder.store.note_rows(self.folder.place.folder_id, [change.item_id for change in loaded.loaded])
        if loaded.error is not None:
            self.folder.fail(loaded.error)
        for stream in dict.fromkeys([row.stream for row in loaded.rows]):
            self.folder.feed_stream(stream)
        yield from loaded.rows
        bad = {corrupt.change.item_id for corrupt in loaded.corrupt}
        for change in loaded.loaded if self.folder.mark.get("corrupt") else ():
            if change.item_id not in bad:
                yield from self._resolve(change, "The item could be read whole.")
            if self._key(change, ATTACHMENT) in self.folder.mark.get("corrupt", ()):
                self.reloaded.append(change)
        for corrupt in loaded.corrupt:
            yield self._mark_corrupt(corrupt)

    async def _look_again(self) -> Iterable[Callable[[], Loaded]]:
        """Ask once more for what was not found or broke its requests, when the store answers for other items.

        When it does not, the items are not to blame: a page of which items were not found is not believed, and
        items that broke their requests are kept for later runs. A page of nothing but items that are not found is
        kept for later runs too, and not asked again now.
        """
        folder = self.folder
        if not self.suspects and not self.not_found:
            return ()
        doubted = {suspect.change.item_id for suspect in self.suspects} | {item.item_id for item in self.not_found}
        if not await folder.store.answers(folder.place.folder_id, doubted):
            if self.not_found:
                folder.block()
            else:
                self._keep_suspects()
            return ()
        suspects, self.suspects = self.suspects, []
        loads: list[Callable[[], Loaded]] = [
            partial(self._load_again, suspects[start : start + folder.batch_size])
            for start in range(0, len(suspects), folder.batch_size)
        ]
        if self.found or self.corrupt or self.failed or suspects:
            lost, self.not_found = self.not_found, []
            loads += self._loads(lost)
        return loads

    def _load_again(self, suspects: Sequence[Corrupt]) -> Loaded:
        try:
            return self.folder.loader.load_again(suspects, self.origin)
        except SurvivableError as error:
            return Loaded(failed=[suspect.change for suspect in suspects], error=error)

    def _no_answer(self) -> ExchangeError:
        code, doubt = self.suspects[0].code, self.suspects[0].doubt
        if may_be_the_stores(code):
            return error_for(Fault(code, action_of(code)), "GetItem", self.folder.place.mailbox, Level.ITEMS)
        if self.folder.store.known_items:
            text = f"GetItem fails ({code}) for items that could be read before: the server is in trouble."
        elif doubt:
            text = f"{doubt}. So it is for every item that was tried: the server, or a proxy before it, does not"
            text += " answer as EWS prescribes; check ews_url, and have its maker look at the answers."
        else:
            text = f"GetItem fails ({code}) for every item that was tried: the server is in trouble."
        return FolderError(f"{text} The items are kept for the next run.", code=code)

    async def _blames_store(self) -> bool:
        """Tell whether what says that its store is out is right, although other items were read before it."""
        doubted = {suspect.change.item_id for suspect in self.suspects if may_be_the_stores(suspect.code)}
        return bool(doubted) and not await self.folder.store.answers(self.folder.place.folder_id, doubted)

    def _keep_suspects(self) -> None:
        """Fail the folder, and keep for later runs the items that nothing speaks against but a server in trouble."""
        self.folder.fail(self._no_answer())
        self.failed += [suspect.change for suspect in self.suspects]
        self.suspects = []

    async def _settle(self) -> Iterable[Row]:
        """Decide what is kept for later runs: items that failed, and those not found.

        What is not found is gone, which the feed will tell, or only seems so: a deletion is believed of a feed or of a
        complete listing alone.
        """
        folder = self.folder
        if folder.blocked:
            return ()
        rows: list[Row] = []
        if await self._blames_store():
            self._keep_suspects()
        for suspect in self.suspects:  # broken in one way, then in the other
            rows += (unreadable_row(folder.place, suspect, self.origin), self._mark_corrupt(suspect))
        rows += self._settle_attachments()
        for change in dict.fromkeys(self.failed):
            self.keep.append(_pending(change, self.attempts.get(change.item_id, 0)))
        for change in dict.fromkeys(self.undated):
            if change not in self.failed and change.item_id not in self.attempts:  # asked for once more, and no more
                self.keep.append(_pending(change, 1))
        folder.tally.not_found += len(self.not_found)
        tried_before = folder.store.run.tried
        for change in self.not_found:
            counts = folder.place.key(change.item_id) not in tried_before
            tried = max(1, self.attempts.get(change.item_id, 0) + counts)
            if tried > MOST_ATTEMPTS:
                stream = folder.selection.stream_of(change.element)
                rows.append(self._mark_corrupt(given_up(change, stream, tried)))
            else:
                self.keep.append(_pending(change, tried))
        tried_before.update(folder.place.key(item[0]) for item in self.keep)
        return rows

    def _advance(self) -> None:
        folder = self.folder
        if folder.blocked:
            return
        settled = {change.item_id for change in self.changes if change.kind != "read_flag"}  # which loads nothing
        pending = [item for item in folder.mark.get("pending", []) if item[0] not in settled] + self.keep
        if pending:
            folder.mark["pending"] = pending
        else:
            folder.mark.pop("pending", None)
        if self.told and any(change.kind != "read_flag" for change in self.changes):
            folder.outdate_view()
        # A first page without changes: what the folder is said to hold went before its feed was asked.
        if self.told and (self.changes or ("sync_state" not in folder.mark and folder.mark.get("count"))):
            folder.mark["owed"] = True
        self.then()

    def _mark_corrupt(self, corrupt: Corrupt) -> Row:
        self.folder.tally.corrupt += 1
        return mark_corrupt(self.folder.place, self.folder.mark, corrupt, self.folder.stamp())

    def _settle_attachments(self) -> Iterator[Row]:
        """Yield one row for each item with bad attachments, and one for each item that has none any more."""
        by_item: dict[str, list[BadAttachment]] = {}
        for bad in self.bad_attachments:
            by_item.setdefault(bad.change.item_id, []).append(bad)
        for group in by_item.values():
            yield self._mark_corrupt(bad_attachments(group))
        open_still = by_item.keys() | {change.item_id for change in self.failed}
        for change in self.reloaded:
            if change.item_id not in open_still:
                yield from self._resolve(change, "The item's attachments could be read.", ATTACHMENT)

    def _resolve(self, change: ItemChange, message: str, stage: str = "load") -> Iterator[Row]:
        folder = self.folder
        if folder.mark.get("corrupt"):
            row = resolve(folder.place, folder.mark, self._key(change, stage), message, folder.stamp(), change)
            if row is not None:
                yield row

    def _key(self, change: ItemChange, stage: str) -> str:
        return mark_key(self.folder.place.key(change.item_id), stage)


def out_of_scope(folder: FolderSync, change: ItemChange) -> Iterator[Row]:
    """Yield the rows of an item that is older than wanted, whether it was ever loaded or not.

    Whoever found it, they are the feed's: should STATE be lost, they are void, and the next run decides anew, perhaps
    by another date.
    """
    place, stream = folder.place, folder.selection.stream_of(change.element)
    folder.tally.out_of_scope += 1
    if folder.tombstones and stream in folder.mark.get("fed", ()):
        yield from tombstones(place, change, [stream], folder.stamp())
    yield change_row(place, change, kind="out_of_scope", stream=stream, has_row=False, origin="feed")
    for stage in ("load", ATTACHMENT):
        if folder.mark.get("corrupt"):
            key = mark_key(place.key(change.item_id), stage)
            row = resolve(place, folder.mark, key, "The item is older than wanted.", folder.stamp(), change)
            if row is not None:
                yield row


def _pending(change: ItemChange, tried: int) -> Pending:
    return (change.item_id, change.change_key or "", change.element or "Item", change.kind, tried)
