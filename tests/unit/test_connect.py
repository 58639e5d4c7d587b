"""A connection: its sessions, its tokens, its proxy, and one clear line when a host is out of reach."""

from __future__ import annotations

import base64
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_exchange.ews.connect import connect
from tap_exchange.ews.errors import FatalError, Stopped
from tap_exchange.ews.sessions import network
from tap_exchange.ews.unreachable import Trouble
from tap_exchange.settings import Settings
from tests.connections import BASICS, connected, meets, post, served

if TYPE_CHECKING:
    from pathlib import Path

    from requests_mock import Mocker

TOKEN_URL = "https://login.microsoftonline.com/example.org/oauth2/v2.0/token"
APPLICATION: dict[str, Any] = {
    "ews_url": BASICS["ews_url"],
    "auth_type": "oauth_client_credentials",
    "tenant_id": "example.org",
    "client_id": "app-1",
    "client_secret": "geheim",
    "mailboxes": ["anna@example.org"],
}


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
        assert waiting.wait(60)
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


def test_who_waits_for_a_session_is_told_when_there_will_be_none() -> None:
    with connected({**BASICS, "max_connections": 1}) as connection:
        told: list[type[BaseException]] = []

        def wait() -> None:
            try:
                with connection.session():
                    pass
            except Stopped as error:
                told.append(type(error))

        with connection.session():
            waiting = threading.Thread(target=wait)
            waiting.start()
            connection.close()
            waiting.join(10)
        assert told == [Stopped]
