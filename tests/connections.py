"""Connections as settings make them, what they meet, and plain servers for them to meet it."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_exchange.ews.connect import Connection, connect
from tap_exchange.ews.unreachable import Trouble, trouble
from tap_exchange.settings import Settings
from tests.certificates import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BASICS: dict[str, Any] = {
    "ews_url": "https://mail.example.org/EWS/Exchange.asmx",
    "username": "anna@example.org",
    "password": "geheim",
}


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
    with pytest.raises(requests.RequestException) as failure:
        post(connection)
    return trouble(failure.value, connection.url)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with serving(server) as port:
        yield port
