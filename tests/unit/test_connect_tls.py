"""The TLS of a connection: whom it trusts, what it shows, and one clear line when a certificate is not accepted."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import requests
import urllib3

from tap_exchange.ews import post as posting
from tap_exchange.ews.connect import connect
from tap_exchange.ews.errors import FatalError
from tap_exchange.ews.reply import Bounds
from tap_exchange.ews.unreachable import Trouble, trouble
from tap_exchange.settings import Settings
from tests.certificates import Handler, make, tls_server
from tests.connections import BASICS, connected, meets, post, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def http_port() -> Iterator[int]:
    with served(BaseHTTPRequestHandler) as port:
        yield port


@pytest.mark.parametrize(
    ("host", "shown", "words"),
    [
        ("localhost", {}, "the certificate of localhost is self-signed: put it into ca_bundle"),
        ("localhost", {"host": "mail.example.org"}, "is self-signed"),
    ],
)
def test_an_unknown_certificate_is_refused(tmp_path: Path, host: str, shown: dict[str, Any], words: str) -> None:
    with tls_server(tmp_path, make(**shown)) as port:
        url = f"https://{host}:{port}/EWS/Exchange.asmx"
        with connected({**BASICS, "ews_url": url}) as connection:
            found = meets(connection)
    assert words in found.text
    assert found.lasting
    assert found.code == "CertificateError"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"host": "mail.example.org"}, "the certificate of localhost is for another host: check its name"),
        ({"ends": -timedelta(hours=1)}, "the certificate of localhost has expired: have it renewed"),
        ({"begins": timedelta(hours=2)}, "the certificate of localhost is not valid yet: check this machine's clock"),
    ],
)
def test_a_trusted_authority_does_not_excuse_a_bad_certificate(
    tmp_path: Path, shown: dict[str, Any], words: str
) -> None:
    trusted = make("authority", authority=True)
    (tmp_path / "ca.pem").write_text(trusted.pem)
    with tls_server(tmp_path, make(**shown, issuer=trusted)) as port:
        config = {**BASICS, "ews_url": f"https://localhost:{port}/", "ca_bundle": str(tmp_path / "ca.pem")}
        with connected(config) as connection:
            found = meets(connection)
    assert found == Trouble("CertificateError", words, lasting=True)


def test_a_ca_bundle_is_honoured_by_its_connection_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = make("authority", authority=True)
    (tmp_path / "ca.pem").write_text(trusted.pem)
    with tls_server(tmp_path, make(issuer=trusted)) as port:
        config = {**BASICS, "ews_url": f"https://localhost:{port}/"}
        with connected({**config, "ca_bundle": str(tmp_path / "ca.pem")}) as trusting, connected(config) as other:
            assert post(trusting).text == "well"
            assert "authority that is not trusted here" in meets(other).text
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        with connected(config) as trusting:
            assert post(trusting).text == "well"
        # the variable must not overrule the setting
        (tmp_path / "strange.pem").write_text(make("strange", authority=True).pem)
        with connected({**config, "ca_bundle": str(tmp_path / "strange.pem")}) as other:
            assert meets(other).code == "CertificateError"


def test_a_ca_bundle_without_certificates_is_refused_before_any_request(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("geheim")
    with pytest.raises(FatalError, match=r"ca_bundle: .*ca.pem holds no certificates in PEM form"):
        connect(Settings.from_config({**BASICS, "ca_bundle": str(tmp_path / "ca.pem")}))


def test_verification_can_be_switched_off_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tls_server(tmp_path, make("mail.example.org", ends=-timedelta(hours=1))) as port, warnings.catch_warnings():
        warnings.simplefilter("error", urllib3.exceptions.InsecureRequestWarning)
        config = {**BASICS, "ews_url": f"https://localhost:{port}/", "tls_verify": False}
        with connected(config) as connection:
            assert post(connection).text == "well"
    assert "tls_verify is false" in caplog.text


@pytest.mark.parametrize("verify", [True, False])
def test_a_client_certificate_is_presented(tmp_path: Path, *, verify: bool) -> None:
    trusted = make("authority", authority=True)
    mine = make("anna", issuer=trusted)
    (tmp_path / "ca.pem").write_text(trusted.pem)
    config = {
        "auth_type": "certificate",
        "client_certificate": mine.pem + mine.key("riegel"),
        "client_certificate_password": "riegel",
        "mailboxes": ["anna@example.org"],
        **({"ca_bundle": str(tmp_path / "ca.pem")} if verify else {"tls_verify": False}),
    }
    with tls_server(tmp_path, make(issuer=trusted), clients=trusted) as port:
        url = f"https://localhost:{port}/"
        with connected({**config, "ews_url": url}) as connection:
            assert post(connection).text == "signed in by certificate"
        without = {**BASICS, "ews_url": url, **{name: config[name] for name in ("ca_bundle",) if name in config}}
        if verify:
            with connected(without) as connection:
                assert not meets(connection).text.startswith("the certificate of")


def test_plain_http_on_a_tls_port_is_told(http_port: int) -> None:
    with connected({**BASICS, "ews_url": f"https://localhost:{http_port}/"}) as connection:
        assert meets(connection) == Trouble(
            "TLSError", "localhost does not speak TLS on this port: check the address", lasting=True
        )


def ask(session: requests.Session, url: str) -> bytes | None:
    bounds = Bounds((5.0, 5.0), 5.0, lambda: None, 1000)
    return posting.post(session, posting.prepared(session, url, posting.HEADERS, b"<x/>"), bounds).body


def test_a_connection_is_kept_and_spoken_to_directly(tmp_path: Path) -> None:
    with tls_server(tmp_path, make()) as port:
        config = {**BASICS, "ews_url": f"https://localhost:{port}/", "ca_bundle": str(tmp_path / "server.pem")}
        with connected(config) as connection, connection.session() as session:
            assert ask(session, connection.url) == b"well"
            with mock.patch.object(requests.Session, "send", side_effect=AssertionError):
                assert [ask(session, connection.url) for _ in range(3)] == [b"well"] * 3


def test_encryption_that_breaks_on_a_kept_connection_is_a_broken_connection(tmp_path: Path) -> None:
    class Garbling(Handler):
        answered = 0

        def do_POST(self) -> None:  # noqa: N802 - its own name
            type(self).answered += 1
            if self.answered == 2:
                os.write(self.connection.fileno(), b"what is this?" * 9)
            super().do_POST()

    with tls_server(tmp_path, make(), handler=Garbling) as port:
        config = {**BASICS, "ews_url": f"https://localhost:{port}/", "ca_bundle": str(tmp_path / "server.pem")}
        with connected(config) as connection, connection.session() as session:
            assert ask(session, connection.url) == b"well"
            with pytest.raises(OSError, match="encryption") as failure:
                ask(session, connection.url)
            assert trouble(failure.value, connection.url).code == "ConnectionReset"
            assert ask(session, connection.url) == b"well"
