"""OAuth tokens: fetched, kept, and renewed once for all threads.

A token comes from the application's secret, its certificate (msal makes the signed assertion)
or the user's refresh token. Of an identity provider's answer only its error code and its
AADSTS number are ever told.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from exchangelib.credentials import OAuth2Credentials

from .errors import FatalError, TransientError
from .unreachable import trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.settings import Settings

    from .certificate import ClientCertificate

logger = logging.getLogger(__name__)

MICROSOFT = "https://login.microsoftonline.com"
ONLINE = "https://outlook.office365.com"
PAUSES = (1.0, 2.0, 4.0)  # before another try, when the provider is busy or the line breaks
TIMEOUT = (10.0, 20.0)  # to connect, to answer
MARGIN = 300.0  # a token is renewed so many seconds before its end
BUSY = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the seconds it lives."""

    text: str = field(repr=False)
    lifetime: float


class TokenCredentials(OAuth2Credentials):  # type: ignore[misc]  # exchangelib has no types
    """exchangelib credentials whose token is fetched by `acquire`, under one lock.

    Each renewal has a number, `generation`: whoever finds its token refused names the number
    it was sent with, and only the first of many threads fetches a new one.
    """

    def __init__(self, client_id: str, tenant_id: str | None, acquire: Callable[[], Token]) -> None:
        super().__init__(client_id=client_id, client_secret=None, tenant_id=tenant_id)
        self.generation = 0
        self._acquire = acquire
        self._failure: FatalError | None = None
        self._renew_at = 0.0
        self._ends_at = 0.0

    def token(self) -> str:
        """Return a token that is not about to expire.

        Raises:
            FatalError: there is none to be had.
            TransientError: the provider stays out of reach.
        """
        if time.monotonic() >= self._renew_at:
            with self.lock:
                if time.monotonic() >= self._renew_at:
                    self._renew_early()
        current: str = self.access_token["access_token"]
        return current

    def renew(self, refused: int) -> None:
        """Fetch a new token, unless that of generation `refused` was replaced already."""
        with self.lock:
            if self.generation == refused:
                self._fetch()

    def refresh(self, session: requests.Session) -> None:  # noqa: ARG002 - exchangelib's hook
        """Fetch a new token."""
        self.renew(self.generation)

    def _renew_early(self) -> None:
        try:
            self._fetch()
        except TransientError:
            if time.monotonic() >= self._ends_at:
                raise
            logger.warning("The sign-in could not be renewed yet; the old one still holds")
            self._renew_at = time.monotonic() + 30

    def _fetch(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            token = self._acquire()
        except FatalError as error:
            self._failure = error
            raise
        now = time.monotonic()
        self.access_token = {"access_token": token.text, "token_type": "Bearer"}
        self._ends_at = now + token.lifetime
        self._renew_at = self._ends_at - min(MARGIN, token.lifetime / 2)
        self.generation += 1


class Provider:
    """The identity provider's HTTP side, which msal uses too: bounded tries, no redirects."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def get(self, url: str, **options: Any) -> requests.Response:  # noqa: ANN401
        """Send a GET request."""
        return self._send("GET", url, options)

    def post(self, url: str, **options: Any) -> requests.Response:  # noqa: ANN401
        """Send a POST request."""
        return self._send("POST", url, options)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _send(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        options = {**options, "timeout": TIMEOUT, "allow_redirects": False}
        failure = ""
        for pause in (0.0, *PAUSES):
            time.sleep(pause)
            try:
                response = self._session.request(method, url, **options)
            except requests.RequestException as error:
                found = trouble(error, url)
                failure = f"sign-in: {found.text}"
                if found.lasting:
                    raise FatalError(failure, code=found.code) from None
                continue
            if response.status_code not in BUSY:
                return response
            host = urlsplit(url).hostname
            failure = f"sign-in: {host} is busy (HTTP {response.status_code}): try again later"
        raise TransientError(failure, code="SignIn")


def by_secret(settings: Settings, provider: Provider) -> Callable[[], Token]:
    """Return how to fetch a token with the application's secret."""
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": scope(settings),
    }
    url = token_url(settings)
    return lambda: _token(*_ask(provider, url, form), url)


def by_refresh_token(settings: Settings, provider: Provider) -> Callable[[], Token]:
    """Return how to fetch a token with the user's refresh token, or the one that replaced it."""
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.client_id,
        "refresh_token": settings.refresh_token,
        "scope": f"{scope(settings)} offline_access",
    }
    if settings.client_secret is not None:
        form["client_secret"] = settings.client_secret
    url = token_url(settings)

    def acquire() -> Token:
        status, answer = _ask(provider, url, form)
        token = _token(status, answer, url)
        rotated = answer.get("refresh_token")
        if isinstance(rotated, str) and rotated != form["refresh_token"]:
            if form["refresh_token"] == settings.refresh_token:
                logger.warning(
                    "The identity provider has replaced the refresh token. This run goes on with "
                    "the new one and does not keep it: should the provider withdraw the old one, "
                    "sign in again and set refresh_token anew."
                )
            form["refresh_token"] = rotated
        return token

    return acquire


def by_certificate(settings: Settings, certificate: ClientCertificate, provider: Provider) -> Callable[[], Token]:
    """Return how to fetch a token with the application's certificate, through msal."""
    import msal  # noqa: PLC0415 - a quarter of a second, for this sign-in alone

    if not certificate.rsa:
        raise FatalError("client_certificate: OAuth needs an RSA key, and this is another kind")
    url = token_url(settings)
    credential = {"private_key": certificate.key, "public_certificate": certificate.certificates}
    if certificate.password is not None:
        credential["passphrase"] = certificate.password

    def acquire() -> Token:
        # A new application each time: it would answer from its cache when a token was refused.
        try:
            application = msal.ConfidentialClientApplication(
                settings.client_id,
                client_credential=credential,
                authority=authority(url),
                http_client=provider,
                instance_discovery=False,
            )
            answer = application.acquire_token_for_client(scopes=[scope(settings)])
        except (ValueError, KeyError, requests.RequestException):
            raise FatalError(_failed(url, "", "the tenant is unknown: check tenant_id")) from None
        return _token(200 if "access_token" in answer else 400, answer, url)

    return acquire


def token_url(settings: Settings) -> str:
    """Return the token endpoint: the one set, or the tenant's."""
    return settings.token_url or f"{MICROSOFT}/{settings.tenant_id or 'common'}/oauth2/v2.0/token"


def authority(url: str) -> str:
    """Return what msal calls the authority of a token endpoint."""
    return re.sub(r"/oauth2(/v2\.0)?/token/?$", "", url)


def scope(settings: Settings) -> str:
    """Return what to ask a token for: Exchange Online, or the server that ews_url names."""
    host = urlsplit(settings.ews_url or ONLINE).hostname or ""
    online = host.endswith((".office365.com", ".office.com", ".outlook.com"))
    return f"{ONLINE if online else f'https://{host}'}/.default"


def _ask(provider: Provider, url: str, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = provider.post(url, data=form, headers={"Accept": "application/json"})
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    return response.status_code, answer if isinstance(answer, dict) else {}


def _token(status: int, answer: dict[str, Any], url: str) -> Token:
    text = answer.get("access_token")
    if status == 200 and isinstance(text, str) and text:  # noqa: PLR2004 - HTTP OK
        try:
            lifetime = float(answer.get("expires_in", 3600))
        except (TypeError, ValueError):
            lifetime = 3600.0
        return Token(text, max(lifetime, 1.0))
    error = answer.get("error")
    code = error if isinstance(error, str) and re.fullmatch(r"\w{1,60}", error) else ""
    number = re.search(r"AADSTS\d+", str(answer.get("error_description", "")))
    meaning = _MEANINGS.get(number.group() if number else "") or _MEANINGS.get(code)
    if meaning is None:
        meaning = "check tenant_id, client_id and token_url"
    told = " ".join(filter(None, (code or f"HTTP {status}", number.group() if number else "")))
    raise FatalError(_failed(url, told, meaning), code=code or f"HTTP{status}")


def _failed(url: str, told: str, meaning: str) -> str:
    host = urlsplit(url).hostname
    return f"sign-in: {host} gives no token{f' ({told})' if told else ''}: {meaning}"


# By AADSTS number (Microsoft Entra authentication error codes), else by RFC 6749's error.
_MEANINGS = {
    "AADSTS7000215": "client_secret is wrong (its value is needed, not its id)",
    "AADSTS7000222": "client_secret has expired: make a new one in the app registration",
    "AADSTS700027": "client_certificate is not registered with the application",
    "AADSTS700016": "the tenant does not know this application: check client_id and tenant_id",
    "AADSTS7000112": "the application is disabled: have it enabled in the tenant",
    "AADSTS90002": "the tenant is unknown: check tenant_id",
    "AADSTS900023": "the tenant is unknown: check tenant_id",
    "AADSTS65001": "nobody has consented to the application: have an administrator grant it",
    "AADSTS50076": "multi-factor sign-in is asked for: sign in again and set refresh_token anew",
    "AADSTS53003": "a Conditional Access policy blocks it: ask the tenant's administrator",
    "invalid_client": "client_secret or client_certificate is not accepted",
    "invalid_grant": "refresh_token has expired or was revoked: sign in again and set it anew",
    "unauthorized_client": "the application may not sign in so: check its registration",
    "invalid_scope": "the application has no permission for Exchange: grant it and consent",
    "invalid_resource": "the tenant does not know this Exchange: check ews_url",
    "interaction_required": "the user must sign in again: set refresh_token anew",
}
