"""What the transport needs of others: a connection to send on, a reader of answers as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import requests
    from lxml.etree import _Element


class Connection(Protocol):
    """What the transport needs of a connection (`connect.py`)."""

    @property
    def url(self) -> str:
        """The endpoint."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The names for RequestServerVersion, the newest first."""

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and between two pieces of an answer."""

    @property
    def impersonate(self) -> bool:
        """Whether requests act as the mailbox's owner."""

    @property
    def own_address(self) -> str | None:
        """The user name in lower case: the address of the account's own mailbox, if it is one."""

    @property
    def application_id(self) -> str | None:
        """The OAuth application, for the words of a refusal."""

    @property
    def renewable(self) -> bool:
        """Whether `renew` can mend a refused sign-in."""

    def session(self) -> AbstractContextManager[requests.Session]:
        """Lend a session; one that fails is retired."""

    def renew(self) -> None:
        """Fetch a new token, once for all threads."""

    def mailbox_headers(self, mailbox: str) -> dict[str, str]:
        """Tell the headers that route to the mailbox's server."""


class Reading(Protocol):
    """Reads one answer as it comes (`siphon.py`)."""

    def feed(self, piece: bytes) -> None:
        """Read the next bytes."""

    def close(self) -> _Element:
        """Give the root of what is now complete."""
