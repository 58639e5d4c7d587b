"""The schemas are valid, complete in what the engine and the views need, and true to Microsoft's types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from lxml import etree

from tap_exchange.ews.columns import VERSIONS, columns_of
from tap_exchange.ews.nested import COMPILED, READERS
from tap_exchange.ews.records import ELEMENT_NAME, FIRST_DAY, LAST_DAY, MISFITS, UNKNOWN
from tap_exchange.ews.values import SCALARS
from tap_exchange.resources import ITEM_STREAMS, catalog_schema, schema, schema_names, view_sql
from tests.elements import XSD, element, enumeration, needs_xsd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS = {
    "attachments": ["attachment_key"],
    "calendar_view": ["item_key"],
    "corrupt_items": ["item_key", "stage"],
    "folder_syncs": ["folder_key", "feed_id"],
    "folders": ["folder_key"],
    "item_changes": ["item_key", "change_type"],
    "listed_items": ["folder_key", "item_key"],
    "mailboxes": ["mailbox", "store"],
    "sync_runs": ["run_id"],
    "inbox_rules": ["rule_key"],
    "out_of_office": ["mailbox"],
    "delegates": ["delegate_key"],
    "rooms": ["room_list", "room"],
}
ENGINE = {
    "mailbox",
    "store",
    "folder_key",
    "folder_id",
    "item_key",
    "item_id",
    "change_key",
    "feed_id",
    "synced_at",
    "origin",
}
RESERVED = {"from", "to", "end", "when", "references", "user", "order", "group", "table", "select", "where", "check"}


def nodes(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk the described values of a schema, nested ones too."""
    for name, member in node.get("properties", {}).items():
        yield f"{path}.{name}".lstrip("."), member
        yield from nodes(member, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], path)


def test_every_stream_of_the_tap_has_a_schema() -> None:
    assert set(schema_names()) == set(KEYS) | set(ITEM_STREAMS)


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_a_valid_json_schema_with_and_without_the_map(name: str) -> None:
    Draft7Validator.check_schema(schema(name))
    Draft7Validator.check_schema(catalog_schema(name))
    assert schema(name)["type"] == "object"
    assert "x-" not in str(catalog_schema(name))


@pytest.mark.parametrize("name", schema_names())
def test_keys_are_texts_that_are_always_there(name: str) -> None:
    made = schema(name)
    assert made["key_properties"] == KEYS.get(name, ["item_key"])
    for key in made["key_properties"]:
        assert made["properties"][key]["type"] == "string"
        assert made["properties"][key]["x-inclusion"] == "automatic"


@pytest.mark.parametrize("name", schema_names())
def test_names_are_snake_case_and_differ_by_more_than_case(name: str) -> None:
    columns = list(schema(name)["properties"])
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column) for column in columns)
    assert len({column.lower() for column in columns}) == len(columns)
    assert not RESERVED & set(columns)
    assert max(map(len, columns)) <= 63  # what PostgreSQL allows


@pytest.mark.parametrize("name", schema_names())
def test_every_value_is_described_and_typed_for_good(name: str) -> None:
    for path, member in nodes(schema(name)):
        assert member["description"].endswith("."), path
        types = member["type"] if isinstance(member["type"], list) else [member["type"]]
        assert len([t for t in types if t != "null"]) == 1, path
        if path not in schema(name)["key_properties"]:
            assert "null" in types, path
        if member.get("format"):
            assert member["format"] in {"date-time", "date"}, path
            assert set(types) <= {"string", "null"}, path


@pytest.mark.parametrize("name", schema_names())
def test_what_the_engine_fills_is_always_selected(name: str) -> None:
    made = schema(name)
    for column, member in made["properties"].items():
        if "x-ews" not in member and name != "attachments":
            assert member.get("x-inclusion") == "automatic", column
        if member.get("x-inclusion") == "automatic":
            assert "x-selected-by-default" not in member, column
    if name != "sync_runs":
        assert {"mailbox", "feed_id", "synced_at"} <= set(made["properties"])


def test_of_an_attachment_what_ties_it_to_its_item_is_always_selected() -> None:
    made = schema("attachments")["properties"]
    automatic = {column for column, member in made.items() if member.get("x-inclusion") == "automatic"}
    engine = {"mailbox", "store", "folder_key", "item_key", "item_id", "feed_id", "synced_at", "origin"}
    assert automatic == engine | {"attachment_key", "attachment_id", "item_synced_at"}


@pytest.mark.parametrize("name", [*ITEM_STREAMS, "calendar_view"])
def test_item_streams_have_the_engines_columns_and_those_that_lose_nothing(name: str) -> None:
    made = schema(name)["properties"]
    assert set(made) >= ENGINE
    assert not any("x-ews" in made[column] for column in ENGINE)
    for column in ("item_type", "search_key", "other_properties", "unparsed", "attachments", "body_truncated"):
        assert "x-ews" in made[column]
    assert made["attachments"]["x-selected-by-default"] is False
    assert not {column.lower() for column in made} & {"_sdc_deleted_at"}


def test_costly_and_double_content_is_left_out_unless_asked_for() -> None:
    made = schema("messages")["properties"]
    for column in ("mime_content", "text_body", "unique_body", "normalized_body", "effective_rights"):
        assert made[column]["x-selected-by-default"] is False


def test_calendar_view_has_the_columns_of_calendar_items_and_its_own() -> None:
    stored, view = schema("calendar_items")["properties"], schema("calendar_view")["properties"]
    own = {"series_item_key", "viewed_at"}
    assert set(view) == set(stored) | own
    assert all(view[column]["type"] == stored[column]["type"] for column in stored)


def test_the_attachments_column_knows_what_the_attachments_stream_has() -> None:
    inner = schema("messages")["properties"]["attachments"]["items"]["properties"]
    rows = schema("attachments")["properties"]
    assert set(inner) <= set(rows)
    assert all(set(inner[name]["type"]) == set(rows[name]["type"]) for name in inner)


def test_one_column_has_one_type_in_every_stream() -> None:
    types: dict[str, Any] = {}
    for name in ITEM_STREAMS:
        for column, member in schema(name)["properties"].items():
            assert types.setdefault(column, member["type"]) == member["type"], column


def test_the_documentation_has_every_kind_of_value() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "schemas.md").read_text(encoding="utf-8")
    known = {
        *SCALARS,
        *READERS,
        *COMPILED,
        "body",
        "body_truncated",
        MISFITS,
        UNKNOWN,
        ELEMENT_NAME,
        FIRST_DAY,
        LAST_DAY,
    }
    within = (member for name in schema_names() for _, member in nodes(schema(name)))
    used = {member["x-ews"]["kind"] for member in within if "x-ews" in member}
    assert used == known
    assert all(f"`{kind}`" in text for kind in used)


def test_an_unknown_stream_or_dialect_is_named_with_those_that_exist() -> None:
    with pytest.raises(LookupError, match=r"no stream '\.\./messages'; the streams are: attachments, "):
        schema("../messages")
    with pytest.raises(LookupError, match=r"no views for '\.\./postgres'"):
        view_sql("../postgres")


def test_a_schema_can_be_changed_without_changing_the_next_one() -> None:
    schema("tasks")["properties"].clear()
    assert schema("tasks")["properties"]


@needs_xsd
@pytest.mark.parametrize("name", schema_names())
def test_every_property_that_is_asked_for_exists_in_microsofts_types(name: str) -> None:
    versions = enumeration("ExchangeVersionType")
    assert set(VERSIONS) <= versions
    for column in columns_of(name):
        assert column.since is None or column.since in versions
        for needed in column.needs:
            assert element(needed).get("FieldURI") in enumeration("UnindexedFieldURIType"), column.name
        if not column.ask:
            continue
        path = element(column.ask)
        local = path.tag.rpartition("}")[2]
        if local == "ExtendedFieldURI":
            assert path.get("PropertyType") in enumeration("MapiPropertyTypeType")
            known_set = path.get("DistinguishedPropertySetId")
            assert known_set is None or known_set in enumeration("DistinguishedPropertySetType")
        else:
            uris = enumeration("UnindexedFieldURIType" if local == "FieldURI" else "DictionaryURIType")
            assert path.get("FieldURI") in uris, column.name


@needs_xsd
@pytest.mark.parametrize(
    ("stream", "types"),
    [
        ("messages", ["ItemType", "MessageType"]),
        ("meeting_messages", ["MeetingMessageType", "MeetingRequestMessageType", "MeetingResponseMessageType"]),
        ("calendar_items", ["CalendarItemType"]),
        ("contacts", ["ContactItemType"]),
        ("distribution_lists", ["DistributionListType"]),
        ("tasks", ["TaskType"]),
        ("posts", ["PostItemType"]),
        ("folders", ["BaseFolderType", "FolderType"]),
        ("inbox_rules", ["RuleType"]),
        ("out_of_office", ["UserOofSettings"]),
        ("delegates", ["DelegateUserType"]),
        ("rooms", ["DirectoryEntryType"]),
    ],
)
def test_elements_are_spelt_as_in_microsofts_types(stream: str, types: list[str]) -> None:
    """Each column's element is one of the types', and nearly each of the types' elements has a column."""
    document = etree.parse(str(XSD / "types.xsd"))
    mapped = {column.path[0] for column in columns_of(stream) if column.path}
    everything = {found.get("name") for found in document.iterfind("{*}complexType//{*}element")}
    assert mapped <= everything
    expected = {
        found.get("name")
        for name in types
        for found in document.iterfind(f"{{*}}complexType[@name='{name}']/{{*}}complexContent/*/*/{{*}}element")
    } | {
        found.get("name")
        for name in types
        for found in document.iterfind(f"{{*}}complexType[@name='{name}']/{{*}}sequence/{{*}}element")
    }
    assert expected - mapped <= LEFT_OUT, sorted(expected - mapped - LEFT_OUT)


LEFT_OUT = {
    *("ItemId", "ParentFolderId", "FolderId", "DistinguishedFolderId"),  # the engine's columns
    "RuleId",
    "EventsToDeleteIDs",  # of a request, though the type is that of the answer, too
    *("SearchKey", "SortKey", "SenderSMTPAddress", "MailboxGuids"),  # no FieldURI asks for them
    "IntendedFreeBusyStatus",  # for meeting requests alone
    *("AppliedHashtagsPreview", "PendingSocialActivityTagIds"),  # short forms, and ids of a service that is gone
    *("SkypeAuthCertificate", "SkypeContext", "ImMri", "OtherMri", "Mris", "Cid", "PassportId"),
    *("IsAutoUpdateDisabled", "IsMessengerEnabled", "ContactShortId", "InviteFree", "HidePresenceAndProfile"),
    *("IsPendingOutbound", "SupportGroupFeeds", "UserTileHash", "UnifiedInbox", "AbchContactId"),
    *("ShellContactType", "PresenceTrustLevel", "ConversationGuid"),  # wiring of consumer services
}
"""Elements of the types that have no column; when a server sends one, it is in `other_properties`."""
