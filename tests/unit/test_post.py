"""One request over a real socket: what requests-mock cannot show."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews import reply, xml
from tap_exchange.ews.errors import FatalError, IncompleteAnswer, ItemsError, Level, RequestTooBig, Stopped
from tap_exchange.ews.transport import Transport
from tests.wire import ANNA, Clock, Connection, RawServer, answer, http, item, pace, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOOD = answer("GetItem", item("A"))


def conversation(server: RawServer, *, whole_answer: float = 5.0) -> Transport:
    return Transport(Connection(server.url), pace(Clock()), whole_answer=whole_answer, jitter=lambda: 0.5)


def ask(one: Transport, tries: int = 1) -> int:
    return one.call("GetItem", "<m:GetItem/>", mailbox=ANNA, read=len, level=Level.ITEMS, tries=tries)


def test_one_connection_is_kept_alive() -> None:
    with RawServer(*[http(GOOD)] * 5) as server:
        one = conversation(server)
        assert [ask(one) for _ in range(5)] == [1] * 5
        assert server.connections == 1
        assert one.bytes_in == 5 * len(GOOD)


def test_a_packed_answer_is_unpacked_and_counted_as_it_came() -> None:
    packed = gzip.compress(GOOD.encode())
    with RawServer(http(packed, "Content-Encoding: gzip")) as server:
        one = conversation(server)
        assert ask(one) == 1
        assert one.bytes_in == len(packed)
        assert b"Accept-Encoding: gzip\r\n" in server.requests[0]


def chunked(body: str, *, end: bool = True) -> bytes:
    pieces = [body[i : i + 100].encode() for i in range(0, len(body), 100)]
    written = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + (b"0\r\n\r\n" if end else b"")
    return http(written, "Transfer-Encoding: chunked", *([] if end else ["Connection: close"]), length=-1)


def test_a_chunked_answer_is_read() -> None:
    with RawServer(chunked(GOOD), http(GOOD)) as server:
        one = conversation(server)
        assert [ask(one), ask(one)] == [1, 1]
        assert server.connections == 1


CUT = {
    "before Content-Length": http(GOOD[:-50], "Connection: close", length=len(GOOD)),
    "with a matching Content-Length": http(GOOD[:-50]),
    "though the document is whole": http(GOOD, "Connection: close", length=len(GOOD) + 10),
    "in the middle of the chunks": chunked(GOOD, end=False),
    "without any length": http(GOOD[:-50], "Connection: close", length=-1),
    "from a length beyond all numbers": http(GOOD, "Connection: close", f"Content-Length: {'9' * 5000}", length=-1),
    "in the middle of the packing": http(
        gzip.compress(GOOD.encode())[:-60], "Content-Encoding: gzip", "Connection: close", length=-1
    ),
    "and garbled": http(b"\x1f\x8b" + b"garbage" * 9, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("cut", CUT)
def test_an_answer_that_was_cut_is_never_believed(cut: str) -> None:
    with RawServer(CUT[cut]) as server, pytest.raises(IncompleteAnswer):
        ask(conversation(server))


@pytest.mark.parametrize("cut", CUT)
def test_after_a_cut_answer_the_next_one_is_its_own(cut: str) -> None:
    with RawServer(CUT[cut], http(GOOD)) as server:
        assert ask(conversation(server), tries=2) == 1


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with RawServer(http(GOOD, "Connection: close", length=-1)) as server:
        assert ask(conversation(server)) == 1


def test_a_reset_connection_is_opened_anew() -> None:
    with RawServer(reset, http(GOOD)) as server:
        assert ask(conversation(server), tries=2) == 1
        assert server.connections == 2


def test_a_connection_that_is_always_reset_is_the_fault_of_what_was_asked() -> None:
    with RawServer(http(GOOD), *[reset] * 2) as server:
        one = conversation(server)
        ask(one)
        with pytest.raises(ItemsError, match="ConnectionReset"):
            ask(one, tries=2)


def trickle(pieces: Iterator[bytes], pause: float) -> Callable[[socket.socket], None]:
    def script(connected: socket.socket) -> None:
        connected.sendall(http("", length=-1))
        for piece in pieces:
            connected.sendall(piece)
            time.sleep(pause)

    return script


def endless() -> Iterator[bytes]:
    while True:
        yield b" "


def test_an_answer_that_trickles_for_ever_ends() -> None:
    with RawServer(trickle(endless(), 0.05)) as server, pytest.raises(RequestTooBig, match="takes too long"):
        ask(conversation(server, whole_answer=0.5))


def test_a_large_answer_may_take_its_time_while_it_keeps_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply, "SLOWEST", 100)
    body = GOOD.encode()
    with RawServer(trickle(iter([body[i : i + 60] for i in range(0, len(body), 60)]), 0.05)) as server:
        assert ask(conversation(server, whole_answer=0.2)) == 1


def test_a_stopped_run_reads_no_further() -> None:
    with RawServer(trickle(endless(), 0.05)) as server:
        one = conversation(server, whole_answer=60)

        def stop(connected: socket.socket) -> None:
            trickle(iter([b" "] * 4), 0.05)(connected)
            one.pace.stop()
            trickle(endless(), 0.05)(connected)

        server._scripts[0] = stop
        with pytest.raises(Stopped):
            ask(one)


def test_a_server_that_falls_silent_is_a_timeout() -> None:
    with RawServer(trickle(iter([b""]), 2)) as server:
        one = conversation(server)
        one._connection.timeout = (1.0, 0.3)  # type: ignore[misc]
        with pytest.raises(RequestTooBig, match="Timeout"):
            ask(one)


def test_a_packed_bomb_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MOST_BYTES", 1 << 20)
    bomb = gzip.compress(b"<a>" + b" " * (50 << 20) + b"</a>")
    with RawServer(http(bomb, "Content-Encoding: gzip")) as server, pytest.raises(RequestTooBig, match="1 MiB"):
        ask(conversation(server))


def test_what_is_packed_twice_is_not_opened() -> None:
    """A bomb within a bomb would grow a thousand times a thousand times."""
    twice = zlib.compress(zlib.compress(GOOD.encode()))
    with RawServer(http(twice, "Content-Encoding: deflate, deflate")) as server, pytest.raises(IncompleteAnswer):
        ask(conversation(server))


def test_an_unknown_host_or_a_closed_port_ends_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    one = Transport(Connection(f"http://127.0.0.1:{port}/EWS/Exchange.asmx"), pace(Clock()))
    with pytest.raises(FatalError, match="refuses connections"):
        ask(one)
