"""Columns are read from the schemas, and the user's own MAPI properties join them or are refused in one line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tap_exchange.ews.columns import (
    columns_of,
    extended_properties,
    stream_of,
    stream_schema,
)
from tap_exchange.ews.extended import ExtendedPath, ExtendedPropertyError, answered_key, answered_tag

COMMON = "{00062008-0000-0000-C000-000000000046}"
CUSTOMER = {"column": "customer_number", "streams": ["contacts"], "tag": "0x3A4A", "type": "String"}


@pytest.mark.parametrize(
    ("element", "stream"),
    [
        ("Message", "messages"),
        ("MeetingRequest", "meeting_messages"),
        ("MeetingCancellation", "meeting_messages"),
        ("CalendarItem", "calendar_items"),
        ("Contact", "contacts"),
        ("DistributionList", "distribution_lists"),
        ("Task", "tasks"),
        ("PostItem", "posts"),
        ("Item", "other_items"),
        ("SharingMessage", "other_items"),
        ("WhatComesNext", "other_items"),
    ],
)
def test_an_elements_class_decides_its_stream(element: str, stream: str) -> None:
    assert stream_of(element) == stream


def test_a_column_tells_what_to_ask_and_where_the_answer_is() -> None:
    columns = {column.name: column for column in columns_of("contacts")}
    assert columns["given_name"].ask == '<t:FieldURI FieldURI="contacts:GivenName"/>'
    assert columns["home_city"].ask == '<t:IndexedFieldURI FieldURI="contacts:PhysicalAddress:City" FieldIndex="Home"/>'
    assert columns["home_city"].path == ("PhysicalAddresses", "Entry", "City")
    assert columns["search_key"].ask == '<t:ExtendedFieldURI PropertyType="Binary" PropertyTag="0x300B"/>'
    assert columns["unparsed"].ask == ""


def test_an_older_server_is_not_asked_for_what_it_cannot_know() -> None:
    def names(version: str | None) -> set[str]:
        return {column.name for column in columns_of("messages") if column.is_known_to(version)}

    assert "flag_status" not in names("Exchange2010_SP2")
    assert "conversation_id" in names("Exchange2010_SP2")
    assert "conversation_id" not in names("Exchange2007_SP1")
    assert "flag_status" in names("Exchange2013")
    assert "mentioned_me" not in names("Exchange2013_SP1")
    assert names("V2018_01_08") == names("Exchange2019") == names(None) == {c.name for c in columns_of("messages")}


def test_the_users_properties_become_columns_of_the_streams_named() -> None:
    own = extended_properties(
        [
            CUSTOMER,
            {"column": "project", "property_set": "PublicStrings", "name": "Project", "type": "StringArray"},
            {
                "column": "mode",
                "property_set": COMMON,
                "id": 0x8518,
                "type": "Integer",
            },
        ],
    )
    made = stream_schema("contacts", extended=own)["properties"]
    assert made["customer_number"]["type"] == ["string", "null"]
    assert made["project"]["type"] == ["array", "null"]
    assert made["mode"]["type"] == ["integer", "null"]
    assert "customer_number" not in stream_schema("tasks", extended=own)["properties"]
    assert "project" in stream_schema("tasks", extended=own)["properties"]
    tag, by_name, by_id = (column.ask for column in columns_of("contacts", own)[-3:])
    assert tag == '<t:ExtendedFieldURI PropertyType="String" PropertyTag="0x3A4A"/>'
    assert 'DistinguishedPropertySetId="PublicStrings" PropertyName="Project"' in by_name
    assert 'PropertySetId="00062008-0000-0000-c000-000000000046" PropertyId="34072"' in by_id


def test_mime_is_selected_by_default_when_the_settings_ask_for_it() -> None:
    assert "x-selected-by-default" not in stream_schema("messages", include_mime=True)["properties"]["mime_content"]
    assert stream_schema("messages")["properties"]["mime_content"]["x-selected-by-default"] is False
    assert stream_schema("folders", include_mime=True) == stream_schema("folders")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": None}, "`column` must name the new column"),
        ({"column": "Customer"}, "'Customer' must be lower-case letters"),
        ({"column": "_sdc_x"}, "'_sdc_x' must be lower-case letters"),
        ({"column": "subject"}, "the stream contacts has a column 'subject' already"),
        ({"column": "item_key"}, "the stream contacts has a column 'item_key' already"),
        ({"streams": ["mails"]}, "there is no stream 'mails'; there are messages, meeting_messages"),
        ({"streams": ["folders"]}, "there is no stream 'folders'"),
        ({"streams": "contacts"}, "`streams` must be a list"),
        ({"streams": []}, "`streams` must be a list"),
        ({"streams": [["contacts"]]}, "there is no stream"),
        ({"type": "Text"}, "the type 'Text' is unknown; there are ApplicationTime, Binary"),
        ({"type": "BooleanArray"}, "the type 'BooleanArray' is unknown"),
        ({"type": "Object"}, "the type 'Object' is unknown"),
        ({"type": None}, "the type None is unknown"),
        ({"tag": "0x1FFFF"}, "`tag` must be a number from 0 to 0xFFFF"),
        ({"tag": "customer"}, "`tag` must be a number from 0 to 0xFFFF"),
        ({"tag": True}, "`tag` must be a number from 0 to 0xFFFF"),
        ({"tag": "0x8003"}, "the tag 0x8003 differs from mailbox to mailbox; name it by `property_set`"),
        ({"id": 3}, "`id` and `name` belong to a `property_set`"),
        ({"property_set": "Common"}, "give either `tag`, or `property_set`"),
        ({"tag": None}, "give either `tag`, or `property_set`"),
        ({"tag": None, "property_set": "Common"}, "a `property_set` needs either `id` or `name`"),
        ({"tag": None, "property_set": "Common", "id": 1, "name": "x"}, "a `property_set` needs either `id` or `name`"),
        ({"tag": None, "property_set": "Comon", "id": 1}, "'Comon' is neither a GUID nor one of Address"),
        ({"tag": None, "property_set": "Common", "id": -1}, "`id` must be a number"),
        ({"tag": None, "property_set": "Common", "name": "a\nb"}, "`name` must be the property's name"),
        ({"size": 3}, "it has no member 'size'; there are column, id, name"),
    ],
)
def test_a_property_that_cannot_be_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ExtendedPropertyError) as raised:
        extended_properties([{**CUSTOMER, **change}])
    line = str(raised.value)
    assert line.startswith("extended_properties, entry 1: ")
    assert message in line
    assert "\n" not in line


def test_something_else_than_an_object_and_a_column_given_twice_are_refused() -> None:
    with pytest.raises(ExtendedPropertyError, match="entry 1: it must be an object"):
        extended_properties(["0x3A4A"])
    with pytest.raises(ExtendedPropertyError, match="entry 2: the stream contacts has a column 'customer_number'"):
        extended_properties([CUSTOMER, CUSTOMER])


def test_a_property_is_known_again_however_the_server_spells_it() -> None:
    by_name = ExtendedPath("String", property_set="PublicStrings", name="Project")
    guid = "00020329-0000-0000-C000-000000000046"
    assert answered_key(guid, None, "Project") == by_name.key
    assert answered_key("PublicStrings", None, "Project") == by_name.key
    assert answered_tag("0x300b") == ExtendedPath("Binary", tag=0x300B).key
    assert answered_tag("12299") == ExtendedPath("Binary", tag=0x300B).key
    assert answered_tag("what") is None


def test_names_in_quotes_are_escaped_in_the_request() -> None:
    path = ExtendedPath("String", property_set="PublicStrings", name='a"<b>&c')
    assert "PropertyName='a\"&lt;b&gt;&amp;c'" in path.xml


def test_the_catalog_is_made_without_the_wire() -> None:
    code = "import sys, tap_exchange.ews.columns; print(*[m for m in ('lxml', 'exchangelib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
