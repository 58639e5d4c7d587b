"""A long listing read page by page, while the folder changes below it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews import ask
from tap_exchange.ews.errors import ExchangeError
from tap_exchange.sync.dates import CREATED, created_from, listing_shape
from tap_exchange.sync.listing import OLDEST_FIRST
from tap_exchange.sync.windows import NoListingError, lists_nothing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tap_exchange.ews.answers import FoundItem
    from tap_exchange.ews.ask import Restriction
    from tap_exchange.sync.folder import FolderSync

REMEMBERED = 20
"""Pages that are looked back to, when items before the next one went away and all behind them moved up."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Some items of a listing, and when the last of them was created: a later listing may begin there."""

    items: list[FoundItem]
    reached: str | None
    is_refused: bool
    """Whether the server refuses the restriction: there are items of any date among them."""


async def listed_pages(
    folder: FolderSync, restriction: Restriction | None, after: str | None = None
) -> AsyncIterator[Listed]:
    """Yield a folder's items oldest first, page by page; `after` is where an earlier listing stopped.

    Each page begins with the last item of the one before. When it does not, items in front of it have left the
    listing: then it is read again from further in front, so that none slips through. Between two pages any time
    may pass. Items may come twice. A server that refuses the restriction is asked for all there is.

    Raises NoListingError when the server lists nothing at all.
    """
    if after is not None:
        newer = created_from(after)
        restriction = newer if restriction is None else ask.all_of(restriction, newer)
    wire, shape = folder.wire, listing_shape()
    recent: deque[set[str]] = deque(maxlen=REMEMBERED)
    offset = step = 0
    is_refused = False
    while True:
        folder.tally.requests += 1
        find = partial(
            wire.find_items,
            folder.place.folder_id,
            offset=offset,
            restriction=restriction,
            order=OLDEST_FIRST,
            shape=shape,
        )
        try:
            page = await folder.store.run.conveyor.call(find)
        except ExchangeError as error:
            if step:
                raise
            if error.unsupported and await lists_nothing(folder):
                text = f"The server lists no items ({error.code}): each item's date is asked for."
                raise NoListingError(text, code=error.code) from error
            if restriction is None or not (error.unsupported or error.splittable):
                raise
            restriction, is_refused = None, True
            continue
        step = max(step, len(page.items), 1)
        if offset and (not page.items or not any(page.items[0].item_id in ids for ids in recent)):
            offset = max(0, offset - step)
            continue
        items = [item for item in page.items if not any(item.item_id in ids for ids in recent)]
        recent.append({item.item_id for item in page.items})
        reached = next((item.record.get(CREATED) for item in reversed(page.items) if item.record), None)
        yield Listed(items, reached, is_refused)
        if page.last or page.next_offset is None or not page.items:
            return
        offset = max(offset + 1, page.next_offset - 1)
