"""MAPI properties by tag or name: how one is asked for, told apart in an answer, and named by a user.

The setting `extended_properties` is a list of objects:

    {"column": "customer_number", "streams": ["contacts"], "tag": "0x3A4A", "type": "String"}
    {"column": "project", "property_set": "PublicStrings", "name": "Project", "type": "String"}
    {"column": "task_mode", "property_set": "Common", "id": 34072, "type": "Integer"}

`streams` left out means every item stream and calendar_view. A property set is a GUID or one of the names that EWS
knows. Types that end in `Array` make a column of type array. Binary values stay base64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROPERTY_SETS = {
    "Address": "00062004-0000-0000-c000-000000000046",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "Common": "00062008-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
    "Task": "00062003-0000-0000-c000-000000000046",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
}
"""The sets that DistinguishedPropertySetId names, with the GUIDs they stand for."""

TYPES = {
    "ApplicationTime": "number",
    "Binary": "binary",
    "Boolean": "boolean",
    "CLSID": "text",
    "Currency": "number",
    "Double": "number",
    "Float": "number",
    "Integer": "integer",
    "Long": "integer",
    "Short": "integer",
    "String": "text",
    "SystemTime": "datetime",
}
"""The types that can be asked for, with the kind of their column; Boolean alone has no array."""

ARRAY = "Array"
MEMBERS = frozenset({"column", "streams", "tag", "property_set", "id", "name", "type"})
TAG_MOST = 0xFFFF
NAMED_FIRST = 0x8000
ID_LIMIT = 2**31

PathKey = tuple[str, int | str]


class ExtendedPropertyError(ValueError):
    """A setting names an extended property in a way that cannot be; one line says which and why."""


@dataclass(frozen=True, slots=True)
class ExtendedPath:
    """A MAPI property: by `tag`, or by `property_set` (a GUID or a name of EWS) with `id` or `name`."""

    type: str
    tag: int | None = None
    property_set: str | None = None
    id: int | None = None
    name: str | None = None

    @property
    def key(self) -> PathKey:
        """Return what tells this property from others, however a server spells it."""
        if self.tag is not None:
            return ("tag", self.tag)
        return (_guid(self.property_set or ""), self.id if self.id is not None else self.name or "")

    @property
    def xml(self) -> str:
        """Return the element that asks for it."""
        parts = {"PropertyType": self.type}
        if self.tag is not None:
            parts["PropertyTag"] = f"0x{self.tag:04X}"
        elif self.property_set in PROPERTY_SETS:
            parts["DistinguishedPropertySetId"] = self.property_set
        else:
            parts["PropertySetId"] = self.property_set or ""
        if self.id is not None:
            parts["PropertyId"] = str(self.id)
        if self.name is not None:
            parts["PropertyName"] = self.name
        attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in parts.items())
        return f"<t:ExtendedFieldURI {attributes}/>"

    @classmethod
    def from_map(cls, member: Mapping[str, Any]) -> ExtendedPath:
        """Read the `extended` member of a schema: tag and type, or set, id or name, and type."""
        tag = member.get("tag")
        return cls(
            type=member["type"],
            tag=None if tag is None else int(tag, 16),
            property_set=member.get("set"),
            id=member.get("id"),
            name=member.get("name"),
        )


@dataclass(frozen=True, slots=True)
class ExtendedProperty:
    """A column that the user adds: its name, the streams that get it, and the MAPI property behind it."""

    column: str
    streams: tuple[str, ...]
    path: ExtendedPath

    @property
    def kind(self) -> str:
        """Return the kind of its values; of each member for an array."""
        return TYPES[self.path.type.removesuffix(ARRAY)]

    @property
    def is_array(self) -> bool:
        """Say whether the property has many values."""
        return self.path.type.endswith(ARRAY)


@lru_cache(maxsize=1024)
def answered_tag(tag: str) -> PathKey | None:
    """Return the key of a property from the PropertyTag of an answer, None if it is unreadable."""
    try:
        return ("tag", int(tag, 0))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def answered_key(property_set: str | None, property_id: str | None, name: str | None) -> PathKey | None:
    """Return the key of a named property from the attributes of an answer, None if they are unreadable."""
    try:
        return (_guid(property_set or ""), int(property_id) if property_id is not None else name or "")
    except ValueError:
        return None


def parse_extended_properties(
    declared: Iterable[object],
    streams: tuple[str, ...],
    taken: Mapping[str, frozenset[str]],
) -> tuple[ExtendedProperty, ...]:
    """Read the setting `extended_properties`.

    Args:
        declared: the objects of the setting.
        streams: those that can have such columns.
        taken: the columns that each stream has already.

    Raises:
        ExtendedPropertyError: one line, when an object says too little, too much or the impossible.
    """
    used = {stream: set(columns) for stream, columns in taken.items()}
    return tuple(_parse(entry, place, streams, used) for place, entry in enumerate(declared, start=1))


def _parse(
    entry: object,
    place: int,
    streams: tuple[str, ...],
    used: dict[str, set[str]],
) -> ExtendedProperty:
    try:
        return _read(entry, streams, used)
    except ValueError as error:
        raise ExtendedPropertyError(f"extended_properties, entry {place}: {error}") from None


def _read(entry: object, known: tuple[str, ...], used: dict[str, set[str]]) -> ExtendedProperty:
    if not isinstance(entry, dict):
        raise ValueError("it must be an object")  # noqa: TRY004 - the caller turns it into one line
    if unknown := sorted(set(map(str, entry)) - MEMBERS):
        raise ValueError(f"it has no member {unknown[0]!r}; there are {', '.join(sorted(MEMBERS))}")
    column = _column(entry.get("column"))
    streams = _streams(entry.get("streams"), known)
    path = _path(entry)
    for stream in streams:
        if column in used.setdefault(stream, set()):
            raise ValueError(f"the stream {stream} has a column {column!r} already")
        used[stream].add(column)
    return ExtendedProperty(column, streams, path)


def _column(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError("`column` must name the new column")
    if not (name.isascii() and name.isidentifier() and name == name.lower() and not name.startswith("_")):
        raise ValueError(f"the column {name!r} must be lower-case letters, digits and underscores")
    return name


def _streams(names: object, known: tuple[str, ...]) -> tuple[str, ...]:
    if names is None:
        return known
    if isinstance(names, str) or not isinstance(names, list | tuple) or not names:
        raise ValueError("`streams` must be a list of streams")
    for name in names:
        if name not in known:
            raise ValueError(f"there is no stream {name!r}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def _path(entry: Mapping[str, Any]) -> ExtendedPath:
    type_ = _type(entry.get("type"))
    by_tag, by_set = entry.get("tag") is not None, entry.get("property_set") is not None
    if by_tag == by_set:
        raise ValueError("give either `tag`, or `property_set` with `id` or `name`")
    if by_tag:
        if entry.get("id") is not None or entry.get("name") is not None:
            raise ValueError("`id` and `name` belong to a `property_set`, not to a `tag`")
        return ExtendedPath(type_, tag=_tag(entry["tag"]))
    if (entry.get("id") is None) == (entry.get("name") is None):
        raise ValueError("a `property_set` needs either `id` or `name`")
    property_set = _property_set(entry["property_set"])
    if entry.get("id") is not None:
        return ExtendedPath(type_, property_set=property_set, id=_whole(entry["id"], "id", ID_LIMIT - 1))
    name = entry["name"]
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ValueError("`name` must be the property's name")
    return ExtendedPath(type_, property_set=property_set, name=name)


def _type(name: object) -> str:
    if isinstance(name, str) and (name in TYPES or (name.removesuffix(ARRAY) in TYPES and name != "BooleanArray")):
        return name
    known = ", ".join(TYPES)
    raise ValueError(f"the type {name!r} is unknown; there are {known}, and the same with Array but for Boolean")


def _tag(value: object) -> int:
    tag = _whole(value, "tag", TAG_MOST)
    if tag >= NAMED_FIRST:
        raise ValueError(f"the tag 0x{tag:04X} differs from mailbox to mailbox; name it by `property_set`")
    return tag


def _whole(value: object, member: str, most: int) -> int:
    try:
        number = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
        raise ValueError(f"`{member}` must be a number from 0 to 0x{most:X}, such as 0x3A4A; it is {value!r}")
    return number


def _property_set(value: object) -> str:
    if isinstance(value, str):
        if value in PROPERTY_SETS:
            return value
        try:
            return str(UUID(value))
        except ValueError:
            pass
    known = ", ".join(PROPERTY_SETS)
    raise ValueError(f"the property set {value!r} is neither a GUID nor one of {known}")


def _guid(property_set: str) -> str:
    return PROPERTY_SETS.get(property_set, property_set.lower())
