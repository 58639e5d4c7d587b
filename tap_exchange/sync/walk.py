"""A feed walked page by page: it has to come to an end, whatever a server says of more to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_exchange.ews.answers import HierarchyPage, ItemPage

MOST_REPEATS = 10
"""Pages in a row that may tell the same."""

MOST_EMPTY = 1000
"""Pages in a row that may tell nothing: a server may pass over what it was asked to leave out."""

ENDLESS = (
    "the server gives the same page again and again and says that more follows: "
    "nothing would ever end; have the mailbox repaired (New-MailboxRepairRequest)"
)


@dataclass(slots=True)
class Walk:
    """Where a walk has been; one that is taken up elsewhere is a new one."""

    states: set[int] = field(default_factory=set)
    at: str | None = None
    told: int | None = None
    repeats: int = 0

    def is_endless(self, asked: str | None, page: ItemPage | HierarchyPage) -> bool:
        """Note a page and return whether the walk goes in a circle, or tells the same for ever in new states."""
        if asked != self.at:
            self.states.clear()
            self.told = None
        self.at = page.sync_state
        if page.last:
            return False
        known, told = hash(page.sync_state) in self.states, hash(page.changes)
        self.states.add(hash(page.sync_state))
        self.repeats = self.repeats + 1 if told == self.told else 0
        self.told = told
        return known or self.repeats >= (MOST_REPEATS if page.changes else MOST_EMPTY)
