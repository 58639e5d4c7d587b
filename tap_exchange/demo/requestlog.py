"""What was asked of the server, for tests that count."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo.soap import M, T

if TYPE_CHECKING:
    from lxml import etree


@dataclass(slots=True)
class Request:
    """One HTTP request; times are seconds of the monotonic clock."""

    operation: str = ""
    username: str | None = None
    mailbox: str | None = None
    ids: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    item_count: int = 0
    base_shape: str | None = None
    body_shape: str | None = None
    properties: tuple[str, ...] = ()
    max_changes: int | None = None
    ignored: int = 0
    had_state: bool = False
    version: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    at: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    status: int = 0
    codes: tuple[str, ...] = ()


class RequestLog:
    """The requests so far, and what never falls out of it: the counts."""

    def __init__(self, keep: int = 50_000) -> None:
        """Keep the latest requests in full."""
        self._lock = threading.Lock()
        self.keep = keep
        self._requests: list[Request] = []
        self._counts: Counter[str] = Counter()
        self.concurrent = 0
        self.most_concurrent = 0

    def began(self, request: Request) -> None:
        """Note a request as it arrives."""
        with self._lock:
            self.concurrent += 1
            self.most_concurrent = max(self.most_concurrent, self.concurrent)
            self._requests.append(request)
            if len(self._requests) > self.keep:
                del self._requests[: max(1, self.keep // 10)]

    def named(self, request: Request, operation: str) -> None:
        """Note what a request turned out to be."""
        with self._lock:
            self._counts[operation] += 1
            request.operation = operation

    def ended(self, request: Request) -> None:
        """Note that a request was answered."""
        with self._lock:
            self.concurrent -= 1
            request.ended = time.monotonic()

    def all(self) -> list[Request]:
        """Give the requests so far."""
        with self._lock:
            return list(self._requests)

    def counts(self) -> dict[str, int]:
        """Count the requests by operation."""
        with self._lock:
            return dict(self._counts)

    def reset(self) -> None:
        """Forget all."""
        with self._lock:
            self._requests.clear()
            self._counts.clear()
            self.most_concurrent = self.concurrent


def describe(record: Request, body: etree._Element) -> None:
    """Write down what a request asks for."""
    record.ids = tuple(
        element.get("Id", "") for name in ("ItemIds", "AttachmentIds") for element in body.iterfind(f"{M}{name}/*")
    )
    record.item_count = len(record.ids)
    record.folders = tuple(
        element.get("Id", "")
        for name in ("FolderIds", "SyncFolderId", "ParentFolderIds")
        for element in body.iterfind(f"{M}{name}/*")
    )
    shape = body.find(f"{M}ItemShape")
    shape = body.find(f"{M}FolderShape") if shape is None else shape
    if shape is not None:
        record.base_shape = shape.findtext(f"{T}BaseShape")
        record.body_shape = shape.findtext(f"{T}BodyType")
        record.properties = tuple(
            element.get("FieldURI") or element.get("PropertyTag") or element.get("PropertyName") or ""
            for element in shape.iterfind(f"{T}AdditionalProperties/*")
        )
    maximum = body.findtext(f"{M}MaxChangesReturned")
    record.max_changes = int(maximum) if maximum and maximum.isdigit() else None
    record.ignored = sum(1 for _ in body.iterfind(f"{M}Ignore/*"))
    record.had_state = bool(body.findtext(f"{M}SyncState"))
