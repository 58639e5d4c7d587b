"""What travels through the engine: rows, loads and the page that holds them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_exchange.sync.keys import surrogate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from tap_exchange.ews.answers import ItemChange

Record = dict[str, Any]


class Row(NamedTuple):
    """A record and the stream it belongs to; the writer adds `feed_id` and `synced_at`.

    A row of something within an item names the item's record in `within`, which is written before it: the writer
    notes that one's `synced_at` as `item_synced_at`. In `packed` stands the record as JSON where a worker has made it
    already; `record` then holds only those columns that rows within the item read.
    """

    stream: str
    record: Record
    within: Record | None = None
    packed: bytes | None = None


Pack = Callable[[str, Record], "bytes | None"]
"""Turns a stream's record into the bytes to write, on the worker that made it and has it in its caches; None: not yet.

Nothing is put into a packed record any more but what the writer adds.
"""


def unpacked(_stream: str, _record: Record) -> bytes | None:
    """Leave a record to the writer."""
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: its mailbox, store and folder."""

    mailbox: str
    store: str
    folder_id: str
    folder_key: str

    @classmethod
    def of(cls, mailbox: str, store: str, folder_id: str) -> Place:
        """Return the place of a folder."""
        return cls(mailbox, store, folder_id, surrogate(mailbox, folder_id))

    def columns(self) -> Record:
        """Return the columns that every row of this folder begins with."""
        return {"mailbox": self.mailbox, "store": self.store, "folder_key": self.folder_key}

    def key(self, item_id: str) -> str:
        """Return an item's key."""
        return surrogate(self.mailbox, item_id)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """An item that could not be read whole, and what was missing when it was tried."""

    change: ItemChange
    stream: str
    stage: str
    code: str
    message: str
    missing: tuple[str, ...]
    salvaged: bool
    doubt: str = ""
    """Why the answers about it were not believed, when that is what failed."""


@dataclass(frozen=True, slots=True)
class BadAttachment:
    """An attachment that could not be read, while its item could."""

    change: ItemChange
    attachment_key: str
    code: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A load that another one led to, such as the contents of attachments; it holds about `size` bytes when done."""

    run: Callable[[], Loaded]
    size: int


@dataclass(slots=True)
class Loaded:
    """What one batch came to: each change is in rows, not_found, corrupt, suspects, failed, out_of_scope or undated.

    A salvaged item has its row and stands in `corrupt` too. `size` is in bytes as received. What follows it is
    loaded next and written right behind it; `bad_attachments` are of items that are loaded here or were before.
    """

    rows: list[Row] = field(default_factory=list)
    loaded: list[ItemChange] = field(default_factory=list)
    not_found: list[ItemChange] = field(default_factory=list)
    corrupt: list[Corrupt] = field(default_factory=list)
    suspects: list[Corrupt] = field(default_factory=list)
    """Items whose requests failed as a whole, or say that their store is out: corrupt, or the server was in trouble."""
    failed: list[ItemChange] = field(default_factory=list)
    bad_attachments: list[BadAttachment] = field(default_factory=list)
    out_of_scope: list[ItemChange] = field(default_factory=list)
    """Items that are older than wanted."""
    undated: list[ItemChange] = field(default_factory=list)
    """Items of which it could not be told whether they are: they are loaded next."""
    follow_ups: list[FollowUp] = field(default_factory=list)
    error: Exception | None = None
    size: int = 0


def no_rows() -> Iterable[Row]:
    """Return no row."""
    return ()


async def no_loads() -> Iterable[Callable[[], Loaded]]:
    """Return no load."""
    return ()


async def nothing_to_settle() -> Iterable[Row]:
    """Return no row."""
    return ()


@dataclass(slots=True)
class Page:
    """One page of changes, the unit of truth: the bookmark moves after its last record, or not at all.

    `opening` rows are made as the page is begun, `take` turns a loaded batch into rows, `look_again` gives the
    loads that its outcome calls for, `settle` runs after the last of them and may ask the server again, `advance`
    moves the bookmark. All are called by the writing thread.
    """

    opening: Callable[[], Iterable[Row]] = no_rows
    loads: list[Callable[[], Loaded]] = field(default_factory=list)
    take: Callable[[Loaded], Iterable[Row]] = lambda loaded: loaded.rows
    look_again: Callable[[], Awaitable[Iterable[Callable[[], Loaded]]]] = no_loads
    settle: Callable[[], Awaitable[Iterable[Row]]] = nothing_to_settle
    advance: Callable[[], None] = lambda: None
    counts: bool = True
    """Whether its end is a new `as_of`: false for rows that stand for themselves, such as those of sync_runs."""
