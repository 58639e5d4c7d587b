"""Questions on a connection that is kept alive: answers in every form that HTTP has, or none is believed."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.auth import HTTPBasicAuth

from tap_exchange.ews import kept
from tap_exchange.ews.errors import ExchangeError, IncompleteAnswer, Level, RequestTooBig
from tap_exchange.ews.sessions import OneConnection
from tap_exchange.ews.transport import Transport
from tests.wire import ANNA, Clock, Connection, RawServer, answer, failure, http, item, pace, reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

FIRST = http(answer("GetItem", item("A")))
SECOND = answer("GetItem", item("A"), item("B"))


def conversation(server: RawServer) -> Transport:
    connection = Connection(server.url)
    connection.opened.auth = HTTPBasicAuth("anna", "secret")
    return Transport(connection, pace(Clock()), whole_answer=2.0, jitter=lambda: 0.5)


def ask(one: Transport, tries: int = 1) -> int:
    return one.call("GetItem", "<m:GetItem/>", mailbox=ANNA, read=len, level=Level.ITEMS, tries=tries)


@pytest.fixture
def through_requests() -> Iterator[list[str]]:
    """What went through requests."""
    sent: list[str] = []
    send = requests.Session.send

    def note(session: requests.Session, request: requests.PreparedRequest, **options: object) -> requests.Response:
        sent.append(request.method or "")
        return send(session, request, **options)  # type: ignore[arg-type]

    with mock.patch.object(requests.Session, "send", note):
        yield sent


def chunks(body: bytes, size: int, *, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    written = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return written + b"0\r\n" + trailer + b"\r\n"


USUAL = {
    "a length": http(SECOND),
    "a length, packed": http(gzip.compress(SECOND.encode()), "Content-Encoding: gzip"),
    "chunks": http(chunks(SECOND.encode(), 90), "Transfer-Encoding: chunked", length=-1),
    "chunks, packed": http(
        chunks(gzip.compress(SECOND.encode()), 33), "Transfer-Encoding: Chunked", "content-encoding: x-gzip", length=-1
    ),
    "chunks with extensions": http(
        chunks(SECOND.encode(), 90, extension=b";a=b"), "Transfer-Encoding: chunked", length=-1
    ),
    "headers of any case": http(SECOND).replace(b"Content-Length", b"content-LENGTH"),
    "no reason": http(SECOND, status="200"),
}
UNUSUAL = {
    "trailers": http(chunks(SECOND.encode(), 90, trailer=b"A: b\r\n"), "Transfer-Encoding: chunked", length=-1),
    "the end of the connection": http(SECOND, "Connection: close", length=-1),
    "HTTP/1.0": http(SECOND, "Connection: close").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "two packings": http(
        gzip.compress(SECOND[:90].encode()) + gzip.compress(SECOND[90:].encode()), "Content-Encoding: gzip"
    ),
    "words before it": b"HTTP/1.1 100 Continue\r\n\r\n" + http(SECOND),
    "a header on two lines": http(SECOND, "X-Long: one\r\n two"),
    "lines that end as files do": http(SECOND).replace(b"\r\n", b"\n"),
    "one line that ends as in files": http(SECOND, "X-One: a\nX-Two: b"),
    "one line that ends as in very old files": http(SECOND, "X-One: a\rX-Two: b"),
    "chunks whose length has a sign": http(
        chunks(SECOND.encode(), 90).replace(b"5a\r\n", b"+5a\r\n"), "Transfer-Encoding: chunked", length=-1
    ),
}


@pytest.mark.parametrize("form", USUAL)
def test_an_answer_in_a_usual_form_needs_no_requests(form: str, through_requests: list[str]) -> None:
    with RawServer(FIRST, USUAL[form], USUAL[form]) as server:
        one = conversation(server)
        assert [ask(one), ask(one), ask(one)] == [1, 2, 2]
        assert len(through_requests) == server.connections == 1


@pytest.mark.parametrize("form", UNUSUAL)
def test_an_answer_in_another_form_is_left_to_requests_once_and_for_all(form: str, through_requests: list[str]) -> None:
    with RawServer(FIRST, UNUSUAL[form], UNUSUAL[form], UNUSUAL[form]) as server:
        one = conversation(server)
        assert [ask(one), ask(one), ask(one)] == [1, 2, 2]
        assert len(through_requests) == 3
        assert len(server.requests) == 4


def test_it_asks_as_requests_does() -> None:
    with RawServer(FIRST, FIRST) as server:
        one = conversation(server)
        ask(one)
        ask(one)
        first, second = (set(request.lower().split(b"\r\n")) for request in server.requests)
        assert {line.partition(b":")[0] for line in first ^ second} == {b"client-request-id"}
        assert any(line.startswith(b"authorization: basic") for line in second)


def test_a_cookie_that_was_set_is_sent_back() -> None:
    with RawServer(FIRST, http(SECOND, "Set-Cookie: a=1; path=/", "Set-Cookie: b=2; path=/"), FIRST) as server:
        one = conversation(server)
        for _ in range(3):
            ask(one)
        assert b"Cookie" not in server.requests[1]
        assert b"Cookie: a=1; b=2\r\n" in server.requests[2]


def test_a_fault_is_read_like_an_answer(through_requests: list[str]) -> None:
    refused = http(answer("GetItem", failure("GetItem", "ErrorInvalidRequest")), status="500 Internal Server Error")
    with RawServer(FIRST, refused) as server:
        one = conversation(server)
        ask(one)
        with pytest.raises(ExchangeError):
            ask(one)
        assert len(through_requests) == 1


def test_a_refused_sign_in_is_renewed_before_it_is_tried_again() -> None:
    with RawServer(FIRST, http("", status="401 Unauthorized"), FIRST) as server:
        one = conversation(server)
        assert [ask(one), ask(one)] == [1, 1]
        assert one._connection.renewed == 1  # type: ignore[attr-defined]
        assert len(server.requests) == 3


CUT = {
    "before its length": http(SECOND[:-50], "Connection: close", length=len(SECOND)),
    "in its chunks": http(
        chunks(SECOND.encode(), 90)[:-60], "Transfer-Encoding: chunked", "Connection: close", length=-1
    ),
    "in its packing": http(gzip.compress(SECOND.encode())[:-20], "Content-Encoding: gzip"),
    "and garbled": http(b"\x1f\x8b" + b"garbage" * 9, "Content-Encoding: gzip"),
    "and its packing is empty": http(b"", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("cut", CUT)
def test_an_answer_that_was_cut_is_never_believed_and_leaves_nothing_behind(cut: str) -> None:
    with RawServer(FIRST, CUT[cut], FIRST) as server:
        one = conversation(server)
        ask(one)
        with pytest.raises(IncompleteAnswer):
            ask(one)
        assert ask(one) == 1


def test_more_than_was_announced_ends_the_connection() -> None:
    with RawServer(FIRST, http(SECOND) + b"HTTP/1.1 200 OK\r\n", FIRST) as server:
        one = conversation(server)
        assert [ask(one), ask(one), ask(one)] == [1, 2, 1]
        assert server.connections == 2


def test_a_connection_that_the_server_closed_is_opened_anew() -> None:
    with RawServer(FIRST, http(SECOND, "Connection: close"), FIRST) as server:
        one = conversation(server)
        assert [ask(one), ask(one), ask(one)] == [1, 2, 1]


def broken(connected: socket.socket) -> None:
    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-")


@pytest.mark.parametrize("script", [reset, broken])
def test_a_broken_connection_is_outlasted(script: Callable[[socket.socket], None]) -> None:
    with RawServer(FIRST, script, http(SECOND)) as server:
        one = conversation(server)
        assert [ask(one), ask(one, tries=2)] == [1, 2]


def test_an_announced_giant_is_refused_before_it_is_read() -> None:
    with RawServer(FIRST, http(SECOND, length=1 << 40)) as server:
        one = conversation(server)
        ask(one)
        with pytest.raises(RequestTooBig):
            ask(one)


def test_a_packed_bomb_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_exchange.ews.xml.MOST_BYTES", 1 << 20)
    bomb = gzip.compress(b"<a>" + b" " * (50 << 20) + b"</a>")
    with RawServer(FIRST, http(bomb, "Content-Encoding: gzip")) as server:
        one = conversation(server)
        ask(one)
        with pytest.raises(RequestTooBig, match="1 MiB"):
            ask(one)


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")],
)
def test_an_answer_that_trickles_for_ever_ends(begins: bytes, goes_on: bytes) -> None:
    def trickle(connected: socket.socket) -> None:
        connected.sendall(begins)
        while True:
            connected.sendall(goes_on)
            time.sleep(0.01)

    with RawServer(FIRST, trickle) as server:
        one = conversation(server)
        one._whole_answer = 0.3
        ask(one)
        with pytest.raises(RequestTooBig, match="takes too long"):
            ask(one)


def test_a_connection_that_is_lent_while_its_session_is_closed_is_closed_too() -> None:
    with RawServer(FIRST, FIRST) as server:
        one = conversation(server)
        ask(one)
        with one._connection.session() as session:
            adapter = session.get_adapter(server.url)
            assert isinstance(adapter, OneConnection)
            with adapter.kept(server.url) as lent:
                session.close()
                assert lent.sock is not None
            assert lent.sock is None


class Pieces:
    """A socket whose bytes arrive in pieces of some sizes; it takes none when `ends` says how it broke."""

    def __init__(self, content: bytes, sizes: list[int], ends: Exception | None = None) -> None:
        self.content, self.sizes, self.ends = content, sizes, ends

    def settimeout(self, _: float) -> None:
        pass

    def sendall(self, _: bytes) -> None:
        if self.ends is not None:
            raise self.ends

    def recv(self, most: int) -> bytes:
        if self.ends is not None and not self.content:
            raise self.ends
        size = min(most, self.sizes.pop(0) if self.sizes else most)
        piece, self.content = self.content[:size], self.content[size:]
        return piece


def reading(sock: Pieces) -> kept.Answer:
    bounds = kept.Bounds((1.0, 1.0), 10.0, lambda: None, 1 << 20)
    bounds.begin()
    return kept.Answer(sock, bounds)  # type: ignore[arg-type]


@given(form=st.sampled_from(sorted(USUAL)), sizes=st.lists(st.integers(1, 400), max_size=40))
def test_pieces_of_any_size_make_the_same_answer(form: str, sizes: list[int]) -> None:
    read = reading(Pieces(USUAL[form], sizes))
    status, headers, _ = read.head()
    body = kept.decoded(read.body(headers), headers.get("content-encoding", ""), 1 << 20)
    assert (status, body, read.rest) == (200, SECOND.encode(), b"")


@pytest.mark.parametrize(
    "line", ["HTTP/1.1 20", "HTTP/1.1 000 ", "HTTP/1.1 2000 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 ", "HTTP/1.1"]
)
def test_a_first_line_that_tells_no_answer_with_a_body_is_not_read(line: str) -> None:
    with pytest.raises(kept.UnusualAnswer):
        reading(Pieces(f"{line}\r\nContent-Length: 5\r\n\r\nagain".encode(), [])).head()


@pytest.mark.parametrize(
    "line", ["Content\0Encoding: gzip", "C\xf6ntent-Encoding: x", "Content-Encoding : gzip", ": gzip", "gzip", "A:\0"]
)
def test_a_header_that_is_garbled_may_have_been_of_weight(line: str) -> None:
    with pytest.raises(kept.UnusualAnswer):
        reading(Pieces(f"HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 5\r\n\r\nagain".encode("latin-1"), [])).head()


@pytest.mark.parametrize("length", [b"-1", b"+1", b"0x1", b"1_0", b" 1", b"g", b"", b"1\n"])
def test_a_chunk_whose_length_is_no_hexadecimal_number_is_not_read(length: bytes) -> None:
    with pytest.raises(kept.UnusualAnswer):
        reading(Pieces(length + b"\r\n<a/>\r\n0\r\n\r\n", [])).body({"transfer-encoding": "chunked"})


def test_a_length_beyond_all_numbers_is_not_read() -> None:
    with pytest.raises(kept.UnusualAnswer):
        reading(Pieces(b"", [])).body({"content-length": "9" * 5000})


def test_an_answer_that_came_before_all_was_sent_is_read() -> None:
    read = reading(Pieces(http("Too much", status="413 Too Large"), [], BrokenPipeError()))
    read.ask(b"POST")
    status, headers, _ = read.head()
    assert (status, read.body(headers)) == (413, b"Too much")


def test_an_answer_whose_connection_breaks_is_cut() -> None:
    read = reading(Pieces(http(SECOND, length=1 << 19), [], ConnectionResetError()))
    _, headers, _ = read.head()
    with pytest.raises(IncompleteAnswer):
        read.body(headers)
