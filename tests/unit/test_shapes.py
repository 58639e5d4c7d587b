"""A shape asks for exactly what is selected, in the order of Microsoft's schema, and can be made smaller."""

from __future__ import annotations

import pytest

from tap_exchange.ews.columns import columns_of, extended_properties
from tap_exchange.ews.shapes import ContentSettings, Shape, folder_shape, shape
from tap_exchange.resources import ITEM_STREAMS
from tests.elements import MESSAGES, NAMESPACES, element, item, message_schema, needs_xsd

PLAIN = ContentSettings()


def asked(made: Shape) -> list[str]:
    """Return the FieldURIs and tags that a shape asks for."""
    paths = element(made.xml).iterfind("{*}AdditionalProperties/*")
    return [path.get("FieldURI") or path.get("PropertyTag") or path.get("PropertyName") or "" for path in paths]


def content(made: Shape) -> dict[str, str | None]:
    """Return the elements of a shape before its properties."""
    return {child.tag.rpartition("}")[2]: child.text for child in element(made.xml) if not len(child)}


def test_a_shape_asks_for_the_selected_columns_and_the_automatic_ones() -> None:
    made = shape("messages", {"subject", "mailbox", "synced_at"}, settings=PLAIN)
    assert asked(made) == ["item:Subject", "message:IsRead"]
    assert made.columns == ("subject", "is_read")
    assert content(made) == {"BaseShape": "IdOnly"}


def test_the_folder_of_an_item_is_asked_for_when_it_is_selected() -> None:
    assert "item:ParentFolderId" in asked(shape("messages", {"folder_id"}, settings=PLAIN))
    assert "item:ParentFolderId" in asked(shape("messages", settings=PLAIN))


def test_without_a_selection_costly_columns_are_left_out() -> None:
    uris = asked(shape("messages", settings=PLAIN))
    assert "item:Body" in uris
    assert not {"item:MimeContent", "item:UniqueBody", "item:EffectiveRights", "item:Attachments"} & set(uris)
    assert "item:MimeContent" in asked(shape("messages", settings=ContentSettings(include_mime=True)))


@pytest.mark.parametrize("stream", [*ITEM_STREAMS, "calendar_view"])
def test_no_property_is_asked_for_twice(stream: str) -> None:
    everything = {column.name for column in columns_of(stream)}
    made = shape(stream, everything, settings=PLAIN)
    paths = [column.ask for column in columns_of(stream) if column.ask]
    assert made.xml.count("FieldURI=") + made.xml.count("PropertyType=") >= len(set(paths))
    assert all(made.xml.count(path) == 1 for path in set(paths))
    assert set(made.columns) == everything
    assert not made.missing


def test_the_attachments_can_join_a_shape() -> None:
    assert asked(shape("tasks", {"attachments"}, settings=PLAIN)) == ["item:Attachments"]


def test_contacts_tasks_and_lists_are_not_asked_for_what_fails_there() -> None:
    for stream in ("contacts", "tasks", "distribution_lists", "other_items"):
        assert not {"unique_body", "normalized_body"} & {column.name for column in columns_of(stream)}
    assert "mime_content" not in {column.name for column in columns_of("distribution_lists")}


@pytest.mark.parametrize(("body_type", "form"), [("html", "HTML"), ("text", "Text"), ("best", "Best")])
def test_the_body_comes_in_the_form_and_size_that_the_settings_say(body_type: str, form: str) -> None:
    settings = ContentSettings(body_type=body_type, body_max_bytes=2000)
    made = shape("messages", {"body", "unique_body"}, settings=settings)
    assert content(made) == {
        "BaseShape": "IdOnly",
        "BodyType": form,
        "UniqueBodyType": form,
        "MaximumBodySize": "2000",
    }


def test_no_body_is_asked_for_when_the_settings_say_none() -> None:
    made = shape("messages", {"subject", "body", "body_type"}, settings=ContentSettings(body_type="none"))
    assert asked(made) == ["item:Subject", "message:IsRead"]
    assert made.convert(item("Message"))["body"] is None


def test_a_smaller_shape_leaves_out_whole_properties_and_keeps_the_columns() -> None:
    made = shape("messages", {"subject", "body", "body_type", "flag_status"}, settings=PLAIN)
    smaller = made.without(["body_type"])
    assert smaller.missing == {"body", "body_type"}
    assert "item:Body" not in asked(smaller)
    assert "BodyType" not in content(smaller)
    assert smaller.columns == made.columns
    assert smaller.convert(item("Message")).keys() == made.convert(item("Message")).keys()
    assert smaller.without(["flag_status"]).missing == {"body", "body_type", "flag_status"}
    assert made.without(["mailbox", "no_such_column"]) == made


def test_a_shape_without_all_its_properties_still_asks_for_the_id() -> None:
    made = shape("messages", {"subject"}, settings=PLAIN)
    assert made.without(made.columns).xml == "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"


def test_the_groups_are_what_can_be_left_out_one_by_one() -> None:
    made = shape("messages", {"subject", "body", "body_type", "unparsed"}, settings=PLAIN)
    assert made.groups == (("subject",), ("is_read",), ("body", "body_type"))
    assert made.without(["body"]).groups == (("subject",), ("is_read",))


def test_an_old_server_gets_a_shape_that_it_understands() -> None:
    made = shape("messages", {"subject", "body", "flag_status"}, settings=ContentSettings(body_max_bytes=99))
    old = made.for_server("Exchange2010_SP2")
    assert asked(old) == ["item:Subject", "message:IsRead", "item:Body"]
    assert "MaximumBodySize" not in content(old)
    assert old.missing == {"flag_status"}
    assert old.convert(item("Message"))["flag_status"] is None
    assert made.for_server("Exchange2016") is made.for_server("Exchange2016")
    assert asked(old.without(["body"])) == ["item:Subject", "message:IsRead"]


def test_equal_selections_share_one_shape() -> None:
    first = shape("messages", ["subject", "size"], settings=ContentSettings())
    assert first is shape("messages", {"size", "subject", "mailbox"}, settings=ContentSettings())


def test_the_users_properties_are_asked_for_like_others() -> None:
    own = extended_properties([{"column": "project", "property_set": "PublicStrings", "name": "P", "type": "String"}])
    settings = ContentSettings(extended_properties=own)
    assert "P" in asked(shape("tasks", settings=settings))
    assert "P" in asked(shape("tasks", {"project"}, settings=settings))
    assert "P" not in asked(shape("tasks", {"subject"}, settings=settings))


def test_a_folder_shape_asks_for_folder_properties_alone() -> None:
    made = folder_shape({"name", "path"})
    assert made.xml.startswith("<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>")
    assert "folder:DisplayName" in asked(made)
    assert "folder:PermissionSet" not in asked(folder_shape())
    assert "folder:PermissionSet" in asked(folder_shape({"permission_set"}))


@needs_xsd
@pytest.mark.parametrize("stream", [*ITEM_STREAMS, "calendar_view", "folders"])
@pytest.mark.parametrize("version", [None, "Exchange2007_SP1"])
def test_every_shape_is_valid_by_microsofts_schema(stream: str, version: str | None) -> None:
    own = extended_properties(
        [
            {"column": "own_tag", "tag": 0x3A4A, "type": "BinaryArray"},
            {"column": "own_set", "property_set": "Common", "id": 34072, "type": "SystemTime"},
        ],
    )
    settings = ContentSettings(body_type="text", body_max_bytes=1000, include_mime=True, extended_properties=own)
    everything = {column.name for column in columns_of(stream, own)} | {"folder_id"}
    if stream == "folders":
        made, operation, ids = folder_shape(everything), "GetFolder", '<m:FolderIds><t:FolderId Id="A"/></m:FolderIds>'
    else:
        made = shape(stream, everything, settings=settings)
        operation, ids = "GetItem", '<m:ItemIds><t:ItemId Id="A"/></m:ItemIds>'
    request = element(f"<m:{operation} {NAMESPACES}>{made.for_server(version).xml}{ids}</m:{operation}>")
    assert request.tag == f"{{{MESSAGES}}}{operation}"
    message_schema().assertValid(request)


DAYS = {"local_start_date", "local_end_date"}
NEEDED = ["calendar:Start", "calendar:End", "calendar:IsAllDayEvent", "calendar:StartTimeZone", "calendar:EndTimeZone"]


def test_a_computed_column_asks_once_for_what_it_is_computed_from() -> None:
    assert asked(shape("calendar_items", DAYS, settings=PLAIN)) == NEEDED
    assert sorted(asked(shape("calendar_items", {*DAYS, "end_time", "start_time"}, settings=PLAIN))) == sorted(NEEDED)
    assert "calendar:StartTimeZone" not in asked(shape("calendar_items", {"start_time"}, settings=PLAIN))


def test_a_computed_column_is_left_out_with_what_it_is_computed_from() -> None:
    made = shape("calendar_items", {*DAYS, "start_time", "start_time_zone"}, settings=PLAIN)
    smaller = made.without(["start_time_zone"])
    assert asked(smaller) == ["calendar:Start"]
    assert smaller.missing == {*DAYS, "start_time_zone"}
    alone = shape("calendar_items", DAYS, settings=PLAIN)
    assert alone.groups == (("local_start_date", "local_end_date"),) * len(NEEDED)
    assert not asked(alone.without(["local_start_date"]))
