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
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tap_exchange.ews.handlers import Notes, attribute_handler, cut, handler_of, id_handler, ignore
from tap_exchange.ews.nested import T, add, local_name, tree
from tap_exchange.ews.values import SCALARS, text
from tap_exchange.ews.zones import local_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_exchange.ews.columns import Column
    from tap_exchange.ews.handlers import Handler, Parse, Record
    from tap_exchange.ews.nested import Element

    Entry = tuple[str | None, Parse | Handler]

BODIES = frozenset({"TextBody", "UniqueBody", "NormalizedBody"})
"""What holds one text besides t:Body, and is cut like it."""

PARENT = "ParentFolderId"
"""Told unasked by some servers; the feed tells it better."""

MISFITS, UNKNOWN, ELEMENT_NAME = "unparsed", "other", "element_name"
FIRST_DAY, LAST_DAY = "local_start_date", "local_end_date"


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
    table = _table(columns, known, body_max_bytes)
    table[T + id_element] = (None, id_handler(id_column))
    if parent_column:
        table[T + PARENT] = (None, attribute_handler(parent_column, "Id", text))
    finish = _finisher(columns)
    actions = cast("dict[str, tuple[str | None, Any]]", table)

    def convert(element: Element) -> Record:
        record = template.copy()
        notes = Notes([], {})
        for child in element:
            try:
                name, action = actions[child.tag]
            except KeyError:
                _keep_unknown(child, notes)
                continue
            if name is None:
                action(child, record, notes)
                continue
            if action is text:
                record[name] = child.text or ""
            else:
                try:
                    record[name] = action(child.text)
                except ValueError:
                    notes.problems.append((name, child.text))
            if len(child):
                notes.problems.append((name, tree(child)))
        finish(element, record, notes)
        return record

    return convert


def _keep_unknown(child: Element, notes: Notes) -> None:
    """Note an element that no column of the stream knows; comments say nothing."""
    if isinstance(child.tag, str):
        add(notes.unknown, local_name(child.tag), tree(child))


def _table(columns: Sequence[Column], known: Iterable[Column], body_max_bytes: int | None) -> dict[str, Entry]:
    """Return what to do by tag: put a text's value into a column, or, without a column, call a handler."""
    selected: dict[str, list[Column]] = defaultdict(list)
    of_stream: dict[str, list[Column]] = defaultdict(list)
    for groups, members in ((selected, columns), (of_stream, known)):
        for column in members:
            if column.path:
                groups[column.path[0]].append(column)
    table: dict[str, Entry] = {T + name: (None, ignore) for name in (PARENT, *of_stream)}
    for name, group in selected.items():
        first = group[0]
        is_alone = len(group) == 1 and len(first.path) == 1 and not first.attribute and not first.extended
        if is_alone and name in BODIES and body_max_bytes:
            table[T + name] = (first.name, partial(_cut, body_max_bytes))
        elif is_alone and first.kind in SCALARS:
            table[T + name] = (first.name, SCALARS[first.kind])
        else:
            table[T + name] = (None, handler_of(group, of_stream[name], body_max_bytes))
    return table


def _cut(most: int, raw: str | None) -> str:
    """Return a text cut to so many bytes: servers cut t:Body, and not each of them the other forms of it."""
    return cut(raw or "", most)


def _finisher(columns: Sequence[Column]) -> Handler:
    """Return what ends a conversion: the columns that tell about the element as a whole."""
    by_kind = {column.kind: column.name for column in columns if not column.path}
    unparsed, other, element_name = by_kind.get(MISFITS), by_kind.get(UNKNOWN), by_kind.get(ELEMENT_NAME)
    first_day, last_day = by_kind.get(FIRST_DAY), by_kind.get(LAST_DAY)

    def finish(element: Element, record: Record, notes: Notes) -> None:
        if notes.problems and unparsed:
            misfits: Record = {}
            for path, raw in notes.problems:
                add(misfits, path, raw)
            record[unparsed] = misfits
        if notes.unknown and other:
            record[other] = notes.unknown
        if element_name:
            record[element_name] = local_name(element.tag)
        if first_day or last_day:
            first, last = local_days(element)
            if first_day:
                record[first_day] = first
            if last_day:
                record[last_day] = last

    return finish
