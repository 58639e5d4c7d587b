"""Turn an EWS element into a record, by a converter that is compiled once from a shape's columns.

The converter makes one pass over the element's children: a dictionary tells by the child's tag what
to do with it. Plain values, which are most, need one look-up; what is made of parts has a handler.

- A column whose element is absent is None.
- A value that does not fit its column's type is None, and its raw text stands in `unparsed` under
  the column's name (for a value within: `required_attendees.0.last_response_time`).
- An element that no column of the stream knows stands in `other_properties` by its name.
- Text needs no cleaning: lxml's strict parser refuses NUL, control characters and surrogates.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_exchange.ews.extended import answered_key
from tap_exchange.ews.nested import T, add, local_name, prefix, reader_of, tree
from tap_exchange.ews.values import SCALARS, lower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_exchange.ews.columns import Column
    from tap_exchange.ews.extended import PathKey
    from tap_exchange.ews.nested import Element, Problems

Record = dict[str, Any]
Scalar = "Callable[[str | None], object]"


class Notes(NamedTuple):
    """What one conversion found besides values: misfits, and elements that nobody knows."""

    problems: Problems
    unknown: dict[str, Any]


if TYPE_CHECKING:
    Handler = Callable[[Element, Record, Notes], None]
    Parse = Callable[[str | None], object]

ENTRY = "Entry"
EXTENDED = "ExtendedProperty"
MISFITS, UNKNOWN, ELEMENT_NAME = "unparsed", "other", "element_name"
BODY_KINDS = frozenset({"body", "body_truncated"})


def converter(
    columns: Sequence[Column],
    known: Iterable[Column],
    *,
    id_element: str,
    id_column: str,
    parent_column: str | None = None,
    body_max_bytes: int | None = None,
) -> Callable[[Element], Record]:
    """Compile the converter of a shape.

    Args:
        columns: the columns that every record has.
        known: all columns of the stream; their elements are no news, even when they come unasked.
        id_element: element that holds the id and change key: ItemId or FolderId.
        id_column: where the id goes; the change key goes to `change_key`.
        parent_column: where the id of the folder above goes, when it is asked for.
        body_max_bytes: bodies longer than this, in UTF-8, are cut.
    """
    template: Record = dict.fromkeys([id_column, "change_key", *([parent_column] if parent_column else [])])
    template.update(dict.fromkeys(column.name for column in columns))
    plain, handlers = _tables(columns, known, body_max_bytes)
    handlers[T + id_element] = _id_handler(id_column)
    if parent_column:
        handlers[f"{T}ParentFolderId"] = _attribute_handler(parent_column, "Id", SCALARS["text"])
    unparsed, other, element_name = (_named(columns, kind) for kind in (MISFITS, UNKNOWN, ELEMENT_NAME))

    def convert(element: Element) -> Record:
        record = template.copy()
        notes = Notes([], {})
        for child in element:
            tag = child.tag
            entry = plain.get(tag)
            if entry is not None:
                name, parse = entry
                try:
                    record[name] = parse(child.text)
                except ValueError:
                    notes.problems.append((name, child.text))
                if len(child):
                    notes.problems.append((name, tree(child)))
                continue
            handle = handlers.get(tag)
            if handle is not None:
                handle(child, record, notes)
            elif isinstance(tag, str):
                add(notes.unknown, local_name(tag), tree(child))
        if notes.problems and unparsed:
            record[unparsed] = dict(notes.problems)
        if notes.unknown and other:
            record[other] = notes.unknown
        if element_name:
            record[element_name] = local_name(element.tag)
        return record

    return convert


def _tables(
    columns: Sequence[Column],
    known: Iterable[Column],
    body_max_bytes: int | None,
) -> tuple[dict[str, tuple[str, Parse]], dict[str, Handler]]:
    """Return what to do by tag: the plain values' column and function, and the handlers."""
    selected: dict[str, list[Column]] = defaultdict(list)
    of_stream: dict[str, list[Column]] = defaultdict(list)
    for groups, members in ((selected, columns), (of_stream, known)):
        for column in members:
            if column.path:
                groups[column.path[0]].append(column)
    plain: dict[str, tuple[str, Parse]] = {}
    handlers: dict[str, Handler] = {T + name: _ignore for name in of_stream}
    for name, group in selected.items():
        first = group[0]
        is_alone = len(group) == 1 and len(first.path) == 1 and not first.attribute and not first.extended
        if is_alone and first.kind in SCALARS:
            plain[T + name] = (first.name, SCALARS[first.kind])
        else:
            handlers[T + name] = _handler(group, of_stream[name], body_max_bytes)
    return plain, handlers


def _handler(group: Sequence[Column], known: Sequence[Column], body_max_bytes: int | None) -> Handler:
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
        return _attribute_handler(column.name, column.attribute, SCALARS[column.kind])
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


def _ignore(_element: Element, _record: Record, _notes: Notes) -> None:
    """Pass over an element whose columns are not selected."""


def _id_handler(id_column: str) -> Handler:
    def handle(element: Element, record: Record, _notes: Notes) -> None:
        record[id_column] = element.get("Id")
        record["change_key"] = element.get("ChangeKey")

    return handle


def _attribute_handler(name: str, attribute: str, parse: Parse) -> Handler:
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


def _put(record: Record, name: str, parse: Parse, raw: str | None, notes: Notes) -> None:  # noqa: PLR0913, RUF100
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
        key = _answered_path(element)
        if key not in table:
            if key not in silent:
                add(notes.unknown, EXTENDED, tree(element))
            return
        value, values = element.find(f"{T}Value"), element.find(f"{T}Values")
        for name, parse, is_array in table[key]:
            if is_array and values is not None:
                record[name] = _array(values, name, parse, notes)
            elif is_array and value is not None:
                record[name] = _array([value], name, parse, notes)
            elif value is not None:
                _put(record, name, parse, value.text, notes)
            elif values is not None:
                notes.problems.append((name, tree(values)))

    return handle


def _answered_path(element: Element) -> PathKey | None:
    path = element.find(f"{T}ExtendedFieldURI")
    if path is None:
        return None
    get = path.get
    return answered_key(
        get("PropertyTag"),
        get("DistinguishedPropertySetId"),
        get("PropertySetId"),
        get("PropertyId"),
        get("PropertyName"),
    )


def _array(values: Iterable[Element], name: str, parse: Parse, notes: Notes) -> list[object]:
    found: list[object] = []
    for value in values:
        if isinstance(value.tag, str):
            holder: Record = {}
            _put(holder, f"{name}.{len(found)}", parse, value.text, notes)
            found.append(next(iter(holder.values()), None))
    return found


def _named(columns: Iterable[Column], kind: str) -> str | None:
    return next((column.name for column in columns if column.kind == kind), None)
