"""What the user selected: item streams, their columns and how content is asked for; and what that makes stale."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tap_exchange.ews.shapes import ContentSettings, Shape, shape, stream_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ITEM_STREAMS = (
    "messages",
    "meeting_messages",
    "calendar_items",
    "contacts",
    "distribution_lists",
    "tasks",
    "posts",
    "other_items",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected item streams with the columns that are asked of the server, and the content settings."""

    columns: Mapping[str, frozenset[str]]
    content: ContentSettings
    streams: frozenset[str]
    """Every selected stream, those that the tap writes about itself among them."""

    def shape(self, stream: str) -> Shape | None:
        """Return the shape that a stream's items are asked in, or None when the stream is not selected."""
        columns = self.columns.get(stream)
        return None if columns is None else shape(stream, columns, settings=self.content)

    def stream_of(self, element: str | None) -> str:
        """Return the stream of an EWS element; whatever has no table of its own is in other_items."""
        return str(stream_of(element or "Item"))

    def to_state(self) -> dict[str, Any]:
        """Return the selection as it is kept in the state."""
        return {
            "streams": {stream: sorted(columns) for stream, columns in sorted(self.columns.items())},
            "content": json.loads(json.dumps(asdict(self.content), default=str)),
        }

    def fingerprint(self) -> str:
        """Return 12 hex digits that stand for `to_state()` in each folder's bookmark."""
        text = json.dumps(self.to_state(), sort_keys=True)
        return blake2b(text.encode(), digest_size=6).hexdigest()

    def stale_streams(self, old: Mapping[str, Any] | None) -> frozenset[str]:
        """Return the streams whose rows an older selection does not cover.

        Those selected since, those with columns selected since, and all when content is asked for in another way.
        """
        if old is None or old["content"] != self.to_state()["content"]:
            return frozenset(self.columns)
        return frozenset(
            stream
            for stream, columns in self.columns.items()
            if not columns <= set(old["streams"].get(stream, ())) or stream not in old["streams"]
        )
