"""What settings must be together: what one needs, what contradicts another, what follows.

`complete` derives what the user left to be derived; `check` refuses the rest in one line that
names the settings. A message may repeat a host, a file name or an address that the user typed
into the setting it speaks of, never a secret one.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_exchange.settings_values import SettingsError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from tap_exchange.settings import Settings

DEFAULT_PATH = "/EWS/Exchange.asmx"
ADDRESS = re.compile(r"[^\s@<>,;\\/]+@[^\s@<>,;\\/]+")
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
OF_MSAL = re.compile(r"https://[^/]+/[^/]+/oauth2(/v2\.0)?/token/?")
PEM = "-----BEGIN "
# Base64 makes 4 bytes of 3, and no line of the output may exceed 50 MiB.
MOST_INLINE_BYTES = 36 * 1024 * 1024

# What each sign-in needs (one of the names in an inner tuple) and may have besides.
CERTIFICATE = ("client_certificate", "client_certificate_password")
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "basic": (("username",), ("password",)),
    "ntlm": (("username",), ("password",)),
    "kerberos": (),
    "oauth_client_credentials": (
        ("client_id",),
        ("tenant_id", "token_url"),
        ("client_secret", "client_certificate"),
    ),
    "oauth_refresh_token": (("client_id",), ("refresh_token",)),
    "certificate": (("client_certificate",),),
}
MAY_HAVE: dict[str, tuple[str, ...]] = {
    "basic": (),
    "ntlm": (),
    "kerberos": ("username",),
    "oauth_client_credentials": CERTIFICATE,
    "oauth_refresh_token": ("username", "tenant_id", "token_url", "client_secret"),
    "certificate": ("username", *CERTIFICATE),
}
SIGN_IN = (
    "username",
    "password",
    "tenant_id",
    "client_id",
    "client_secret",
    *CERTIFICATE,
    "refresh_token",
    "token_url",
)
# The sign-in that a setting speaks for, to help a user who forgot auth_type.
SPEAKS_FOR = {
    "refresh_token": "oauth_refresh_token",
    "client_id": "oauth_client_credentials",
    "client_secret": "oauth_client_credentials",
    "tenant_id": "oauth_client_credentials",
    "client_certificate": "certificate",
}


def complete(values: dict[str, Any]) -> dict[str, Any]:
    """Derive the endpoint's path, the address to look up, the mailboxes and the access type."""
    values = dict(values)
    values["ews_url"] = _with_path(values["ews_url"])
    values["autodiscover"], wanted = _address_to_look_up(values)
    values["mailboxes"] = tuple(dict.fromkeys(one.lower() for one in values["mailboxes"]))
    if not values["mailboxes"] and values["mailboxes_from"] is None:
        values["mailboxes"] = tuple(
            one.lower() for one in (wanted, values["username"]) if one and ADDRESS.fullmatch(one)
        )[:1]
    if values["access_type"] is None:
        application = values["auth_type"] == "oauth_client_credentials"
        values["access_type"] = "impersonation" if application else "delegate"
    return values


def check(settings: Settings) -> None:
    """Refuse settings that cannot be together.

    Raises:
        SettingsError: in one line, the settings concerned and what to do.
    """
    _check_endpoint(settings)
    if not settings.is_demo:
        _check_sign_in(settings)
        _check_mailboxes(settings)
    _check_tls(settings)
    _check_scope(settings)
    _check_content(settings)
    _check_notifications(settings)
    if settings.shard_index >= settings.shard_count:
        _refuse(
            f"shard_index is {settings.shard_index} and shard_count {settings.shard_count}: "
            "shards are numbered from 0 to shard_count - 1"
        )


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address is this machine, without asking DNS."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse(message: str) -> None:
    raise SettingsError(message)


def _with_path(url: str | None) -> str | None:
    """Add the usual path to an address that names only a server."""
    if url is None or url.startswith("demo:"):
        return url
    parts = _split(url)
    if parts is None or parts.path not in ("", "/") or not parts.netloc:
        return url
    return f"{parts.scheme}://{parts.netloc}{DEFAULT_PATH}"


def _address_to_look_up(values: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return what autodiscover looks up, and the address the user gave for it himself."""
    switch = values["autodiscover"]
    if not isinstance(switch, str):
        own = (values["username"], *values["mailboxes"], values["mailboxes_from"])
        found = next((one for one in own if one and ADDRESS.fullmatch(one)), None)
        return (found or "").lower() if switch else None, None
    return switch, switch


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _check_endpoint(settings: Settings) -> None:
    url = settings.ews_url
    if url is None:
        if settings.autodiscover is None:
            _refuse(
                "ews_url is missing: give the address of the server's EWS endpoint, for example "
                "https://mail.example.com/EWS/Exchange.asmx, or set autodiscover to true, "
                "or try it out with demo://"
            )
        elif not ADDRESS.fullmatch(settings.autodiscover):
            _refuse(
                "autodiscover needs an e-mail address to look up: set autodiscover to one, "
                "or name one in username or mailboxes"
            )
        return
    if settings.autodiscover is not None:
        _refuse("ews_url and autodiscover are both set: keep one of them")
    if settings.is_demo:
        if not url.startswith("demo://"):
            _refuse("ews_url: the embedded Exchange is written demo://")
        return
    _check_url("ews_url", url, settings)


def _check_url(name: str, url: str, settings: Settings) -> None:
    """Refuse what is no web address, holds a password, or would send one in the clear."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        _refuse(f"{name} must be an address that begins with https:// and names a server")
        return
    if re.search(r"\s", url):
        _refuse(f"{name} must not hold spaces")
    if parts.username is not None or parts.password is not None:
        _refuse(f"{name} must not hold a user or password: put them into username and password")
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not settings.allow_http:
        _refuse(
            f"{name} is plain HTTP to {parts.hostname}, where passwords and mail can be read on "
            "the way: use https://, or set allow_http to true if you accept that"
        )


def _check_sign_in(settings: Settings) -> None:
    kind = settings.auth_type
    given = [name for name in SIGN_IN if getattr(settings, name) is not None]
    needed = {name for names in NEEDS[kind] for name in names}
    missing = [" or ".join(names) for names in NEEDS[kind] if not any(name in given for name in names)]
    strange = [name for name in given if name not in needed and name not in MAY_HAVE[kind]]
    if missing:
        hint = next((SPEAKS_FOR[name] for name in strange if name in SPEAKS_FOR), None)
        also = f"; for the {strange[0]} that is set, auth_type is {hint}" if hint else ""
        verb = "is" if len(missing) == 1 else "are"
        _refuse(f"{_and(missing)} {verb} missing: auth_type {kind} needs {_it(missing)}{also}")
    if strange:
        verb = "has" if len(strange) == 1 else "have"
        _refuse(
            f"{_and(strange)} {verb} no meaning with auth_type {kind}: "
            f"remove {_it(strange)}, or choose another auth_type"
        )
    if settings.client_secret is not None and settings.client_certificate is not None:
        _refuse("client_secret and client_certificate are both set: keep one of them")
    if kind == "oauth_client_credentials" and settings.access_type == "delegate":
        _refuse(
            "access_type delegate contradicts auth_type oauth_client_credentials: an application "
            "has no mailbox of its own, set access_type to impersonation"
        )
    if settings.tenant_id is not None and not TENANT.fullmatch(settings.tenant_id):
        _refuse("tenant_id must be the tenant's id or its domain, such as example.onmicrosoft.com")
    certificate = settings.client_certificate
    if settings.token_url is not None:
        _check_url("token_url", settings.token_url, settings)
        if certificate is not None and not OF_MSAL.fullmatch(settings.token_url):
            _refuse(
                "token_url cannot be used with client_certificate: msal knows only addresses such as "
                "https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token"
            )
    if certificate is not None and PEM not in certificate:
        _check_readable("client_certificate", certificate)


def _check_mailboxes(settings: Settings) -> None:
    for address in settings.mailboxes:
        if not ADDRESS.fullmatch(address):
            _refuse(f"mailboxes must be e-mail addresses, and {address[:60]!r} is none")
    group = settings.mailboxes_from
    if group is not None and not ADDRESS.fullmatch(group):
        _refuse(f"mailboxes_from must be the e-mail address of a group, not {group[:60]!r}")
    if not settings.mailboxes and group is None:
        why = {
            "oauth_client_credentials": "an application has no mailbox of its own",
            "certificate": "a certificate does not tell whose mailbox it opens",
        }.get(settings.auth_type, "the user name is no e-mail address")
        _refuse(f"mailboxes is missing: {why}, so name the mailboxes to copy")


def _check_tls(settings: Settings) -> None:
    bundle = settings.ca_bundle
    if bundle is not None:
        if not settings.tls_verify:
            _refuse("tls_verify is false, and ca_bundle is set: remove one of them")
        if not os.path.isdir(bundle):  # noqa: PTH112 - pathlib would cost start-up time
            _check_readable("ca_bundle", bundle)
    proxy = settings.proxy_url
    if proxy is not None:
        parts = _split(proxy)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            _refuse("proxy_url must be an address such as http://proxy.example.com:8080")
    agent = settings.user_agent
    if agent is not None and not re.fullmatch(r"[ -~]+", agent):
        _refuse("user_agent must be plain ASCII text in one line")


def _check_readable(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would cost start-up time
            file.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        secret = len(path) > 200 or "\n" in path  # noqa: PLR2004 - key text pasted by mistake
        where = "its file" if secret else path
        _refuse(f"{name}: {where} cannot be read ({reason})")


def _check_scope(settings: Settings) -> None:
    start = settings.start_date
    if start is not None and start > datetime.now(timezone.utc):
        _refuse("start_date is in the future: nothing would be copied")
    if settings.calendar_past_days == 0 and settings.calendar_future_days == 0:
        _refuse(
            "calendar_past_days and calendar_future_days are both 0, an empty window: "
            "to do without calendar_view, deselect the stream"
        )
    for name in ("folders_include", "folders_exclude"):
        for pattern in getattr(settings, name):
            if not pattern.strip("/"):
                _refuse(f"{name} holds an empty pattern")
    if not settings.stores:
        _refuse("stores is empty: name primary, archive, recoverable_items or public_folders")


def _check_content(settings: Settings) -> None:
    if settings.body_type == "none" and settings.body_max_bytes is not None:
        _refuse("body_max_bytes has no meaning with body_type none: remove it")
    if settings.attachments != "content" and settings.attachment_dir is not None:
        _refuse("attachment_dir has no meaning without attachments: content")
    inline = settings.attachments == "content" and settings.attachment_dir is None
    if inline and settings.attachment_max_bytes > MOST_INLINE_BYTES:
        _refuse(
            f"attachment_max_bytes is over {MOST_INLINE_BYTES}, more than a Singer line can hold: "
            "set attachment_dir to put contents into files"
        )


def _check_notifications(settings: Settings) -> None:
    if settings.notifications == "stream" and settings.listen_minutes is None:
        _refuse("listen_minutes is missing: notifications: stream needs to know how long to listen")
    if settings.notifications != "stream" and settings.listen_minutes is not None:
        _refuse("listen_minutes has no meaning without notifications: stream")


def _and(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _it(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
