"""What the operations give back: frozen values, free of XML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from lxml.etree import _Element

Record = dict[str, Any]
ItemKind = Literal["create", "update", "delete", "read_flag"]
FolderKind = Literal["create", "update", "delete"]
AttachmentKind = Literal["file", "item", "item_alone"]


class ShapeLike(Protocol):
    """What is asked of each item or folder, and how its element becomes a record."""

    @property
    def xml(self) -> str:
        """The whole `<m:ItemShape>` or `<m:FolderShape>`."""

    @property
    def convert(self) -> Callable[[_Element], Record]:
        """Turn an element of the answer into a record."""

    def for_server(self, version: str) -> ShapeLike:
        """Return the shape for a server that speaks an EWS version: what it cannot know is left out."""


class PartedShape(ShapeLike, Protocol):
    """A shape whose columns can be left out."""

    @property
    def stream(self) -> str:
        """The name of what it asks of."""

    @property
    def columns(self) -> Collection[str]:
        """What every record has."""

    @property
    def missing(self) -> Collection[str]:
        """Columns that are not asked for."""

    @property
    def groups(self) -> Sequence[tuple[str, ...]]:
        """The columns that are asked for, those of one property together."""

    def for_server(self, version: str) -> PartedShape:
        """Return the shape for a server that speaks an EWS version: what it cannot know is left out."""

    def without(self, columns: Iterable[str]) -> PartedShape:
        """Return the shape that does not ask for these columns, nor for others of the same properties."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server says of itself: build "15.20.8769.35" and version "V2018_01_08" (or "")."""

    build: str
    version: str

    @property
    def online(self) -> bool:
        """Whether this is Exchange Online (builds 15.20)."""
        return self.build.startswith("15.20.")


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """One folder, as GetFolder tells it."""

    folder_id: str
    change_key: str | None
    element: str
    name: str | None
    folder_class: str | None
    total_count: int | None
    child_folder_count: int | None


@dataclass(frozen=True, slots=True)
class Names:
    """Distinguished names by folder id; `whole` unless some could not be told, for now or by this server."""

    names: dict[str, str]
    whole: bool


@dataclass(frozen=True, slots=True)
class FolderChange:
    """One change of the hierarchy; `element` is None for a delete, the rest as the server tells."""

    kind: FolderKind
    folder_id: str
    change_key: str | None
    element: str | None
    parent_id: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class HierarchyPage:
    """A complete answer of SyncFolderHierarchy; not `last` means: call again with `sync_state`."""

    changes: tuple[FolderChange, ...]
    sync_state: str
    last: bool


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One change of a folder's feed; `element` names the class (None for delete and read_flag)."""

    kind: ItemKind
    item_id: str
    change_key: str | None
    element: str | None
    is_read: bool | None = None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A complete answer of SyncFolderItems; not `last` means: call again with `sync_state`."""

    changes: tuple[ItemChange, ...]
    sync_state: str
    last: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What GetItem, GetFolder or GetAttachment answered for one id: a record, or a code.

    `id` is the id as it was asked. `element` names the class. `message` is the server's own
    sentence, for tables alone.
    """

    id: str
    element: str | None = None
    record: Record | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class FoundItem:
    """One item of a listing; `record` only when a shape was given."""

    item_id: str
    change_key: str | None
    element: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a listing; `next_offset` is None on the last page and for calendar views."""

    items: tuple[FoundItem, ...]
    next_offset: int | None
    last: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """One folder of a listing; `record` only when a shape was given."""

    folder_id: str
    change_key: str | None
    element: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class FoundFolders:
    """One page of a listing of folders."""

    folders: tuple[FoundFolder, ...]
    next_offset: int | None
    last: bool
    total: int | None = None
