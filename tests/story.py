"""Tell what runs of the tap write: the rows of a story, in the order in which they would be written.

    story = Story()
    story.run()                               # begins from the last durable state, or from none
    inbox = story.folder("Inbox")
    letter = story.item(inbox, subject="Hello")
    story.state()                             # a STATE that the loader makes durable
    story.item(inbox)                         # written, and lost with its page if the run is killed
    story.run()                               # so the next one resumes from the state above

Every write is a second later than the one before. Nothing here knows the tap: the columns are those
of the schemas, the rules those of the design.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from tap_exchange.resources import ITEM_STREAMS

RESET_STREAMS = (*ITEM_STREAMS, "attachments", "calendar_view", "listed_items")
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Story:
    """The rows that runs over one mailbox write; `rows` has them all, each with its stream."""

    mailbox: str = "anna@example.com"
    store: str = "primary"
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    now: datetime = datetime(2026, 3, 29, 0, 30)  # noqa: DTZ001 - UTC, as the tables have it
    feed_id: str | None = None
    durable: datetime | None = None  # as_of of the state that the next run begins with
    hierarchy_reset_at: datetime | None = None
    resets: dict[str, dict[str, str]] = field(default_factory=dict)  # by folder, then by stream
    listed_at: dict[str, datetime] = field(default_factory=dict)
    viewed_at: dict[str, datetime] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def tick(self) -> datetime:
        """Let a second pass and return the time."""
        self.now += SECOND
        return self.now

    def write(self, stream: str, /, **row: object) -> dict[str, Any]:
        """Write a row of a stream as the tap does: with mailbox, store, feed and time."""
        own = {} if stream == "sync_runs" else {"mailbox": self.mailbox, "store": self.store}
        written = {**own, "feed_id": self.feed_id, "synced_at": self.tick(), **row}
        self.rows.append((stream, written))
        return written

    def run(self) -> str:
        """Begin a run: from the durable state or, without one, a new lineage that starts all over."""
        began = self.tick()
        fresh = self.durable is None
        if fresh:
            self.feed_id = f"{next(self._numbers):012x}"
            self.resets = {}
            self.hierarchy_reset_at = began
        run_id = f"run-{next(self._numbers)}"
        self.write("sync_runs", run_id=run_id, began_at=began, resumed_from=self.durable)
        self.mailboxes()
        return run_id

    def mailboxes(self, **columns: object) -> None:
        """Write the mailbox's row."""
        self.write("mailboxes", hierarchy_reset_at=self.hierarchy_reset_at, **columns)

    def state(self) -> None:
        """Let a STATE become durable: it covers all that is written so far."""
        self.durable = self.now

    def forget(self) -> None:
        """Lose the state: the next run begins without one."""
        self.durable = None

    def folder(self, name: str, *, folder_key: str | None = None, origin: str = "feed", **columns: object) -> str:
        """Write a folder's row and its sync; new to the lineage, the folder starts over. Return its key."""
        key = folder_key or self.key(name)
        self.write("folders", folder_key=key, folder_id=name, name=name, path=name, origin=origin, **columns)
        if key not in self.resets:
            self.start_over(key)
        else:
            self.sync(key)
        return key

    def start_over(self, folder: str, *streams: str) -> None:
        """Start a folder over: what was written before is void, in all streams of its items or in these."""
        at = self.tick().isoformat(timespec="microseconds") + "Z"
        self.resets[folder] = self.resets.get(folder, {}) | dict.fromkeys(streams or RESET_STREAMS, at)
        self.sync(folder)

    def start_hierarchy_over(self) -> None:
        """Start the hierarchy over: folders that are not written again are gone."""
        self.hierarchy_reset_at = self.tick()
        self.mailboxes()

    def sync(self, folder: str, **columns: object) -> None:
        """Write a folder's sync as it stands."""
        facts = {
            "status": "finished",
            "resets": self.resets.get(folder, {}),
            "listed_at": self.listed_at.get(folder),
            "viewed_at": self.viewed_at.get(folder),
        }
        self.write("folder_syncs", folder_key=folder, **facts | columns)

    def item(
        self,
        folder: str,
        stream: str = "messages",
        *,
        item_key: str | None = None,
        change: str = "create",
        origin: str = "feed",
        **columns: object,
    ) -> str:
        """Write an item's row and the change that brought it; return its key."""
        key = item_key or self.key(f"item {next(self._numbers)}")
        where = {"folder_key": folder, "item_key": key, "item_id": f"id of {key}", "origin": origin}
        self.write(stream, **where, **columns)
        self.write("item_changes", **where, change_type=change, stream=stream, has_row=True)
        return key

    def change(self, folder: str, item: str, change: str, /, *, origin: str = "feed", **columns: object) -> None:
        """Write a change without a row: delete, out_of_scope, read_flag, or one that could not be loaded."""
        self.write("item_changes", folder_key=folder, item_key=item, change_type=change, origin=origin, **columns)

    def listing(self, folder: str, *items: str) -> None:
        """List a folder without a feed: all of its members, then its sync with the listing's stamp."""
        at = self.tick()
        for item in items:
            self.write("listed_items", folder_key=folder, item_key=item, listed_at=at)
        self.listed_at[folder] = at
        self.sync(folder, status="listed")

    def view(self, folder: str, *occurrences: str) -> None:
        """Take a calendar's view: all of its occurrences, then its sync with the view's stamp."""
        at = self.tick()
        for occurrence in occurrences:
            self.write("calendar_view", folder_key=folder, item_key=occurrence, viewed_at=at, origin="fill")
        self.viewed_at[folder] = at
        self.sync(folder)

    def key(self, name: str) -> str:
        """Return the surrogate key of something with this id."""
        return blake2b(f"{self.mailbox}\0{name}".encode(), digest_size=16).hexdigest()
