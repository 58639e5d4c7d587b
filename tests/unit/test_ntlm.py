"""NTLM: one handshake for each connection, and what a handshake that fails is."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import requests
import spnego

from tap_exchange.ews import post as posting
from tap_exchange.ews.reply import Bounds
from tests.connections import BASICS, connected, meets, post, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANNA = {**BASICS, "auth_type": "ntlm", "username": "EXAMPLE\\anna", "mailboxes": "a@example.org"}


class Ntlm(BaseHTTPRequestHandler):
    """A server that signs connections in by NTLM, as Exchange does."""

    protocol_version = "HTTP/1.1"
    requests: list[str]
    context: Any = None
    broken = False
    forgets = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).forgets:
            type(self).forgets, self.context = False, None
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
    with connected({**ANNA, "ews_url": url, "max_connections": 2}) as connection:
        for _ in range(3):
            assert post(connection, b"<x/>" * 100).text == "well"
        assert handler.requests == ["", "NTLM", "NTLM", "", ""]
        with connection.session() as session:
            connection.retire(session)
        assert post(connection).text == "well"
        assert handler.requests[5:] == ["", "NTLM", "NTLM"]


def test_a_connection_that_is_signed_in_is_spoken_to_directly_until_the_server_forgets_it(
    ntlm: tuple[type[Ntlm], str],
) -> None:
    handler, url = ntlm

    def ask(session: requests.Session) -> bytes | None:
        bounds = Bounds((2.0, 2.0), 2.0, lambda: None, 1000)
        return posting.post(session, posting.prepared(session, url, posting.HEADERS, b"<x/>"), bounds).body

    with connected({**ANNA, "ews_url": url}) as connection, connection.session() as session:
        assert ask(session) == b"well"
        with mock.patch.object(requests.Session, "send", side_effect=AssertionError):
            assert ask(session) == ask(session) == b"well"
        assert handler.requests == ["", "NTLM", "NTLM", "", ""]
        handler.forgets = True
        assert ask(session) == b"well"
        assert handler.requests[5:] == ["", "", "NTLM", "NTLM"]
        with mock.patch.object(requests.Session, "send", side_effect=AssertionError):
            assert ask(session) == b"well"


def test_a_wrong_ntlm_password_is_a_401(ntlm: tuple[type[Ntlm], str]) -> None:
    _, url = ntlm
    with connected({**ANNA, "ews_url": url, "password": "falsch"}) as connection:
        assert post(connection).status_code == 401


def test_a_broken_ntlm_handshake_is_a_broken_connection(ntlm: tuple[type[Ntlm], str]) -> None:
    handler, url = ntlm
    handler.broken = True
    with connected({**ANNA, "ews_url": url}) as connection:
        assert not meets(connection).lasting
