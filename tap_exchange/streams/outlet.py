"""Standard output as Singer messages: gathered into large writes, and never left with half a line."""

from __future__ import annotations

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding import GenericSingerWriter
from singer_sdk.singerlib.messages import Message

from tap_exchange.resources import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Callable

GATHER = 64 * 2**10
"""Bytes gathered before they are handed to the pipe."""

PIPE_MAX = 2**20
"""The largest buffer that Linux gives a pipe of an ordinary user."""

PAGE = 4096
"""What a write may take of a pipe's room beside its bytes."""

PATIENCE = 7.0
"""Seconds that a stopped run waits for a pipe which takes nothing."""


class LineTooLongError(Exception):
    """A message is longer than any loader takes."""


class LoaderGoneError(Exception):
    """The loader closed the pipe. No OSError: click ends without a word for that one."""

    def __init__(self) -> None:
        super().__init__("The loader closed the pipe: see its own log. The next run goes on from its last STATE.")


def extracted_at(synced_at: str) -> str:
    """Write the time of a record as the SDK writes `time_extracted`."""
    return f"{synced_at[:-1]}+00:00"


class Outlet(GenericSingerWriter[bytes, Message]):
    """Writes messages to standard output; one thread writes, any thread may ask it to hurry."""

    def __init__(self, fd: int | None = None) -> None:
        """Write to a file descriptor, standard output when none is given."""
        super().__init__()
        self._fd = fd
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._pieces: list[bytes | memoryview] = []
        self._gathered = 0
        self.bytes_written = 0
        self._is_writing = False
        self._room = 0
        self._give_up: Callable[[], None] | None = None
        self._leave: Callable[[], None] | None = None

    def serialize_message(self, message: Message) -> bytes:
        """Return a message as one line, without its end."""
        return self._encoder.encode(message.to_dict())

    def write_message(self, message: Message) -> None:
        """Gather a message; hand over when enough is gathered."""
        self._gather(message.to_dict())

    def write_record(self, stream: str, record: dict[str, Any], extracted: str) -> None:
        """Gather a RECORD as `write_message` would, without an object for it."""
        self._gather({"type": "RECORD", "stream": stream, "record": record, "time_extracted": extracted})

    def pack(self, record: dict[str, Any]) -> bytes:
        """Return a record as JSON, without `feed_id` and `synced_at`; any thread may ask."""
        return self._encoder.encode(record)

    def write_packed(self, stream: str, packed: bytes, feed_id: str, synced_at: str) -> None:
        """Gather a RECORD as `write_record` would, of a packed record and what it lacks."""
        feed = self._encoder.encode(feed_id).decode()
        head = f'{{"type":"RECORD","stream":"{stream}","record":{{"feed_id":{feed},"synced_at":"{synced_at}",'
        tail = f',"time_extracted":"{extracted_at(synced_at)}"}}\n'
        self._add("RECORD", [head.encode(), memoryview(packed)[1:], tail.encode()])

    def write_state(self, value: dict[str, Any]) -> int:
        """Gather a STATE as `write_message` would, without copying it first; returns its size in bytes."""
        before = self.bytes_written
        self._gather({"type": "STATE", "value": value})
        return self.bytes_written - before

    def _gather(self, message: dict[str, Any]) -> None:
        self._add(message["type"], [self._encoder.encode(message), b"\n"])

    def _add(self, kind: str, line: list[bytes | memoryview]) -> None:
        """Gather the pieces of a whole line."""
        length = sum(map(len, line))
        if length > LONGEST_LINE:
            raise LineTooLongError(f"A {kind} message of {length - 1:,} bytes is longer than loaders take (50 MiB).")
        self._pieces += line
        self._gathered += length
        self.bytes_written += length
        if self._gathered >= GATHER:
            self.flush()

    def flush(self) -> None:
        """Hand everything that was gathered to the pipe; waits as long as nobody reads.

        Raises:
            LoaderGoneError: nobody ever will.
        """
        buffer, self._pieces, self._gathered = b"".join(self._pieces), [], 0
        if self._give_up is not None and len(buffer) > self._room:
            self._give_up()
            return
        if self._fd is None:
            sys.stdout.flush()
            try:
                self._fd = sys.stdout.fileno()
            except (OSError, ValueError):  # standard output is not a file, as under a test runner
                sys.stdout.write(buffer.decode())
                return
        self._is_writing = True
        try:
            with memoryview(buffer) as view:
                written = 0
                while written < len(view):
                    written += os.write(self._fd, view[written:])
        except BrokenPipeError:
            raise LoaderGoneError from None
        self._is_writing = False
        self._room -= len(buffer) + PAGE
        if self._leave is not None:
            self._leave()

    def leave_at_line_end(self, leave: Callable[[], None]) -> None:
        """From a signal handler: call `leave` at the end of the write under way, at once when there is none."""
        if not self._is_writing:
            leave()
            return
        self._leave = leave
        self._make_room(leave)

    def hurry(self, give_up: Callable[[], None], patience: float = PATIENCE) -> None:
        """From a signal handler: if the pipe takes nothing for `patience` seconds, make room and then `give_up`.

        A blocked write holds the only thread that could end the run. Enlarging the pipe (Linux) lets it finish
        its line, so that the reader never sees half of one. What is then written must fit into the room, else
        `give_up` is called in its place; it is called after one more second in any case.
        """
        timer = threading.Timer(patience, self._make_room, (give_up,))
        timer.daemon = True
        timer.start()

    def _make_room(self, give_up: Callable[[], None]) -> None:
        try:
            import fcntl  # noqa: PLC0415

            fcntl.fcntl(self._fd if self._fd is not None else 1, fcntl.F_SETPIPE_SZ, PIPE_MAX)
            self._room = PIPE_MAX // 2
        except (ImportError, AttributeError):
            self._room = 0
        except OSError as error:
            self._room = sys.maxsize if error.errno == errno.EBADF else 0  # a file takes everything
        self._give_up = give_up
        timer = threading.Timer(1.0, give_up)
        timer.daemon = True
        timer.start()
