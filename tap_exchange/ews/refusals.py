"""The words for what no retry can mend: what the server refused, and what a person can do about it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .errors import FatalError

END = "1 April 2027"
_ONLINE_HOSTS = (".office365.com", ".office.com", ".outlook.com", ".office365.us", ".partner.outlook.cn")


def refusal(
    status: int, host: str, application_id: str | None, *, welcomed: bool, ways: tuple[str, ...] = ()
) -> FatalError:
    """Make the error for an HTTP status that ends the run.

    `welcomed` when sign-in worked before; `ways` to sign in are those that the server offers.
    """
    text = _TEXTS.get(status, "{host} does not answer as EWS (HTTP {status}): check ews_url")
    if status == 401 and welcomed:  # noqa: PLR2004
        text = _STOPPED
    if status == 403:  # noqa: PLR2004
        text = _ONLINE if _is_online(host) else _SWITCHED_OFF
    application = f"application {application_id}" if application_id else "this application"
    message = text.format(host=host, status=status, application=application, end=END, id=application_id or "ID")
    if ways and not welcomed:
        message += f"; the server offers {', '.join(ways)}"
    return FatalError(message, code=f"HTTP{status}")


def _is_online(host: str) -> bool:
    return f".{host.lower()}".endswith(_ONLINE_HOSTS)


_STOPPED = (
    "{host} no longer accepts the sign-in (HTTP 401), although it did when the run began: "
    "check whether the password or secret was changed or the account disabled"
)
_SWITCHED_OFF = (
    "{host} refuses EWS for this account (HTTP 403): it is switched off for the mailbox or the organization, "
    "the account has no licence, or {application} is not on the allow-list (EwsAllowList, EwsApplicationAccessPolicy)"
)
_ONLINE = (
    "Exchange Online refuses EWS for {application} (HTTP 403): Microsoft switches EWS off tenant by tenant. Until "
    "{end}, when it ends for good, an administrator can set EWSEnabled to true and allow the application with "
    "Set-OrganizationConfig -EwsAllowedAppIDs {id}; check its permissions and the mailbox's licence too"
)
_TEXTS = {
    401: (
        "{host} refuses the sign-in (HTTP 401): check auth_type with username and password, "
        "or the secret and the permissions of {application}"
    ),
    404: "{host} has no EWS at this address (HTTP 404): check ews_url, which ends in /EWS/Exchange.asmx",
    407: "the proxy wants a user and password (HTTP 407): give them in proxy_url",
    440: "{host} ended the sign-in (HTTP 440): check ews_url, which must not lead to the web mail",
    456: "the account is locked or must sign in anew (HTTP 456): sign in as a person once, or have it unlocked",
}


_WEB_MAIL = re.compile(r"/owa\b|/logon\b", re.IGNORECASE)


def is_web_mail(address: str) -> bool:
    """Tell whether an address leads to the web mail's sign-in."""
    return _WEB_MAIL.search(urlsplit(address).path) is not None


def redirected(host: str, origin: str, path: str, *, same: bool) -> FatalError:
    """Make the error for a redirect to where the credentials must not go, or where nothing answers.

    `same` when it leads to the server itself.
    """
    if is_web_mail(path):
        where = path if same else f"{origin}{path}"
        why = "that is the sign-in of the web mail: check ews_url, which ends in /EWS/Exchange.asmx, and auth_type"
    elif same:
        where, why = path, "and from there on: set ews_url to the right address"
    else:
        where, why = origin, "the sign-in is not sent there: set ews_url to the right address"
    return FatalError(f"{host} sends requests to {where}; {why}", code="Redirect")
