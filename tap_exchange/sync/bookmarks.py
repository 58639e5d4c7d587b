"""The bookmarks: what a run leaves for the next one, under a name that no stream has.

`bookmarks._feeds` of the Singer state holds

    _tap                 version, shard, feed (the lineage's identity), as_of, addresses, unresolved, selections
    <mailbox> <store>    root, hierarchy (sync state), reset_at, folders: {folder id: FolderMark}

A folder's mark moves only after every record of the page it stands for is written.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, TypedDict

from tap_exchange.ews.answers import ItemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_exchange.sync.clock import Clock

NAME = "_feeds"
VERSION = 1

Pending = tuple[str, str, str, ItemKind, int]
"""An item to be tried again: id, change key, element, change type, runs that tried."""


class CorruptMark(TypedDict):
    """An item with a row in corrupt_items that is not resolved."""

    stage: str
    first: str
    attempts: int
    code: str


class DatesMark(TypedDict, total=False):
    """How far back the tables reach in a folder of which only recent items are wanted; see `scoped`."""

    since: str
    lowest: str
    after: str
    undated: str


class FolderMark(TypedDict, total=False):
    """What is known of one folder of the hierarchy, synced or not; the names are short since STATE is written often."""

    # The folder itself.
    parent: str
    name: str
    type: str  # the EWS element
    cls: str | None  # the folder class, IPF.Note
    dn: str | None  # the distinguished name
    top: bool  # it is the root
    content: str  # the address of the public folder mailbox that holds its items
    count: int  # items in it, as the server last told
    excluded: str  # when it was left out

    # What the next run owes it.
    due: bool  # to be asked whatever notifications say
    owed: bool  # its row of folders is to be written anew, since its counts moved
    unread: bool  # its properties could not be read and are asked for again

    # Its feed.
    sync_state: str
    selection: str  # fingerprint of the selection that its rows hold at least
    filling: list[str]  # streams whose rows are void until a fill that was begun is done
    resets: dict[str, str]  # by stream, up to when rows are void
    fed: list[str]  # streams that it has rows in
    dates: DatesMark
    pending: list[Pending]
    corrupt: dict[str, CorruptMark]
    ignored: dict[str, list[str]]  # items that break the feed: change key and element by id

    broken: str  # the code with which the feed failed whatever was asked: now asked once in a run

    # Its listing, where it has no feed.
    listed: str  # packed hashes of the versions that are loaded
    listing: list[str]  # those that a listing under way has loaded since, page by page
    listed_at: str
    probe: str  # what decided about its contents when it was listed
    modified: str  # the latest change of an item in it, as far as it is listed
    seen: str  # hash of a search folder's own row

    # Its calendar view.
    view: str  # what the view is true for
    viewed_at: str
    view_tried: str  # what a view was taken for that lacked an occurrence
    view_corrupt: dict[str, CorruptMark]


class SubscriptionMark(TypedDict):
    """The subscription that a run left for the next."""

    id: str
    watermark: str


class StoreMark(TypedDict, total=False):
    """One store of one mailbox."""

    subscription: SubscriptionMark
    checked_at: str
    hierarchy_due: bool
    names_due: bool

    root: str
    hierarchy: str
    reset_at: str
    folders: dict[str, FolderMark]
    personal: dict[str, list[str]]
    left: str


class StateRefusedError(Exception):
    """The given state is damaged, or another shard's, version's or tap's; nothing was read or written."""


class Bookmarks:
    """The state as a typed dictionary; `value()` is what STATE carries."""

    def __init__(self, feeds: dict[str, Any], *, begun_anew: bool) -> None:
        """Hold the feeds of a state that was checked; see `open_bookmarks`."""
        self._feeds = feeds
        self.begun_anew = begun_anew

    @property
    def feed_id(self) -> str:
        """The 12 hex digits of this state's lineage."""
        return str(self._feeds["_tap"]["feed"])

    @property
    def as_of(self) -> str:
        """When the last finished page ended that this state covers."""
        return str(self._feeds["_tap"]["as_of"])

    @as_of.setter
    def as_of(self, stamp: str) -> None:
        self._feeds["_tap"]["as_of"] = stamp

    def store(self, mailbox: str, store: str) -> StoreMark:
        """Return the mark of a store, made when there is none."""
        mark: StoreMark = self._feeds.setdefault(mailbox, {}).setdefault(store, {})
        mark.setdefault("folders", {})
        return mark

    def stores(self) -> list[tuple[str, str, StoreMark]]:
        """Return every mailbox and store with its mark."""
        return [
            (mailbox, store, mark)
            for mailbox, stores in self._feeds.items()
            if mailbox != "_tap"
            for store, mark in stores.items()
        ]

    @property
    def addresses(self) -> dict[str, str]:
        """The primary addresses that the server resolved, by the address that the user gave."""
        addresses: dict[str, str] = self._feeds["_tap"].setdefault("addresses", {})
        return addresses

    @property
    def unresolved(self) -> list[str]:
        """The addresses that the server did not resolve, and that are asked for once more."""
        unresolved: list[str] = self._feeds["_tap"].setdefault("unresolved", [])
        return unresolved

    @property
    def rooms(self) -> list[str]:
        """The rooms that were written, each as its list and its address."""
        rooms: list[str] = self._feeds["_tap"].setdefault("rooms", [])
        return rooms

    def selection(self, fingerprint: str | None) -> Mapping[str, Any] | None:
        """Return the selection that a folder's mark is true for."""
        selections: dict[str, Any] = self._feeds["_tap"].get("selections", {})
        return selections.get(fingerprint) if fingerprint else None

    def keep_selection(self, fingerprint: str, selection: Mapping[str, Any]) -> None:
        """Keep a selection for the folders that will name it."""
        self._feeds["_tap"].setdefault("selections", {})[fingerprint] = selection

    def drop_selections(self) -> None:
        """Drop the selections that no folder names any more."""
        selections = self._feeds["_tap"].setdefault("selections", {})
        named = {mark.get("selection") for _, _, store in self.stores() for mark in store.get("folders", {}).values()}
        for old in set(selections) - named:
            del selections[old]

    def value(self) -> dict[str, Any]:
        """Return the Singer state."""
        return {"bookmarks": {NAME: self._feeds}}


def open_bookmarks(feeds: dict[str, Any] | None, shard: tuple[int, int] | None, clock: Clock) -> Bookmarks:
    """Check and open the feeds of a given state, or begin a new lineage.

    `shard` is (index, count) or None. Raises StateRefusedError.
    """
    wanted = list(shard) if shard else None
    if not feeds:
        begun = {"version": VERSION, "shard": wanted, "feed": secrets.token_hex(6), "as_of": clock.stamp()}
        return Bookmarks({"_tap": begun}, begun_anew=True)
    tap: Any = feeds.get("_tap")
    if not isinstance(tap, dict) or not {"version", "feed", "as_of"} <= tap.keys():
        raise StateRefusedError("The state was not written by tap-exchange: remove it, or give the right one.")
    if tap["version"] != VERSION:
        raise StateRefusedError(
            f"The state has version {tap['version']}, this tap-exchange reads version {VERSION}: "
            "use the release that wrote it, or remove the state to load everything again."
        )
    if tap.get("shard") != wanted:
        raise StateRefusedError(
            f"The state belongs to {_shard_name(tap.get('shard'))}, this run is {_shard_name(wanted)}: "
            "give each shard its own state (with Meltano, its own --state-id-suffix)."
        )
    return Bookmarks(dict(feeds), begun_anew=False)


def _shard_name(shard: list[int] | None) -> str:
    return f"shard {shard[0]} of {shard[1]}" if shard else "a run without shards"
