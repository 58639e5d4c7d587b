"""TLS in front of the embedded Exchange: a server of its own that decrypts and passes on, as a load balancer does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_exchange.demo.server import Server
    from tests.certificates import Made


class Listening(Protocol):
    """Whatever listens on a port of this machine."""

    @property
    def port(self) -> int:
        """The port."""
        ...


class Terminator:
    """Listens on loopback, shows a certificate, passes bytes on both ways; counts what was whole enough to pass."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        """Pass on to a port of this machine."""
        self.context = context
        self.behind = port
        self.passed = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.open: list[socket.socket] = []

    def serve(self) -> None:
        """Take connections until the socket is closed."""
        while True:
            try:
                taken, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(taken,), daemon=True).start()

    def _one(self, taken: socket.socket) -> None:
        try:
            front = self.context.wrap_socket(taken, server_side=True)
        except OSError:  # the client did not like the certificate
            taken.close()
            return
        self.passed += 1
        back = socket.create_connection(("127.0.0.1", self.behind))
        self.open += [front, back]
        threading.Thread(target=_pump, args=(back, front), daemon=True).start()
        _pump(front, back)

    def close(self) -> None:
        """End all connections."""
        self.listening.close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk)
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(how)


@contextmanager
def over_tls(server: Listening, made: Made, folder: Path) -> Iterator[Terminator]:
    """Put TLS with a certificate in front of a server."""
    (folder / "front.pem").write_text(made.both)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "front.pem")
    front = Terminator(context, server.port)
    thread = threading.Thread(target=front.serve, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.close()


def address(server: Server, front: Terminator, host: str = "localhost") -> str:
    """Give the URL of the endpoint behind TLS."""
    return f"https://{host}:{front.port}{urlsplit(server.url).path}"
