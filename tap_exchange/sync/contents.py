"""What becomes of an attachment's bytes as they arrive: counted, hashed, and kept as base64 in the row or elsewhere."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import sha256
from typing import Any, Protocol

QUANTUM = 3
"""Bytes that base64 makes four digits of."""


class Target(Protocol):
    """Takes one content."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""

    def keep(self) -> dict[str, Any]:
        """Keep what was written, and return the columns that tell where."""

    def discard(self) -> None:
        """Drop what was written."""


class Taken:
    """One content as it arrives: counted, hashed, and handed on unless it is larger than `most`."""

    def __init__(self, target: Target, most: int) -> None:
        """Write to `target`."""
        self._target = target
        self._most = most
        self._hash = sha256()
        self.size = 0

    @property
    def is_too_large(self) -> bool:
        """Whether there were more bytes than wanted; none of them is kept then."""
        return self.size > self._most

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        room = self._most - self.size
        if room < 0:
            return
        self.size += len(piece)
        if len(piece) > room:
            self._target.discard()
        else:
            self._hash.update(piece)
            self._target.write(piece)

    def keep(self) -> dict[str, Any]:
        """Keep the content, and return its columns."""
        return {**self._target.keep(), "content_sha256": self._hash.hexdigest(), "content_size": self.size}

    def discard(self) -> None:
        """Drop the content."""
        self._target.discard()


class InRow:
    """A content in its row: the base64 of it, made as it comes."""

    def __init__(self) -> None:
        """Begin empty."""
        self._parts: list[str] = []
        self._rest = b""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        piece = self._rest + piece
        whole = len(piece) - len(piece) % QUANTUM
        self._rest = piece[whole:]
        self._parts.append(b2a_base64(piece[:whole], newline=False).decode())

    def keep(self) -> dict[str, Any]:
        """Return the column with the text."""
        self._parts.append(b2a_base64(self._rest, newline=False).decode())
        return {"content": "".join(self._parts)}

    def discard(self) -> None:
        """Drop the text."""
        self._parts.clear()
        self._rest = b""
