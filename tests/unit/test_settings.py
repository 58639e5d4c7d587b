"""Settings are read, completed and refused in one line that names them, without a secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from tap_exchange.settings import (
    OPTIONS,
    Settings,
    SettingsError,
    config_jsonschema,
    from_environment,
    meltano_settings,
)

URL = "https://mail.example.com/EWS/Exchange.asmx"
BASIC = {"ews_url": URL, "username": "Anna@Example.com", "password": "geheim1"}
CERTIFICATE = "-----BEGIN CERTIFICATE-----geheim2"
SECRETS = ("geheim1", "geheim2", "geheim3", "geheim4")
APPLICATION = {
    "ews_url": URL,
    "auth_type": "oauth_client_credentials",
    "tenant_id": "example.onmicrosoft.com",
    "client_id": "app",
    "mailboxes": ["anna@example.com"],
}
DEMO = {"ews_url": "demo://"}


def test_the_embedded_exchange_needs_nothing_else() -> None:
    settings = Settings.from_config(DEMO)
    assert settings.is_demo
    assert settings.mailboxes == ()
    assert (settings.batch_size, settings.max_changes, settings.max_connections) == (10, 512, 4)


def test_defaults_are_completed_from_the_sign_in() -> None:
    settings = Settings.from_config(BASIC)
    assert settings.auth_type == "basic"
    assert settings.mailboxes == ("anna@example.com",)
    assert settings.access_type == "delegate"
    assert not settings.impersonate
    application = Settings.from_config({**APPLICATION, "client_secret": "geheim3"})
    assert application.impersonate


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        ({"ews_url": "https://mail.example.com"}, "ews_url", URL),
        ({"ews_url": "https://mail.example.com:444/"}, "ews_url", "https://mail.example.com:444/EWS/Exchange.asmx"),
        ({"ews_url": "http://localhost:8080"}, "ews_url", "http://localhost:8080/EWS/Exchange.asmx"),
        ({"ews_url": "http://127.0.0.2:8080/x"}, "ews_url", "http://127.0.0.2:8080/x"),
        ({"ews_url": "http://[::1]:8080/x"}, "ews_url", "http://[::1]:8080/x"),
        ({"ews_url": "http://mail.example.com/x", "allow_http": "true"}, "ews_url", "http://mail.example.com/x"),
        ({"ews_url": None, "autodiscover": True}, "autodiscover", "anna@example.com"),
        ({"ews_url": "", "autodiscover": "yes"}, "autodiscover", "anna@example.com"),
        ({"ews_url": None, "autodiscover": "Info@example.com"}, "autodiscover", "info@example.com"),
        ({"ews_url": None, "autodiscover": "Info@example.com"}, "mailboxes", ("info@example.com",)),
        ({"autodiscover": False}, "autodiscover", None),
        ({"autodiscover": "false"}, "autodiscover", None),
        ({"mailboxes": ["A@x.org", "b@x.org", "a@X.org"]}, "mailboxes", ("a@x.org", "b@x.org")),
        ({"mailboxes": "a@x.org, b@x.org c@x.org"}, "mailboxes", ("a@x.org", "b@x.org", "c@x.org")),
        ({"mailboxes": '["a@x.org", "b@x.org"]'}, "mailboxes", ("a@x.org", "b@x.org")),
        ({"mailboxes": " "}, "mailboxes", ("anna@example.com",)),
        ({"mailboxes_from": "all@x.org"}, "mailboxes", ()),
        ({"stores": "primary archive"}, "stores", ("primary", "archive")),
        ({"stores": ["public_folders", "public_folders"]}, "stores", ("public_folders",)),
        ({"mailboxes": "a@x.org;b@x.org\nc@x.org"}, "mailboxes", ("a@x.org", "b@x.org", "c@x.org")),
        ({"folders_include": "Inbox/My folder, sent*"}, "folders_include", ("Inbox/My folder", "sent*")),
        ({"folders_exclude": "Mail from b@x.org, Junk Email"}, "folders_exclude", ("Mail from b@x.org", "Junk Email")),
        ({"batch_size": "25"}, "batch_size", 25),
        ({"batch_size": 25.0}, "batch_size", 25),
        ({"batch_size": None}, "batch_size", 10),
        ({"max_wait": "0.5"}, "max_wait", 0.5),
        ({"tls_verify": "no"}, "tls_verify", False),
        ({"tombstones": 1}, "tombstones", True),
        ({"include_mime": "off"}, "include_mime", False),
        ({"start_date": "2024-01-31"}, "start_date", datetime(2024, 1, 31, tzinfo=timezone.utc)),
        ({"start_date": "2024-01-31T01:00:00+02:00"}, "start_date", datetime(2024, 1, 30, 23, tzinfo=timezone.utc)),
        ({"start_date": "2024-01-31T08:00:00Z"}, "start_date", datetime(2024, 1, 31, 8, tzinfo=timezone.utc)),
        (
            {"attachment_max_bytes": 10**9, "attachments": "content", "attachment_dir": "s3://b/c"},
            "attachment_dir",
            "s3://b/c",
        ),
        ({"attachment_max_bytes": 10**9}, "attachment_max_bytes", 10**9),
        ({"notifications": "stream", "listen_minutes": "5"}, "listen_minutes", 5.0),
        ({"shard_index": 2, "shard_count": 3}, "shard_index", 2),
        ({"proxy_url": "http://user:geheim4@proxy:8080"}, "proxy_url", "http://user:geheim4@proxy:8080"),
        ({"access_type": "impersonation"}, "impersonate", True),
        ({"password": " geheim1 "}, "password", " geheim1 "),
    ],
)
def test_a_value_is_read(config: dict[str, Any], name: str, value: object) -> None:
    assert getattr(Settings.from_config({**BASIC, **config}), name) == value


REFUSED: list[tuple[dict[str, Any], str]] = [
    # endpoint
    ({}, "ews_url is missing"),
    ({**BASIC, "autodiscover": True}, "ews_url and autodiscover are both set"),
    ({**BASIC, "ews_url": None, "username": "EX\\anna", "autodiscover": True}, "autodiscover needs an e-mail address"),
    ({**BASIC, "ews_url": None, "autodiscover": "perhaps"}, "autodiscover must be true, false or an e-mail address"),
    ({**BASIC, "ews_url": "mail.example.com"}, "ews_url must be an address that begins with https://"),
    ({**BASIC, "ews_url": "ftp://mail.example.com"}, "ews_url must be an address that begins with https://"),
    ({**BASIC, "ews_url": "https:///EWS"}, "ews_url must be an address that begins with https://"),
    ({**BASIC, "ews_url": "https://mail.example.com:abc/"}, "ews_url must be an address"),
    ({**BASIC, "ews_url": "https://mail.example.com/E WS"}, "ews_url must not hold spaces"),
    ({**BASIC, "ews_url": "https://anna:geheim3@mail.example.com/x"}, "ews_url must not hold a user or password"),
    ({**BASIC, "ews_url": "http://mail.example.com/x"}, "ews_url is plain HTTP to mail.example.com"),
    ({**BASIC, "ews_url": "http://127.0.0.1.example.com/x"}, "ews_url is plain HTTP to 127.0.0.1.example.com"),
    ({**BASIC, "ews_url": "demo:here"}, "ews_url: the embedded Exchange is written demo://"),
    # sign-in
    ({"ews_url": URL}, "username and password are missing: auth_type basic needs them"),
    ({"ews_url": URL, "username": "a@x.org"}, "password is missing: auth_type basic needs it"),
    ({"ews_url": URL, "username": "a@x.org", "auth_type": "ntlm"}, "password is missing: auth_type ntlm needs it"),
    ({**BASIC, "auth_type": "digest"}, "auth_type must be one of basic, ntlm, kerberos"),
    ({**BASIC, "auth_type": "kerberos"}, "password has no meaning with auth_type kerberos"),
    ({**BASIC, "client_secret": "geheim3"}, "client_secret has no meaning with auth_type basic"),
    (
        {"ews_url": URL, "client_id": "x", "client_secret": "geheim3"},
        "for the client_id that is set, auth_type is oauth_client_credentials",
    ),
    (
        {"ews_url": URL, "refresh_token": "geheim3"},
        "for the refresh_token that is set, auth_type is oauth_refresh_token",
    ),
    (APPLICATION, "client_secret or client_certificate is missing"),
    ({**APPLICATION, "client_id": None, "client_secret": "geheim3"}, "client_id is missing"),
    ({**APPLICATION, "tenant_id": None, "client_secret": "geheim3"}, "tenant_id or token_url is missing"),
    (
        {**APPLICATION, "client_secret": "geheim3", "client_certificate": CERTIFICATE},
        "client_secret and client_certificate are both set",
    ),
    (
        {**APPLICATION, "client_secret": "geheim3", "password": "geheim1"},
        "password has no meaning with auth_type oauth_client_credentials",
    ),
    ({**APPLICATION, "client_secret": "geheim3", "access_type": "delegate"}, "access_type delegate contradicts"),
    (
        {**APPLICATION, "client_secret": "geheim3", "mailboxes": []},
        "mailboxes is missing: an application has no mailbox",
    ),
    ({**APPLICATION, "client_secret": "geheim3", "tenant_id": "../x"}, "tenant_id must be the tenant's id"),
    ({**APPLICATION, "client_secret": "geheim3", "token_url": "http://login.example.com/"}, "token_url is plain HTTP"),
    (
        {**APPLICATION, "client_certificate": CERTIFICATE, "token_url": "https://login.example.com/t"},
        "token_url cannot be used with client_certificate",
    ),
    ({**APPLICATION, "client_certificate": "/nowhere/app.pem"}, "client_certificate: /nowhere/app.pem cannot be read"),
    ({"ews_url": URL, "auth_type": "oauth_refresh_token", "client_id": "x"}, "refresh_token is missing"),
    ({"ews_url": URL, "auth_type": "oauth_refresh_token", "refresh_token": "geheim3"}, "client_id is missing"),
    (
        {"ews_url": URL, "auth_type": "oauth_refresh_token", "client_id": "x", "refresh_token": "geheim3"},
        "mailboxes is missing",
    ),
    ({"ews_url": URL, "auth_type": "certificate"}, "client_certificate is missing"),
    (
        {"ews_url": URL, "auth_type": "certificate", "client_certificate": CERTIFICATE},
        "mailboxes is missing: a certificate",
    ),
    # mailboxes
    ({**BASIC, "username": "EX\\anna"}, "mailboxes is missing: the user name is no e-mail address"),
    ({**BASIC, "mailboxes": ["anna"]}, "mailboxes must be e-mail addresses"),
    ({**BASIC, "mailboxes": [7]}, "mailboxes must be a list of texts"),
    ({**BASIC, "mailboxes": 7}, "mailboxes must be a list"),
    ({**BASIC, "mailboxes": "[a@x.org"}, "mailboxes must be a list in JSON"),
    ({**BASIC, "mailboxes_from": "everybody"}, "mailboxes_from must be the e-mail address of a group"),
    ({**BASIC, "stores": ["attic"]}, "stores must be one of primary, archive"),
    ({**BASIC, "stores": []}, "stores is empty"),
    # TLS and the way there
    ({**BASIC, "ca_bundle": "/nowhere/ca.pem"}, "ca_bundle: /nowhere/ca.pem cannot be read"),
    ({**BASIC, "ca_bundle": __file__, "tls_verify": False}, "tls_verify is false, and ca_bundle is set"),
    ({**BASIC, "proxy_url": "geheim4"}, "proxy_url must be an address"),
    ({**BASIC, "proxy_url": "gopher://u:geheim4@proxy"}, "proxy_url must be an address"),
    ({**BASIC, "user_agent": "tap\r\nX: y"}, "user_agent must be plain ASCII"),
    ({**BASIC, "request_timeout": 0}, "request_timeout must be a number from 1 to 3600"),
    # scope
    ({**BASIC, "start_date": "yesterday"}, "start_date must be a date like 2024-01-31"),
    ({**BASIC, "start_date": 20240131}, "start_date must be a date like 2024-01-31"),
    ({**BASIC, "start_date": "0001-01-01T00:00:00+14:00"}, "start_date must be a date like 2024-01-31"),
    ({**BASIC, "start_date": str(datetime.now(timezone.utc) + timedelta(days=2))}, "start_date is in the future"),
    ({**BASIC, "calendar_past_days": 0, "calendar_future_days": 0}, "calendar_past_days and calendar_future_days"),
    ({**BASIC, "calendar_past_days": -1}, "calendar_past_days must be a whole number"),
    ({**BASIC, "folders_include": ["/"]}, "folders_include holds an empty pattern"),
    # content
    ({**BASIC, "body_type": "rtf"}, "body_type must be one of html, text, best, none"),
    ({**BASIC, "body_max_bytes": 0}, "body_max_bytes must be a whole number from 1"),
    ({**BASIC, "body_max_bytes": 5, "body_type": "none"}, "body_max_bytes has no meaning with body_type none"),
    ({**BASIC, "attachments": "all"}, "attachments must be one of none, metadata, content"),
    ({**BASIC, "attachment_dir": "/tmp"}, "attachment_dir has no meaning without attachments: content"),
    ({**BASIC, "attachments": "content", "attachment_max_bytes": 40 * 2**20}, "attachment_max_bytes is over"),
    ({**BASIC, "read_flags": "maybe"}, "read_flags must be one of row, reload"),
    ({**BASIC, "extended_properties": [7]}, "extended_properties must be a list of objects"),
    # pace
    ({**BASIC, "batch_size": 0}, "batch_size must be a whole number from 1 to 1000, not 0"),
    ({**BASIC, "batch_size": 1001}, "batch_size must be a whole number from 1 to 1000, not 1001"),
    ({**BASIC, "batch_size": "many"}, "batch_size must be a whole number from 1 to 1000, not 'many'"),
    ({**BASIC, "batch_size": True}, "batch_size must be a whole number"),
    ({**BASIC, "batch_size": 2.5}, "batch_size must be a whole number"),
    ({**BASIC, "batch_size": float("inf")}, "batch_size must be a whole number"),
    ({**BASIC, "max_changes": 513}, "max_changes must be a whole number from 1 to 512"),
    ({**BASIC, "max_connections": 28}, "max_connections must be a whole number from 1 to 27"),
    ({**BASIC, "max_wait": "nan"}, "max_wait must be a number"),
    ({**BASIC, "max_wait": -1}, "max_wait must be a number of at least 0"),
    ({**BASIC, "max_runtime_minutes": 0}, "max_runtime_minutes must be a number of at least 0.01"),
    ({**BASIC, "tombstones": "perhaps"}, "tombstones must be true or false"),
    # notifications and shards
    ({**BASIC, "notifications": "push"}, "notifications must be one of none, pull, stream"),
    ({**BASIC, "notifications": "stream"}, "listen_minutes is missing"),
    ({**BASIC, "listen_minutes": 5}, "listen_minutes has no meaning without notifications: stream"),
    ({**BASIC, "shard_index": 3, "shard_count": 3}, "shard_index is 3 and shard_count 3"),
    ({**BASIC, "shard_index": 1}, "shard_index is 1 and shard_count 1"),
    ({**BASIC, "shard_count": 0}, "shard_count must be a whole number of at least 1"),
    ({**BASIC, "password": 1234567}, "password must be text"),
]


@pytest.mark.parametrize(("config", "beginning"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_be_is_refused_in_one_line(config: dict[str, Any], beginning: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_config(config)
    message = str(refusal.value)
    assert beginning in message
    assert "\n" not in message
    assert len(message) < 300
    assert not any(secret in message for secret in (*SECRETS, "1234567"))


def test_extended_properties_are_checked_and_part_of_the_content() -> None:
    wanted = {"column": "customer", "tag": "0x3A4A", "type": "String", "streams": ["contacts"]}
    for given in ([wanted], json.dumps([wanted]), json.dumps(wanted)):
        content = Settings.from_config({**BASIC, "extended_properties": given, "body_type": "text"}).content
        assert content.body_type == "text"
        assert [one.column for one in content.extended_properties] == ["customer"]
        hash(content)
    with pytest.raises(SettingsError, match="extended_properties, entry 1"):
        Settings.from_config({**BASIC, "extended_properties": [{**wanted, "type": "Telegram"}]})


def test_a_pasted_key_is_not_repeated() -> None:
    pasted = "MIIEvQIBADANBgkqhkiG9w0BAQ" * 40
    with pytest.raises(SettingsError) as refusal:
        Settings.from_config({**APPLICATION, "client_certificate": pasted})
    assert "MIIE" not in str(refusal.value)


def test_secrets_stay_out_of_the_repr() -> None:
    settings = Settings.from_config(
        {**APPLICATION, "client_secret": "geheim3", "proxy_url": "http://u:geheim4@proxy:80"},
    )
    assert not any(secret in repr(settings) for secret in SECRETS)
    assert "example.onmicrosoft.com" in repr(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.from_config(DEMO).batch_size = 3  # type: ignore[misc]


def test_an_unknown_setting_is_named_with_the_one_it_resembles(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    Settings.from_config({**BASIC, "user_name": "geheim3", "stream_maps": {}, "flattening_enabled": True})
    assert caplog.messages == ["The setting user_name is unknown and ignored; is username meant?"]


def test_the_environment_is_read_as_text() -> None:
    environment = {
        "TAP_EXCHANGE_EWS_URL": URL,
        "TAP_EXCHANGE_USERNAME": "anna@example.com",
        "TAP_EXCHANGE_PASSWORD": "geheim1",
        "TAP_EXCHANGE_MAILBOXES": "anna@example.com,ben@example.com",
        "TAP_EXCHANGE_BATCH_SIZE": "50",
        "HOME": "/",
    }
    settings = Settings.from_config(from_environment(environment))
    assert settings.mailboxes == ("anna@example.com", "ben@example.com")
    assert settings.batch_size == 50


def test_the_schema_describes_every_setting() -> None:
    schema = config_jsonschema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert list(schema["properties"]) == [option.name for option in OPTIONS]
    for name, described in schema["properties"].items():
        assert described["title"], name
        assert described["description"].endswith("."), name
    secret = {name for name, described in schema["properties"].items() if described.get("secret")}
    assert secret == {
        "password",
        "client_secret",
        "client_certificate",
        "client_certificate_password",
        "refresh_token",
        "proxy_url",
    }
    json.dumps(schema)


def test_the_schema_takes_what_is_read() -> None:
    validator = jsonschema.Draft7Validator(config_jsonschema())
    for config in (
        DEMO,
        {**BASIC, "mailboxes": ["a@x.org"], "stores": ["archive"], "autodiscover": True},
        {**BASIC, "mailboxes": "a@x.org b@x.org", "access_type": None, "autodiscover": "a@x.org"},
        {option.name: option.default for option in OPTIONS if option.kind != "array"},
    ):
        assert list(validator.iter_errors(json.loads(json.dumps(config)))) == []
    assert list(validator.iter_errors({"batch_size": 0}))


def test_the_list_for_meltano_marks_what_is_sensitive() -> None:
    entries = {entry["name"]: entry for entry in meltano_settings()}
    assert entries["password"]["sensitive"] is True
    assert entries["auth_type"]["kind"] == "options"
    assert entries["auth_type"]["options"][0] == {"label": "basic", "value": "basic"}
    assert entries["mailboxes"]["kind"] == "array"
    assert entries["start_date"]["kind"] == "date_iso8601"
    assert "sensitive" not in entries["username"]


def test_settings_cost_little_to_import() -> None:
    code = (
        "import sys, tap_exchange.settings; "
        "print([m for m in sys.modules if m.partition('.')[0] in ('exchangelib', 'requests', 'lxml', 'singer_sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("raw", ["0.5", 0.5, Decimal("0.5")])
def test_a_number_of_a_config_file_is_read_however_it_was_parsed(raw: object) -> None:
    """singer-sdk parses the numbers of a file as Decimal."""
    settings = Settings.from_config({"ews_url": "demo://", "notification_delay": raw})
    assert settings.notification_delay == 0.5


@pytest.mark.parametrize("raw", [Decimal("20.5"), 20.5])
def test_a_fraction_is_no_whole_number(raw: object) -> None:
    with pytest.raises(SettingsError, match="batch_size"):
        Settings.from_config({"ews_url": "demo://", "batch_size": raw})
