"""The example world inside the tap's own process, for `demo://`."""

from __future__ import annotations

import atexit

from tap_exchange.demo.endpoint import Endpoint
from tap_exchange.demo.exchange import Exchange
from tap_exchange.demo.server import Server


def start_embedded(items: int | None, seed: int) -> tuple[str, str, str]:
    """Serve the example world until the process ends; give URL, user name and password."""
    exchange = Exchange.example(items=items, seed=seed)
    server = Server(Endpoint(exchange), "127.0.0.1", 0).start()
    atexit.register(server.stop)
    account = next(iter(exchange.accounts.values()))
    return server.url, account.username, account.password
