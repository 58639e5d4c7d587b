"""One page of a folder at work: what it loads, what it came to, and what the folder's mark keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import ExchangeError, FatalError, Stopped
from tap_exchange.sync.changes import rows_without_load, tombstones
from tap_exchange.sync.corrupt import given_up, mark_corrupt, resolve
from tap_exchange.sync.page import Corrupt, Loaded, Page, Row

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
    attempts: dict[str, int] = field(default_factory=dict)
    found: int = 0
    not_found: list[ItemChange] = field(default_factory=list)
    failed: list[ItemChange] = field(default_factory=list)
    corrupt: list[Corrupt] = field(default_factory=list)
    keep: list[Pending] = field(default_factory=list)

    def page(self) -> Page:
        """Return the page, its loads in batches of one stream each."""
        return Page(
            opening=self._open, loads=list(self._loads()), take=self._take, settle=self._settle, advance=self._advance
        )

    def _loads(self) -> Iterator[Callable[[], Loaded]]:
        by_stream: dict[str, list[ItemChange]] = {}
        for change in self.changes:
            if self.folder.is_loaded(change):
                by_stream.setdefault(self.folder.selection.stream_of(change.element), []).append(change)
        size = self.folder.batch_size
        for stream, changes in by_stream.items():
            for start in range(0, len(changes), size):
                yield partial(self._load, stream, changes[start : start + size])

    def _load(self, stream: str, changes: Sequence[ItemChange]) -> Loaded:
        """Load on a worker; what ends the mailbox is remembered, and the page still ends whole."""
        try:
            return self.folder.loader.load(stream, changes, self.origin)
        except (FatalError, Stopped):
            raise
        except ExchangeError as error:
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
                if folder.tombstones:
                    yield from tombstones(folder.place, change, folder.mark.get("fed", ()), folder.stamp())
                yield rows_without_load(folder.place, change, None)
                yield from self._resolve(change, "The item was deleted.")
            elif change.kind == "read_flag":
                tally.read_flags += 1
                yield rows_without_load(folder.place, change, None)
            elif not folder.is_loaded(change):
                yield rows_without_load(folder.place, change, folder.selection.stream_of(change.element))

    def _take(self, loaded: Loaded) -> Iterator[Row]:
        self.found += len(loaded.loaded)
        self.not_found += loaded.not_found
        self.failed += loaded.failed
        self.corrupt += loaded.corrupt
        self.folder.tally.loaded += len(loaded.loaded)
        self.folder.progress.add(len(loaded.loaded))
        if loaded.loaded:
            self.folder.remember(loaded.loaded[-1].item_id)
        if loaded.error is not None:
            self.folder.fail(loaded.error)
        for row in loaded.rows:
            self.folder.feed_stream(row.stream)
            yield row
        bad = {corrupt.change.item_id for corrupt in loaded.corrupt}
        for change in loaded.loaded:
            if change.item_id not in bad:
                yield from self._resolve(change, "The item could be read whole.")
        for corrupt in loaded.corrupt:
            yield self._mark_corrupt(corrupt)

    async def _settle(self) -> Iterable[Row]:
        """Decide what is kept for later runs: items that failed, and those not found when nothing of the page was."""
        folder = self.folder
        rows: list[Row] = []
        keep = list(self.failed)
        if self.not_found and not self.found and not self.corrupt and not self.failed:
            if not await folder.store_answers():
                folder.block()
                return ()
            keep += self.not_found
        else:
            folder.tally.not_found += len(self.not_found)
        for change in keep:
            tried = self.attempts.get(change.item_id, 0) + 1
            if tried > MOST_ATTEMPTS:
                stream = folder.selection.stream_of(change.element)
                rows.append(self._mark_corrupt(given_up(change, stream, tried)))
            else:
                self.keep.append(
                    (change.item_id, change.change_key or "", change.element or "Item", change.kind, tried)
                )
        return rows

    def _advance(self) -> None:
        folder = self.folder
        if folder.blocked:
            return
        settled = {change.item_id for change in self.changes}
        pending = [item for item in folder.mark.get("pending", []) if item[0] not in settled] + self.keep
        if pending:
            folder.mark["pending"] = pending
        else:
            folder.mark.pop("pending", None)
        self.then()

    def _mark_corrupt(self, corrupt: Corrupt) -> Row:
        self.folder.tally.corrupt += 1
        return mark_corrupt(self.folder.place, self.folder.mark, corrupt, self.folder.stamp())

    def _resolve(self, change: ItemChange, message: str) -> Iterator[Row]:
        folder = self.folder
        if folder.mark.get("corrupt"):
            key = folder.place.key(change.item_id)
            row = resolve(folder.place, folder.mark, key, message, folder.stamp(), change)
            if row is not None:
                yield row
