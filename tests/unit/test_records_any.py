"""Whatever tree a server sends: a record comes out, valid by its schema, that every JSON writer takes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tap_exchange.ews.columns import columns_of, extended_properties, stream_schema
from tap_exchange.ews.handlers import cut
from tap_exchange.ews.nested import local_name
from tap_exchange.ews.records import BODIES
from tap_exchange.ews.shapes import ContentSettings, Shape, folder_shape, shape
from tap_exchange.resources import ITEM_STREAMS, without_extensions
from tests.elements import TYPES, element
from tests.messages import fits, validator

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 20  # bytes of a body
STREAMS = (*ITEM_STREAMS, "calendar_view", "folders")
OWN = extended_properties(
    [
        {"column": "own_numbers", "tag": 0x3001, "type": "IntegerArray"},
        {"column": "own_time", "property_set": "Common", "id": 34072, "type": "SystemTime"},
    ],
)
WORDS = ("true", "0", "2025-08-30T18:10:41Z", "2025-08-30T18:10:41+02:00", "2025-07-02Z", "7", "-1.5", "AAE=", "HTML")
TEXTS = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    max_size=12,
)
KEYS = ("EmailAddress1", "MobilePhone", "Home", "Business", "0x300b", "0x3001", "Common", "34072")
ATTRIBUTES = ("Id", "ChangeKey", "Key", "Name", "HeaderName", "BodyType", "IsTruncated", "IsExplicit", "RoutingType")
PATHS = ("PropertyTag", "PropertyId", "DistinguishedPropertySetId", "PropertySetId", "PropertyName", "PropertyType")


@cache
def made(stream: str) -> Shape:
    """Return the shape of a stream with every column and with the user's own."""
    everything = {column.name for column in columns_of(stream, OWN)} | {"folder_id"}
    if stream == "folders":
        return folder_shape(everything)
    return shape(stream, everything, settings=ContentSettings(body_max_bytes=MOST, extended_properties=OWN))


@cache
def schema_text(stream: str) -> str:
    """Return the schema that a stream's records are held against."""
    own = () if stream == "folders" else OWN
    return msgspec.json.encode(without_extensions(stream_schema(stream, extended=own))).decode()


def names_of(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a schema
    """Walk the element names that a schema maps, at every depth."""
    if isinstance(node, dict):
        yield from node.get("x-ews", {}).get("element", "").split("/")
        for value in node.values():
            yield from names_of(value)


@cache
def known_names(stream: str) -> list[str]:
    """Return element names that mean something somewhere in a stream, and some that mean nothing."""
    fixed = "ItemId FolderId ParentFolderId Mailbox Name EmailAddress RoutingType Entry String Attendee Member"
    more = "ExtendedFieldURI Value Values FileAttachment AttachmentId Message WeeklyRecurrence EndDateRecurrence Zoo"
    names = {name for name in names_of(stream_schema(stream)) if name}
    return sorted(names | set(fixed.split()) | set(more.split()))


@st.composite
def trees(draw: st.DrawFn, stream: str, depth: int = 2) -> etree._Element:
    """Draw an element whose names and attributes are those of a stream, put together at random."""
    node = etree.Element(f"{{{TYPES}}}{draw(st.sampled_from(known_names(stream)))}")
    for name in draw(st.sets(st.sampled_from(ATTRIBUTES + PATHS), max_size=3)):
        node.set(name, draw(st.sampled_from(KEYS) | TEXTS))
    if draw(st.booleans()):
        node.text = draw(TEXTS)
    if depth:
        node.extend(draw(st.lists(trees(stream, depth - 1), max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        node.append(etree.Comment("nothing"))
    if draw(st.integers(0, 9)) == 0:
        node.tail = draw(TEXTS)
    return node


def check(stream: str, root: etree._Element) -> dict[str, Any]:
    """Convert an element; hold the record against the schema and the JSON writer."""
    record = made(stream).convert(root)
    ids = {"folder_id", "change_key"} if stream == "folders" else {"item_id", "change_key", "folder_id"}
    assert record.keys() == set(made(stream).columns) | ids
    if not fits(schema_text(stream))(record):
        validator(schema_text(stream)).validate(record)
    assert msgspec.json.decode(msgspec.json.encode(record)) == record
    return record


@pytest.mark.parametrize("stream", STREAMS)
def test_any_tree_becomes_a_valid_record(stream: str) -> None:
    @given(st.lists(trees(stream), max_size=5))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(children: list[etree._Element]) -> None:
        root = etree.Element(f"{{{TYPES}}}{'Folder' if stream == 'folders' else 'Message'}")
        root.extend(children)
        check(stream, root)

    holds()


@pytest.mark.parametrize("stream", STREAMS)
def test_any_text_in_any_column_is_kept(stream: str) -> None:
    """A text in a plain element is the column's value, or it stands in `unparsed`."""
    plain = [c for c in columns_of(stream) if len(c.path) == 1 and not (c.attribute or c.index or c.extended)]
    texts = [c for c in plain if c.kind in {"text", "integer", "number", "boolean", "datetime", "date"}]

    @given(st.sampled_from(texts), TEXTS.filter(str.strip))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(column: Any, raw: str) -> None:  # noqa: ANN401 - a Column
        root = etree.Element(f"{{{TYPES}}}Message")
        etree.SubElement(root, f"{{{TYPES}}}{column.path[0]}").text = raw
        record = check(stream, root)
        if record[column.name] is None and "unparsed" in record:
            assert record["unparsed"] == {column.name: raw}
        elif column.kind == "text":
            assert record[column.name] == (cut(raw, MOST) if column.path[0] in BODIES else raw)

    holds()


@given(TEXTS, st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_survives_the_parser_and_the_converter(subject: str, name: str) -> None:
    cleaned = "".join(c for c in name if c.isalnum() and c.isascii()).lstrip("0123456789") or "X"
    escaped = subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    record = check(
        "messages", element(f"<t:Message><t:Subject>{escaped}</t:Subject><t:{cleaned}>v</t:{cleaned}></t:Message>")
    )
    if cleaned != "Subject":
        assert record["subject"] == subject
    assert local_name(f"{{{TYPES}}}{cleaned}") == cleaned
