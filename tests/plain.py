"""The plain way: what a tap of exchangelib's own `sync_items` and `fetch` would hold of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchangelib import BASIC, DELEGATE, Account, Build, Configuration, Credentials, Version
from exchangelib.protocol import CachingProtocol, FailFast

from tests.trouble import ANNA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server

BUILD = Build(15, 2, 1544, 11)


class Plain:
    """A copy of Anna's Inbox, kept by exchangelib's calls in a straight line; what fails is left to fail."""

    def __init__(self, server: Server) -> None:
        config = Configuration(
            service_endpoint=server.url,
            credentials=Credentials(ANNA, "secret"),
            auth_type=BASIC,
            version=Version(build=BUILD),
            retry_policy=FailFast(),
            max_connections=1,
        )
        self.account = Account(ANNA, config=config, autodiscover=False, access_type=DELEGATE)
        self.inbox = self.account.inbox
        self.held: set[str] = set()

    def sync(self, page: int = 512) -> set[str]:
        """Follow the changes; return the ids held afterwards."""
        for kind, item in self.inbox.sync_items(only_fields=["id"], max_changes_returned=page):
            if kind == "delete":
                self.held.discard(item.id)
            else:
                self.held.add(item.id)
        return set(self.held)

    def subjects(self, items: list[Item]) -> dict[str, str]:
        """Load items, and put each answer to the id it was asked by."""
        asked = [(item.id, item.change_key) for item in items]
        answers = self.account.fetch(asked, only_fields=["subject"])
        return {item_id: answer.subject for (item_id, _), answer in zip(asked, answers, strict=False)}


def plain(folder: Folder, server: Server) -> Iterator[Plain]:
    """Lend the plain way to a test, before any fault; its connections are closed."""
    assert folder.distinguished_name == "inbox"
    lent = Plain(server)
    yield lent
    lent.account.protocol.close()
    CachingProtocol.clear_cache()
