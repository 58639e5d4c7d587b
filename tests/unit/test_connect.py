"""A connection: its sessions, its TLS, its proxy, and one clear line when a host is out of reach."""

from __future__ import annotations

import base64
import logging
import socket
import threading
import time
import warnings
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
import spnego
import urllib3

from tap_exchange.ews.connect import Connection, connect
from tap_exchange.ews.errors import FatalError, Stopped
from tap_exchange.ews.sessions import network
from tap_exchange.ews.unreachable import Trouble, trouble
from tap_exchange.settings import Settings
from tests.certificates import make, tls_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests_mock import Mocker

BASICS: dict[str, Any] = {
    "ews_url": "https://mail.example.org/EWS/Exchange.asmx",
    "username": "anna@example.org",
    "password": "geheim",
}
TOKEN_URL = "https://login.microsoftonline.com/example.org/oauth2/v2.0/token"
APPLICATION: dict[str, Any] = {
    "ews_url": BASICS["ews_url"],
    "auth_type": "oauth_client_credentials",
    "tenant_id": "example.org",
    "client_id": "app-1",
    "client_secret": "geheim",
    "mailboxes": ["anna@example.org"],
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def connected(config: dict[str, Any]) -> Iterator[Connection]:
    connection = connect(Settings.from_config(config))
    try:
        yield connection
    finally:
        connection.close()


def post(connection: Connection, body: bytes = b"<x/>") -> requests.Response:
    with connection.session() as session:
        return session.post(connection.url, data=body, timeout=connection.timeout, allow_redirects=False)


def meets(connection: Connection) -> Trouble:
    began = time.monotonic()
    with pytest.raises(requests.RequestException) as failure:
        post(connection)
    assert time.monotonic() - began < 5
    return trouble(failure.value, connection.url)


# What a connection tells


def test_a_connection_tells_what_requests_need() -> None:
    with connected({**BASICS, "access_type": "impersonation", "request_timeout": 5}) as connection:
        assert connection.url == BASICS["ews_url"]
        assert connection.impersonate
        assert connection.application_id is None
        assert connection.timeout == (5.0, 5.0)
        assert connection.mailboxes == ("anna@example.org",)
        assert connection.versions == (
            "Exchange2016",
            "Exchange2013_SP1",
            "Exchange2013",
            "Exchange2010_SP2",
            "Exchange2010_SP1",
        )
        assert connection.mailbox_headers("ben@example.org") == {"X-AnchorMailbox": "ben@example.org"}
        assert not connection.renewable


def test_connecting_sends_nothing(requests_mock: Mocker) -> None:
    with connected(BASICS):
        assert requests_mock.call_count == 0


def test_a_request_is_signed_in_and_names_its_agent(
    requests_mock: Mocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine mail.example.org login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    requests_mock.post(BASICS["ews_url"], text="well")
    with connected({**BASICS, "user_agent": "warehouse/1"}) as connection:
        post(connection)
    headers = requests_mock.last_request.headers
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"anna@example.org:geheim"
    assert headers["User-Agent"] == "warehouse/1"
    assert headers["Accept-Encoding"] == "gzip, deflate"
    with connected(BASICS) as connection:
        post(connection)
    assert requests_mock.last_request.headers["User-Agent"].startswith("tap-exchange/")


# Sessions


def test_no_more_sessions_are_lent_than_connections_are_wanted() -> None:
    with connected({**BASICS, "max_connections": 2}) as connection:
        lent, waiting = [], threading.Event()

        def third() -> None:
            with connection.session() as session:
                lent.append(session)
            waiting.set()

        with connection.session() as first, connection.session() as second:
            thread = threading.Thread(target=third)
            thread.start()
            assert not waiting.wait(0.1)
            with connection.extra_session() as extra:
                assert extra not in (first, second)
        assert waiting.wait(2)
        thread.join()
        assert lent[0] in (first, second)


def test_a_session_comes_back_whatever_happens() -> None:
    with connected({**BASICS, "max_connections": 1}) as connection:
        for failure in (Stopped(), requests.ConnectionError(), KeyboardInterrupt()):
            with pytest.raises(type(failure)), connection.session():
                raise failure
        with connection.session() as session:
            session.cookies.set("X-BackEndCookie", "a")
            connection.retire(session)
            assert not session.cookies
            connection.retire(session)


# Tokens


def test_a_token_is_fetched_first_and_renewed_once_for_many(requests_mock: Mocker) -> None:
    asked = requests_mock.post(
        TOKEN_URL, [{"json": {"access_token": f"token-{n}", "expires_in": 3600}} for n in range(1, 9)]
    )
    requests_mock.post(BASICS["ews_url"], text="well")
    with connected(APPLICATION) as connection:
        assert asked.call_count == 1
        assert connection.renewable
        assert connection.impersonate
        assert connection.application_id == "app-1"
        together = threading.Barrier(4)

        def refused() -> None:
            post(connection)
            together.wait()
            connection.renew()

        threads = [threading.Thread(target=refused) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert asked.call_count == 2
        post(connection)
        assert requests_mock.last_request.headers["Authorization"] == "Bearer token-2"
        connection.renew()
        assert asked.call_count == 3
        with connection.session() as session:
            connection.retire(session)
        assert asked.call_count == 3


def test_a_password_cannot_be_renewed() -> None:
    with connected(BASICS) as connection, pytest.raises(FatalError, match="check the account and its password"):
        connection.renew()


def test_a_wrong_secret_ends_at_once(requests_mock: Mocker) -> None:
    requests_mock.post(TOKEN_URL, status_code=401, json={"error": "invalid_client"})
    with pytest.raises(FatalError, match="client_secret or client_certificate is not accepted"):
        connect(Settings.from_config(APPLICATION))


def test_the_token_never_goes_to_the_log(requests_mock: Mocker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    requests_mock.post(TOKEN_URL, json={"access_token": "token-geheim", "expires_in": 3600})
    requests_mock.post(BASICS["ews_url"], text="well")
    with connected(APPLICATION) as connection:
        post(connection)
        connection.renew()
    assert "geheim" not in caplog.text


# TLS


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


# Hosts out of reach


def test_a_refused_connection_and_an_unknown_host_are_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with connected({**BASICS, "ews_url": f"http://localhost:{port}/"}) as connection:
        found = meets(connection)
        assert found == Trouble(
            "ConnectionRefused", f"localhost refuses connections to port {port}: check the address", lasting=True
        )
    with connected({**BASICS, "ews_url": "https://mail.nowhere.invalid/"}) as connection:
        found = meets(connection)
        assert found == Trouble(
            "UnknownHost", "the host mail.nowhere.invalid is unknown: check the address", lasting=True
        )


def test_a_silent_server_and_a_broken_connection_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with connected({**BASICS, "ews_url": url, "request_timeout": 1}) as connection:
            assert meets(connection) == Trouble("Timeout", "127.0.0.1 took too long to answer", lasting=False)
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            rude.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with connected({**BASICS, "ews_url": f"http://127.0.0.1:{rude.getsockname()[1]}/"}) as connection:
            assert meets(connection) == Trouble("ConnectionReset", "127.0.0.1 broke the connection", lasting=False)
        thread.join()


# Proxies


def proxies(config: dict[str, Any], url: str) -> dict[str, Any]:
    return dict(network(Settings.from_config({**BASICS, **config})).session(url).proxies)


def test_the_proxy_is_the_setting_then_the_environment_and_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "https://mail.example.org/"
    assert proxies({}, url) == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example.org")
    assert proxies({}, url)["https"] == "http://other:3128"
    assert proxies({}, "https://inside.example.org/") == {}
    assert proxies({}, "http://127.0.0.1:80/") == {}
    assert proxies({"proxy_url": "http://mine:3128"}, url)["https"] == "http://mine:3128"
    assert proxies({"proxy_url": "http://mine:3128"}, "http://localhost/") == {}


def test_a_proxy_out_of_reach_is_told_without_its_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with connected({**BASICS, "proxy_url": f"http://anna:geheim@127.0.0.1:{port}"}) as connection:
        found = meets(connection)
    assert found == Trouble("ProxyError", "the proxy cannot be reached: check proxy_url", lasting=True)


@pytest.mark.parametrize(
    ("status", "words"),
    [(407, "the proxy wants a user and password"), (403, "the proxy refuses to reach the server")],
)
def test_a_proxy_that_refuses_is_told(status: int, words: str) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with served(Refusing) as port, connected({**BASICS, "proxy_url": f"http://127.0.0.1:{port}"}) as connection:
        assert words in meets(connection).text


# NTLM


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http_port() -> Iterator[int]:
    with served(BaseHTTPRequestHandler) as port:
        yield port


class Ntlm(BaseHTTPRequestHandler):
    """A server that signs connections in by NTLM, as Exchange does."""

    protocol_version = "HTTP/1.1"
    requests: list[str]
    context: Any = None
    broken = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers.get("Authorization", "")
        type(self).requests.append(given[:4])
        if self.context is not None and self.context.complete and not given:
            self.answer(200, {})
        elif not given:
            self.context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
            self.answer(401, {"WWW-Authenticate": "NTLM"})
        elif self.broken:
            self.answer(503, {})
        else:
            try:
                token = self.context.step(base64.b64decode(given.split()[1]))
            except spnego.exceptions.SpnegoError:
                self.answer(401, {"WWW-Authenticate": "NTLM"})
                return
            if self.context.complete:
                self.answer(200, {})
            else:
                self.answer(401, {"WWW-Authenticate": f"NTLM {base64.b64encode(token).decode()}"})

    def answer(self, status: int, headers: dict[str, str]) -> None:
        body = b"well" if status == 200 else b""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ntlm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Ntlm], str]]:
    users = tmp_path / "users"
    users.write_text("EXAMPLE:anna:geheim\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))

    class Fresh(Ntlm):
        requests: list[str] = []  # noqa: RUF012 - one list for each test's class

    with served(Fresh) as port:
        yield Fresh, f"http://127.0.0.1:{port}/EWS/Exchange.asmx"


def test_ntlm_shakes_hands_once_per_connection(ntlm: tuple[type[Ntlm], str]) -> None:
    handler, url = ntlm
    config = {**BASICS, "ews_url": url, "auth_type": "ntlm", "username": "EXAMPLE\\anna", "mailboxes": "a@example.org"}
    with connected({**config, "max_connections": 2}) as connection:
        for _ in range(3):
            assert post(connection, b"<x/>" * 100).text == "well"
        assert handler.requests == ["", "NTLM", "NTLM", "", ""]
        with connection.session() as session:
            connection.retire(session)
        assert post(connection).text == "well"
        assert handler.requests[5:] == ["", "NTLM", "NTLM"]


def test_a_wrong_ntlm_password_is_a_401(ntlm: tuple[type[Ntlm], str]) -> None:
    _, url = ntlm
    config = {**BASICS, "ews_url": url, "auth_type": "ntlm", "username": "EXAMPLE\\anna", "mailboxes": "a@example.org"}
    with connected({**config, "password": "falsch"}) as connection:
        assert post(connection).status_code == 401


def test_a_broken_ntlm_handshake_is_a_broken_connection(ntlm: tuple[type[Ntlm], str]) -> None:
    handler, url = ntlm
    handler.broken = True
    config = {**BASICS, "ews_url": url, "auth_type": "ntlm", "username": "EXAMPLE\\anna", "mailboxes": "a@example.org"}
    with connected(config) as connection:
        assert not meets(connection).lasting


# The embedded Exchange


def test_demo_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> None:
        raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")

    monkeypatch.setattr("tap_exchange.demo.start", start)
    with pytest.raises(FatalError, match=r"needs more packages \(aiohttp\): pip install 'tap-exchange\[demo\]'"):
        connect(Settings.from_config({"ews_url": "demo://"}))


def test_demo_is_connected_to_with_its_own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:9/EWS/Exchange.asmx"
    monkeypatch.setattr("tap_exchange.demo.start", lambda: (url, "Anna@example.org", "geheim"))
    with connected({"ews_url": "demo://"}) as connection:
        assert (connection.url, connection.mailboxes) == (url, ("anna@example.org",))
