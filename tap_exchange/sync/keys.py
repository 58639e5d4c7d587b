"""Surrogate keys: EWS ids are too long and differ by letter case alone, so no table is keyed by them."""

from __future__ import annotations

from bisect import bisect_left
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array


def surrogate(mailbox: str, ews_id: str) -> str:
    """Return the 32 hex digits (BLAKE2b-128) that stand for an EWS id of a mailbox in every table."""
    return blake2b(f"{mailbox}\0{ews_id}".encode(), digest_size=16).hexdigest()


def shard_of(mailbox: str, count: int) -> int:
    """Return the shard, from 0 to `count` - 1, that a mailbox belongs to; the same on every machine."""
    return int.from_bytes(blake2b(mailbox.encode(), digest_size=8).digest(), "big") % count


def short_hash(text: str) -> int:
    """Return 64 bits that stand for an id in a set of ids held in memory."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def holds(hashes: array[int], wanted: int) -> bool:
    """Return whether a hash is among sorted ones."""
    index = bisect_left(hashes, wanted)
    return index < len(hashes) and hashes[index] == wanted
