"""Every setting, declared once: name, type, default, range, help text, whether it is secret.

The fields of `Settings` are the declaration. From them come the reading of a configuration
(`Settings.from_config`), the JSON schema that the Singer side shows (`config_jsonschema`),
Meltano's list (`meltano_settings`) and the README's table (`OPTIONS`). What one value may be
stands in `settings_values`, what several must be together in `settings_rules`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - part of the declaration
from typing import TYPE_CHECKING, Any

from tap_exchange.settings_rules import check, complete
from tap_exchange.settings_schema import json_schema, meltano_entries
from tap_exchange.settings_values import Option, SettingsError, options_of, read_value, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_exchange.ews.shapes import ContentSettings

__all__ = [
    "OPTIONS",
    "Option",
    "Settings",
    "SettingsError",
    "config_jsonschema",
    "from_environment",
    "meltano_settings",
]

logger = logging.getLogger(__name__)

CONNECTION = "Connection"
SIGN_IN = "Sign-in"
MAILBOXES = "Mailboxes"
SCOPE = "Scope"
CONTENT = "Content"
PACE = "Pace"
NOTIFICATIONS = "Notifications"
SHARDING = "Sharding"

MIB = 1024 * 1024
PREFIX = "TAP_EXCHANGE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run, read and checked; nothing changes them afterwards.

    `from_config` fills what is derived: `autodiscover` becomes the address to ask for,
    `mailboxes` the user's own when none is named, `access_type` what the sign-in needs.
    """

    ews_url: str | None = setting(
        CONNECTION,
        "Address of the server's EWS endpoint, for example "
        "https://mail.example.com/EWS/Exchange.asmx; demo:// is the embedded Exchange.",
        label="EWS URL",
    )
    autodiscover: str | None = setting(
        CONNECTION,
        "Find the endpoint by autodiscover, instead of ews_url: true for the user's own "
        "address, or the e-mail address to look up.",
        kind="switch",
    )
    tls_verify: bool = setting(
        CONNECTION,
        "Verify the server's certificate. Set it to false only to find out what is wrong: "
        "passwords can then be read on the way.",
        default=True,
        label="Verify TLS certificates",
    )
    ca_bundle: str | None = setting(
        CONNECTION,
        "File (PEM) or folder with the certificate authorities to trust, instead of the well-known ones.",
        label="CA bundle",
    )
    proxy_url: str | None = setting(
        CONNECTION,
        "HTTP proxy, for example http://user:password@proxy:8080. Without it the variables "
        "HTTPS_PROXY and NO_PROXY hold.",
        label="Proxy URL",
        secret=True,
    )
    allow_http: bool = setting(
        CONNECTION,
        "Allow plain HTTP to a host other than this one: passwords and mail can then be read on the way.",
        default=False,
        label="Allow plain HTTP",
    )
    user_agent: str | None = setting(
        CONNECTION,
        "User-Agent that the server's logs and policies see. Default: tap-exchange and its version.",
    )
    request_timeout: float = setting(
        CONNECTION,
        "Seconds to wait for an answer before a request counts as lost.",
        default=120.0,
        least=1,
        most=3600,
    )

    auth_type: str = setting(
        SIGN_IN,
        "How to sign in.",
        default="basic",
        choices=(
            "basic",
            "ntlm",
            "kerberos",
            "oauth_client_credentials",
            "oauth_refresh_token",
            "certificate",
        ),
        label="Sign-in type",
    )
    username: str | None = setting(
        SIGN_IN,
        "User name: an e-mail address, a user principal name or DOMAIN\\user.",
        label="User name",
    )
    password: str | None = setting(
        SIGN_IN,
        "Password of the user.",
        secret=True,
    )
    tenant_id: str | None = setting(
        SIGN_IN,
        "Microsoft Entra tenant: its id or domain.",
        label="Tenant ID",
    )
    client_id: str | None = setting(
        SIGN_IN,
        "Application (client) id of the app registration.",
        label="Client ID",
    )
    client_secret: str | None = setting(
        SIGN_IN,
        "Secret of the app registration.",
        secret=True,
    )
    client_certificate: str | None = setting(
        SIGN_IN,
        "Certificate with its private key: a PEM file, or the PEM text itself. For "
        "oauth_client_credentials instead of client_secret, and for certificate.",
        secret=True,
    )
    client_certificate_password: str | None = setting(
        SIGN_IN,
        "Password of an encrypted private key in client_certificate.",
        secret=True,
    )
    refresh_token: str | None = setting(
        SIGN_IN,
        "OAuth refresh token of the user.",
        secret=True,
    )
    token_url: str | None = setting(
        SIGN_IN,
        "OAuth token endpoint. Default: that of the tenant at login.microsoftonline.com.",
        label="Token URL",
    )
    access_type: str | None = setting(
        SIGN_IN,
        "Reach other mailboxes as their delegate or by impersonation. Default: impersonation "
        "for oauth_client_credentials, else delegate.",
        choices=("delegate", "impersonation"),
    )

    mailboxes: tuple[str, ...] = setting(
        MAILBOXES,
        "E-mail addresses of the mailboxes to copy. Default: the user's own.",
        default=(),
        words=True,
    )
    mailboxes_from: str | None = setting(
        MAILBOXES,
        "E-mail address of a distribution group whose members' mailboxes to copy, groups in it too.",
        label="Mailboxes of a group",
    )
    stores: tuple[str, ...] = setting(
        MAILBOXES,
        "Parts of each mailbox to copy.",
        default=("primary",),
        choices=("primary", "archive", "recoverable_items", "public_folders"),
    )

    start_date: datetime | None = setting(  # noqa: RUF009 - a field
        SCOPE,
        "Copy only items received (else sent, else created; meetings: that end) at this time or "
        "later. Default: everything.",
    )
    folders_include: tuple[str, ...] = setting(
        SCOPE,
        "Copy only these folders: path globs such as Inbox/* or distinguished names such as inbox. Default: all. "
        "A name with brackets, such as [Gmail], names that folder, too.",
        default=(),
        label="Folders to include",
    )
    folders_exclude: tuple[str, ...] = setting(
        SCOPE,
        "Leave out these folders: path globs or distinguished names, as in folders_include.",
        default=(),
        label="Folders to exclude",
    )
    ignore_item_ids: tuple[str, ...] = setting(
        SCOPE,
        "EWS ids of items that the server is told to leave out of the feed.",
        default=(),
        label="Items to ignore",
    )
    search_folders: bool = setting(
        SCOPE,
        "List what search folders hold, too.",
        default=False,
    )
    calendar_past_days: int = setting(
        SCOPE,
        "Days before today that calendar_view covers.",
        default=30,
        least=0,
        most=36500,
    )
    calendar_future_days: int = setting(
        SCOPE,
        "Days after today that calendar_view covers.",
        default=365,
        least=0,
        most=36500,
    )

    body_type: str = setting(
        CONTENT,
        "Bodies as html, as text, as stored (best), or none at all.",
        default="best",
        choices=("html", "text", "best", "none"),
    )
    body_max_bytes: int | None = setting(
        CONTENT,
        "Cut bodies after so many bytes, on the server where it can. Default: whole bodies.",
        least=1,
        most=2**31 - 1,
    )
    include_mime: bool = setting(
        CONTENT,
        "Load each item's whole MIME content too (mime_content, base64).",
        default=False,
        label="Include MIME content",
    )
    attachments: str = setting(
        CONTENT,
        "Attachments: none, their metadata, or their content too, each as a row of attachments.",
        default="metadata",
        choices=("none", "metadata", "content"),
    )
    attachment_max_bytes: int = setting(
        CONTENT,
        "Largest attachment whose content is loaded; in rows 36 MiB at most.",
        default=MIB,
        least=1,
    )
    attachment_dir: str | None = setting(
        CONTENT,
        "Folder or fsspec address (s3://, gs://, abfs://) for attachment contents, instead of base64 in the rows; "
        "the addresses need the package s3fs, gcsfs or adlfs.",
        label="Attachment folder",
    )
    extended_properties: tuple[Any, ...] = setting(
        CONTENT,
        "MAPI properties to add as columns: objects with column, streams, type, and tag, or property_set with name or "
        "id.",
        default=(),
    )
    read_flags: str = setting(
        CONTENT,
        "Read and unread: a row of item_changes (row), or the item loaded again (reload).",
        default="row",
        choices=("row", "reload"),
    )
    tombstones: bool = setting(
        CONTENT,
        "Write a row with _sdc_deleted_at for each deleted item, for targets that delete on it.",
        default=False,
    )

    batch_size: int = setting(
        PACE,
        "Items in one loading request.",
        default=10,
        least=1,
        most=1000,
    )
    max_changes: int = setting(
        PACE,
        "Changes in one page of a folder's feed.",
        default=512,
        least=1,
        most=512,
    )
    max_connections: int = setting(
        PACE,
        "Requests under way at the same time.",
        default=4,
        least=1,
        most=27,
    )
    max_wait: float = setting(
        PACE,
        "Seconds that one request may wait, at most, for a server that asks to back off; a run with several such "
        "troubles waits longer in all.",
        default=3600.0,
        least=0,
    )
    max_runtime_minutes: float | None = setting(
        PACE,
        "End the run in good order after so many minutes; the next one goes on from there.",
        least=0.01,
    )
    state_interval: float = setting(
        PACE,
        "Seconds between two STATE messages, at least.",
        default=30.0,
        least=0,
    )
    listing_hours: float = setting(
        PACE,
        "Hours between two complete listings of a public folder, which find what was deleted, "
        "or of a search folder that seems unchanged.",
        default=24.0,
        least=0,
    )

    notifications: str = setting(
        NOTIFICATIONS,
        "Ask only folders with news: from a subscription left on the server between runs (pull), or live (stream).",
        default="none",
        choices=("none", "pull", "stream"),
    )
    listen_minutes: float | None = setting(
        NOTIFICATIONS,
        "How long to go on listening, with notifications: stream.",
        least=0.01,
    )
    notification_delay: float = setting(
        NOTIFICATIONS,
        "Seconds to gather events before the folders they name are synced.",
        default=5.0,
        least=0,
        most=3600,
    )
    full_check_hours: float = setting(
        NOTIFICATIONS,
        "Hours after which every folder is asked all the same.",
        default=24.0,
        least=0,
    )

    shard_index: int = setting(
        SHARDING,
        "Number of this shard, from 0.",
        default=0,
        least=0,
    )
    shard_count: int = setting(
        SHARDING,
        "Number of runs that share the mailboxes among them.",
        default=1,
        least=1,
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read a configuration; settings nobody knows are named in a warning and ignored.

        Raises:
            SettingsError: a value, or several together, cannot be; one line says which.
        """
        _warn_of_unknown(config)
        values = {option.name: read_value(option, config.get(option.name)) for option in OPTIONS}
        settings = cls(**complete(values))
        check(settings)
        if settings.extended_properties:
            try:
                _ = settings.content
            except ValueError as error:
                raise SettingsError(str(error)) from None
        return settings

    @property
    def is_demo(self) -> bool:
        """Tell whether the embedded Exchange is asked for."""
        return self.ews_url is not None and self.ews_url.startswith("demo:")

    @property
    def impersonate(self) -> bool:
        """Tell whether requests name the mailbox in an ExchangeImpersonation header."""
        return self.access_type == "impersonation"

    @property
    def content(self) -> ContentSettings:
        """Return the part that decides what of an item is requested."""
        from tap_exchange.ews.columns import extended_properties  # noqa: PLC0415 - needs lxml
        from tap_exchange.ews.shapes import ContentSettings  # noqa: PLC0415 - needs lxml

        return ContentSettings(
            body_type=self.body_type,
            body_max_bytes=self.body_max_bytes,
            include_mime=self.include_mime,
            extended_properties=extended_properties(self.extended_properties),
        )


OPTIONS = options_of(Settings)


def config_jsonschema() -> dict[str, Any]:
    """Return the JSON schema of a configuration, as singer-sdk shows it."""
    return json_schema(OPTIONS)


def meltano_settings() -> list[dict[str, Any]]:
    """Return the entries of `settings:` in meltano.yml, in order."""
    return meltano_entries(OPTIONS)


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that stand in variables named TAP_EXCHANGE_..., as text."""
    names = ((option.name, PREFIX + option.name.upper()) for option in OPTIONS)
    return {name: environ[variable] for name, variable in names if variable in environ}


# What singer-sdk takes for itself from the same configuration.
SINGER_SETTINGS = frozenset({
    "batch_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
    "stream_map_config",
    "stream_maps",
})  # fmt: skip


def _warn_of_unknown(config: Mapping[str, Any]) -> None:
    known = {option.name for option in OPTIONS}
    for name in config:
        if name in known or name in SINGER_SETTINGS:
            continue
        from difflib import get_close_matches  # noqa: PLC0415 - seldom needed

        close = get_close_matches(name, known, n=1)
        hint = f"; is {close[0]} meant?" if close else ""
        logger.warning("The setting %s is unknown and ignored%s", name, hint)
