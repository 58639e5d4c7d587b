"""Whose mailboxes a run reads: those named and a group's members, each once, and of those this shard's."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.ews.directory import GROUP, MAILBOX, Directory
from tap_exchange.ews.errors import FatalError, SurvivableError
from tap_exchange.sync.keys import shard_of
from tap_exchange.sync.page import Page, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_exchange.settings import Settings
    from tap_exchange.sync.bookmarks import StoreMark
    from tap_exchange.sync.run import Run

logger = logging.getLogger(__name__)

REASONS = {
    "ErrorNameResolutionNoResults": "there is no such group, or this account does not see it; check its address",
    "ErrorImpersonationRequired": "an application has to ask the directory as somebody; name a mailbox in `mailboxes`",
}


@dataclass(slots=True)
class Roster:
    """The mailboxes of one run, by the primary address that the server resolves."""

    run: Run
    taken: set[str] = field(default_factory=set)
    synced: set[tuple[str, str]] = field(default_factory=set)
    """Mailboxes and stores that this run reads."""

    async def addresses(self) -> list[str]:
        """Return the addresses to read, not yet resolved; raises FatalError when the group cannot be read."""
        named = list(self.run.mailboxes)
        group = self.run.settings.mailboxes_from
        if group is None:
            return named
        directory = Directory(self.run.transport, _asker(self.run.settings, named))
        members = await self.run.conveyor.call(members_of, directory, group)
        if not members and not named:
            raise FatalError(f"mailboxes_from: {group} has no member with a mailbox", code="EmptyGroup")
        for address in members:  # the directory tells primary addresses
            self.run.bookmarks.addresses.setdefault(address, address)
        return list(dict.fromkeys([*named, *members]))

    async def claim(self, address: str) -> str | None:
        """Return the primary address behind one, None when it is no work of this run: done already, another shard's.

        Raises ExchangeError when the server cannot tell: the address may be another one's alias, so nothing is
        loaded under it.
        """
        primary = await self._primary(address)
        count = self.run.settings.shard_count
        if count > 1 and shard_of(primary, count) != self.run.settings.shard_index:
            return None
        if primary in self.taken:
            logger.info("%s is another address of %s, which is read once.", address, primary)
            return None
        self.taken.add(primary)
        return primary

    async def _primary(self, address: str) -> str:
        """Resolve an address; one that the server does not resolve for now is asked for once more in the next run."""
        known, unresolved = self.run.bookmarks.addresses, self.run.bookmarks.unresolved
        if address in known:
            return known[address]
        told = await self.run.conveyor.call(self.run.open_mailbox(address, "primary").resolve)
        if told is None and address not in unresolved:
            unresolved.append(address)
            return address.lower()
        known[address] = told or address.lower()
        if address in unresolved:
            unresolved.remove(address)
        return known[address]

    def begin(self, mailbox: str, store: str) -> StoreMark:
        """Return the bookmark of a store that is read now."""
        self.synced.add((mailbox, store))
        mark = self.run.bookmarks.store(mailbox, store)
        mark.pop("left", None)
        return mark

    def unresolved(self, address: str) -> list[tuple[str, StoreMark]]:
        """Return the stores of an address that cannot be resolved now; those that earlier runs read have not left.

        Where there is none of those, it is one that nothing is known of.
        """
        known = [
            store
            for mailbox, store, mark in self.run.bookmarks.stores()
            if mailbox == address.lower() and store in self.run.settings.stores and "root" in mark
        ]
        return [(store, self.begin(address.lower(), store)) for store in known] or [("primary", {"folders": {}})]

    def forget(self, addresses: Sequence[str]) -> None:
        """Forget what other addresses than these were resolved to."""
        known = self.run.bookmarks.addresses
        for address in known.keys() - set(addresses):
            del known[address]

    def left(self) -> Page:
        """Return the rows of stores that earlier runs read and this one leaves out.

        Each run tells them: one whose STATE was lost may have read such a store meanwhile, which no state tells.
        """
        gone = [
            (mailbox, store, mark)
            for mailbox, store, mark in self.run.bookmarks.stores()
            if (mailbox, store) not in self.synced and "root" in mark
        ]
        stamps: list[str] = []

        def opening() -> Iterator[Row]:
            for mailbox, store, mark in gone:
                stamps.append(mark.get("left") or self.run.clock.stamp())
                yield Row(
                    "mailboxes",
                    {
                        "mailbox": mailbox,
                        "store": store,
                        "root_folder_id": mark["root"],
                        "hierarchy_reset_at": mark.get("reset_at"),
                        "left_at": stamps[-1],
                    },
                )

        def advance() -> None:
            for (_, _, mark), stamp in zip(gone, stamps, strict=True):
                mark["left"] = stamp

        return Page(opening=opening, advance=advance)


def members_of(directory: Directory, group: str) -> list[str]:
    """Return the addresses of the mailboxes in a group and in the groups within it; raises FatalError.

    Groups may hold each other in a circle. What has no mailbox is left out: contacts, mail-enabled public folders.
    """
    found: dict[str, None] = {}
    seen = {group.lower()}
    queue = [group]
    while queue:
        asked = queue.pop(0)
        try:
            members = directory.members(asked)
        except SurvivableError as error:
            within = "" if asked == group else "a group within "
            reason = REASONS.get(error.code, "it cannot be read")
            raise FatalError(f"mailboxes_from: {within}{group}: {reason} ({error.code})", code=error.code) from None
        for member in members:
            if member.kind == MAILBOX:
                found[member.address] = None
            elif member.kind == GROUP and member.address not in seen:
                seen.add(member.address)
                queue.append(member.address)
    return list(found)


def _asker(settings: Settings, named: Sequence[str]) -> str:
    """Return as whom the directory is asked: an application that signs in by OAuth cannot ask as itself."""
    return named[0] if settings.auth_type == "oauth_client_credentials" and named else ""
