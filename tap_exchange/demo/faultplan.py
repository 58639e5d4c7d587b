"""Where a fault plan may step in: the places, and the plan that asks each fault in turn.

A fault is an object with any of the methods of `Fault`. It may answer in the server's place, change
the work, or change what is sent; `server.faults.add(fault)` puts it in force, `clear()` ends all.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tap_exchange.demo.attachments import Attachment
    from tap_exchange.demo.changelog import Change
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.rendering import Shape
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.soap import Call


@dataclass(slots=True)
class Answer:
    """What is sent: status, headers and the bytes of the body, before compression.

    `delay` waits before the first byte. `cut` sends only so many bytes of the (compressed) body, with the
    Content-Length of `declared_length` (default: the true one), then closes. `pace` is seconds between
    `piece`-sized pieces. `reset` drops the connection (at once, or after `cut` bytes). `stream` is sent
    chunk by chunk instead of the body, as streaming notifications are.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    compress: bool = True
    delay: float = 0.0
    cut: int | None = None
    declared_length: int | None = None
    reset: bool = False
    pace: float = 0.0
    piece: int = 1024
    stream: AsyncIterator[bytes] | None = None


class Fault:
    """Do nothing anywhere; a fault overrides the places it wants.

    From `mailbox` to `body` the world's lock is held. They raise ServiceError for one response message or
    SoapFault for the whole request.
    """

    def arrived(self, request: Request) -> Answer | None:
        """Answer before the sign-in is judged and any work is done, or give None to go on."""

    def before(self, call: Call) -> Answer | None:
        """Answer in the server's place, the work undone; or give None to go on, or raise SoapFault."""

    def mailbox(self, call: Call, mailbox: Mailbox | None) -> None:
        """Step in when a mailbox is opened; None stands for the public folders."""

    def folder(self, call: Call, folder: Folder) -> None:
        """Step in when a folder is opened by id."""

    def changes(self, call: Call, folder: Folder, changes: list[Change]) -> None:
        """Step in when a page of SyncFolderItems is computed, before its new state is made."""

    def found(self, call: Call, folder: Folder, item: Item) -> None:
        """Step in before FindItem writes an item; raising fails the folder's whole message."""

    def item_id(self, call: Call, item_id: str) -> None:
        """Step in before the item of an id is looked for."""

    def item(self, call: Call, item: Item, shape: Shape) -> None:
        """Step in before an item is written."""

    def attachment(self, call: Call, item: Item, attachment: Attachment) -> None:
        """Step in before an attachment is written."""

    def body(self, call: Call, body: str) -> str:  # noqa: ARG002 - for those who override it
        """Change the inside of the SOAP body, the work being done."""
        return body

    def after(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002 - for those who override it
        """Change what is sent, the work being done."""
        return answer


class Plan(Fault):
    """The faults in force, asked in the order they were added."""

    def __init__(self) -> None:
        """Begin without faults."""
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()

    def add(self, *faults: Fault) -> None:
        """Put faults in force."""
        with self._lock:
            self._faults = (*self._faults, *faults)

    def remove(self, fault: Fault) -> None:
        """End one fault; ending one that is not in force does nothing."""
        with self._lock:
            self._faults = tuple(held for held in self._faults if held is not fault)

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults = ()

    def __iter__(self) -> Iterator[Fault]:
        """Give the faults in force."""
        return iter(self._faults)

    def arrived(self, request: Request) -> Answer | None:
        """Give the first fault's answer, if any."""
        for fault in self._faults:
            answer = fault.arrived(request)
            if answer is not None:
                return answer
        return None

    def before(self, call: Call) -> Answer | None:
        """Give the first fault's answer, if any."""
        for fault in self._faults:
            answer = fault.before(call)
            if answer is not None:
                return answer
        return None

    def mailbox(self, call: Call, mailbox: Mailbox | None) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.mailbox(call, mailbox)

    def folder(self, call: Call, folder: Folder) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.folder(call, folder)

    def changes(self, call: Call, folder: Folder, changes: list[Change]) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.changes(call, folder, changes)

    def found(self, call: Call, folder: Folder, item: Item) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.found(call, folder, item)

    def item_id(self, call: Call, item_id: str) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.item_id(call, item_id)

    def item(self, call: Call, item: Item, shape: Shape) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.item(call, item, shape)

    def attachment(self, call: Call, item: Item, attachment: Attachment) -> None:
        """Ask each fault."""
        for fault in self._faults:
            fault.attachment(call, item, attachment)

    def body(self, call: Call, body: str) -> str:
        """Let each fault change the body."""
        for fault in self._faults:
            body = fault.body(call, body)
        return body

    def after(self, call: Call, answer: Answer) -> Answer:
        """Let each fault change the answer."""
        for fault in self._faults:
            answer = fault.after(call, answer)
        return answer
