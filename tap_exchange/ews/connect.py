"""A connection: where the server is, sessions that are signed in to it, and their renewal.

    connect(settings) -> Connection

Everything that can be known beforehand is checked here: certificates, tickets, packages, the
token, the endpoint. Requests, their pace and what their answers mean are the transport's.
"""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from exchangelib.configuration import Configuration
from exchangelib.protocol import FailFast
from exchangelib.version import VERSIONS, Version
from urllib3.exceptions import InsecureRequestWarning

from .autodiscover import autodiscover
from .errors import ExchangeError, FatalError
from .sessions import SessionPool, network
from .signin import sign_in
from .tokens import Provider, TokenCredentials, token_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from tap_exchange.settings import Settings

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
OLDEST = "Exchange2010_SP1"  # what the tap asks for exists from there on
NEVER_SHIPPED = ("Exchange2015", "Exchange2015_SP1")  # exchangelib's table has them, no server


class Connection:
    """Sessions to one EWS endpoint, signed in; safe for many threads.

    `versions` are the names for RequestServerVersion, the best first. `timeout` is what
    requests takes: seconds to connect, and between two pieces of an answer. `mailboxes` are
    the addresses to copy, those of the embedded Exchange where the settings name none.
    """

    def __init__(
        self,
        settings: Settings,
        pool: SessionPool,
        *,
        versions: tuple[str, ...],
        closing: Callable[[], None],
    ) -> None:
        self.url: str = pool.service_endpoint
        self.versions = versions
        self.mailboxes = settings.mailboxes
        self.impersonate = settings.impersonate
        self.own_address = settings.username and settings.username.lower()
        self.application_id = settings.client_id
        self.timeout = (min(CONNECT_TIMEOUT, settings.request_timeout), settings.request_timeout)
        self._pool = pool
        self._closing = closing
        self._thread = threading.local()

    @property
    def renewable(self) -> bool:
        """Tell whether `renew` can mend a sign-in that is refused in mid-run."""
        return isinstance(self._pool.credentials, TokenCredentials)

    @contextmanager
    def session(self) -> Iterator[requests.Session]:
        """Lend a session out of the pool: one connection, kept alive from loan to loan.

        Waits while `max_connections` are lent. An error other than an `ExchangeError` closes
        its connection, since an answer may be left on it unread.
        """
        session = self._pool.get_session()
        try:
            with self._marked(session):
                yield session
        finally:
            self._pool.release_session(session)

    @contextmanager
    def extra_session(self) -> Iterator[requests.Session]:
        """Open a session beside the pool, for an answer that takes minutes, and close it."""
        session = self._pool.create_session()
        try:
            with self._marked(session):
                yield session
        finally:
            session.close()

    def retire(self, session: requests.Session) -> None:
        """Close a session's connection and forget its cookies; its next request opens anew."""
        session.close()
        session.cookies.clear()

    def renew(self) -> None:
        """Fetch a new token, once for all threads whose sessions were refused.

        To be called by the thread that was refused.

        Raises:
            FatalError: there is no token to renew, or no new one to be had.
            TransientError: the identity provider stays out of reach.
        """
        credentials = self._pool.credentials
        if not isinstance(credentials, TokenCredentials):
            raise FatalError(
                "the server has stopped accepting the sign-in: check the account and its password",
                code="HTTP401",
            )
        credentials.renew(getattr(self._thread, "generation", credentials.generation))

    def mailbox_headers(self, mailbox: str) -> dict[str, str]:
        """Return the HTTP headers that route a request to the server of `mailbox`."""
        return {"X-AnchorMailbox": mailbox}

    def close(self) -> None:
        """Close the connections that are not lent, and the one to the identity provider."""
        self._pool.close()
        self._closing()

    @contextmanager
    def _marked(self, session: requests.Session) -> Iterator[None]:
        """Remember which token this thread sends; close the connection when it is in doubt."""
        credentials = self._pool.credentials
        if isinstance(credentials, TokenCredentials):
            credentials.token()
            self._thread.generation = credentials.generation
        try:
            yield
        except ExchangeError:
            raise
        except BaseException:
            self.retire(session)
            raise


def connect(settings: Settings) -> Connection:
    """Prepare the sign-in, find the endpoint, and return a connection to it.

    Sends nothing to the EWS endpoint; asks autodiscover, the identity provider and the
    embedded Exchange where the settings want them.

    Raises:
        FatalError: in one line, what is wrong and what to do.
        TransientError: the identity provider stays out of reach.
    """
    if settings.is_demo:
        return _connect_to_demo(settings)
    if not settings.tls_verify:
        logger.warning("tls_verify is false: whoever is on the way can read passwords and mail")
        # urllib3 would repeat that for each request, in a form of its own.
        warnings.simplefilter("ignore", InsecureRequestWarning)
    plain = network(settings)
    provider = Provider(plain.session(token_url(settings)))
    way = sign_in(settings, provider)
    if isinstance(way.credentials, TokenCredentials):
        way.credentials.token()
    reached = replace(plain, certificate=way.certificate)
    versions = known_versions()
    url = settings.ews_url
    if url is None:
        found = autodiscover(settings.autodiscover or "", way, reached)
        url = found.url
        if found.version in versions:
            versions = tuple(dict.fromkeys((found.version, *versions)))
    config = Configuration(
        service_endpoint=url,
        credentials=way.credentials,
        auth_type=way.auth_type,
        version=Version(build=None, api_version=versions[0]),
        retry_policy=FailFast(),
        max_connections=settings.max_connections,
    )
    return Connection(settings, SessionPool(config, reached), versions=versions, closing=provider.close)


def known_versions() -> tuple[str, ...]:
    """Return the names that RequestServerVersion may hold, the newest first."""
    names = dict.fromkeys(name for _, name, _ in VERSIONS if name not in NEVER_SHIPPED)
    listed = tuple(names)
    return listed[: listed.index(OLDEST) + 1]


def _connect_to_demo(settings: Settings) -> Connection:
    """Start the embedded Exchange in this process and connect to it; it ends with the process."""
    from tap_exchange.demo import start  # noqa: PLC0415 - its packages are an extra

    try:
        url, username, password = start()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tap_exchange"):
            raise
        raise FatalError(f"demo:// needs more packages ({error.name}): pip install 'tap-exchange[demo]'") from None
    return connect(
        replace(
            settings,
            ews_url=url,
            auth_type="basic",
            username=settings.username or username,
            password=settings.password or password,
            mailboxes=settings.mailboxes or (() if settings.mailboxes_from else (username.lower(),)),
        ),
    )
