"""Ids as Exchange makes them: opaque base64 text around a store, a folder and a counter.

The layout is that of the ids a real server hands out (a moniker with the mailbox GUID, then a
MAPI entry id), so their lengths, their shared beginnings and their habit of differing by letter
case alone are the real ones: in the last group of six bits 0 is `A` and 26 is `a`.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass
from enum import Enum

GUID_TEXT = 36
HEAD = b"\x00\x03\x24\x00"
FOLDER_ENTRY = b"\x2e\x00"
MESSAGE_ENTRY = b"\x46\x00"
FOLDER_LENGTH = 4 + GUID_TEXT + 1 + 2 + 46
ITEM_LENGTH = 4 + GUID_TEXT + 1 + 2 + 70
OCCURRENCE_LENGTH = ITEM_LENGTH + 8
ATTACHMENT_TAIL = b"\x01\x12\x00\x10\x00"
ATTACHMENT_LENGTH = ITEM_LENGTH + len(ATTACHMENT_TAIL) + 16
CONVERSATION_ENTRY = b"\x10\x00"
# The lowest counter; a store of some age does not begin at 1. A multiple of 64 keeps the letters aligned.
COUNTER_BASE = 0x04_A9_21_00_00


class Kind(Enum):
    """Name what an id points at."""

    FOLDER = "folder"
    ITEM = "item"
    OCCURRENCE = "occurrence"
    ATTACHMENT = "attachment"


class MalformedIdError(ValueError):
    """Say that a text is no id that this server could have made."""


@dataclass(frozen=True, slots=True)
class ParsedId:
    """The parts of an id: an occurrence's original start in minutes since 1970, an attachment's path."""

    kind: Kind
    store: str
    folder: int
    item: int = 0
    minutes: int = 0
    path: tuple[int, ...] = ()


def digest(*parts: object, size: int = 16) -> bytes:
    """Hash parts to bytes that are the same in each process."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=size).digest()


def guid(*parts: object) -> str:
    """Make a GUID from parts, the same in each process."""
    text = digest(*parts).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


class IdFactory:
    """Make the ids of one store."""

    __slots__ = ("_change", "_change_suffix", "_database", "_head", "_provider", "store")

    def __init__(self, store: str) -> None:
        """Take the store's GUID, from which all else follows."""
        self.store = store
        self._head = HEAD + store.encode()
        self._provider = bytes(4) + digest("provider", store)
        self._database = digest("database", store)
        self._change = {0: ""}
        self._change_suffix = b"\x00\x00\x00\x16\x00\x00\x00" + self._database

    def folder(self, number: int) -> str:
        """Make a folder's id."""
        counter = (COUNTER_BASE + number).to_bytes(6, "big")
        entry = self._provider + b"\x01\x00" + self._database + counter + b"\x00\x00"
        return b64encode(self._head + b"\x00" + FOLDER_ENTRY + entry).decode()

    def _item_bytes(self, folder: int, number: int, instruction: bytes = b"\x00") -> bytes:
        return self.item_prefix_bytes(folder, instruction) + (COUNTER_BASE + number).to_bytes(6, "big") + b"\x00\x00"

    def item_prefix_bytes(self, folder: int, instruction: bytes = b"\x00") -> bytes:
        """Make what all ids of a folder's items begin with; 105 bytes, so that base64 can be joined behind it."""
        counter = (COUNTER_BASE + folder).to_bytes(6, "big")
        entry = self._provider + b"\x07\x00" + self._database + counter + b"\x00\x00" + self._database
        return self._head + instruction + MESSAGE_ENTRY + entry

    def item_prefix(self, folder: int) -> str:
        """Make the text that all ids of a folder's items begin with."""
        return b64encode(self.item_prefix_bytes(folder)).decode()

    def item(self, folder: int, number: int) -> str:
        """Make an item's id."""
        return b64encode(self._item_bytes(folder, number)).decode()

    def occurrence(self, folder: int, number: int, minutes: int) -> str:
        """Make the id of a series' occurrence from the minutes (since 1970) of its original start."""
        return b64encode(self._item_bytes(folder, number, b"\x01") + minutes.to_bytes(8, "big")).decode()

    def attachment(self, folder: int, item: int, path: tuple[int, ...]) -> str:
        """Make the id of an item's attachment; the path counts from 1, outermost first, at most four deep."""
        tail = b"".join(number.to_bytes(2, "big") for number in path).ljust(8, b"\0")
        mark = digest("attachment", self.store, folder, item, size=8)
        return b64encode(self._item_bytes(folder, item) + ATTACHMENT_TAIL + mark + tail).decode()

    def conversation(self, key: str) -> str:
        """Make the id of a conversation."""
        return b64encode(self._head + b"\x00" + CONVERSATION_ENTRY + digest("conversation", key)).decode()

    def change_key(self, type_byte: int, change: int) -> str:
        """Make a change key; type_byte tells the kind of object, as on a real server."""
        prefix = self._change.get(type_byte)
        if prefix is None:
            prefix = b64encode(bytes([type_byte]) + self._change_suffix).decode()
            self._change[type_byte] = prefix
        return prefix + b64encode((COUNTER_BASE + change).to_bytes(6, "big")).decode()


def item_suffix(number: int) -> str:
    """Make the text that ends an item's id, behind `IdFactory.item_prefix`."""
    return b64encode((COUNTER_BASE + number).to_bytes(6, "big") + b"\x00\x00").decode()


def parse_id(text: str) -> ParsedId:
    """Take an id apart.

    Raises:
        MalformedIdError: when it is no id of this server's making.
    """
    try:
        raw = b64decode(text, validate=True)
    except (BadBase64, ValueError) as error:
        raise MalformedIdError(text) from error
    if len(raw) < FOLDER_LENGTH or not raw.startswith(HEAD):
        raise MalformedIdError(text)
    store = raw[4 : 4 + GUID_TEXT].decode("ascii", "replace")
    body = raw[4 + GUID_TEXT + 3 :]
    folder = int.from_bytes(body[38:44], "big") - COUNTER_BASE
    if len(raw) == FOLDER_LENGTH:
        return ParsedId(Kind.FOLDER, store, folder)
    if len(raw) < ITEM_LENGTH:
        raise MalformedIdError(text)
    item = int.from_bytes(body[62:68], "big") - COUNTER_BASE
    if len(raw) == ITEM_LENGTH:
        return ParsedId(Kind.ITEM, store, folder, item)
    if len(raw) == OCCURRENCE_LENGTH:
        return ParsedId(Kind.OCCURRENCE, store, folder, item, int.from_bytes(raw[-8:], "big"))
    if len(raw) == ATTACHMENT_LENGTH:
        numbers = (int.from_bytes(raw[at : at + 2], "big") for at in range(len(raw) - 8, len(raw), 2))
        return ParsedId(Kind.ATTACHMENT, store, folder, item, path=tuple(number for number in numbers if number))
    raise MalformedIdError(text)
