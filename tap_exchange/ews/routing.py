"""Where requests for public folders go: the mailbox that holds a folder's contents.

Exchange keeps the tree of public folders in one mailbox and the contents of each folder in one of several. Requests are
routed by the HTTP headers X-AnchorMailbox and X-PublicFolderMailbox (Microsoft: "Route public folder hierarchy
requests", "Route public folder content requests"). For the tree they name the reading mailbox itself, whose own public
folder mailbox Exchange knows. For a folder's contents they name the mailbox whose GUID the folder's PR_REPLICA_LIST
tells, as GUID@domain. Where a folder tells none, they are as for the tree.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as BadBase64
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from .faults import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element

    from .answers import Record
    from .operations import Mailbox
    from .shapes import Shape
    from .transport import Transport

T = TypeVar("T")

ANCHOR, PUBLIC = "X-AnchorMailbox", "X-PublicFolderMailbox"
REPLICA_LIST = '<t:ExtendedFieldURI PropertyTag="0x6698" PropertyType="Binary"/>'
CONTENT_MAILBOX = "content_mailbox"
"""What a record of `ReplicaShape` has besides the shape's columns: the GUID of the mailbox with the contents."""

GUID_LENGTH = 36
ENDING = "</t:AdditionalProperties></m:FolderShape>"


class Routed:
    """A transport whose requests are led to the server of another mailbox."""

    def __init__(self, transport: Transport, mailbox: str) -> None:
        self._transport = transport
        self.call: Callable[..., Any] = partial(transport.call, routing=((ANCHOR, mailbox), (PUBLIC, mailbox)))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        """Give what the transport has."""
        return getattr(self._transport, name)


def routed(wire: Mailbox, mailbox: str) -> Mailbox:
    """Return the operations of a mailbox, led to the server of another one."""
    return type(wire)(cast("Transport", Routed(wire.transport, mailbox)), wire.address, wire.store)


def content_address(guid: str, mailbox: str) -> str:
    """Return the address that leads to a content mailbox of the organization that a mailbox belongs to."""
    return f"{guid}@{mailbox.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True)
class ReplicaShape:
    """A folder shape that asks for the mailbox with the folder's contents, too."""

    base: Shape

    @property
    def xml(self) -> str:
        """The whole `<m:FolderShape>`."""
        return self.base.xml.replace(ENDING, REPLICA_LIST + ENDING)

    def convert(self, element: _Element) -> Record:
        """Turn a folder into a record."""
        return self.base.convert(element) | {CONTENT_MAILBOX: _content_mailbox(element)}

    def for_server(self, version: str) -> ReplicaShape:
        """Return the shape for a server that speaks an EWS version."""
        return ReplicaShape(self.base.for_server(version))


def _content_mailbox(element: _Element) -> str | None:
    """Read PR_REPLICA_LIST: GUIDs as ASCII text, each ended by a NUL; the first one counts."""
    for extended in element.iterfind(f"{TYPES}ExtendedProperty"):
        uri = extended.find(f"{TYPES}ExtendedFieldURI")
        if uri is None or uri.get("PropertyTag", "").lower() != "0x6698":
            continue
        try:
            text = b64decode(extended.findtext(f"{TYPES}Value") or "").decode("ascii")
            return str(UUID(text.split("\0")[0].strip("{}")[:GUID_LENGTH]))
        except (BadBase64, ValueError):
            return None  # servers up to 2010 name themselves there
    return None
