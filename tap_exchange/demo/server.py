"""Run the endpoint in a thread of its own, on loopback only."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from tap_exchange.demo.endpoint import PATH, Endpoint
from tap_exchange.demo.tokens import TOKEN_PATH
from tap_exchange.demo.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.faultplan import Plan
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.tokens import Tokens

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Server:
    """A running endpoint."""

    def __init__(self, endpoint: Endpoint, host: str, port: int) -> None:
        """Prepare to listen at a loopback address; port 0 takes a free one."""
        if host not in LOOPBACK:
            message = f"the demo serves on loopback only, not on {host}"
            raise ValueError(message)
        self.endpoint = endpoint
        self.exchange = endpoint.exchange
        self.host = host
        self.port = port
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="demo-exchange", daemon=True)

    @property
    def url(self) -> str:
        """Give the EWS URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{PATH}"

    @property
    def token_url(self) -> str:
        """Give the URL of the token endpoint, for OAuth with the client credentials of an account."""
        return self.url.removesuffix(PATH) + TOKEN_PATH

    @property
    def tokens(self) -> Tokens:
        """Give the tokens issued."""
        return self.endpoint.tokens

    @property
    def requests(self) -> list[Request]:
        """Give the requests so far."""
        return self.endpoint.log.all()

    @property
    def counts(self) -> dict[str, int]:
        """Count the requests so far by operation."""
        return self.endpoint.log.counts()

    @property
    def faults(self) -> Plan:
        """Give the fault plan."""
        return self.endpoint.faults

    @property
    def errors(self) -> list[Exception]:
        """Give the demo's own mistakes; `serve` raises the first at its end."""
        return self.endpoint.errors

    def reset_requests(self) -> None:
        """Forget the requests so far."""
        self.endpoint.log.reset()

    def start(self) -> Server:
        """Begin to listen."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def wait(self) -> None:
        """Wait until the server is stopped."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self.endpoint.handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()


@contextmanager
def serve(
    exchange: Exchange,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    latency: float = 0.0,
    xsd: str | Path | None = None,
    endpoint: type[Endpoint] = Endpoint,
) -> Iterator[Server]:
    """Serve a world from a thread of this process.

    Args:
        exchange: the world, which may be changed while it is served.
        port: 0 takes a free one.
        host: a loopback address.
        latency: seconds that each answer takes at least, its making among them.
        xsd: the folder of Microsoft's messages.xsd and types.xsd, to check each request with.
        endpoint: the class that answers.

    Raises:
        Exception: at the end, when the demo itself made a mistake while serving.
    """
    validator = None if xsd is None else Validator(xsd)
    server = Server(endpoint(exchange, latency=latency, validator=validator), host, port).start()
    try:
        yield server
    finally:
        server.stop()
    if server.errors:
        raise server.errors[0]
