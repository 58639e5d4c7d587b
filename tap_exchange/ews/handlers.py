"""Handle the elements that are more than one plain value: each handler puts columns into a record.

`handler_of` chooses by the columns that come from an element: parts (addresses, recurrences, ...),
attributes, the body, children with a column each, entries told by a key, MAPI properties.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_exchange.ews.extended import answered_key, answered_tag
from tap_exchange.ews.nested import T, add, local_name, prefix, reader_of, tree
from tap_exchange.ews.values import SCALARS, lower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_exchange.ews.columns import Column
    from tap_exchange.ews.extended import PathKey
    from tap_exchange.ews.nested import Element, Problems

Record = dict[str, Any]


class Notes(NamedTuple):
    """What one conversion found besides values: misfits by column, and elements that nobody knows."""

    problems: Problems
    unknown: dict[str, Any]


if TYPE_CHECKING:
    Handler = Callable[[Element, Record, Notes], None]
    Parse = Callable[[str | None], object]

EXTENDED = "ExtendedProperty"
PATH, VALUE, VALUES = f"{T}ExtendedFieldURI", f"{T}Value", f"{T}Values"
BODY_KINDS = frozenset({"body", "body_truncated"})


def handler_of(group: Sequence[Column], known: Sequence[Column], body_max_bytes: int | None) -> Handler:
    """Return the handler of an element that several columns, or one of parts, come from."""
    first = group[0]
    if first.extended is not None:
        return _extended_handler(group, known)
    if any(column.kind in BODY_KINDS for column in group):
        return _body_handler(group, body_max_bytes)
    if first.index is not None:
        return _entries_handler(group, known)
    if len(first.path) > 1:
        return _children_handler(group, known)
    handlers = [_single_handler(column) for column in group]
    if len(handlers) == 1:
        return handlers[0]

    def handle(element: Element, record: Record, notes: Notes) -> None:
        for each in handlers:
            each(element, record, notes)

    return handle


def _single_handler(column: Column) -> Handler:
    if column.attribute is not None:
        return attribute_handler(column.name, column.attribute, SCALARS[column.kind])
    if column.kind in SCALARS:
        return _text_handler(column.name, SCALARS[column.kind])
    name, read = column.name, reader_of(column.kind, column.schema)

    def handle(element: Element, record: Record, notes: Notes) -> None:
        problems = notes.problems
        mark = len(problems)
        record[name] = read(element, problems)
        if len(problems) > mark:
            prefix(problems, mark, name)

    return handle


def ignore(_element: Element, _record: Record, _notes: Notes) -> None:
    """Pass over an element whose columns are not selected."""


def id_handler(id_column: str) -> Handler:
    """Return the handler of an item's or folder's own id and change key."""

    def handle(element: Element, record: Record, _notes: Notes) -> None:
        record[id_column] = element.get("Id")
        record["change_key"] = element.get("ChangeKey")

    return handle


def attribute_handler(name: str, attribute: str, parse: Parse) -> Handler:
    """Return the handler of a value that stands in an attribute."""

    def handle(element: Element, record: Record, notes: Notes) -> None:
        raw = element.get(attribute)
        if raw is not None:
            _put(record, name, parse, raw, notes)

    return handle


def _text_handler(name: str, parse: Parse) -> Handler:
    def handle(element: Element, record: Record, notes: Notes) -> None:
        _put(record, name, parse, element.text, notes)
        if len(element):
            notes.problems.append((name, tree(element)))

    return handle


def _put(record: Record, name: str, parse: Parse, raw: str | None, notes: Notes) -> None:
    try:
        record[name] = parse(raw)
    except ValueError:
        notes.problems.append((name, raw))


def _body_handler(group: Sequence[Column], most: int | None) -> Handler:
    """Return the handler of t:Body: its text, its form, and whether it is cut."""
    by_kind = {column.kind: column.name for column in group}
    body, form, truncated = by_kind.get("body"), by_kind.get("lower"), by_kind.get("body_truncated")

    def handle(element: Element, record: Record, notes: Notes) -> None:
        text = element.text or ""
        shorter = cut(text, most) if most else text
        if body:
            record[body] = shorter
            if len(element):
                notes.problems.append((body, tree(element)))
        if form:
            record[form] = lower(element.get("BodyType"))
        if truncated:
            record[truncated] = len(shorter) < len(text) or element.get("IsTruncated") in {"true", "1"}

    return handle


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that has at most `most` bytes in UTF-8, never half a character."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[:most].decode(errors="ignore")


def _children_handler(group: Sequence[Column], known: Sequence[Column]) -> Handler:
    """Return the handler of an element with a column per child, such as t:Flag."""
    table = {T + column.path[1]: (column.name, SCALARS[column.kind]) for column in group}
    silent = {T + column.path[1] for column in known}

    def handle(element: Element, record: Record, notes: Notes) -> None:
        for child in element:
            entry = table.get(child.tag)
            if entry is not None:
                _put(record, *entry, child.text, notes)
            elif child.tag not in silent and isinstance(child.tag, str):
                add(notes.unknown, f"{local_name(element.tag)}.{local_name(child.tag)}", tree(child))

    return handle


def _entries_handler(group: Sequence[Column], known: Sequence[Column]) -> Handler:
    """Return the handler of a contact's list of entries, each told by its Key."""
    table: dict[str, list[tuple[str, str | None, str | None, Parse]]] = defaultdict(list)
    for column in group:
        child = T + column.path[2] if len(column.path) > 2 else None  # noqa: PLR2004 - list/Entry/child
        table[column.index or ""].append((column.name, child, column.attribute, SCALARS[column.kind]))
    silent = {column.index for column in known}

    def handle(element: Element, record: Record, notes: Notes) -> None:
        for entry in element:
            key = entry.get("Key")
            for name, child, attribute, parse in table.get(key or "", ()):
                raw = _entry_text(entry, child, attribute)
                if raw is not None:
                    _put(record, name, parse, raw, notes)
            if key not in silent and isinstance(entry.tag, str):
                add(notes.unknown, f"{local_name(element.tag)}.{key}", tree(entry))

    return handle


def _entry_text(entry: Element, child: str | None, attribute: str | None) -> str | None:
    if attribute is not None:
        return entry.get(attribute)
    return entry.text if child is None else entry.findtext(child)


def _extended_handler(group: Sequence[Column], known: Sequence[Column]) -> Handler:
    """Return the handler of t:ExtendedProperty, which is there once for each property."""
    table: dict[PathKey, list[tuple[str, Parse, bool]]] = defaultdict(list)
    for column in group:
        if column.extended is not None:
            is_array = column.extended.type.endswith("Array")
            table[column.extended.key].append((column.name, SCALARS[column.kind], is_array))
    silent = {column.extended.key for column in known if column.extended is not None}

    def handle(element: Element, record: Record, notes: Notes) -> None:
        key, values = _answered(element)
        if key not in table:
            if key not in silent:
                add(notes.unknown, EXTENDED, tree(element))
            return
        for name, parse, is_array in table[key]:
            if is_array:
                record[name] = _array(values, name, parse, notes)
            elif len(values) == 1:
                _put(record, name, parse, values[0].text, notes)
            elif values:
                notes.problems.append((name, tree(element)))

    return handle


def _answered(element: Element) -> tuple[PathKey | None, Sequence[Element]]:
    """Return what property a t:ExtendedProperty is, and the elements that hold its values."""
    key: PathKey | None = None
    values: Sequence[Element] = ()
    for child in element:
        tag = child.tag
        if tag == PATH:
            get = child.get
            named = get("PropertyTag")
            if named is not None:
                key = answered_tag(named)
            else:
                property_set = get("DistinguishedPropertySetId") or get("PropertySetId")
                key = answered_key(property_set, get("PropertyId"), get("PropertyName"))
        elif tag == VALUE:
            values = (child,)
        elif tag == VALUES:
            values = list(child.iterchildren(VALUE))
    return key, values


def _array(values: Iterable[Element], name: str, parse: Parse, notes: Notes) -> list[object]:
    """Read many values; one that does not fit is None in its place."""
    found: list[object] = []
    for place, value in enumerate(values):
        holder: Record = {}
        _put(holder, f"{name}.{place}", parse, value.text, notes)
        found.append(next(iter(holder.values()), None))
    return found
