"""The world: mailboxes, accounts, and the one lock that keeps edits and requests apart."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from tap_exchange.demo.mailbox import Mailbox
from tap_exchange.demo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable


DEMO_PASSWORD = "secret"  # noqa: S105 - of a demo that listens on loopback only


class Account:
    """Somebody who may sign in."""

    __slots__ = ("impersonates", "mailbox", "password", "username")

    def __init__(self, username: str, password: str, mailbox: Mailbox | None) -> None:
        """Hold a user name with its password, and the mailbox it owns if any."""
        self.username = username
        self.password = password
        self.mailbox = mailbox
        self.impersonates: set[str] = set()
        """Addresses this account may impersonate; `*` is everybody."""


class Exchange:
    """An Exchange organisation; all that happens in it follows from the seed."""

    def __init__(self, seed: int = 0) -> None:
        """Begin with no mailbox."""
        self.seed = seed
        self.lock = threading.RLock()
        self.mailboxes: dict[str, Mailbox] = {}
        self.accounts: dict[str, Account] = {}
        self.groups: dict[str, list[str]] = {}
        """Distribution groups: the addresses of their direct members, which may be groups or strangers."""
        self.rooms: dict[str, tuple[str, dict[str, str]]] = {}
        """Lists of rooms by address: the list's name, and its rooms' names by address."""
        self.born = datetime(2024, 1, 1, tzinfo=timezone.utc)
        self.clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        self._stores: dict[str, tuple[Store, Mailbox | None]] = {}
        self.public: Store | None = None

    @classmethod
    def example(cls, items: int | None = None, *, seed: int = 0, mailboxes: int = 1) -> Exchange:
        """Build a believable world: `items` more in each Inbox, the same for a seed in each process."""
        from tap_exchange.demo.content.example import build  # noqa: PLC0415 - needs faker, which is an extra

        return build(cls(seed), items or 0, mailboxes)

    def now(self) -> datetime:
        """Give the world's time, to the second as Exchange keeps it."""
        return self.clock().replace(microsecond=0)

    def add_mailbox(
        self, address: str, password: str = DEMO_PASSWORD, name: str | None = None, *, archive: bool = False
    ) -> Mailbox:
        """Create a mailbox with Exchange's default folders; its address is also the user name."""
        with self.lock:
            mailbox = Mailbox(self, address, name or address.partition("@")[0].replace(".", " ").title())
            self.mailboxes[address.lower()] = mailbox
            self.accounts[address.lower()] = Account(address, password, mailbox)
            self.register(mailbox.store, mailbox)
            if archive:
                mailbox.add_archive()
        return mailbox

    def add_account(self, username: str, password: str, *, impersonates: tuple[str, ...] = ("*",)) -> Account:
        """Create an account without a mailbox, one that may impersonate others."""
        account = Account(username, password, None)
        account.impersonates.update(address.lower() for address in impersonates)
        self.accounts[username.lower()] = account
        return account

    def add_group(self, address: str, *members: str) -> list[str]:
        """Create a distribution group; give its list of members, which may be changed."""
        group = self.groups[address.lower()] = list(members)
        return group

    def add_public_folders(self) -> Store:
        """Give the organisation public folders."""
        with self.lock:
            if self.public is None:
                self.public = Store(self, "public folders", "public")
                self.register(self.public, None)
        return self.public

    def register(self, store: Store, mailbox: Mailbox | None) -> None:
        """Make a store's ids known."""
        self._stores[store.guid] = (store, mailbox)

    def store_of(self, guid: str) -> tuple[Store, Mailbox | None] | None:
        """Find a store, and its mailbox, by the GUID in an id."""
        return self._stores.get(guid)

    def mailbox(self, address: str) -> Mailbox | None:
        """Find a mailbox by its address or an alias."""
        address = address.lower()
        found = self.mailboxes.get(address)
        if found is not None:
            return found
        return next((m for m in self.mailboxes.values() if address in m.aliases), None)

    def sign_in(self, username: str, password: str) -> Account | None:
        """Check a user name (an address, or DOMAIN and name) and a password."""
        account = self.accounts.get(username.lower())
        return account if account is not None and account.password == password else None
