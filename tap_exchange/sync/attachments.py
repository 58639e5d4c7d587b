"""The attachments of a loaded item: a row for each, and their contents where they are wanted.

The metadata comes with the item. Contents are follow-ups of the item's load: a few attachments each, on workers,
within the bounds of the conveyor. One that cannot be read leaves its item and the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_exchange.ews.errors import (
    ExchangeError,
    MailboxError,
    RequestTooBig,
    SurvivableError,
    is_gone,
    may_be_the_stores,
    took_too_long,
)
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.sync.contents import InRow, Taken, Target
from tap_exchange.sync.files import file_name
from tap_exchange.sync.page import BadAttachment, FollowUp, Loaded, Place, Row
from tap_exchange.sync.salvage import FAILS_AS_A_WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_exchange.ews.answers import Answer, AttachmentKind, ItemChange
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.sync.page import Record
    from tap_exchange.sync.selection import AttachmentChoice

OVERHEAD = 16 * 2**10
"""Bytes by which the store's size of an attachment may be larger than its content: an icon, names."""

TOGETHER = 2**20
"""Bytes of the attachments that are asked for in one request, unless it is a single one."""

SMALL = 64 * 2**10
"""What a content that goes to a file holds in memory on its way."""

ONCE_MORE = "ErrorInternalServerError"
"""It counts when it comes once more, for the attachment alone."""

METADATA = (
    "attachment_id", "attachment_type", "name", "content_type", "content_id", "content_location", "size", "is_inline",
    "is_contact_photo", "last_modified_time", "item_subject", "item_class", "reference_url", "reference_provider",
)  # fmt: skip
KINDS: dict[str, AttachmentKind] = {"file": "file", "item": "item"}

LOADED, TOO_LARGE, NO_CONTENT, GONE, FAILED, NOT_REQUESTED = (
    "loaded", "too_large", "no_content", "gone", "failed", "not_requested",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attachment whose content is to be loaded, with its row as far as the metadata makes it."""

    attachment_id: str
    kind: AttachmentKind
    size: int
    row: Record


ASKED_OF_ITEM = ("item_key", "item_id", "change_key", "origin")
"""Columns of an item that its attachments ask for."""


@dataclass(frozen=True, slots=True)
class OfItem:
    """The attachments of one loaded item."""

    wire: Mailbox
    place: Place
    choice: AttachmentChoice
    change: ItemChange
    item: Record
    """The item's own record, which is written before these, or what is asked of it."""

    def add_to(self, loaded: Loaded, listed: Iterable[Record]) -> None:
        """Add what the item lists to its load: rows, and the contents that follow."""
        wanted: list[Wanted] = []
        seen: set[str] = set()
        for number, attachment in enumerate(listed, start=1):
            row = self._row(attachment, number)
            if row["attachment_key"] in seen:
                continue
            seen.add(row["attachment_key"])
            if (one := self._wanted(attachment, row, loaded)) is not None:
                wanted.append(one)
            else:
                loaded.rows.append(self._as_row(row))
        for group in _together(wanted):
            size = sum(max(one.size, SMALL) for one in group)
            held = size * 4 // 3 if self.choice.files is None else SMALL
            loaded.follow_ups.append(FollowUp(partial(self._load, group), held))

    def _row(self, attachment: Record, number: int) -> Record:
        attachment_id = attachment.get("attachment_id")
        row: Record = {
            **self.place.columns(),
            "item_key": self.item["item_key"],
            "item_id": self.item["item_id"],
            "attachment_key": self.place.key(attachment_id or f"{self.item['item_id']}/{number}"),
            "origin": self.item["origin"],
        }
        row.update((name, attachment.get(name)) for name in METADATA)
        row.update(dict.fromkeys(("content", "content_sha256", "content_size", "content_path")))
        row["other_properties"] = attachment.get("other")
        return row

    def _wanted(self, attachment: Record, row: Record, loaded: Loaded) -> Wanted | None:
        """Return what is to be loaded, None when the row is all there is; it says why."""
        kind, size, attachment_id = KINDS.get(row["attachment_type"]), row["size"] or 0, attachment.get("attachment_id")
        if not self.choice.content:
            row["content_status"] = NOT_REQUESTED
        elif kind is None:
            row["content_status"] = NO_CONTENT
        elif size > self.choice.max_bytes + OVERHEAD:
            row["content_status"] = TOO_LARGE
        elif attachment_id is None:
            self._fail(row, "AttachmentIdMissing", loaded)
        else:
            return Wanted(attachment_id, kind, size, row)
        return None

    def _as_row(self, row: Record) -> Row:
        return Row("attachments", row, self.item)

    def _fail(self, row: Record, code: str, loaded: Loaded) -> None:
        row["content_status"] = FAILED
        loaded.bad_attachments.append(BadAttachment(self.change, row["attachment_key"], code))

    # On a worker

    def _load(self, group: Sequence[Wanted]) -> Loaded:
        """Load contents; what speaks of the server or the mailbox keeps the item for a later run."""
        loaded = Loaded()
        try:
            self._ask(group, loaded)
        except _ItemGoneError:
            return Loaded(failed=[self.change])
        except SurvivableError as error:
            return Loaded(failed=[self.change], error=error)
        return loaded

    def _ask(self, group: Sequence[Wanted], loaded: Loaded, *, again: bool = True) -> None:
        keys = {one.attachment_id: one.row["attachment_key"] for one in group}
        taken: dict[str, Taken] = {}

        def open_sink(attachment_id: str) -> Taken:
            if attachment_id in taken:
                taken[attachment_id].discard()
            taken[attachment_id] = Taken(self._target(keys[attachment_id]), self.choice.max_bytes)
            return taken[attachment_id]

        try:
            answers = self._answers(group, open_sink)
            if isinstance(answers, ExchangeError):
                self._take_failure(group, answers, loaded)
                return
            for one, answer in zip(group, answers, strict=True):
                if answer.code == ONCE_MORE and again:
                    self._ask([one], loaded, again=False)
                    continue
                self._take(one, answer, taken.get(one.attachment_id), loaded)
                loaded.rows.append(self._as_row(one.row))
        finally:
            for content in taken.values():
                content.discard()

    def _answers(self, group: Sequence[Wanted], open_sink: Callable[[str], Taken]) -> list[Answer] | ExchangeError:
        """Ask for contents; an error of the whole request that one of them may cause is returned."""
        ids = [one.attachment_id for one in group]
        try:
            return self.wire.get_attachments(ids, open_sink, kind=group[0].kind)
        except (*FAILS_AS_A_WHOLE, MailboxError) as error:
            return error

    def _target(self, key: str) -> Target:
        return InRow() if self.choice.files is None else self.choice.files.begin(file_name(key))

    def _take(self, wanted: Wanted, answer: Answer, content: Taken | None, loaded: Loaded) -> None:
        row = wanted.row
        if answer.record is None:
            self._take_code(wanted, answer.code or "ErrorItemCorrupt", loaded)
            return
        self._describe(row, answer.record)
        if content is None or not answer.record["has_content"]:
            self._fail(row, "ContentMissing", loaded)
        elif content.is_too_large:
            row["content_status"] = TOO_LARGE
        else:
            row.update(content.keep())
            row["content_status"] = LOADED
            loaded.size += len(row["content"] or "")

    def _describe(self, row: Record, told: dict[str, Any]) -> None:
        row["item_class"] = told["item_class"] or row["item_class"]
        row["item_subject"] = told["item_subject"] or row["item_subject"]

    def _take_code(self, wanted: Wanted, code: str, loaded: Loaded) -> None:
        """Decide what a code means: an attachment that is gone is told by the feed, if its item has changed."""
        if is_gone(code) and not self._is_as_it_was():
            wanted.row["content_status"] = GONE
            return
        if may_be_the_stores(code):
            self._is_as_it_was()
        if wanted.kind == "item":
            self._ask_without_content(wanted)
        self._fail(wanted.row, code, loaded)

    def _take_failure(self, group: Sequence[Wanted], error: ExchangeError, loaded: Loaded) -> None:
        """Find by asking alone which one makes a request fail; when the server does not give the item either, raise."""
        if len(group) > 1:
            for one in group:
                self._ask([one], loaded)
            return
        (wanted,) = group
        if isinstance(error, RequestTooBig) and not took_too_long(error.code):
            wanted.row["content_status"] = TOO_LARGE
        else:
            self._is_as_it_was()
            self._fail(wanted.row, error.code, loaded)
        loaded.rows.append(self._as_row(wanted.row))

    def _ask_without_content(self, wanted: Wanted) -> None:
        """Ask for an attached item's class and subject alone, where its MIME form cannot be made."""
        try:
            (answer,) = self.wire.get_attachments([wanted.attachment_id], _refuse, kind="item_alone", tries=1)
        except FAILS_AS_A_WHOLE:
            return
        if answer.record is not None:
            self._describe(wanted.row, answer.record)

    def _is_as_it_was(self) -> bool:
        """Tell whether the item is unchanged, as far as one can; raises when it is not found, or nothing answers."""
        least = shape("other_items", (), settings=ContentSettings())
        (answer,) = self.wire.get_items([self.change.item_id], least.without(least.columns))
        if is_gone(answer.code):
            raise _ItemGoneError
        return answer.record is None or bool(answer.record["change_key"] == self.item["change_key"])


class _ItemGoneError(Exception):
    """The item is not found any more: deleted, which the feed will tell, or not found for now."""


def _together(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Yield what is asked for in one request: files up to a size; each attached item alone, and what tells no size."""
    group: list[Wanted] = []
    size = 0
    for one in wanted:
        if one.kind == "file" and one.size:
            if group and size + one.size > TOGETHER:
                yield group
                group, size = [], 0
            group.append(one)
            size += one.size
        else:
            yield [one]
    if group:
        yield group


def _refuse(_attachment_id: str) -> Taken:
    """Take nothing of a content that was not asked for."""
    return Taken(InRow(), 0)
