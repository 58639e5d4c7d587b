"""A connection that is kept alive, spoken to directly.

Around each request requests, urllib3 and http.client take half a millisecond of processor time, several times what
the same bytes take on a socket. So they open a connection, sign in on it and ask the first question; the next ones go
over its socket as they are. Read here is what servers send: HTTP/1.1, a Content-Length or plain chunks, plain or gzip.
Whatever comes in another form is left to requests: the connection is closed and the question sent once more, which
harms nothing, since questions change nothing.
"""

from __future__ import annotations

import io
import re
import ssl
import zlib
from contextlib import suppress
from http.client import HTTPMessage
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from requests.auth import HTTPBasicAuth
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests_ntlm import HttpNtlmAuth

from .reply import PIECE, Bounds, Reply, cut
from .sessions import BearerAuth, OneConnection
from .xml import too_big

if TYPE_CHECKING:
    import socket

    import requests
    from requests.cookies import RequestsCookieJar


MOST_HEAD = 64 * 1024
STEP = 1024 * 1024
MOST_LINE = 1024
UNAUTHORIZED = 401
# What they add to a request is a header, or nothing once the connection is signed in.
SIGN_INS = (HTTPBasicAuth, BearerAuth, HttpNtlmAuth, type(None))
_GZIP = 31  # zlib's word for a gzip header and checksum
# No 1xx, behind which the answer comes; no 204 or 304, which have no body whatever their headers say. Headers on one
# line each, by names of the letters that names have (RFC 9110, 5.6.2): one that is garbled may have been the length.
_HEAD = re.compile(
    r"HTTP/1\.1 (?!204|304)([2-9][0-9]{2})(?: [^\r\n\0]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*\Z"
)
# int() would take signs, underscores and a 0x.
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;|\Z)")
_MOST_DIGITS = 18
_HEAD_END = b"\r\n\r\n"
_LINE_END = b"\r\n"


class UnusualAnswer(Exception):  # noqa: N818 - no error: requests reads it
    """An answer in a form that is not read here; if that `will_pass`, later ones may be."""

    def __init__(self, *, will_pass: bool = False) -> None:
        super().__init__()
        self.will_pass = will_pass


def ask_kept(session: requests.Session, request: requests.PreparedRequest, bounds: Bounds) -> Reply | None:
    """Ask on the connection that the session keeps alive; None when there is none, or its answer is not read here.

    Raises:
        OSError: the connection failed.
        IncompleteAnswer: the body was cut or cannot be decoded.
        TooSlowError: it takes too long.
        RequestTooBig: it is too large.
    """
    adapter = session.get_adapter(request.url or "")
    if not isinstance(adapter, OneConnection) or not adapter.is_usual or not isinstance(session.auth, SIGN_INS):
        return None
    with adapter.kept(request.url) as connection:
        if connection is None:
            return None
        try:
            return _exchange(session, request, connection, bounds)
        except UnusualAnswer as unusual:
            connection.close()
            adapter.is_usual = unusual.will_pass
            return None
        except ssl.SSLError:
            connection.close()
        except BaseException:
            connection.close()
            raise
    # Of what is wrong with the server's TLS this is no proof: a new connection will tell.
    raise ConnectionResetError("the encryption broke")


def _exchange(session: requests.Session, request: requests.PreparedRequest, connection: Any, bounds: Bounds) -> Reply:  # noqa: ANN401 - urllib3's
    answer = Answer(connection.sock, bounds)
    answer.ask(_written(request, _host(connection)))
    status, headers, cookies = answer.head()
    if status == UNAUTHORIZED and isinstance(session.auth, HttpNtlmAuth):
        raise UnusualAnswer(will_pass=True)  # once requests has signed in again
    body = decoded(answer.body(headers), headers.get("content-encoding", "").lower(), bounds.most)
    if answer.rest or "close" in headers.get("connection", "").lower():
        connection.close()
    if cookies:
        _keep_cookies(session.cookies, request, cookies)
    return Reply(status, CaseInsensitiveDict(headers), body, answer.wire)


def _keep_cookies(jar: RequestsCookieJar, request: requests.PreparedRequest, cookies: list[str]) -> None:
    message = HTTPMessage()
    for cookie in cookies:
        message["Set-Cookie"] = cookie
    answer = SimpleNamespace(_original_response=SimpleNamespace(msg=message))
    extract_cookies_to_jar(jar, request, answer)  # type: ignore[no-untyped-call]


def _host(connection: Any) -> str:  # noqa: ANN401 - urllib3's
    """Write the server's name as http.client does: its port only when that is not the usual one."""
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return host if connection.port == connection.default_port else f"{host}:{connection.port}"


def _written(request: requests.PreparedRequest, host: str) -> bytes:
    """Write a prepared request as it goes over the wire."""
    lines = [f"POST {request.path_url} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise UnusualAnswer  # nor is such a request written here
    body = request.body
    if not isinstance(body, bytes):
        raise UnusualAnswer
    return b"%b\r\n\r\n%b" % (head.encode("latin-1"), body)


class Answer:
    """Reads one answer from a socket; `rest` is what was received beyond what is read so far."""

    def __init__(self, sock: socket.socket, bounds: Bounds) -> None:
        self._sock = sock
        self._bounds = bounds
        self.rest = b""
        self.wire = 0

    def ask(self, question: bytes) -> None:
        """Send a request."""
        self._sock.settimeout(self._bounds.timeout[1])
        with suppress(BrokenPipeError, ConnectionResetError):  # a server may answer, and close, before it has read all
            self._sock.sendall(question)

    def head(self) -> tuple[int, dict[str, str], list[str]]:
        """Read status, headers by their names in lower case, and the cookies that they set."""
        while (end := self.rest.find(_HEAD_END)) < 0:
            if len(self.rest) > MOST_HEAD or self.rest.count(b"\n") != self.rest.count(_LINE_END):
                raise UnusualAnswer
            piece = self._sock.recv(PIECE)
            if not piece:
                raise ConnectionResetError("closed before it answered")
            if not self.rest:
                self._bounds.begin()
            self._bounds.arrived(0)
            self.rest += piece
        head = self.rest[:end].decode("latin-1")
        self.rest = self.rest[end + len(_HEAD_END) :]
        found = _HEAD.match(head)
        if found is None:
            raise UnusualAnswer
        headers: dict[str, str] = {}
        cookies = []
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "set-cookie":
                cookies.append(value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(found[1]), headers, cookies

    def body(self, headers: dict[str, str]) -> bytes:
        """Read the body to the end that the headers tell."""
        length, coding = headers.get("content-length", ""), headers.get("transfer-encoding")
        if coding is None and length.isdecimal() and len(length) <= _MOST_DIGITS:
            body = self._read(int(length))
        elif coding is not None and coding.lower() == "chunked" and not length:
            body = self._chunks()
        else:
            raise UnusualAnswer
        self.wire = len(body)
        return body

    def _chunks(self) -> bytes:
        whole = io.BytesIO()  # a list of many tiny ones would take many times their size
        size = 0
        while length := _length(self._line()):
            whole.write(self._read(length, size))
            size += length
            if self._line():
                raise UnusualAnswer
        if self._line():  # trailers
            raise UnusualAnswer
        return whole.getvalue()

    def _line(self) -> bytes:
        while (end := self.rest.find(_LINE_END)) < 0:
            if len(self.rest) > MOST_LINE:
                raise UnusualAnswer
            self.rest += self._piece()
        line, self.rest = self.rest[:end], self.rest[end + len(_LINE_END) :]
        return line

    def _read(self, length: int, before: int = 0) -> bytes:
        """Read so many bytes, `before` others having arrived."""
        self._bounds.arrived(before + length)
        if len(self.rest) >= length:
            read, self.rest = self.rest[:length], self.rest[length:]
            return read
        pieces, size = [self.rest], len(self.rest)
        while size < length:
            piece = self._piece()
            pieces.append(piece)
            size += len(piece)
            self._bounds.arrived(before + size)
        read = b"".join(pieces)
        self.rest = read[length:]
        return read[:length] if self.rest else read

    def _piece(self) -> bytes:
        """Receive more of the body."""
        try:
            piece = self._sock.recv(PIECE)
        except ConnectionError as error:
            raise cut() from error
        if not piece:
            raise cut()
        return piece


def _length(line: bytes) -> int:
    found = _CHUNK.match(line)
    if found is None:
        raise UnusualAnswer
    return int(found[1], 16)


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """Unpack a body, up to so many bytes."""
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise UnusualAnswer
    unpacking = zlib.decompressobj(_GZIP)
    whole = io.BytesIO()  # gives its bytes without a copy
    size, rest = 0, body
    try:
        while piece := unpacking.decompress(rest, STEP):
            size += len(piece)
            if size > most:
                raise too_big(most)
            whole.write(piece)
            rest = unpacking.unconsumed_tail
    except zlib.error:
        raise cut() from None
    if not unpacking.eof:
        raise cut()
    if unpacking.unused_data:
        raise UnusualAnswer  # another packing behind it
    return whole.getvalue()
