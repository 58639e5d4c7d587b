"""Find the EWS endpoint of an address, by exchangelib's autodiscover, within half a minute.

exchangelib goes the way of Microsoft's protocol. Here it takes the connection's own TLS and
proxy, keeps nothing on disk, asks `autodiscover.<domain>` before the domain itself (which is
often somebody else's web server), and signs in nowhere but at hosts of that domain and of
Microsoft: the plain-HTTP redirect and the SRV record, which anyone on the way can forge, lead
to no other place.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from dns.exception import DNSException
from exchangelib.autodiscover.discovery import Autodiscovery
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.configuration import Configuration
from exchangelib.errors import (
    AutoDiscoverFailed,
    ErrorNonExistentMailbox,
    EWSError,
    RedirectError,
    UnauthorizedError,
)
from exchangelib.transport import BASIC, NTLM, get_unauthenticated_autodiscover_response

from .errors import ExchangeError, FatalError
from .sessions import SessionPool
from .unreachable import trouble

if TYPE_CHECKING:
    from .sessions import Network
    from .signin import SignIn

logger = logging.getLogger(__name__)

PATIENCE = 25.0  # seconds for the whole search
MICROSOFT = (".outlook.com", ".office365.com", ".office.com", ".office365.us", ".outlook.cn")
WANTED = ["external_ews_url", "ews_supported_schemas", "auto_discover_smtp_address"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a mailbox's EWS is, and the newest version name that it speaks, if it said so."""

    url: str
    version: str | None


def autodiscover(address: str, way: SignIn, network: Network) -> Endpoint:
    """Look up the EWS endpoint of an e-mail address.

    Raises:
        FatalError: there is none to be found within `PATIENCE` seconds, in one line why.
    """
    logging.getLogger("exchangelib.autodiscover.discovery").setLevel(logging.WARNING)
    search = _Search(address, way, network)
    found: list[Endpoint | Exception] = []

    def run() -> None:
        try:
            found.append(search.endpoint())
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            found.append(error)

    thread = threading.Thread(target=run, name="autodiscover", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not found:
        raise FatalError(f"autodiscover took over {PATIENCE:.0f} seconds: set ews_url instead")
    answer = found[0]
    if isinstance(answer, Endpoint):
        return answer
    if isinstance(answer, ExchangeError):
        raise answer
    raise FatalError(search.failure(answer)) from None


class _Protocol(SessionPool, AutodiscoverProtocol):  # type: ignore[misc]  # exchangelib has no types
    """exchangelib's autodiscover service over the sessions of one network."""

    TIMEOUT = 6

    def get_auth_type(self) -> str:
        """Ask, without credentials, how the host wants them; they go out only then."""
        kind: str = AutodiscoverProtocol.get_auth_type(self)
        return kind


class _Search(Autodiscovery):  # type: ignore[misc]  # exchangelib has no types
    """One search; exchangelib's steps, with every request made here."""

    DNS_RESOLVER_ATTRS = {"timeout": 2}  # noqa: RUF012 - as exchangelib declares it
    DNS_RESOLVER_LIFETIME = 4

    def __init__(self, address: str, way: SignIn, network: Network) -> None:
        super().__init__(email=address, credentials=way.credentials)
        self.email: str = address
        self._way = way
        self._network = network
        self._refused = False
        self._unknown = False
        self._tls = ""
        self._strange = ""

    def endpoint(self) -> Endpoint:
        """Search, also under the addresses that the server says to ask for instead."""
        asked: set[str] = set()
        while self.email.lower() not in asked:
            asked.add(self.email.lower())
            self.clear()
            response = self._search()
            if not response.redirect_address:
                url = response.ews_url or ""
                if not url.startswith("https://"):
                    raise AutoDiscoverFailed("no endpoint that is protected by TLS")
                return Endpoint(url, _version(response))
            self.email = response.redirect_address
        raise AutoDiscoverFailed("addresses that lead to each other")

    def failure(self, error: Exception) -> str:
        """Put a failed search into one line, with the most telling thing that was seen."""
        if self._refused:
            return "autodiscover refuses the sign-in: check username, password and auth_type"
        if self._unknown or isinstance(error, ErrorNonExistentMailbox):
            return "autodiscover does not know this address: check it, or set ews_url instead"
        if self._strange:
            host = self._strange
            return f"autodiscover leads to {host}, outside of the address's domain: set ews_url"
        if self._tls:
            return f"autodiscover: {self._tls}; or set ews_url instead"
        domain = self.email.rpartition("@")[2]
        return f"autodiscover finds no Exchange for {domain}: check the address, or set ews_url"

    def _search(self) -> Any:  # noqa: ANN401 - exchangelib's UserResponse
        domain = self.email.rpartition("@")[2].lower()
        try:
            return self._step_2(hostname=domain)
        except (AutoDiscoverFailed, DNSException):
            valid, response = self._attempt_response(f"https://{domain}/{self.URL_PATH}")
            if valid:
                return self._step_5(ad=response)
            raise

    def _attempt_response(self, url: str) -> tuple[bool, Any]:
        self._urls_visited.append(url.lower())
        protocol = self._protocol(url, signed_in=True)
        try:
            response = protocol.get_user_settings(user=self.email, settings=WANTED)
        except RedirectError as error:
            if self._redirect_url_is_valid(url=error.url):
                return self._attempt_response(url=error.url)
        except UnauthorizedError:
            self._refused = True
        except ErrorNonExistentMailbox:
            self._unknown = True
        except (EWSError, OSError, ValueError) as error:
            self._note(error, url)
        else:
            return True, response
        finally:
            protocol.close()
        return False, None

    def _get_unauthenticated_response(self, url: str, method: str = "post") -> tuple[None, Any]:
        protocol = self._protocol(url, signed_in=False)
        return None, get_unauthenticated_autodiscover_response(protocol=protocol, method=method)

    def _redirect_url_is_valid(self, url: str) -> bool:
        host = (urlsplit(url).hostname or "").lower()
        domain = self.email.rpartition("@")[2].lower()
        if host != domain and not host.endswith((f".{domain}", *MICROSOFT)):
            self._strange = host
            return False
        valid: bool = super()._redirect_url_is_valid(url)
        return valid

    def _protocol(self, url: str, *, signed_in: bool) -> _Protocol:
        # A password goes to whoever answers: first ask which kind of sign-in is wanted there.
        asks = self._way.auth_type in (BASIC, NTLM)
        known = None if asks or not signed_in else self._way.auth_type
        config = Configuration(
            service_endpoint=url,
            credentials=self.credentials if signed_in else None,
            auth_type=known,
            retry_policy=self.INITIAL_RETRY_POLICY,
        )
        return _Protocol(config, self._network)

    def _note(self, error: BaseException, url: str) -> None:
        """Remember a certificate that was not accepted: without it the search looks fruitless.

        Not that of the domain itself, whose web server is seldom about mail.
        """
        if urlsplit(url).hostname == self.email.rpartition("@")[2].lower():
            return
        causes: BaseException | None = error
        while causes is not None:
            if isinstance(causes, requests.exceptions.SSLError):
                self._tls = trouble(causes, url).text
                return
            causes = causes.__cause__ or causes.__context__


def _version(response: Any) -> str | None:  # noqa: ANN401 - exchangelib's UserResponse
    try:
        version = response.version
    except ValueError:
        return None
    return None if version is None else str(version.api_version)
