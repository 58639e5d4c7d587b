"""What the user selected: item streams, their columns and how content is asked for; and what that makes stale."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tap_exchange.ews.shapes import BODIES, ContentSettings, Shape, shape, stream_of
from tap_exchange.sync.files import FileStore, without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ATTACHMENTS = "attachments"
"""A stream, and the column of each item stream that tells what it is made from."""

BODY_COLUMNS = BODIES | {"unique_body", "text_body", "normalized_body"}


@dataclass(frozen=True, slots=True)
class AttachmentChoice:
    """How attachments are wanted: their metadata, or with contents up to a size, in rows or in a folder's files."""

    content: bool = False
    max_bytes: int = 0
    folder: str | None = None
    files: FileStore | None = field(default=None, compare=False, repr=False)
    """The folder, opened."""

    def to_state(self) -> dict[str, Any]:
        """Return the choice as it is kept in the state; an address is kept without what stands before an `@`."""
        if not self.content:
            return {"content": False}
        folder = None if self.folder is None else without_password(self.folder)
        return {"content": True, "max_bytes": self.max_bytes, "folder": folder}


VIEW = "calendar_view"
NEEDED = frozenset({"uid", "calendar_item_type", "original_start", "recurrence_id", "start_time"})
"""Columns that occurrences are asked for whether they are selected or not: they tell series and original start."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected item streams with the columns that are asked of the server, and the content settings."""

    columns: Mapping[str, frozenset[str]]
    content: ContentSettings
    streams: frozenset[str]
    """Every selected stream, those that the tap writes about itself among them."""
    attachments: AttachmentChoice | None = None
    view: frozenset[str] | None = None
    """The selected columns of calendar_view, None when the stream is not selected."""

    def shape(self, stream: str) -> Shape | None:
        """Return the shape that a stream's items are asked in, or None when the stream is not selected."""
        columns = self.columns.get(stream)
        if columns is None:
            return None
        if self.attachments is not None:
            columns |= {ATTACHMENTS}
        return shape(stream, columns, settings=self.content)

    def hides_attachments(self, stream: str) -> bool:
        """Return whether an item's attachments are asked for as rows, and not as a column of its own."""
        return self.attachments is not None and ATTACHMENTS not in self.columns[stream]

    def view_shape(self) -> Shape | None:
        """Return the shape that occurrences are asked in, or None when calendar_view is not selected."""
        return None if self.view is None else shape(VIEW, self.view | NEEDED, settings=self.content)

    def stream_of(self, element: str | None) -> str:
        """Return the stream of an EWS element; whatever has no table of its own is in other_items."""
        return stream_of(element or "Item")

    def to_state(self) -> dict[str, Any]:
        """Return the selection as it is kept in the state."""
        return {
            "streams": {stream: sorted(columns) for stream, columns in sorted(self.columns.items())},
            "content": {stream: self._content_of(stream) for stream in sorted(self.columns)},
            "attachments": None if self.attachments is None else self.attachments.to_state(),
        }

    def version_of(self, stream: str) -> str:
        """Return what stands for how a selected stream's items are asked for: when it moves they are loaded again."""
        attachments = None if self.attachments is None else self.attachments.to_state()
        return fingerprint([sorted(self.columns[stream]), self._content_of(stream), attachments])

    def stale_streams(self, old: Mapping[str, Any] | None) -> frozenset[str]:
        """Return the streams whose rows an older selection does not cover.

        Those selected since, those with columns selected since, those whose content is asked for in another way.
        Attachments belong to a load of their item: when they are asked for in another way, all items are loaded.
        """
        if old is None:
            return frozenset(self.columns)
        if self.attachments is not None and self.attachments.to_state() != old.get("attachments"):
            return frozenset(self.columns) | {ATTACHMENTS}
        return frozenset(stream for stream in self.columns if self._is_stale(stream, old))

    def filled_with(self, streams: Iterable[str]) -> frozenset[str]:
        """Return the streams of a fill that are selected; with attachments, those of all items."""
        filled = frozenset(streams)
        if ATTACHMENTS in filled and self.attachments is not None:
            return frozenset(self.columns) | {ATTACHMENTS}
        return filled & self.columns.keys()

    def _is_stale(self, stream: str, old: Mapping[str, Any]) -> bool:
        columns = old["streams"].get(stream)
        if columns is None or not self.columns[stream] <= set(columns):
            return True
        before = old["content"].get(stream, {})
        return any(before.get(name) != value for name, value in self._content_of(stream).items())

    def _content_of(self, stream: str) -> dict[str, Any]:
        """Return the settings that decide what the stream's columns hold, each under a name of its own."""
        columns, content = self.columns[stream], self.content
        decided: dict[str, Any] = {}
        if not columns.isdisjoint(BODY_COLUMNS):
            decided["body_type"] = content.body_type
            decided["body_max_bytes"] = content.body_max_bytes
        for entry in content.extended_properties:
            if stream in entry.streams and entry.column in columns:
                decided[f"extended.{entry.column}"] = entry.path.xml
        return decided


def fingerprint(kept: object) -> str:
    """Return 12 hex digits that stand for something kept in the state, such as the selection of folders' bookmarks."""
    return blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=6).hexdigest()


def common(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return, as it is kept in the state, what rows hold for sure that were loaded by one or the other selection.

    It has the streams of both with the columns of both, but no stream whose content they ask for in different ways.
    """
    streams: dict[str, list[str]] = {}
    content: dict[str, dict[str, Any]] = {}
    for stream in one["streams"].keys() & other["streams"].keys():
        decided, others = one["content"][stream], other["content"][stream]
        both = decided.keys() & others.keys()
        if all(decided[name] == others[name] for name in both):
            streams[stream] = sorted(set(one["streams"][stream]) & set(other["streams"][stream]))
            content[stream] = {name: decided[name] for name in both}
    attachments = one["attachments"] if one["attachments"] == other["attachments"] else None
    return {"streams": streams, "content": content, "attachments": attachments}
