"""What was asked of the server, for tests that count."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """One HTTP request; times are seconds of the monotonic clock."""

    operation: str
    username: str | None = None
    mailbox: str | None = None
    ids: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    item_count: int = 0
    base_shape: str | None = None
    body_shape: str | None = None
    additional: int = 0
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

    def __init__(self, keep: int = 100_000) -> None:
        """Keep the latest requests in full."""
        self._lock = threading.Lock()
        self._keep = keep
        self._requests: list[Request] = []
        self._counts: Counter[str] = Counter()
        self.concurrent = 0
        self.most_concurrent = 0

    def began(self, request: Request) -> None:
        """Note a request as it arrives."""
        with self._lock:
            self.concurrent += 1
            self.most_concurrent = max(self.most_concurrent, self.concurrent)
            self._counts[request.operation] += 1
            self._requests.append(request)
            if len(self._requests) > self._keep:
                del self._requests[: self._keep // 10]

    def renamed(self, request: Request, operation: str) -> None:
        """Note what a request turned out to be."""
        with self._lock:
            self._counts[request.operation] -= 1
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
            return {operation: count for operation, count in self._counts.items() if count}

    def reset(self) -> None:
        """Forget all."""
        with self._lock:
            self._requests.clear()
            self._counts.clear()
            self.most_concurrent = self.concurrent
