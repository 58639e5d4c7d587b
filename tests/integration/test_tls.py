"""The real tap before real TLS servers: whom it trusts, and to whom it tells a password."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import serve
from tests.certificates import make
from tests.pipeline import run_tap, run_tap_here
from tests.tls import address, over_tls
from tests.trouble import ANNA, mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_exchange.demo.server import Server
    from tests.certificates import Made
    from tests.pipeline import TapRun

pytestmark = pytest.mark.pipeline

PASSWORD = "planted-password-7781"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(scope="module")
def authority() -> Made:
    return make("authority", authority=True)


@pytest.fixture
def server() -> Iterator[Server]:
    anna = mailbox(items=5)
    anna.exchange.accounts[ANNA].password = PASSWORD
    with serve(anna.exchange) as served:
        yield served


def run(url: str, by: Callable[..., TapRun] = run_tap_here, **settings: Any) -> TapRun:  # noqa: ANN401 - whatever a setting takes
    config = {"ews_url": url, "auth_type": "basic", "username": ANNA, "password": PASSWORD, "max_wait": 5, **settings}
    ended = by({**config, "folders_include": ["inbox"]})
    assert PASSWORD not in ended.stderr
    return ended


def refused(ended: TapRun, words: str) -> None:
    """Fail unless a run ended with one line and wrote nothing of a mailbox."""
    assert ended.exit_code == 1
    assert words in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not ended.of("sync_runs")
    assert not ended.of("mailboxes")


# Whom it trusts


def test_a_mailbox_is_copied_over_tls_when_ca_bundle_knows_the_authority(
    server: Server, authority: Made, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    with over_tls(server, make(issuer=authority), tmp_path) as front:
        ended = run(address(server, front), by=run_tap, ca_bundle=str(tmp_path / "ca.pem")).checked()
    assert len(ended.of("messages")) == 5


def test_an_authority_that_nobody_named_is_not_trusted(server: Server, authority: Made, tmp_path: Path) -> None:
    with over_tls(server, make(issuer=authority), tmp_path) as front:
        refused(run(address(server, front), by=run_tap), "authority that is not trusted here")
    assert not server.requests


def test_the_well_known_authorities_are_not_trusted_beside_ca_bundle(
    server: Server, authority: Made, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(make("another authority", authority=True).pem)
    with over_tls(server, make(issuer=authority), tmp_path) as front:
        refused(run(address(server, front), ca_bundle=str(tmp_path / "ca.pem")), "not trusted here")
    assert not server.requests


CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    "of another host": ({"host": "mail.example.org"}, "is for another host"),
    "expired": ({"begins": -2 * DAY, "ends": -DAY}, "has expired"),
    "not valid yet": ({"begins": DAY, "ends": 2 * DAY}, "is not valid yet"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_bad_certificate_of_a_trusted_authority_is_refused_before_anything_is_sent(
    kind: str, server: Server, authority: Made, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    made, words = CERTIFICATES[kind]
    with over_tls(server, make(**made, issuer=authority), tmp_path) as front:
        refused(run(address(server, front), ca_bundle=str(tmp_path / "ca.pem")), words)
    assert not server.requests


def test_a_self_signed_certificate_is_refused_unless_it_is_the_bundle(server: Server, tmp_path: Path) -> None:
    made = make()
    (tmp_path / "own.pem").write_text(made.pem)
    with over_tls(server, made, tmp_path) as front:
        refused(run(address(server, front)), "self-signed")
        assert not server.requests
        run(address(server, front), ca_bundle=str(tmp_path / "own.pem")).checked()


def test_without_verification_anything_goes_and_the_log_says_so(server: Server, tmp_path: Path) -> None:
    with over_tls(server, make("mail.example.org", ends=-DAY / 2), tmp_path) as front:
        ended = run(address(server, front), tls_verify=False).checked()
    assert "tls_verify is false" in ended.stderr


# To whom it tells a password


class Listener(ThreadingHTTPServer):
    """Keeps the path and the headers of every request."""

    daemon_threads = True

    def __init__(self, location: str | None) -> None:
        super().__init__(("127.0.0.1", 0), Redirecting)
        self.location = location
        self.heard: list[tuple[str, dict[str, str]]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Redirecting(BaseHTTPRequestHandler):
    """Redirects every request, or says that there is nothing."""

    server: Listener
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.heard.append((self.path, dict(self.headers)))
        self.send_response(404 if self.server.location is None else 307)
        if self.server.location is not None:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(location: str | None = None) -> Iterator[Listener]:
    with Listener(location) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/EWS/Exchange.asmx", "//127.0.0.1:{port}/EWS/Exchange.asmx"])
def test_a_redirect_to_another_host_is_not_followed(place: str) -> None:
    with listening() as elsewhere, listening(place.format(port=elsewhere.port)) as redirecting:
        ended = run(f"http://localhost:{redirecting.port}/EWS/Exchange.asmx")
    refused(ended, "127.0.0.1")
    assert redirecting.heard
    assert not elsewhere.heard, "not even a request without credentials"


def test_a_redirect_from_tls_to_plain_http_is_not_followed(authority: Made, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    with listening() as plain, listening(f"http://localhost:{plain.port}/EWS/Exchange.asmx") as redirecting:
        with over_tls(redirecting, make(issuer=authority), tmp_path) as front:
            url = f"https://localhost:{front.port}/EWS/Exchange.asmx"
            ended = run(url, ca_bundle=str(tmp_path / "ca.pem"))
        refused(ended, "localhost")
        assert redirecting.heard
        assert not plain.heard


def test_a_token_endpoint_that_redirects_elsewhere_is_not_followed(server: Server) -> None:
    with listening() as elsewhere, listening(f"http://127.0.0.1:{elsewhere.port}/token") as tokens:
        ended = run(
            server.url,
            auth_type="oauth_client_credentials",
            username=None,
            password=None,
            client_id="application",
            client_secret=PASSWORD,
            tenant_id="example.org",
            token_url=f"http://localhost:{tokens.port}/token",
            mailboxes=[ANNA],
        )
    assert ended.exit_code == 1, ended.stderr
    assert tokens.heard, ended.stderr
    assert not elsewhere.heard
