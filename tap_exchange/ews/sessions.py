"""HTTP sessions: exchangelib's pool, with the TLS, proxy and agent of one connection.

exchangelib keeps these choices in class attributes, for the whole process; here they belong to
a `Network`, so that two connections may differ. Nothing is taken from .netrc.
"""

from __future__ import annotations

import os
import queue
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from exchangelib.errors import SessionPoolMaxSizeReached
from exchangelib.protocol import BaseProtocol
from exchangelib.transport import DEFAULT_HEADERS
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.utils import get_environ_proxies
from requests_ntlm import HttpNtlmAuth
from urllib3.util.ssl_ import create_urllib3_context

from tap_exchange.settings_rules import is_loopback

from .errors import FatalError, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchangelib.configuration import Configuration

    from tap_exchange.settings import Settings

    from .certificate import ClientCertificate
    from .tokens import TokenCredentials


LOOK_UP = 0.5
"""Seconds after which who waits for a session looks whether there will be one."""


@dataclass(frozen=True, slots=True)
class Network:
    """How hosts are reached: what TLS trusts and presents, which proxy, as which agent.

    `verify` is a file or folder of authorities, or True for the well-known ones, or False.
    """

    verify: bool | str
    certificate: ClientCertificate | None
    proxy_url: str | None
    user_agent: str

    def session(self, url: str) -> requests.Session:
        """Make a session for `url`: one connection, no retries, nothing from .netrc."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        session.proxies.update(self._proxies(url))
        session.headers.update(DEFAULT_HEADERS)
        session.headers["User-Agent"] = self.user_agent
        for scheme in ("https://", "http://"):
            session.mount(scheme, OneConnection(self))
        return session

    def context(self) -> ssl.SSLContext | None:
        """Make the TLS context that presents the client certificate, None without one."""
        if self.certificate is None:
            return None
        context = create_urllib3_context(cert_reqs=ssl.CERT_NONE if self.verify is False else ssl.CERT_REQUIRED)
        self.certificate.load_into(context)
        return context

    def _proxies(self, url: str) -> dict[str, str]:
        """Choose the proxy: proxy_url, else the environment's; never one to this machine."""
        if is_loopback(urlsplit(url).hostname):
            return {}
        if self.proxy_url is not None:
            return {"http": self.proxy_url, "https": self.proxy_url}
        return get_environ_proxies(url)


def network(settings: Settings, certificate: ClientCertificate | None = None) -> Network:
    """Read from the settings how hosts are reached.

    Raises:
        FatalError: `ca_bundle` (or the variable REQUESTS_CA_BUNDLE) holds no certificates.
    """
    verify: bool | str = settings.tls_verify
    if settings.tls_verify:
        named = {
            "ca_bundle": settings.ca_bundle,
            "REQUESTS_CA_BUNDLE": os.environ.get("REQUESTS_CA_BUNDLE"),
            "CURL_CA_BUNDLE": os.environ.get("CURL_CA_BUNDLE"),
        }
        for name, path in named.items():
            if path:
                _check_authorities(name, path)
                verify = path
                break
    agent = settings.user_agent or f"tap-exchange/{_version()}"
    return Network(verify, certificate, settings.proxy_url, agent)


class SessionPool(BaseProtocol):  # type: ignore[misc]  # exchangelib has no types
    """exchangelib's pool of sessions, each of them one connection of `network`.

    exchangelib's own would fetch a new token whenever a session is closed, and keep the token
    in the log of requests-oauthlib; here a session asks for the current one as it sends.
    """

    def __init__(self, config: Configuration, network: Network) -> None:
        super().__init__(config=config)
        self.network = network
        self._is_closed = False

    def get_auth_type(self) -> str:
        """Refuse to guess: the sign-in says it, and a guess would cost a request."""
        raise FatalError("the way to sign in is not known")

    def raw_session(self, prefix: str, **_: Any) -> requests.Session:  # noqa: ANN401
        """Make a session without sign-in."""
        return self.network.session(prefix)

    def create_session(self) -> requests.Session:
        """Make a session that signs in."""
        session: requests.Session = super().create_session()
        if isinstance(session.auth, HttpNtlmAuth):
            session.auth = _NtlmAuth(session.auth.username, session.auth.password)
        return session

    def create_oauth2_session(self) -> requests.Session:
        """Make a session that sends the current token."""
        session = self.raw_session(self.service_endpoint)
        session.auth = BearerAuth(self.credentials)
        return session

    def get_session(self) -> requests.Session:
        """Lend a session, waiting for one.

        Raises:
            Stopped: the pool was closed; exchangelib's own would wait for ever.
        """
        if self._session_pool.empty():
            with suppress(SessionPoolMaxSizeReached):
                self.increase_poolsize()
        while not self._is_closed:
            with suppress(queue.Empty):
                session: requests.Session = self._session_pool.get(timeout=LOOK_UP)
                return session
        raise Stopped

    def close(self) -> None:
        """Close the sessions that are not lent, and lend none any more."""
        self._is_closed = True
        super().close()

    def close_session(self, session: requests.Session) -> None:
        """Close the connection and keep the token."""
        session.close()


class BearerAuth(AuthBase):
    """Send the token that is current when the request is sent."""

    def __init__(self, credentials: TokenCredentials) -> None:
        self.credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self.credentials.token()}"
        return request


class _NtlmAuth(HttpNtlmAuth):
    """NTLM whose handshake, broken off by the server, is a broken connection."""

    def response_hook(self, r: requests.Response, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        try:
            answer: requests.Response = super().response_hook(r, **kwargs)
        except (AttributeError, KeyError, PermissionError) as error:
            raise RequestsConnectionError("the NTLM handshake was broken off") from error
        return answer


class OneConnection(HTTPAdapter):
    """One connection; the network's client certificate in its handshake.

    requests would look for its connection pool, and for the file of authorities, anew with each request. `is_usual`
    says whether the server's answers so far could be read without requests.
    """

    def __init__(self, network: Network) -> None:
        self._context = network.context()
        self._way: tuple[object, ...] | None = None
        self._pool: Any = None
        self._verified = False
        self.is_usual = True
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Make the pool, with the client certificate if there is one."""
        if self._context is not None:
            options["ssl_context"] = self._context
        super().init_poolmanager(*args, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        """Make the pool of a proxy, with the client certificate if there is one."""
        if self._context is not None:
            options["ssl_context"] = self._context
        return super().proxy_manager_for(proxy, **options)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 - requests' own signature
        proxies: Any = None,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the pool of the way that the last request went, if this one goes the same."""
        way = (request.url, verify, cert, dict(proxies or {}))
        if way != self._way:
            self._pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._way, self._verified = way, False
        return self._pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401
        """Tell the pool once what to trust."""
        if not self._verified:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            self._verified = True

    @contextmanager
    def kept(self, url: str | None) -> Iterator[Any]:
        """Lend the connection that the last request to an address left open; None when there is none.

        Nor is one lent that leads through a proxy.
        """
        is_known = self._way is not None and self._way[0] == url and not self._way[3]
        owner = self._pool if is_known else None
        pool: queue.LifoQueue[Any] | None = None if owner is None else owner.pool
        try:
            connection = None if pool is None else pool.get_nowait()
        except queue.Empty:
            connection = None
        if owner is None or pool is None or connection is None:
            yield None
            return
        try:
            yield connection if connection.is_connected else None
        finally:
            if owner.pool is pool:
                pool.put_nowait(connection)
            else:  # closed meanwhile
                connection.close()

    def close(self) -> None:
        """Close the connection, and forget it."""
        self._way = self._pool = None
        super().close()


def _check_authorities(name: str, path: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if os.path.isdir(path):  # noqa: PTH112 - as requests asks it
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise FatalError(f"{name}: {path} holds no certificates in PEM form") from None
    except OSError as error:
        raise FatalError(f"{name}: {path} cannot be read ({error.strerror})") from None


def _version() -> str:
    try:
        return version("tap-exchange")
    except PackageNotFoundError:
        return "unreleased"
