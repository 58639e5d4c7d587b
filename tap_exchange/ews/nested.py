"""Read elements that hold more than a text: people, lists, objects, recurrences, and trees as they are.

A reader takes an element and a list of problems, and returns the column's value. What does not fit
its type becomes None and is noted as (path, raw text); what no schema knows stands in the object
under `other`, by element name. So nothing that the server sent is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from lxml import etree

from tap_exchange.ews.values import SCALARS
from tap_exchange.ews.zones import iana_name, is_windows_zone

Element = etree._Element  # noqa: SLF001 - the class has no public name
Problems = list[tuple[str, Any]]
Reader = Callable[[Element, Problems], Any]
Properties = Mapping[str, Mapping[str, Any]]
Field = tuple[str, str | None, Callable[[str | None], object] | None, Reader | None]

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
TREE_DEPTH = 24
ADDRESS = {
    f"{T}Name": "name",
    f"{T}EmailAddress": "email_address",
    f"{T}RoutingType": "routing_type",
    f"{T}MailboxType": "mailbox_type",
}
NO_ADDRESS: dict[str, Any] = dict.fromkeys(ADDRESS.values())
MAILBOX = f"{T}Mailbox"
HEADER_NAME = "HeaderName"
ATTACHMENT_TYPES = {
    f"{T}FileAttachment": "file",
    f"{T}ItemAttachment": "item",
    f"{T}ReferenceAttachment": "reference",
}


def reader_of(kind: str, schema: Mapping[str, Any]) -> Reader:
    """Return the reader of a kind; objects and arrays read what their schema's properties map."""
    if (simple := READERS.get(kind)) is not None:
        return simple
    properties = schema.get("properties") or schema.get("items", {}).get("properties", {})
    return COMPILED[kind](properties)


@lru_cache(maxsize=4096)
def local_name(tag: str) -> str:
    """Return an element's name without its namespace."""
    return tag.rpartition("}")[2]


def tree(element: Element, depth: int = 0) -> Any:  # noqa: ANN401 - text or object, as it comes
    """Return an element as it is: a text, or an object of its `@attributes`, children and `#text`.

    Children of one name become an array. Below `TREE_DEPTH` the rest stays XML, so that no input can
    exhaust the stack of whoever reads the record.
    """
    if depth >= TREE_DEPTH:
        return etree.tostring(element, encoding="unicode", with_tail=False)
    found: dict[str, Any] = {f"@{local_name(name)}": value for name, value in element.attrib.items()}
    text = element.text or ""
    for child in element:
        text += child.tail or ""
        if isinstance(child.tag, str):
            add(found, local_name(child.tag), tree(child, depth + 1))
    if not found:
        return text
    if text.strip():
        found["#text"] = text
    return found


def tree_object(element: Element, _problems: Problems) -> dict[str, Any]:
    """Return an element's tree as an object, also when it is a text alone."""
    found = tree(element)
    return found if isinstance(found, dict) else {"#text": found}


def add(found: dict[str, Any], name: str, value: object) -> None:
    """Put a value under a name; a second one makes an array of both."""
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


def keep(record: dict[str, Any], child: Element) -> None:
    """Keep an element that no schema knows, under `other`."""
    if isinstance(child.tag, str):
        add(record.setdefault("other", {}), local_name(child.tag), tree(child))


def mailbox(element: Element) -> dict[str, Any]:
    """Read one t:Mailbox: name, address, routing type, mailbox type, and what else it holds."""
    record = NO_ADDRESS.copy()
    for child in element:
        try:
            record[ADDRESS[child.tag]] = child.text
        except KeyError:  # noqa: PERF203 - nothing beside a look-up that may fail
            keep(record, child)
    return record


def address(element: Element, _problems: Problems) -> dict[str, Any] | None:
    """Read the one mailbox of an element such as t:From."""
    for child in element:
        if child.tag == MAILBOX:
            return mailbox(child)
    return None


def addresses(element: Element, _problems: Problems) -> list[dict[str, Any]]:
    """Read the mailboxes of an element such as t:ToRecipients."""
    return [mailbox(child) for child in element.iterchildren("*")]


def strings(element: Element, problems: Problems) -> list[str]:
    """Read a list of texts."""
    found: list[str] = []
    for child in element.iterchildren("*"):
        if len(child):
            problems.append((str(len(found)), tree(child)))
        found.append(child.text or "")
    return found


def names(element: Element, _problems: Problems) -> list[str]:
    """Read the names of the elements within."""
    return [local_name(child.tag) for child in element.iterchildren("*")]


def headers(element: Element, _problems: Problems) -> list[dict[str, str | None]]:
    """Read internet headers in their order."""
    return [{"name": child.get(HEADER_NAME), "value": child.text or ""} for child in element.iterchildren("*")]


def time_zone(element: Element, problems: Problems) -> dict[str, Any]:
    """Read a time zone: its id and names, and its definition when Windows does not know the id."""
    zone, name = element.get("Id"), element.get("Name")
    definition = tree_object(element, problems) if len(element) and not is_windows_zone(zone) else None
    return {"id": zone, "name": name, "iana": iana_name(zone, name), "definition": definition}


def fields_of(properties: Properties) -> dict[str, tuple[Field, ...]]:
    """Return what each child element of an object fills, by its tag."""
    table: dict[str, tuple[Field, ...]] = {}
    for name, schema in properties.items():
        ews = schema.get("x-ews")
        if ews is None:
            continue
        kind = ews["kind"]
        scalar = SCALARS.get(kind)
        entry: Field = (name, ews.get("attribute"), scalar, None if scalar else reader_of(kind, schema))
        tag = T + ews["element"]
        table[tag] = (*table.get(tag, ()), entry)
    return table


def fill(record: dict[str, Any], child: Element, fields: tuple[Field, ...], problems: Problems) -> None:
    """Put into an object what one of its child elements holds."""
    for name, attribute, scalar, reader in fields:
        if scalar is None:
            mark = len(problems)
            record[name] = cast("Reader", reader)(child, problems)
            prefix(problems, mark, name)
            continue
        raw = child.text if attribute is None else child.get(attribute)
        if raw is None and (attribute is not None or not len(child)):
            continue
        try:
            record[name] = scalar(raw)
        except ValueError:
            problems.append((name, raw))
        if attribute is None and len(child):
            problems.append((name, tree(child)))


def prefix(problems: Problems, mark: int, name: str | int) -> None:
    """Say where in the column the problems noted since `mark` are."""
    for place in range(mark, len(problems)):
        path, raw = problems[place]
        problems[place] = (f"{name}.{path}" if path else str(name), raw)


def object_reader(properties: Properties, *, person: bool = False) -> Reader:
    """Return the reader of an object by its schema; with `person` a t:Mailbox within joins it."""
    template = dict.fromkeys(properties)
    table = fields_of(properties)
    keyed = "key" in properties

    def read(element: Element, problems: Problems) -> dict[str, Any]:
        record = template.copy()
        if keyed:
            record["key"] = element.get("Key")
        for child in element:
            fields = table.get(child.tag)
            if fields is not None:
                fill(record, child, fields, problems)
            elif person and child.tag == MAILBOX:
                record.update(mailbox(child))
            else:
                keep(record, child)
        return record

    return read


def array_of(read: Reader) -> Reader:
    """Return the reader of a list whose entries `read` reads."""

    def read_all(element: Element, problems: Problems) -> list[Any]:
        found: list[Any] = []
        for child in element.iterchildren("*"):
            mark = len(problems)
            entry = read(child, problems)
            if len(problems) > mark:
                prefix(problems, mark, len(found))
            found.append(entry)
        return found

    return read_all


def recurrence_reader(properties: Properties) -> Reader:
    """Return the reader of a recurrence: its pattern and its range, told by their elements' names."""
    pattern = object_reader(properties["pattern"]["properties"])
    span = object_reader(properties["range"]["properties"])
    ranges = frozenset(T + name for name in ("NoEndRecurrence", "EndDateRecurrence", "NumberedRecurrence"))

    def read(element: Element, problems: Problems) -> dict[str, Any]:
        record: dict[str, Any] = {"pattern": None, "range": None}
        for child in element:
            part, reader = ("range", span) if child.tag in ranges else ("pattern", pattern)
            if record[part] is None and isinstance(child.tag, str):
                mark = len(problems)
                record[part] = {**reader(child, problems), "type": local_name(child.tag)}
                prefix(problems, mark, part)
            else:
                keep(record, child)
        return record

    return read


def attachments_reader(properties: Properties) -> Reader:
    """Return the reader of attachments' metadata; an attached item tells its class and subject if it is there."""
    template = dict.fromkeys(properties)
    table = fields_of(properties)

    def read(element: Element, problems: Problems) -> dict[str, Any]:
        record = template.copy()
        record["attachment_type"] = ATTACHMENT_TYPES.get(element.tag) or local_name(element.tag)
        for child in element:
            fields = table.get(child.tag)
            if fields is not None:
                fill(record, child, fields, problems)
            elif child.tag == f"{T}AttachmentId":
                record["attachment_id"] = child.get("Id")
            elif child.find(f"{T}ItemClass") is not None or child.find(f"{T}Subject") is not None:
                record["item_class"] = child.findtext(f"{T}ItemClass")
                record["item_subject"] = child.findtext(f"{T}Subject")
            else:
                keep(record, child)
        return record

    return array_of(read)


READERS: Mapping[str, Reader] = {
    "address": address,
    "addresses": addresses,
    "strings": strings,
    "binaries": strings,
    "names": names,
    "headers": headers,
    "time_zone": time_zone,
    "tree": tree_object,
}
COMPILED: Mapping[str, Callable[[Properties], Reader]] = {
    "object": object_reader,
    "array": lambda properties: array_of(object_reader(properties)),
    "attendees": lambda properties: array_of(object_reader(properties, person=True)),
    "members": lambda properties: array_of(object_reader(properties, person=True)),
    "recurrence": recurrence_reader,
    "attachments": attachments_reader,
}
