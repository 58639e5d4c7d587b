"""What a server does to a run, at random: each entry of `TROUBLES` makes a fault of a seed and a world.

What fails, fails now and then, so that most runs get through; which requests, and with which of several codes, the
seed decides.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import (
    Answers,
    FeedBreaks,
    FolderFails,
    How,
    ItemFails,
    MailboxFails,
    Messages,
    On,
    RequestFails,
    SignInEnds,
    StateNeverMoves,
    StoreIsDown,
    Throttles,
    broken_references,
    broken_utf8,
    called,
    cut,
    delayed,
    empty,
    of_another_item,
    one_twice,
    out_of_order,
    reset,
    says,
    slow,
    stopped_after,
    too_few,
    too_many,
    without,
)
from tap_exchange.demo.faults.requests import SYNC_CALLS
from tap_exchange.streams.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.item import Item
    from tap_exchange.demo.requestlog import Request
    from tests.model.world import World

    Trouble = Callable[[int, World], Fault]

T = TypeVar("T")

BUSY = (
    "ErrorServerBusy", "ErrorInternalServerTransientError", "ErrorTimeoutExpired", "ErrorMailboxMoveInProgress",
    "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorADUnavailable",
    "ErrorInsufficientResources", "ErrorNotEnoughMemory", "ErrorTooManyObjectsOpened", "ErrorExceededConnectionCount",
    "ErrorClientDisconnected",
)  # fmt: skip
"""Codes of a whole request, a folder, a mailbox or an item, after which the same request may succeed."""
OF_FEEDS = ("ErrorCorruptData", "ErrorItemCorrupt", "ErrorInternalServerError", "ErrorTimeoutExpired")
OUT = ("ErrorNonExistentMailbox", "ErrorAccountDisabled", "ErrorPasswordExpired", "ErrorAccessDenied")
PAGES = "SyncFolderItems"


def _one(seed: int, of: tuple[T, ...]) -> T:
    return of[seed % len(of)]


def _not_twice() -> Callable[[Request], bool]:
    """Spare each second page of a folder: without its changes twice, a page has none as far as a tap can know."""
    due: Counter[tuple[str, ...]] = Counter()

    def spare(request: Request) -> bool:
        due[request.folders] += 1
        return due[request.folders] % 2 == 1

    return spare


def _some(seed: int, world: World) -> list[Item]:
    items = list(world.items())
    return random.Random(seed).sample(items, min(len(items), 1 + seed % 3))


def _changed(*changes: Any, **more: Any) -> Trouble:  # noqa: ANN401 - of `Answers`
    """Change answers of every operation, one way or the other."""
    return lambda seed, _: Answers(changes[seed % len(changes)], On(chance=0.1, seed=seed), **more)


def _messages(*changes: Any, operation: str | tuple[str, ...], chance: float = 0.1) -> Trouble:  # noqa: ANN401
    """Change the response messages of an operation, one way or the other."""
    return lambda seed, _: Messages(changes[seed % len(changes)], On(operation, chance=chance, seed=seed))


def _throttling(how: How) -> Trouble:
    hints = (None, 0.0, 0.01, 0.05)
    return lambda seed, _: Throttles(how, hints[seed % len(hints)], On(chance=0.2, seed=seed), least=0.01)


TROUBLES: dict[str, Trouble] = {
    "dropped connections": _changed(reset(), undone=True),
    "answers lost after the work": _changed(reset(), reset(at=0.5)),
    "cut answers": _changed(cut(), cut(packed=True), cut(at=0.9)),
    "answers cut at a right length": _changed(cut(honest=True), cut(at=0.9, honest=True)),
    "slow answers": _changed(delayed(0.05), slow(0.01, 4096)),
    "empty answers": _changed(empty()),
    "a proxy that answers": _changed(
        says(502, b"<html>Bad Gateway</html>"), says(504), says(503), says(200, b"<html/>")
    ),
    "bytes that are no text": _changed(broken_utf8(), broken_references()),
    **{f"throttling, {how.name}": _throttling(how) for how in How},
    "requests that fail": lambda seed, _: RequestFails(
        _one(seed, ("ErrorInternalServerError", *BUSY)), On(chance=0.1, seed=seed), bare=seed % 3 == 0
    ),
    "folders that fail": lambda seed, _: FolderFails(_one(seed, BUSY), on=On(PAGES, chance=0.2, seed=seed)),
    "items that fail for now": lambda seed, world: ItemFails(
        _one(seed, (*BUSY, "ErrorItemNotFound", "ErrorBatchProcessingStopped")),
        list(world.items()),
        on=On("GetItem", chance=0.2, seed=seed),
    ),
    "a mailbox that fails": lambda seed, world: MailboxFails(_one(seed, BUSY), world.anna, On(chance=0.1, seed=seed)),
    "a mailbox that is out": lambda seed, world: MailboxFails(_one(seed, OUT), world.anna, On(skip=seed % 9)),
    "stopped batches": _messages(stopped_after(1), stopped_after(0), operation="GetItem", chance=0.3),
    "loads that answer something else": _messages(too_few, too_many, one_twice, of_another_item, operation="GetItem"),
    "loads out of order": _messages(out_of_order, operation="GetItem", chance=0.5),
    "pages without a part": lambda seed, _: Messages(
        _one(seed, (without("SyncState"), without("SyncState", emptied=True), without("Changes"))),
        On(PAGES, chance=0.1, seed=seed, where=_not_twice()),
    ),
    "errors that hold a new state": _messages(
        called("ErrorInternalServerError"), called("ErrorMailboxStoreUnavailable"), operation=SYNC_CALLS
    ),
    "pages that repeat": lambda seed, _: StateNeverMoves(On(SYNC_CALLS, chance=0.1, seed=seed)),
    "lost rights": lambda seed, _: FolderFails("ErrorAccessDenied", on=On(PAGES, chance=0.2, seed=seed)),
    "no feed for lack of rights": lambda seed, _: RequestFails("ErrorAccessDenied", On(PAGES, chance=0.2, seed=seed)),
    "folders that seem gone": lambda seed, _: FolderFails(
        _one(seed, ("ErrorFolderNotFound", "ErrorSyncFolderNotFound")), on=On(PAGES, chance=0.2, seed=seed)
    ),
    "states refused": lambda seed, _: FolderFails(
        "ErrorInvalidSyncStateData", on=On(PAGES, state=True, chance=0.7, seed=seed)
    ),
    "states of hierarchies refused": lambda seed, _: RequestFails(
        "ErrorInvalidSyncStateData", On("SyncFolderHierarchy", state=True, chance=0.9, seed=seed)
    ),
    "small pages alone": lambda seed, _: FolderFails(_one(seed, OF_FEEDS), on=On(PAGES, page_over=1 + seed % 3)),
    "items that break feeds": lambda seed, world: FeedBreaks(_some(seed, world), _one(seed, OF_FEEDS)),
    "a broken feed": lambda seed, world: FolderFails(
        _one(seed, OF_FEEDS), world.folders()[seed % len(world.folders())], On(PAGES)
    ),
    "a sign-in that ends": lambda seed, _: SignInEnds((401, 403, 456)[seed % 3], On(skip=seed % 20)),
    "a store that is down": lambda _, world: StoreIsDown(world.anna),
}


class Terminates(Fault):
    """Send SIGTERM to the run in this process when it makes a certain request."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.lock = threading.Lock()

    def arrived(self, _: Request) -> Answer | None:
        """Count down."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        return None

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let the signal do no harm when it comes after the run, nor what the run does to get rid of a stuck loader."""
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            with mock.patch.object(Outlet, "hurry"):
                yield
        finally:
            with self.lock:
                self.left = 0
            signal.signal(signal.SIGTERM, before)
