"""Say what to ask of the server for a stream, and how to read what it answers.

A `Shape` is both: the XML that GetItem or GetFolder carries, and the converter of the elements that
come back. Shapes are made once for each selection and kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from tap_exchange.ews.columns import columns_of, is_version_at_least, stream_of
from tap_exchange.ews.extended import ExtendedProperty
from tap_exchange.ews.records import converter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tap_exchange.ews.columns import Column
    from tap_exchange.ews.handlers import Record
    from tap_exchange.ews.nested import Element

__all__ = ["ContentSettings", "ExtendedProperty", "Shape", "folder_shape", "shape", "stream_of"]

FOLDERS = "folders"
FOLDER_ID = "folder_id"
PARENT = '<t:FieldURI FieldURI="item:ParentFolderId"/>'
BODY_TYPES = {"html": "HTML", "text": "Text", "best": "Best"}
BODIES = frozenset({"body", "body_type", "body_truncated"})
SIZED_SINCE = "Exchange2013"
"""MaximumBodySize, UniqueBodyType and NormalizedBodyType came with Exchange 2013."""


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """How content is asked for: `body_type` is html, text, best or none; `body_max_bytes` cuts bodies."""

    body_type: str = "html"
    body_max_bytes: int | None = None
    include_mime: bool = False
    extended_properties: tuple[ExtendedProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked of one stream's items, or of folders, and how the answer becomes a record.

    `columns` are what every record has; those in `missing` are not asked for and are always None.
    `convert` also gives `item_id`, `change_key` and, when asked for, `folder_id`; for folders
    `folder_id` and `change_key`.
    """

    stream: str
    columns: tuple[str, ...]
    settings: ContentSettings
    missing: frozenset[str]
    version: str | None
    has_folder_id: bool
    groups: tuple[tuple[str, ...], ...] = field(compare=False, repr=False)
    """The columns that are asked for, those of one property together: the units that `without` takes."""
    xml: str = field(compare=False, repr=False)
    convert: Callable[[Element], Record] = field(compare=False, repr=False)

    def without(self, columns: Iterable[str]) -> Shape:
        """Return the shape that does not ask for these columns, nor for others of the same properties.

        Records still have the columns, with None, so that an upsert leaves nothing old behind.
        """
        names = frozenset(columns)
        gone = {name for group in self.groups if not names.isdisjoint(group) for name in group}
        return _made(self.stream, self.columns, self.settings, self.missing | gone, self.version, self.has_folder_id)

    def for_server(self, version: str | None) -> Shape:
        """Return the shape for a server that speaks an EWS version: what it cannot know is left out."""
        return _made(self.stream, self.columns, self.settings, self.missing, version, self.has_folder_id)


def shape(stream: str, columns: Collection[str] | None = None, *, settings: ContentSettings) -> Shape:
    """Return the shape of an item stream.

    Args:
        stream: an item stream, or calendar_view.
        columns: the selected columns, None for those selected by default. Columns that the engine
            fills may be among them; of those only `folder_id` asks for something (the folder that
            the item is in), and None asks for it too.
        settings: how content is asked for.
    """
    names = None if columns is None else frozenset(columns)
    chosen = _chosen(stream, names, settings)
    return _made(stream, chosen, settings, frozenset(), None, names is None or FOLDER_ID in names)


def folder_shape(columns: Collection[str] | None = None) -> Shape:
    """Return the shape of folders, with the selected columns or those selected by default."""
    settings = ContentSettings()
    names = None if columns is None else frozenset(columns)
    return _made(FOLDERS, _chosen(FOLDERS, names, settings), settings, frozenset(), None, False)


@lru_cache(maxsize=256)
def _chosen(stream: str, names: frozenset[str] | None, settings: ContentSettings) -> tuple[str, ...]:
    """Return the names of the columns that an element fills and the selection holds; automatic ones always."""
    return tuple(
        column.name
        for column in columns_of(stream, settings.extended_properties)
        if column.automatic
        or (column.name in names if names is not None else column.selected_by_default)
        or (names is None and column.name == "mime_content" and settings.include_mime)
    )


@lru_cache(maxsize=256)
def _made(
    stream: str,
    names: tuple[str, ...],
    settings: ContentSettings,
    missing: frozenset[str],
    version: str | None,
    has_folder_id: bool,  # noqa: FBT001 - the key of a cache
) -> Shape:
    """Make a shape: its XML and its converter."""
    columns = [column for column in columns_of(stream, settings.extended_properties) if column.name in names]
    unwanted = BODIES if settings.body_type == "none" else frozenset()
    asked: dict[str, list[str]] = {PARENT: []} if has_folder_id else {}
    for column in columns:
        if column.ask and column.name not in missing | unwanted and column.is_known_to(version):
            asked.setdefault(column.ask, []).append(column.name)
    computed = _ask_for_computed(asked, columns, missing, version)
    wanted = {name for group in asked.values() for name in group} | computed
    element = "FolderShape" if stream == FOLDERS else "ItemShape"
    return Shape(
        stream=stream,
        columns=names,
        settings=settings,
        missing=frozenset(column.name for column in columns if column.ask or column.needs) - wanted,
        version=version,
        has_folder_id=has_folder_id,
        groups=tuple(tuple(group) for group in asked.values() if group),
        xml=_xml(element, _content_xml(settings, version, wanted), asked),
        convert=_converter(stream, names, settings, has_folder_id),
    )


def _ask_for_computed(
    asked: dict[str, list[str]], columns: Iterable[Column], missing: frozenset[str], version: str | None
) -> set[str]:
    """Add to what is asked the properties that computed columns need, and return the names of those that get all.

    A property that only they need is theirs to leave out; one that is left out leaves them out too.
    """
    left_out = {column.ask for column in columns if column.name in missing}
    computed = {
        column.name: column.needs
        for column in columns
        if column.needs
        and column.name not in missing
        and left_out.isdisjoint(column.needs)
        and column.is_known_to(version)
    }
    shared = {path for path, group in asked.items() if group}
    for name, needs in computed.items():
        for path in needs:
            group = asked.setdefault(path, [])
            if path not in shared:
                group.append(name)
    return set(computed)


@lru_cache(maxsize=64)
def _converter(
    stream: str,
    names: tuple[str, ...],
    settings: ContentSettings,
    has_folder_id: bool,  # noqa: FBT001 - the key of a cache
) -> Callable[[Element], Record]:
    """Compile the converter; shapes that ask for less of the same columns share it."""
    known = columns_of(stream, settings.extended_properties)
    is_folder = stream == FOLDERS
    return converter(
        [column for column in known if column.name in names],
        known,
        id_element="FolderId" if is_folder else "ItemId",
        id_column=FOLDER_ID if is_folder else "item_id",
        parent_column=FOLDER_ID if has_folder_id else None,
        body_max_bytes=settings.body_max_bytes,
    )


def _xml(name: str, content: str, paths: Iterable[str]) -> str:
    """Return the whole shape as XML, its parts in the order of Microsoft's schema."""
    asked = "".join(paths)
    additional = f"<t:AdditionalProperties>{asked}</t:AdditionalProperties>" if asked else ""
    return f"<m:{name}><t:BaseShape>IdOnly</t:BaseShape>{content}{additional}</m:{name}>"


def _content_xml(settings: ContentSettings, version: str | None, wanted: set[str]) -> str:
    """Return the elements that say in which form and up to which size bodies come, where one is asked for."""
    form = BODY_TYPES.get(settings.body_type, BODY_TYPES["best"])
    has_body, is_sized = not wanted.isdisjoint(BODIES), is_version_at_least(version, SIZED_SINCE)
    parts = []
    if has_body:
        parts.append(f"<t:BodyType>{form}</t:BodyType>")
    if "unique_body" in wanted and is_sized:
        parts.append(f"<t:UniqueBodyType>{form}</t:UniqueBodyType>")
    if settings.body_max_bytes and has_body and is_sized:
        parts.append(f"<t:MaximumBodySize>{settings.body_max_bytes}</t:MaximumBodySize>")
    return "".join(parts)
