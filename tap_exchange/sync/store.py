"""One store of one mailbox: its root, its hierarchy, its folders side by side, its row in `mailboxes`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import ExchangeError, MailboxError, SurvivableError, TransientError, is_gone
from tap_exchange.ews.faults import Action, action_of
from tap_exchange.ews.routing import routed
from tap_exchange.sync.events import EVERYTHING, News, can_subscribe, end_subscription, has_work, pull
from tap_exchange.sync.fill import IdSet
from tap_exchange.sync.folder import FolderSync
from tap_exchange.sync.hierarchy import gone_row, refresh, sync_hierarchy
from tap_exchange.sync.loader import Loader
from tap_exchange.sync.page import Page, Place, Row
from tap_exchange.sync.personal import write_personal
from tap_exchange.sync.public import PUBLIC, find_public_folders, sync_public
from tap_exchange.sync.scope import WITHOUT_FEED
from tap_exchange.sync.searches import find_searches, list_searches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.sync.bookmarks import FolderMark, StoreMark
    from tap_exchange.sync.folder import Story
    from tap_exchange.sync.run import Run

logger = logging.getLogger(__name__)

SAMPLED_FOLDERS = 8
MOST_FAILED = 3
"""Other folders whose listing fails, until no further one is asked."""
IN_TROUBLE = frozenset({Action.BACK_OFF, Action.QUARANTINE, Action.ASK_LESS, Action.RESEND})

LACKING = frozenset(
    {
        "ErrorArchiveMailboxNotEnabled",
        "ErrorNoPublicFolderReplicaAvailable",
        "ErrorNoPublicFolderServerAvailable",
        "ErrorPublicFolderMailboxDiscoveryFailed",
        "ErrorPublicFolderServerNotFound",
    }
)
"""Codes of a store's root that say there is no such store."""

KEEPS_IDS = (
    "The server lets items keep their ids when they are moved: the tombstone of one that is moved while a run goes on "
    "may delete its row, which comes back when the item changes. Without tombstones the live views show all of them."
)


@dataclass(slots=True)
class StoreSync:
    """Syncs one store of one mailbox; lives for one run."""

    run: Run
    wire: Mailbox
    mailbox: str
    name: str
    mark: StoreMark
    error: ExchangeError | None = None
    known_items: dict[str, str] = field(default_factory=dict)
    folders_failed: int = 0
    again: bool = True
    """Whether what was left pending is tried once more."""
    pending: set[str] = field(default_factory=set)
    """Folders with items that are to be tried once more."""
    counts: dict[str, int] = field(default_factory=dict)
    """Items of each folder whose feed told of changes, by what it told."""
    lacks: bool = False
    """Whether the mailbox has no such store."""
    written: dict[str, IdSet] = field(default_factory=dict)
    """With tombstones, the ids of the items whose rows each folder wrote in this run."""
    keeps_ids: bool = False
    """Whether an item was seen to keep its id as it was moved."""

    async def sync(self, news: News | None = None) -> None:
        """Bring the tables to what the store holds now, or to the `news` of it; an error becomes the mailbox's row."""
        self.again = news is None or news.again
        if news is None or news.everything:
            self.run.totals.forget_failures(self.mailbox, self.name)
        try:
            await self._sync(news)
        except SurvivableError as error:
            await self.leave_out(error)

    async def leave_out(self, error: ExchangeError) -> None:
        """Write the row of a store that cannot be read in this run; one that the mailbox lacks is no failure."""
        if self.lacks:
            self.error = error
            (self.warn if "root" in self.mark else self.tell)(str(error))
        else:
            self.fail(error)
        await self.run.begin()
        await self._put_row()

    def fail(self, error: ExchangeError) -> None:
        """Remember the first error that takes the store out of this run."""
        if self.error is None:
            self.error = error
            self.warn(str(error))
            self.run.totals.failures[self.mailbox, self.name] = str(error)

    def has_failed(self, *folder: str) -> bool:
        """Return whether the store, or a folder of it, failed and was not made good since."""
        return (self.mailbox, self.name, *folder) in self.run.totals.failures

    def left(self) -> News | None:
        """Return what is to be asked once more: what failed or is pending, None when nothing is."""
        failed = [key[2:] for key in self.run.totals.failures if key[:2] == (self.mailbox, self.name)]
        folders = {folder_id for key in failed for folder_id in key if folder_id in self.mark["folders"]}
        if len(folders) < len(failed):
            return EVERYTHING
        folders |= self.pending
        return News(hierarchy=False, folders=frozenset(folders), everything=False) if folders else None

    def must_stop(self) -> bool:
        """Return whether nothing more is to be asked of this store in this run."""
        return self.error is not None or self.run.out_of_time()

    def tell(self, text: str) -> None:
        """Log a line with the mailbox that it is about."""
        logger.info("%s (%s): %s", self.mailbox, self.name, text)

    def warn(self, text: str) -> None:
        """Log a warning with the mailbox that it is about."""
        logger.warning("%s (%s): %s", self.mailbox, self.name, text)

    async def _sync(self, news: News | None) -> None:
        if self.name == PUBLIC:
            await self._sync_public()
            return
        if news is None:
            news = await self._news()
        if news.everything:
            await self._check_root()
        await self.run.begin()
        if news.hierarchy:
            await sync_hierarchy(self)
        await self._put_row()
        searches = await find_searches(self)
        await self._sync_folders(news)
        await list_searches(self, searches)
        await write_personal(self, everything=news.everything)
        if self.error is not None:
            await self._put_row()
        elif news.everything and not self.folders_failed and not self.must_stop() and not self.run.sample:
            await self.run.conveyor.put(Page(advance=self._note_check))

    async def _news(self) -> News:
        """Return what is to be asked: with notifications, what they tell."""
        if self.run.sample:
            return EVERYTHING
        if self.run.settings.notifications == "pull" and await can_subscribe(self):
            return await pull(self)
        await end_subscription(self)
        return EVERYTHING

    def _note_check(self) -> None:
        self.mark["checked_at"] = self.run.clock.stamp()

    async def _sync_public(self) -> None:
        self.wire = routed(self.wire, self.mailbox)
        await self._check_root()
        await self.run.begin()
        await find_public_folders(self)
        await self._put_row()
        todo = [(folder_id, mark) for folder_id, mark in self.mark["folders"].items() if not mark.get("excluded")]
        if self.run.sample:
            todo = one_of_each_type(todo)
        self.run.progress.folders += len(todo)
        await self.run.each(todo, partial(self.sync_folder, story=sync_public))
        if self.error is not None:
            await self._put_row()

    async def _check_root(self) -> None:
        try:
            root = await self.run.conveyor.call(self.wire.root)
        except MailboxError as error:
            self.lacks = self.name != "primary" and is_lacking(error)
            raise
        known = self.mark.get("root")
        if known is not None and known != root.folder_id:
            raise MailboxError(
                f"The state belongs to another {self.name} store of {self.mailbox}: its root folder is not the one "
                "that the server gives now. Was the mailbox made anew? Then take its entry out of the state",
                code="OtherRoot",
            )
        self.mark["root"] = root.folder_id

    async def _sync_folders(self, news: News) -> None:
        """Sync all folders, a few at a time; the first error that ends the store ends them all."""
        todo = [
            (folder_id, mark)
            for folder_id, mark in self.mark["folders"].items()
            if mark.get("type") not in WITHOUT_FEED
            and not mark.get("excluded")
            and (news.names(folder_id) or (has_work(mark, self) and not self._has_left(folder_id)))
        ]
        if self.run.sample:
            todo = one_of_each_type(todo)
        self.run.progress.folders += len(todo)
        self.run.progress.expected += sum(mark.get("count", 0) for _, mark in todo if "sync_state" not in mark)
        await self.run.each(todo, self.sync_folder)
        owed = {key: mark.get("count", 0) for key, mark in self.mark["folders"].items() if mark.get("owed")}
        if self.error is None and not self.run.sample:
            await refresh(self, owed | self.counts)

    async def sync_folder(self, job: tuple[str, FolderMark], story: Story | None = None) -> None:
        """Sync one folder, as its feed or another story tells it."""
        folder_id, mark = job
        if self.must_stop():
            return
        place = Place.of(self.mailbox, self.name, folder_id)
        wire = routed(self.wire, mark["content"]) if "content" in mark else self.wire
        folder = FolderSync(self, place, mark, Loader(wire, place, self.run.selection, self.run.writer.pack))
        self.run.totals.failures.pop((self.mailbox, self.name, folder_id), None)
        await folder.sync(story)
        self.run.progress.end_folder()
        self.run.totals.add(place.folder_key, folder.tally)
        if folder.error is not None:
            self.fail_folder(f"folder {folder.name}: {folder.error}", folder_id)
        if mark.get("pending"):
            self.pending.add(folder_id)
        if has_work(mark, self):
            self.run.left_over.add(place.folder_key)
        if folder.changed:
            self.counts[folder_id] = folder.count

    def _has_left(self, folder_id: str) -> bool:
        """Return whether this run has asked a folder before, and left it with the work that it has."""
        return Place.of(self.mailbox, self.name, folder_id).folder_key in self.run.left_over

    def fail_folder(self, text: str, about: str = "") -> None:
        """Note that a folder, or what `about` names, failed, in words without its name."""
        self.folders_failed += 1
        self.warn(text)
        self.run.totals.failures[self.mailbox, self.name, about or text] = text

    async def is_gone(self, folder_id: str) -> bool:
        """Ask the server for a folder afresh, and return whether it says that there is none."""
        (answer,) = await self.run.conveyor.call(self.wire.get_folders, [folder_id], self.run.folder_shape)
        return answer.record is None and action_of(answer.code or "") in {Action.FOLDER_GONE, Action.ITEM_GONE}

    async def bury(self, place: Place, mark: FolderMark) -> None:
        """Write a folder's tombstone and drop its bookmark."""

        def opening() -> Iterator[Row]:
            yield gone_row(self, place.folder_id, mark)

        def advance() -> None:
            self.mark["folders"].pop(place.folder_id, None)

        await self.run.conveyor.put(Page(opening=opening, advance=advance))

    def note_rows(self, folder_id: str, item_ids: Iterable[str]) -> None:
        """Note that a folder wrote the rows of items: no tombstone of another folder is to meet them."""
        self.written.setdefault(folder_id, IdSet()).update(item_ids)

    def was_moved(self, folder_id: str, item_id: str) -> bool:
        """Return whether another folder wrote the row of an item that left this one, in this run.

        With Exchange it never was: a moved item gets a new id. Servers of other make may let it keep the old one.
        """
        moved = any(item_id in ids for other, ids in self.written.items() if other != folder_id)
        if moved and not self.keeps_ids:
            self.keeps_ids = True
            self.warn(KEEPS_IDS)
        return moved

    async def answers(self, folder_id: str, doubted: Collection[str] = ()) -> bool:
        """Return whether the store gives an item that is known to exist, and is none of the doubted ones.

        Items loaded in this run are asked first, then such as other folders list now, then as this one does. Where
        there is none at all nothing speaks against the answers.
        """
        try:
            return await self._answers(folder_id, doubted)
        except TransientError:  # it was waited for; each further question would be as long once more
            return False

    async def _answers(self, folder_id: str, doubted: Collection[str]) -> bool:
        known = [item for item in self.known_items.values() if item not in doubted][-3:]
        for item_id in known:
            if await self.run.conveyor.call(self._gives, item_id):
                return True
        listed = await self._listed_items(folder_id, doubted)
        if listed is None:
            return False
        for item_id in listed:
            if await self.run.conveyor.call(self._gives, item_id):
                return True
        return not known and not listed

    async def _listed_items(self, folder_id: str, doubted: Collection[str]) -> list[str] | None:
        """Return a few items of another folder, or of this one, as a listing tells them; None when listings fail."""
        holding = [
            other
            for other, mark in self.mark["folders"].items()
            if mark.get("count") and mark.get("type") not in WITHOUT_FEED
        ]
        failed = 0
        for other in sorted(holding, key=lambda other: other == folder_id):
            if failed >= MOST_FAILED and other != folder_id:
                continue
            found = await self.run.conveyor.call(self._lists, other)
            items = [item_id for item_id in found or () if item_id not in doubted]
            if items:
                return items[:3]
            failed += found is None
        return None if failed else []

    def _lists(self, folder_id: str) -> list[str] | None:
        """Return items of a folder, None while the server fails; one that is closed or gone tells of none."""
        try:
            found = self.wire.find_items(folder_id, offset=0, page_size=50)
        except TransientError:
            raise
        except MailboxError:
            return None
        except SurvivableError as error:
            return None if error.action in IN_TROUBLE and not error.unsupported else []
        return [item.item_id for item in found.items]

    async def feeds_others(self, folder_id: str) -> bool:
        """Return whether SyncFolderItems works for another folder that it has worked for before."""
        fed = [other for other, mark in self.mark["folders"].items() if "sync_state" in mark and other != folder_id]
        for other in fed[:3]:
            if await self.run.conveyor.call(self._feeds, other):
                return True
        return not fed

    def _feeds(self, folder_id: str) -> bool:
        try:
            self.wire.sync_items(folder_id, None, max_changes=1)
        except SurvivableError:
            return False
        return True

    def _gives(self, item_id: str) -> bool:
        try:
            (answer,) = self.wire.get_items([item_id], self.run.bare_shape)
        except TransientError:
            raise
        except SurvivableError:
            return False
        return not is_gone(answer.code)

    async def _put_row(self) -> None:
        await self.run.conveyor.put(Page(opening=lambda: [self.row()]))

    def row(self, reset_at: str | None = None) -> Row:
        """Return the store's row of `mailboxes`."""
        server = self.wire.server
        folders = self.mark["folders"].values()
        return Row(
            "mailboxes",
            {
                "mailbox": self.mailbox,
                "store": self.name,
                "reachable": self.error is None,
                "code": self.error.code if self.error else None,
                "message": str(self.error) if self.error else None,
                "server_version": server.version if server else None,
                "server_build": server.build if server else None,
                "root_folder_id": self.mark.get("root"),
                "folders": len(folders),
                "items": sum(mark.get("count", 0) for mark in folders),
                "hierarchy_reset_at": reset_at or self.mark.get("reset_at"),
                "left_at": None,
            },
        )


def is_lacking(error: MailboxError) -> bool:
    """Return whether an error says that a mailbox has no such store, not that it cannot be opened."""
    return error.action in {Action.FOLDER_GONE, Action.ITEM_GONE} or error.code in LACKING


def one_of_each_type(folders: list[tuple[str, FolderMark]]) -> list[tuple[str, FolderMark]]:
    """Return for each class of folders the one that holds most, the fullest few of them: a sample of the mailbox."""
    fullest: dict[str | None, tuple[str, FolderMark]] = {}
    for folder_id, mark in folders:
        kept = fullest.get(mark.get("cls"))
        if kept is None or mark.get("count", 0) > kept[1].get("count", 0):
            fullest[mark.get("cls")] = (folder_id, mark)
    return sorted(fullest.values(), key=lambda folder: -folder[1].get("count", 0))[:SAMPLED_FOLDERS]
