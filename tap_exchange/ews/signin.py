"""Sign-in: from settings to exchangelib's credentials, all checked before any request.

| auth_type | exchangelib's | what is sent |
|---|---|---|
| basic, ntlm | `Credentials` | user name and password |
| kerberos | none | the ticket of this process (GSSAPI, or SSPI on Windows) |
| oauth_client_credentials | `TokenCredentials` | a token for the application's secret or certificate |
| oauth_refresh_token | `TokenCredentials` | a token for the user's refresh token |
| certificate | none | a client certificate in the TLS handshake |
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchangelib.credentials import Credentials
from exchangelib.transport import AUTH_TYPE_MAP, BASIC, CBA, GSSAPI, NTLM, OAUTH2, SSPI

from .certificate import client_certificate
from .errors import FatalError
from .tokens import TokenCredentials, by_certificate, by_refresh_token, by_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchangelib.credentials import BaseCredentials

    from tap_exchange.settings import Settings

    from .certificate import ClientCertificate
    from .tokens import Provider


@dataclass(frozen=True, slots=True)
class SignIn:
    """What exchangelib needs to sign in, and the certificate that TLS presents, if any."""

    auth_type: str
    credentials: BaseCredentials | None
    certificate: ClientCertificate | None = None


def sign_in(settings: Settings, provider: Provider) -> SignIn:
    """Return how the settings sign in; `provider` is asked for tokens later, when needed.

    Raises:
        FatalError: a certificate, a ticket or a package that it takes is not there.
    """
    return _WAYS[settings.auth_type](settings, provider)


def _basic(settings: Settings, _: Provider) -> SignIn:
    credentials = Credentials(settings.username or "", settings.password or "")
    text = f"{credentials.username}{credentials.password}"
    if any(ord(character) > 0xFF for character in text):  # noqa: PLR2004 - beyond Latin-1
        # requests writes Basic credentials in Latin-1, and breaks on others; RFC 7617: UTF-8.
        credentials.username = credentials.username.encode()
        credentials.password = credentials.password.encode()
    return SignIn(BASIC, credentials)


def _ntlm(settings: Settings, _: Provider) -> SignIn:
    return SignIn(NTLM, Credentials(settings.username or "", settings.password or ""))


def _kerberos(_: Settings, __: Provider) -> SignIn:
    if SSPI in AUTH_TYPE_MAP:
        return SignIn(SSPI, None)
    if GSSAPI not in AUTH_TYPE_MAP:
        raise FatalError("auth_type kerberos needs one more package: pip install 'tap-exchange[kerberos]'")
    gssapi = importlib.import_module("gssapi")
    try:
        _ = gssapi.Credentials(usage="initiate").lifetime
    except gssapi.exceptions.GSSError:
        raise FatalError("auth_type kerberos finds no valid ticket: run kinit, or set KRB5_CLIENT_KTNAME") from None
    return SignIn(GSSAPI, None)


def _client_credentials(settings: Settings, provider: Provider) -> SignIn:
    if settings.client_certificate is None:
        acquire = by_secret(settings, provider)
    else:
        acquire = by_certificate(settings, client_certificate(settings), provider)
    return SignIn(OAUTH2, TokenCredentials(settings.client_id or "", settings.tenant_id, acquire))


def _refresh_token(settings: Settings, provider: Provider) -> SignIn:
    acquire = by_refresh_token(settings, provider)
    return SignIn(OAUTH2, TokenCredentials(settings.client_id or "", settings.tenant_id, acquire))


def _certificate(settings: Settings, _: Provider) -> SignIn:
    return SignIn(CBA, None, client_certificate(settings))


_WAYS: dict[str, Callable[[Settings, Provider], SignIn]] = {
    "basic": _basic,
    "ntlm": _ntlm,
    "kerberos": _kerberos,
    "oauth_client_credentials": _client_credentials,
    "oauth_refresh_token": _refresh_token,
    "certificate": _certificate,
}
