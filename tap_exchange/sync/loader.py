"""Loading one batch: the items' records, and what becomes of those that cannot be read.

Runs on a worker thread. A batch that fails as a whole is split in tenths down to single items; an item that fails
alone is read without the properties that fail, which `salvage` finds by trying.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import IncompleteAnswer, MailboxError, is_gone, may_be_the_stores
from tap_exchange.sync import lines
from tap_exchange.sync.attachments import ASKED_OF_ITEM, OfItem
from tap_exchange.sync.lines import length_of, shorten
from tap_exchange.sync.page import Corrupt, Loaded, Pack, Place, Record, Row, unpacked
from tap_exchange.sync.salvage import FAILS_AS_A_WHOLE, salvage
from tap_exchange.sync.selection import ATTACHMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_exchange.ews.answers import Answer, ItemChange
    from tap_exchange.ews.errors import ExchangeError
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape
    from tap_exchange.sync.selection import Selection

logger = logging.getLogger(__name__)


def change_row(
    place: Place,
    change: ItemChange,
    *,
    kind: str | None = None,
    stream: str | None = None,
    has_row: bool | None = None,
    origin: str = "feed",
    item_key: str | None = None,
    change_key: str | None = None,
) -> Row:
    """Return the row of item_changes that tells of a change, with the key and version of the item that are known."""
    return Row(
        "item_changes",
        {
            **place.columns(),
            "item_key": item_key or place.key(change.item_id),
            "item_id": change.item_id,
            "change_key": change_key or change.change_key,
            "change_type": kind or change.kind,
            "stream": stream,
            "has_row": has_row,
            "is_read": change.is_read,
            "origin": origin,
        },
    )


def unreadable_row(place: Place, corrupt: Corrupt, origin: str) -> Row:
    """Return the row of item_changes of an item of which nothing could be read."""
    return change_row(place, corrupt.change, stream=corrupt.stream, has_row=False, origin=origin)


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads items of one folder in the shapes that the selection asks for."""

    wire: Mailbox
    place: Place
    selection: Selection
    pack: Pack = unpacked

    def load(self, stream: str, changes: Sequence[ItemChange], origin: str = "feed") -> Loaded:
        """Load changed items of one stream; raises only what ends the mailbox or the run."""
        shape = self.selection.shape(stream)
        if shape is None:
            raise AssertionError(f"{stream} is not selected")
        loaded = Loaded()
        by_id = {change.item_id: change for change in changes}
        self._load(by_id, list(by_id), shape, origin, loaded)
        return loaded

    def _load(
        self,
        changes: dict[str, ItemChange],
        ids: list[str],
        shape: Shape,
        origin: str,
        loaded: Loaded,
        tries: int | None = None,
    ) -> None:
        try:
            answers = self.wire.get_items(ids, shape, tries=tries, suspect=True)
        except MailboxError as error:
            loaded.suspects += [_suspect(changes[item_id], shape, error.code) for item_id in ids]
            return
        except FAILS_AS_A_WHOLE as error:
            if len(ids) == 1:
                self._load_what_can_be_read(changes[ids[0]], shape, origin, loaded, error)
                return
            for tenth in tenths(ids):
                # A single item is tried once more when it is salvaged.
                self._load(changes, tenth, shape, origin, loaded, tries=1 if len(tenth) == 1 else None)
            return
        for answer in answers:
            self._take(changes[answer.id], answer, shape, origin, loaded)

    def _take(self, change: ItemChange, answer: Answer, shape: Shape, origin: str, loaded: Loaded) -> None:
        if answer.record is not None:
            actual = self.selection.stream_of(answer.element)
            if actual == shape.stream:
                self._emit(change, answer.record, shape.stream, origin, loaded)
            else:
                self._load_as(actual, change, origin, loaded)
        elif is_gone(answer.code):
            loaded.not_found.append(change)
        else:
            self._load_what_can_be_read(change, shape, origin, loaded, answer)

    def _load_as(self, stream: str, change: ItemChange, origin: str, loaded: Loaded) -> None:
        """Load an item whose class turned out to be another than the feed said."""
        shape = self.selection.shape(stream)
        if shape is None:
            loaded.loaded.append(change)
            loaded.rows.append(change_row(self.place, change, stream=stream, has_row=False, origin=origin))
            return
        try:
            (answer,) = self.wire.get_items([change.item_id], shape, suspect=True)
        except MailboxError as error:
            loaded.suspects.append(_suspect(change, shape, error.code))
            return
        except FAILS_AS_A_WHOLE as error:
            self._load_what_can_be_read(change, shape, origin, loaded, error)
            return
        if answer.record is not None:
            self._emit(change, answer.record, stream, origin, loaded)
        elif is_gone(answer.code):
            loaded.not_found.append(change)
        else:
            self._load_what_can_be_read(change, shape, origin, loaded, answer)

    def _load_what_can_be_read(
        self, change: ItemChange, shape: Shape, origin: str, loaded: Loaded, failure: Answer | ExchangeError
    ) -> None:
        code = failure.code or "ErrorItemCorrupt"
        if may_be_the_stores(code):
            loaded.suspects.append(_suspect(change, shape, code))
        else:
            doubt = str(failure) if isinstance(failure, IncompleteAnswer) else ""
            self._salvage(change, shape, origin, loaded, code, doubt)

    def _salvage(
        self, change: ItemChange, shape: Shape, origin: str, loaded: Loaded, code: str, doubt: str = ""
    ) -> None:
        rescue = salvage(self.wire, change.item_id, shape, code)
        if rescue.gone:
            loaded.not_found.append(change)
            return
        salvaged = rescue.answer is not None
        corrupt = Corrupt(
            change=change,
            stream=shape.stream,
            stage="load",
            code=code,
            message=explain(code, rescue.missing, salvaged=salvaged),
            missing=rescue.missing,
            salvaged=salvaged,
            doubt=doubt,
        )
        if rescue.answer is not None and rescue.answer.record is not None:
            record = dict.fromkeys(shape.columns)
            record.update(rescue.answer.record)
            self._emit(change, record, shape.stream, origin, loaded)
        elif rescue.told:
            loaded.rows.append(unreadable_row(self.place, corrupt, origin))
        else:
            loaded.suspects.append(corrupt)
            return
        if rescue.missing or not salvaged:
            logger.debug("item %s could not be read whole: %s", self.place.key(change.item_id), code)
            loaded.corrupt.append(corrupt)

    def load_again(self, suspects: Sequence[Corrupt], origin: str) -> Loaded:
        """Try items once more, each alone, that are under suspicion; the server is known to answer by now."""
        loaded = Loaded()
        for suspect in suspects:
            change, shape = suspect.change, self.selection.shape(suspect.stream)
            if shape is None:
                raise AssertionError(f"{suspect.stream} is not selected")
            self._salvage(change, shape, origin, loaded, suspect.code)
        return loaded

    def _emit(self, change: ItemChange, record: Record, stream: str, origin: str, loaded: Loaded) -> None:
        place = self.place
        item_key = place.key(change.item_id)
        record["mailbox"] = place.mailbox
        record["store"] = place.store
        record["folder_key"] = place.folder_key
        record["folder_id"] = place.folder_id
        record["item_key"] = item_key
        record["item_id"] = change.item_id
        record["origin"] = origin
        hidden = self.selection.hides_attachments(stream)
        listed = record.pop(ATTACHMENTS) if hidden else record.get(ATTACHMENTS)
        change_key = record["change_key"]
        packed = self.pack(stream, record)
        if left_out := shorten(record, packed):
            packed = self.pack(stream, record)
            loaded.corrupt.append(too_long(change, stream, "load", left_out))
        loaded.size += length_of(record) if packed is None else len(packed)
        if packed is not None:
            asked = {name: record.get(name) for name in ASKED_OF_ITEM}
            record.clear()  # what is packed need not be held twice
            record = asked
        loaded.rows.append(Row(stream, record, packed=packed))
        told = change_row(
            place, change, stream=stream, has_row=True, origin=origin, item_key=item_key, change_key=change_key
        )
        packed = self.pack(told.stream, told.record)
        loaded.rows.append(told if packed is None else Row(told.stream, {}, packed=packed))
        loaded.loaded.append(change)
        if listed and self.selection.attachments is not None:
            OfItem(self.wire, place, self.selection.attachments, change, record).add_to(loaded, listed)


def too_long(change: ItemChange, stream: str, stage: str, left_out: tuple[str, ...]) -> Corrupt:
    """Return what is told of an item of whose row columns were left out, since no line would hold it."""
    text = lines.told(left_out)
    return Corrupt(change, stream, stage, lines.LINE_TOO_LONG, text, missing=left_out, salvaged=True)


def _suspect(change: ItemChange, shape: Shape, code: str) -> Corrupt:
    """Return what is told of an item of which nothing could be read, should not its store be to blame."""
    text = explain(code, shape.columns, salvaged=False)
    return Corrupt(change, shape.stream, "load", code, text, missing=shape.columns, salvaged=False)


def tenths(ids: list[str]) -> Iterator[list[str]]:
    """Yield ten slices of a batch, or single ids where there are fewer than ten."""
    size = max(1, -(-len(ids) // 10))
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def explain(code: str, missing: Sequence[str], *, salvaged: bool) -> str:
    """Return the sentence of a corrupt_items row, without anything of the item's content."""
    if salvaged:
        return f"The server could not give {', '.join(missing)} ({code}); the rest was loaded."
    return f"The server could not give this item ({code}); nothing of it was loaded."
