"""What notifications tell: which folders have news since the run before, so that only those are asked.

A subscription serves one reading. A run subscribes anew before it syncs anything, so that no change falls between;
reads the old subscription to its end, ends it, and keeps the new one in the bookmark together with what is due.
A folder stays `due` in its mark until its feed was followed to the end, in whichever run that is. Whatever goes
wrong with a subscription, everything is due, as without notifications.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews import events as wire
from tap_exchange.ews.errors import SurvivableError
from tap_exchange.sync.calendar import is_due
from tap_exchange.sync.dates import Since
from tap_exchange.sync.page import Page
from tap_exchange.sync.scoped import reaches_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.sync.bookmarks import FolderMark, StoreMark, SubscriptionMark
    from tap_exchange.sync.store import StoreSync

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What is due: the hierarchy, and the folders of the ids, or every folder."""

    hierarchy: bool = True
    folders: frozenset[str] = frozenset()
    everything: bool = True
    again: bool = True
    """Whether what is pending in the folders is tried again: an event of other items is no reason to."""

    def with_more(self, other: News) -> News:
        """Return this news and another's."""
        return News(
            self.hierarchy or other.hierarchy,
            self.folders | other.folders,
            self.everything or other.everything,
            self.again or other.again,
        )

    def names(self, folder_id: str) -> bool:
        """Return whether a folder is to be asked."""
        return self.everything or folder_id in self.folders


EVERYTHING = News()


def news_of(events: Iterable[wire.Event]) -> News:
    """Return what events name: an item's, its folders; a folder's, the folder and the hierarchy."""
    told = list(events)
    return News(
        hierarchy=any(event.of_folder for event in told),
        folders=frozenset(folder for event in told for folder in event.folders),
        everything=False,
        again=False,
    )


async def can_subscribe(store: StoreSync) -> bool:
    r"""Return whether a subscription to all folders is one to this store.

    It is to the primary store of the mailbox that requests act as: not to a delegate's other mailboxes. Where the user
    name does not tell whose mailbox it is (`DOMAIN\user`, a ticket, a token), its root folder does, once a run has
    read it.
    """
    settings = store.run.settings
    if store.name != "primary" or settings.impersonate:
        return store.name == "primary"
    if (settings.username or "").casefold() in {store.mailbox.casefold(), store.wire.address.casefold()}:
        return True
    return "root" in store.mark and await store.run.own_root(store.wire) == store.mark["root"]


async def pull(store: StoreSync) -> News:
    """Read what happened since the run before, and leave a subscription for the next; returns what is due."""
    mark = store.mark
    old = mark.get("subscription")
    new = await _subscribe(store)
    news = EVERYTHING
    if old is not None:
        if not full_check_due(mark, store.run.settings.full_check_hours) and "hierarchy" in mark:
            news = await _read(store, old)
        await _quietly(store, partial(wire.unsubscribe, store.wire, old["id"]))
    await store.run.begin()
    await _adopt(store, new, news)
    return replace(news, hierarchy=news.hierarchy or mark.get("hierarchy_due", False) or _scope_moved(store))


async def end_subscription(store: StoreSync) -> None:
    """End what an earlier run left, in a run that does not read it.

    Should this run's STATE be lost, the next one must ask every folder: what was written of each is to be written anew.
    """
    old = store.mark.get("subscription")
    if old is None:
        return
    await _quietly(store, partial(wire.unsubscribe, store.wire, old["id"]))
    await store.run.begin()

    def advance() -> None:
        store.mark.pop("subscription", None)

    await (await store.run.conveyor.put(Page(advance=advance)))


def _scope_moved(store: StoreSync) -> bool:
    """Return whether the user's patterns leave out other folders than in the run before."""
    folders = store.mark["folders"]
    return any(bool(mark.get("excluded")) != store.run.scope.excludes(key, folders) for key, mark in folders.items())


def has_work(mark: FolderMark, store: StoreSync) -> bool:
    """Return whether a folder is to be asked whatever the events say."""
    return bool(
        mark.get("due")
        or "sync_state" not in mark
        or mark.get("pending")
        or mark.get("ignored")
        or mark.get("listed_at")
        or "listing" in mark
        or mark.get("selection") != store.run.fingerprint
        or mark.get("filling")
        or reaches_elsewhere(mark, Since(store.run.settings.start_date))
        or is_due(store.run, mark)
    )


def full_check_due(mark: StoreMark, hours: float) -> bool:
    """Return whether the last run that asked every folder is so many hours ago."""
    checked = mark.get("checked_at")
    if checked is None:
        return True
    then = datetime.fromisoformat(checked.replace("Z", "+00:00"))
    return datetime.now(timezone.utc) - then >= timedelta(hours=hours)


async def _subscribe(store: StoreSync) -> wire.Subscription | None:
    try:
        return await store.run.conveyor.call(wire.subscribe_pull, store.wire)
    except SurvivableError as error:
        store.warn(f"No subscription ({error.code}): the next run asks every folder.")
        return None


async def _read(store: StoreSync, old: SubscriptionMark) -> News:
    """Read a subscription to its end; anything odd means everything.

    An answer that does not begin at our watermark may be the second reading of a subscription, by a run that was
    killed since: what the first one read is gone.
    """
    events: list[wire.Event] = []
    watermark = old["watermark"]
    while True:
        try:
            page = await store.run.conveyor.call(wire.get_events, store.wire, old["id"], watermark)
        except SurvivableError as error:
            logger.info("The subscription cannot be read (%s): every folder is asked.", error.code)
            return EVERYTHING
        begins_well = page.previous in {None, watermark} and page.subscription == old["id"]
        if not page.understood or not begins_well or (page.more and page.watermark in {None, watermark}):
            logger.info("The subscription tells something unexpected: every folder is asked.")
            return EVERYTHING
        events += page.events
        if not page.more:
            return news_of(events)
        watermark = page.watermark or watermark


async def _adopt(store: StoreSync, new: wire.Subscription | None, news: News) -> None:
    """Keep the new subscription, and with it, in the same STATE, what it does not cover."""

    def advance() -> None:
        mark = store.mark
        if new is not None and new.watermark is not None:
            mark["subscription"] = {"id": new.id, "watermark": new.watermark}
        else:
            mark.pop("subscription", None)
        if news.hierarchy:
            mark["hierarchy_due"] = True
        for folder_id, folder in mark["folders"].items():
            if news.names(folder_id):
                folder["due"] = True

    await (await store.run.conveyor.put(Page(advance=advance)))


async def _quietly(store: StoreSync, call: partial[None]) -> None:
    try:
        await store.run.conveyor.call(call)
    except SurvivableError as error:
        logger.debug("An old subscription could not be ended: %s", error.code)
