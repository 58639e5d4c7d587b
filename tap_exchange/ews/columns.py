"""Read the schemas as the map from EWS properties to columns.

A property of `schemas/<stream>.json` with an `x-ews` member is filled from an element; one without
is filled by the engine. docs/schemas.md describes the members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from tap_exchange.ews.extended import ExtendedPath, ExtendedProperty, parse_extended_properties
from tap_exchange.resources import ITEM_STREAMS, schema, schema_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Column",
    "columns_of",
    "extended_properties",
    "extensible_streams",
    "is_version_at_least",
    "stream_of",
    "stream_schema",
]

OTHER = "other_items"
VIEW = "calendar_view"
VERSIONS = (
    "Exchange2007",
    "Exchange2007_SP1",
    "Exchange2009",
    "Exchange2010",
    "Exchange2010_SP1",
    "Exchange2010_SP2",
    "Exchange2012",
    "Exchange2013",
    "Exchange2013_SP1",
    "Exchange2015",
    "Exchange2016",
)
"""EWS versions in their order; what is not among them (V2015_10_05, Exchange2019, ...) is newer."""

SCALAR_TYPES = {"text": "string", "binary": "string", "datetime": "string"}
"""JSON types of the kinds that user-named properties have; the others are called like their kind."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an element fills: what is asked for it, where it stands in the answer, what it holds.

    `ask` is the XML of the property to request, empty when the server sends it anyway; columns that
    share a property have the same. `path` are the local names of elements below the item. `needs` are
    the properties, as in `ask`, that a column without an element of its own is computed from.
    """

    name: str
    kind: str
    ask: str = ""
    path: tuple[str, ...] = ()
    attribute: str | None = None
    index: str | None = None
    extended: ExtendedPath | None = None
    since: str | None = None
    needs: tuple[str, ...] = ()
    automatic: bool = False
    selected_by_default: bool = True
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False, repr=False)

    def is_known_to(self, version: str | None) -> bool:
        """Say whether a server that speaks this EWS version knows the property; None is the newest."""
        return self.since is None or is_version_at_least(version, self.since)


def extensible_streams() -> tuple[str, ...]:
    """Return the streams that can have columns of the user's own: what is stored, and what takes place."""
    return (*ITEM_STREAMS, VIEW)


@lru_cache(maxsize=1024)
def stream_of(element: str) -> str:
    """Return the stream of an EWS element's local name; what is unknown goes to other_items."""
    return _streams_by_element().get(element, OTHER)


@lru_cache(maxsize=256)
def columns_of(stream: str, extended: tuple[ExtendedProperty, ...] = ()) -> tuple[Column, ...]:
    """Return the columns of a stream that elements fill, in the schema's order, the user's own last."""
    properties = schema(stream)["properties"]
    mapped = tuple(_column(name, member) for name, member in properties.items() if "x-ews" in member)
    return mapped + tuple(_own_column(entry) for entry in extended if stream in entry.streams)


def stream_schema(
    stream: str,
    *,
    extended: tuple[ExtendedProperty, ...] = (),
    include_mime: bool = False,
) -> dict[str, Any]:
    """Return a stream's schema as the settings make it, `x-` members included.

    The user's own columns join it, and `mime_content` is selected by default when it is asked for.
    """
    made = schema(stream)
    properties = made["properties"]
    if include_mime and "mime_content" in properties:
        properties["mime_content"].pop("x-selected-by-default", None)
    for entry in extended:
        if stream in entry.streams:
            properties[entry.column] = _own_schema(entry)
    return made


def extended_properties(declared: Iterable[object]) -> tuple[ExtendedProperty, ...]:
    """Read the setting `extended_properties`; ExtendedPropertyError says in one line what is wrong."""
    entries = tuple(declared)
    if not entries:
        return ()
    streams = extensible_streams()
    taken = {stream: frozenset(schema(stream)["properties"]) for stream in streams}
    return parse_extended_properties(entries, streams, taken)


@cache
def _streams_by_element() -> dict[str, str]:
    return {element: name for name in schema_names() for element in schema(name).get("x-ews-elements", ())}


def _column(name: str, member: Mapping[str, Any]) -> Column:
    ews = member["x-ews"]
    asked = ews.get("field")
    index = extended = None
    ask = ""
    if isinstance(asked, str):
        ask = _field(asked)
    elif asked and "indexed" in asked:
        index = asked["indexed"]["index"]
        uri = quoteattr(asked["indexed"]["field"])
        ask = f"<t:IndexedFieldURI FieldURI={uri} FieldIndex={quoteattr(index)}/>"
    elif asked:
        extended = ExtendedPath.from_map(asked["extended"])
        ask = extended.xml
    element = ews.get("element")
    return Column(
        name=name,
        kind=ews["kind"],
        ask=ask,
        path=tuple(element.split("/")) if element else (),
        attribute=ews.get("attribute"),
        index=index,
        extended=extended,
        since=ews.get("since"),
        needs=tuple(_field(uri) for uri in ews.get("needs", ())),
        automatic=member.get("x-inclusion") == "automatic",
        selected_by_default=member.get("x-selected-by-default", True),
        schema=member,
    )


def _field(uri: str) -> str:
    return f"<t:FieldURI FieldURI={quoteattr(uri)}/>"


def _own_column(entry: ExtendedProperty) -> Column:
    return Column(
        name=entry.column,
        kind=entry.kind,
        ask=entry.path.xml,
        path=("ExtendedProperty",),
        extended=entry.path,
        schema=_own_schema(entry),
    )


def _own_schema(entry: ExtendedProperty) -> dict[str, Any]:
    single: dict[str, Any] = {"type": [SCALAR_TYPES.get(entry.kind, entry.kind), "null"]}
    if entry.kind == "datetime":
        single["format"] = "date-time"
    if entry.kind == "binary":
        single["contentEncoding"] = "base64"
    if entry.is_array:
        single = {"type": ["array", "null"], "items": single}
    path = entry.path
    named = f"0x{path.tag:04X}" if path.tag is not None else f"{path.name or path.id} of {path.property_set}"
    return {**single, "description": f"MAPI property {named}, type {path.type}."}


def is_version_at_least(version: str | None, since: str) -> bool:
    """Say whether an EWS version is as new as another; None and names unknown here are the newest."""
    return _rank(version) >= _rank(since)


def _rank(version: str | None) -> int:
    return VERSIONS.index(version) if version in VERSIONS else len(VERSIONS)
