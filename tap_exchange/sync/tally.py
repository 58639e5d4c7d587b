"""What a folder's sync came to: counts, and the row of folder_syncs that tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_exchange.resources import ITEM_STREAMS
from tap_exchange.sync.page import Place, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_exchange.sync.bookmarks import FolderMark

EVERY = "*"
"""In a mark's `resets`: every stream that has no time of its own."""

RESET_STREAMS = (*ITEM_STREAMS, "attachments", "calendar_view", "listed_items")


@dataclass(slots=True)
class Tally:
    """Counts of one folder in one run."""

    changes: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    read_flags: int = 0
    out_of_scope: int = 0
    loaded: int = 0
    corrupt: int = 0
    not_found: int = 0
    requests: int = 0
    throttled_seconds: float = 0.0
    page_size: int | None = None
    """The smallest page that was asked for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a folder stands: `status` is running, finished, partial, failed, skipped, listed or gone."""

    status: str
    code: str | None = None
    message: str | None = None


def resets_of(mark: FolderMark) -> dict[str, str]:
    """Return for each stream the time before which this folder's rows are void."""
    resets = mark.get("resets", {})
    default = resets.get(EVERY)
    return {stream: stamp for stream in RESET_STREAMS if (stamp := resets.get(stream, default)) is not None}


def folder_sync_row(
    place: Place,
    mark: FolderMark,
    tally: Tally,
    outcome: Outcome,
    times: Mapping[str, str | None],
    run_id: str,
) -> Row:
    """Return the row of folder_syncs; `times` holds started_at and ended_at."""
    return Row(
        "folder_syncs",
        {
            **place.columns(),
            "folder_id": place.folder_id,
            "run_id": run_id,
            "status": outcome.status,
            "code": outcome.code,
            "message": outcome.message,
            "changes": tally.changes,
            "created": tally.created,
            "updated": tally.updated,
            "deleted": tally.deleted,
            "read_flags": tally.read_flags,
            "loaded": tally.loaded,
            "corrupt": tally.corrupt,
            "not_found": tally.not_found,
            "pending": len(mark.get("pending", ())),
            "requests": tally.requests,
            "throttled_seconds": round(tally.throttled_seconds, 3),
            "page_size": tally.page_size,
            "ignored_items": len(mark.get("ignored", ())),
            "resets": resets_of(mark),
            "listed_at": mark.get("listed_at"),
            "viewed_at": mark.get("viewed_at"),
            **times,
        },
    )
