"""What the wire's unit tests share: connections without sign-in, a clock, what was asked, answers, a raw server."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lxml import etree

from tap_exchange.ews import ask
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.pace import Pace
from tap_exchange.ews.sessions import Network
from tap_exchange.ews.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import requests
    from requests_mock import Mocker
    from typing_extensions import Self

URL = "https://mail.example.com/EWS/Exchange.asmx"
ANNA = "anna@example.com"
NAMESPACES = (
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    ' xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors"'
)
BUSY = "ErrorServerBusy"
SPACED = " AgENAAAA"


class Connection:
    """A connection that signs in as nobody; counts what it is asked for."""

    def __init__(self, url: str = URL, *, versions: tuple[str, ...] = ("Exchange2016", "Exchange2013")) -> None:
        self.url = url
        self.versions = versions
        self.timeout = (2.0, 2.0)
        self.impersonate = False
        self.own_address: str | None = None
        self.application_id: str | None = "11111111-2222-3333-4444-555555555555"
        self.renewable = True
        self.renewed = 0
        self.opened = Network(verify=True, certificate=None, proxy_url=None, user_agent="test").session(url)

    @contextmanager
    def session(self) -> Iterator[requests.Session]:
        yield self.opened

    def renew(self) -> None:
        self.renewed += 1

    def mailbox_headers(self, mailbox: str) -> dict[str, str]:
        return {"X-AnchorMailbox": mailbox}


class Clock:
    """A clock that stands still until somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        if seconds is not None:
            self.waits.append(seconds)
            self.now += seconds
        condition.wait(0.001)


def pace(clock: Clock, *, connections: int = 4, max_wait: float = 3600, floor: float = 1.0) -> Pace:
    return Pace(connections, max_wait, floor=floor, clock=clock, wait=clock.wait)


def transport(connection: Connection | None = None, clock: Clock | None = None, **options: float) -> Transport:
    return Transport(connection or Connection(), pace(clock or Clock(), **options), jitter=lambda: 0.5)  # type: ignore[arg-type]


def mailbox(
    clock: Clock | None = None, *, store: str = "primary", impersonate: bool = False, **options: float
) -> Mailbox:
    connection = Connection()
    connection.impersonate = impersonate
    return Mailbox(transport(connection, clock, **options), ANNA, store)


def asked(mock: Mocker, number: int = -1) -> etree._Element:
    """The operation's element of a request."""
    return etree.fromstring(mock.request_history[number].body).find("{*}Body")[0]


def ids_asked(mock: Mocker, number: int = -1) -> list[str]:
    """The ids of items in a request, in their order."""
    return [node.get("Id") for node in asked(mock, number).iter("{*}ItemId")]


class IdShape:
    """Asks for nothing but the id."""

    stream = "messages"
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    xml = ask.ID_ONLY_ITEMS

    def convert(self, element: etree._Element) -> dict[str, str]:
        return {"item_id": element[0].get("Id", "")}

    def for_server(self, version: str) -> Self:
        assert version
        return self

    def without(self, columns: Iterable[str]) -> Self:
        assert not set(columns)
        return self


def envelope(body: str, header: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        f"{NAMESPACES}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def answer(operation: str, *messages: str) -> str:
    """An answer of `operation` with these response messages."""
    listed = "".join(messages)
    return envelope(f"<m:{operation}Response><m:ResponseMessages>{listed}</m:ResponseMessages></m:{operation}Response>")


def success(operation: str, content: str) -> str:
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        f"{content}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, code: str, content: str = "", *, text: str = "", kind: str = "Error") -> str:
    return (
        f'<m:{operation}ResponseMessage ResponseClass="{kind}"><m:MessageText>{text}</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        f"{content}</m:{operation}ResponseMessage>"
    )


def item(item_id: str, name: str = "Message") -> str:
    content = f'<m:Items><t:{name}><t:ItemId Id="{item_id}" ChangeKey="CK"/></t:{name}></m:Items>'
    return success("GetItem", content)


def fault(code: str, *, text: str = "It failed.", values: str = "", faultcode: str | None = None) -> str:
    detail = f"<detail><e:ResponseCode>{code}</e:ResponseCode><e:Message>{text}</e:Message>{values}</detail>"
    return envelope(
        f"<s:Fault><faultcode>{faultcode or f'a:{code}'}</faultcode><faultstring>{text}</faultstring>"
        f"{detail if code else ''}</s:Fault>"
    )


def page(*changes: str, state: str = "S1", last: str = "true", operation: str = "SyncFolderItems") -> str:
    word = "Item" if operation == "SyncFolderItems" else "Folder"
    return answer(
        operation,
        success(
            operation,
            f"<m:SyncState>{state}</m:SyncState><m:IncludesLast{word}InRange>{last}</m:IncludesLast{word}InRange>"
            f"<m:Changes>{''.join(changes)}</m:Changes>",
        ),
    )


class RawServer:
    """A server that answers request after request with scripted bytes; it counts connections.

    A script is bytes to send, or a function that is given the socket. After `RESET` or `CLOSE` the
    connection is gone.
    """

    def __init__(self, *scripts: bytes | Callable[[socket.socket], None]) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/EWS/Exchange.asmx"
        self.connections = 0
        self._connected: socket.socket | None = None
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, self._connected):
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._connected = connected
            with connected:
                self._converse(connected)

    def _converse(self, connected: socket.socket) -> None:
        while self._scripts and (request := _request(connected)):
            self.requests.append(request)
            script = self._scripts.pop(0)
            try:
                if callable(script):
                    script(connected)
                    return
                connected.sendall(script)
                if b"Connection: close" in script:
                    return
            except OSError:
                return


def _request(connected: socket.socket) -> bytes:
    """Read one request, b"" at the connection's end."""
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            piece = connected.recv(65536)
            if not piece:
                return b""
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += connected.recv(65536)
    except OSError:
        return b""
    return head + b"\r\n\r\n" + body


def http(body: str | bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Bytes of an HTTP answer; `length` is what Content-Length says, -1 for none."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/xml; charset=utf-8", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(content) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def reset(connected: socket.socket) -> None:
    """Break the connection as a crash does (RST)."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()
