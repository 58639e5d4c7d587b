"""Loading what takes place: a batch of occurrences, each with the key of its series.

Runs on a worker thread. It is the Loader's sibling: rows of calendar_view tell nothing of the feed, and a bad
occurrence is marked with the stage `view`.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import FolderError, is_gone
from tap_exchange.ews.faults import Action
from tap_exchange.ews.series import MOST_ASKED, masters
from tap_exchange.sync.lines import length_of, shorten
from tap_exchange.sync.loader import explain, tenths, too_long
from tap_exchange.sync.page import Corrupt, Loaded, Row
from tap_exchange.sync.salvage import FAILS_AS_A_WHOLE, Rescue, salvage
from tap_exchange.sync.selection import VIEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_exchange.ews.answers import Answer
    from tap_exchange.ews.errors import ExchangeError
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.page import Place, Record

logger = logging.getLogger(__name__)

STAGE = "view"
WITHOUT_SERIES = frozenset({"Single", "RecurringMaster"})

MOST_LACKING = 3
"""Smaller shapes that are tried on a bad occurrence before what it lacks is searched for."""

Series = tuple[str, ...]
"""What occurrences of one series have in common: their UID and, as long as the series stays as it is, a change key."""


@dataclass(slots=True)
class Masters:
    """The keys of the series of one view, each asked for once."""

    wire: Mailbox
    place: Place
    _keys: dict[Series, str | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_told: bool = True
    failed: bool = False
    """Whether asking for a series failed: its master is broken, or the server was in trouble."""

    def name(self, records: Sequence[Record]) -> None:
        """Put into each record the key of its series' master, None for a single item."""
        of_series = [record for record in records if record.get("calendar_item_type") not in WITHOUT_SERIES]
        one_of_each = {_series(record): str(record["item_id"]) for record in reversed(of_series)}
        with self._lock:
            unknown = {series: item_id for series, item_id in one_of_each.items() if series not in self._keys}
            found = self._ask(list(unknown.values())) if unknown else {}
            self.failed = self.failed or (self._is_told and len(found) < len(unknown))
            for series, item_id in unknown.items():
                master = found.get(item_id)
                self._keys[series] = None if master is None else self.place.key(master)
            for record in records:
                record["series_item_key"] = None
            for record in of_series:
                record["series_item_key"] = self._keys[_series(record)]

    def _ask(self, ids: Sequence[str]) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        for start in range(0, len(ids), MOST_ASKED):
            batch = ids[start : start + MOST_ASKED]
            if not self._is_told:
                break
            try:
                found.update(masters(self.wire, batch))
            except FAILS_AS_A_WHOLE:
                if len(batch) > 1:
                    for item_id in batch:
                        found.update(self._ask([item_id]))
            except FolderError as error:
                if error.action is not Action.OUR_BUG:
                    raise
                # A server of another make may not know the question; the UID still tells what belongs together.
                self._is_told = False
                logger.info("The server cannot tell the masters of series (%s): they are left out.", error.code)
        return found


def _series(record: Record) -> Series:
    uid, change_key = record.get("uid"), record.get("change_key")
    return (uid, change_key) if uid and change_key else (str(record["item_id"]),)


@dataclass(frozen=True, slots=True)
class OccurrenceLoader:
    """Loads occurrences of one calendar in the shape that the selection asks for."""

    wire: Mailbox
    place: Place
    shape: Shape
    masters: Masters
    extra: frozenset[str] = frozenset()
    """Columns that were asked for to tell the series, and are not selected."""
    lacking: list[tuple[str, ...]] = field(default_factory=list)
    """What bad occurrences lacked so far: those of one series lack the same."""

    def load(self, ids: Sequence[str], *, again: bool = False) -> Loaded:
        """Load occurrences; `again` when the server is known to answer, so that what fails now is corrupt.

        Raises only what ends the mailbox or the run, or speaks of the server.
        """
        loaded = Loaded()
        records = list(self._read(list(ids), loaded, again=again))
        self.masters.name(records)
        for record in records:
            self._complete(record)
            change = _change(record["item_id"], record["change_key"])
            if left_out := shorten(record):
                loaded.corrupt.append(too_long(change, VIEW, STAGE, left_out))
            loaded.size += length_of(record)
            loaded.rows.append(Row(VIEW, record))
            loaded.loaded.append(change)
        return loaded

    def _read(self, ids: list[str], loaded: Loaded, *, again: bool) -> Iterator[Record]:
        try:
            answers = self.wire.get_items(ids, self.shape, suspect=True)
        except FAILS_AS_A_WHOLE as error:
            if len(ids) > 1:
                for tenth in tenths(ids):
                    yield from self._read(tenth, loaded, again=again)
            else:
                yield from self._rescue(ids[0], error, loaded, again=again)
            return
        for answer in answers:
            if answer.record is not None:
                yield {**answer.record, "item_id": answer.id}
            elif is_gone(answer.code):
                loaded.not_found.append(_change(answer.id))
            else:
                yield from self._rescue(answer.id, answer, loaded, again=again)

    def _rescue(
        self, item_id: str, failure: Answer | ExchangeError, loaded: Loaded, *, again: bool
    ) -> Iterator[Record]:
        """Read what can be read of a bad occurrence, without what others lacked before it is searched for."""
        rescue = self._without_what_others_lack(item_id) or salvage(self.wire, item_id, self.shape)
        if rescue.gone:
            loaded.not_found.append(_change(item_id))
            return
        record = None if rescue.answer is None else rescue.answer.record
        code = failure.code or "ErrorItemCorrupt"
        corrupt = Corrupt(
            change=_change(item_id, record.get("change_key") if record else None),
            stream=VIEW,
            stage=STAGE,
            code=code,
            message=explain(code, rescue.missing, salvaged=record is not None),
            missing=rescue.missing,
            salvaged=record is not None,
        )
        if record is not None:
            yield {**dict.fromkeys(self.shape.columns), **record, "item_id": item_id}
        elif not rescue.told and not again:
            loaded.suspects.append(corrupt)
            return
        if rescue.missing or record is None:
            logger.debug("occurrence %s could not be read whole: %s", self.place.key(item_id), code)
            loaded.corrupt.append(corrupt)
        if record is not None and rescue.missing not in ((), *self.lacking) and len(self.lacking) < MOST_LACKING:
            self.lacking.append(rescue.missing)

    def _without_what_others_lack(self, item_id: str) -> Rescue | None:
        for missing in tuple(self.lacking):
            try:
                (answer,) = self.wire.get_items([item_id], self.shape.without(missing), tries=1, suspect=True)
            except FAILS_AS_A_WHOLE:
                continue
            if answer.record is not None:
                return Rescue(answer, missing)
        return None

    def _complete(self, record: Record) -> None:
        """Add the engine's columns; what is not of a series stands where it begins."""
        place = self.place
        record["mailbox"] = place.mailbox
        record["store"] = place.store
        record["folder_key"] = place.folder_key
        record["folder_id"] = place.folder_id
        record["item_key"] = place.key(record["item_id"])
        original = record.get("original_start") or record.get("recurrence_id") or record.get("start_time")
        record["original_start"] = original
        for column in self.extra:
            record.pop(column, None)


def _change(item_id: str, change_key: str | None = None) -> ItemChange:
    return ItemChange("update", item_id, change_key, "CalendarItem")
