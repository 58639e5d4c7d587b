"""What of an item's content is asked for, and how: bodies, MIME, MAPI properties, headers; filled when it changes."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo.bodies import as_text, mime_message
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.faults import ItemFails, Speaks
from tap_exchange.demo.values import Body
from tap_exchange.tap import TapExchange
from tests.pipeline import run_tap_here, selection
from tests.trouble import config, requests_of, rows_by_id, run

if TYPE_CHECKING:
    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call
    from tests.pipeline import TapRun

HTML = "<html><body><p>Grüße &amp; <b>Küsse</b></p></body></html>"
LONG = "aé€😀" * 1000  # 1 + 2 + 3 + 4 bytes each


class Asked(Fault):
    """Keeps what each GetItem asks for."""

    def __init__(self) -> None:
        self.shapes: list[str] = []

    def before(self, call: Call) -> Answer | None:
        if call.operation == "GetItem":
            self.shapes.append("".join(node.tag.rpartition("}")[2] + " " for node in call.body.iter()))
        return None


def messages(done: TapRun) -> dict[str, dict[str, Any]]:
    return rows_by_id(done.checked(), "messages")


# Bodies


def test_bodies_come_in_the_form_that_is_chosen(inbox: Folder, server: Server) -> None:
    rich, plain = inbox.add(Body=Body(HTML)), inbox.add(Body=Body("plain <text>", html=False))

    def bodies(**settings: str) -> list[tuple[str | None, str | None]]:
        rows = messages(run(server, **settings))
        return [(rows[item.id]["body_type"], rows[item.id]["body"]) for item in (rich, plain)]

    assert bodies() == bodies(body_type="best") == [("html", HTML), ("text", "plain <text>")]
    assert bodies(body_type="text") == [("text", as_text(Body(HTML))), ("text", "plain <text>")]
    assert bodies(body_type="html")[1] == ("html", "<html><body>plain &lt;text&gt;</body></html>")


def test_no_body_is_requested_when_none_is_wanted(inbox: Folder, server: Server) -> None:
    inbox.add(Body=Body(HTML))
    (row,) = messages(run(server, body_type="none")).values()
    assert row["body"] is row["body_type"] is row["body_truncated"] is None
    asked = [request.properties for request in server.requests if request.operation == "GetItem"]
    assert asked
    assert not any("item:Body" in properties for properties in asked)


@pytest.mark.parametrize("most", [1, 99, 100, 9_999, 10_000, 10_001])
def test_bodies_are_cut_in_bytes_and_say_so(inbox: Folder, server: Server, most: int) -> None:
    """A body has 10,000 bytes; a cut never splits a character."""
    inbox.add(Body=Body(LONG, html=False))
    (row,) = messages(run(server, body_max_bytes=most)).values()
    assert row["body"] == LONG.encode()[:most].decode(errors="ignore")
    assert row["body_truncated"] is (most < 10_000)


def test_the_other_forms_of_a_body_are_cut_too(inbox: Folder, server: Server) -> None:
    inbox.add(Body=Body(LONG, html=False), UniqueBody=Body(LONG, html=False))
    (row,) = messages(run(server, selects=("*.*",), body_max_bytes=50)).values()
    assert {len(row[name].encode()) for name in ("body", "text_body", "unique_body", "normalized_body")} == {50}


def test_servers_that_are_too_old_to_cut_have_it_done_here(inbox: Folder, server: Server) -> None:
    inbox.add(Body=Body(LONG, html=False))
    asked = Asked()
    done = run(server, asked, Speaks({"Exchange2010_SP2"}), selects=("*.*",), body_max_bytes=50)
    (row,) = messages(done).values()
    assert (len(row["body"].encode()), row["body_truncated"]) == (50, True)
    assert row["text_body"] is None
    assert asked.shapes
    assert not any("MaximumBodySize" in shape for shape in asked.shapes)
    assert {request.version for request in server.requests if request.operation == "GetItem"} == {"Exchange2010_SP2"}

    newer = Asked()
    run(server, newer, body_max_bytes=50)
    assert all("MaximumBodySize" in shape for shape in newer.shapes)


# Lines that would be too long


@pytest.mark.parametrize("maps", [{}, {"stream_maps": {"messages": {"added": "subject"}}}], ids=["plain", "mapped"])
def test_a_row_that_no_line_would_hold_comes_without_its_longest_column_and_stops_nothing(
    inbox: Folder, server: Server, monkeypatch: pytest.MonkeyPatch, maps: dict[str, Any]
) -> None:
    monkeypatch.setattr("tap_exchange.sync.lines.LONGEST_LINE", 20_000)
    long = inbox.add(Subject="long", Body="é" * 20_000, MimeContent=b"Subject: long\r\n\r\n")
    short = inbox.add(Subject="short", Body="short")
    done = run(server, include_mime=True, **maps)
    assert done.exit_code == 0
    rows = messages(done)
    assert [rows[item.id]["subject"] for item in (long, short)] == ["long", "short"]
    assert (rows[long.id]["body"], rows[long.id]["mime_content"] is None) == (None, False)
    assert rows[short.id]["body"]
    (bad,) = rows_by_id(done, "corrupt_items").values()
    assert (bad["item_id"], bad["stage"], bad["code"]) == (long.id, "load", "LineTooLong")
    assert (bad["missing_properties"], bad["salvaged"]) == (["body"], True)


def test_an_occurrence_that_no_line_would_hold_comes_without_its_longest_column(
    server: Server, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_exchange.sync.lines.LONGEST_LINE", 20_000)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    calendar = inbox.store.folder("calendar")
    calendar.add("CalendarItem", Subject="long", Body="x" * 20_000, Start=now, End=now + timedelta(hours=1))
    done = run(server, folders_include=["calendar"])
    (row,) = done.of("calendar_view")
    assert (row["subject"], row["body"]) == ("long", None)
    stages = {(bad["stage"], bad["code"]) for bad in done.of("corrupt_items")}
    assert stages == {("load", "LineTooLong"), ("view", "LineTooLong")}


# MIME


def test_the_whole_item_comes_as_mime_where_it_is_wanted(inbox: Folder, server: Server) -> None:
    given = inbox.add(MimeContent=b"Subject: as it came\r\n\r\n\0\xff")
    made = inbox.add()
    done = run(server, include_mime=True)
    rows = messages(done)
    assert b64decode(rows[given.id]["mime_content"]) == b"Subject: as it came\r\n\r\n\0\xff"
    assert b64decode(rows[made.id]["mime_content"]) == mime_message(made.properties)


@pytest.mark.parametrize("selects", [None, ("*.*",)])
def test_no_mime_is_requested_without_the_setting(
    inbox: Folder, server: Server, selects: tuple[str, ...] | None
) -> None:
    inbox.add()
    (row,) = messages(run(server, selects=selects)).values()
    assert row.get("mime_content") is None
    assert not any("item:MimeContent" in request.properties for request in server.requests)


def test_an_item_without_a_mime_form_is_loaded_without_it(inbox: Folder, server: Server) -> None:
    items = [inbox.add() for _ in range(10)]
    code = "ErrorMimeContentConversionFailed"
    done = run(server, ItemFails(code, [items[3], items[7]], asking="item:MimeContent"), include_mime=True)
    rows = messages(done)
    assert {item_id for item_id, row in rows.items() if row["mime_content"] is None} == {items[3].id, items[7].id}
    assert all(rows[item.id]["subject"] == item.properties["Subject"] for item in items)
    bad = rows_by_id(done, "corrupt_items")
    assert {(row["code"], tuple(row["missing_properties"]), row["salvaged"]) for row in bad.values()} == {
        (code, ("mime_content",), True)
    }
    assert requests_of(server, "GetItem") == 3  # the batch, and each of the two without its MIME form


# MAPI properties


PROJECT = "5F3C8F5C-1234-4A5B-9C6D-0123456789AB"
WHEN = datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone.utc)
NO_ZONE = "2024-02-29T23:59:58Z"

# The setting's entry, the property in the mailbox, its value there, and what the column holds.
OWN: list[tuple[dict[str, Any], Extended, Any, Any]] = [
    ({"tag": "0x3A4A", "type": "String"}, Extended("String", tag=0x3A4A), "C-17 <&>", "C-17 <&>"),
    ({"tag": 0x10F4, "type": "Boolean"}, Extended("Boolean", tag=0x10F4), True, True),
    ({"tag": "0x0E07", "type": "Integer"}, Extended("Integer", tag=0x0E07), -5, -5),
    ({"tag": "0x6001", "type": "Long"}, Extended("Long", tag=0x6001), 2**62, 2**62),
    ({"tag": "0x6002", "type": "Short"}, Extended("Short", tag=0x6002), 7, 7),
    ({"tag": "0x6003", "type": "Double"}, Extended("Double", tag=0x6003), 1.5, 1.5),
    ({"tag": "0x6004", "type": "Float"}, Extended("Float", tag=0x6004), 0.25, 0.25),
    ({"tag": "0x6005", "type": "Currency"}, Extended("Currency", tag=0x6005), 12.75, 12.75),
    ({"tag": "0x6006", "type": "SystemTime"}, Extended("SystemTime", tag=0x6006), WHEN, NO_ZONE),
    ({"tag": "0x6007", "type": "Binary"}, Extended("Binary", tag=0x6007), b"\0\xff", b64encode(b"\0\xff").decode()),
    ({"tag": "0x6008", "type": "CLSID"}, Extended("CLSID", tag=0x6008), PROJECT, PROJECT),
    (
        {"property_set": "PublicStrings", "name": "Projekt Nr. 7", "type": "String"},
        Extended("String", distinguished_set="PublicStrings", name="Projekt Nr. 7"),
        "Ω",
        "Ω",
    ),
    (
        {"property_set": PROJECT, "name": "Phase", "type": "Integer"},
        Extended("Integer", property_set=PROJECT.lower(), name="Phase"),
        3,
        3,
    ),
    (
        {"property_set": "Common", "id": 34072, "type": "Integer"},
        Extended("Integer", distinguished_set="Common", number=34072),
        1,
        1,
    ),
    (
        {"property_set": PROJECT, "id": "0x8001", "type": "SystemTime"},
        Extended("SystemTime", property_set=PROJECT.lower(), number=0x8001),
        WHEN,
        NO_ZONE,
    ),
    (
        {"property_set": "InternetHeaders", "name": "x-spam-score", "type": "String"},
        Extended("String", distinguished_set="InternetHeaders", name="x-spam-score"),
        "5.1",
        "5.1",
    ),
    (
        {"property_set": "PublicStrings", "name": "Keywords", "type": "StringArray"},
        Extended("StringArray", distinguished_set="PublicStrings", name="Keywords"),
        ["red", "", "g<r>een"],
        ["red", "", "g<r>een"],
    ),
    ({"tag": "0x6009", "type": "IntegerArray"}, Extended("IntegerArray", tag=0x6009), [1, -2], [1, -2]),
    ({"tag": "0x600A", "type": "SystemTimeArray"}, Extended("SystemTimeArray", tag=0x600A), [WHEN], [NO_ZONE]),
    ({"tag": "0x600B", "type": "BinaryArray"}, Extended("BinaryArray", tag=0x600B), [b"a", b"b"], ["YQ==", "Yg=="]),
]
SETTING = [{"column": f"own_{number}", "streams": ["messages"], **entry} for number, (entry, *_) in enumerate(OWN)]
KINDS = {
    "String": "string", "Boolean": "boolean", "Integer": "integer", "Long": "integer", "Short": "integer",
    "Double": "number", "Float": "number", "Currency": "number", "SystemTime": "string", "Binary": "string",
    "CLSID": "string",
}  # fmt: skip


def test_mapi_properties_are_columns_of_the_streams_named_for_them(inbox: Folder, server: Server) -> None:
    full, bare = inbox.add(extended={name: value for _, name, value, _ in OWN}), inbox.add()
    post = inbox.add("PostItem", extended={name: value for _, name, value, _ in OWN})
    done = run(server, extended_properties=SETTING)
    rows = messages(done)
    assert {name: rows[full.id][name] for name in (entry["column"] for entry in SETTING)} == {
        f"own_{number}": column for number, (*_, column) in enumerate(OWN)
    }
    assert all(rows[bare.id][entry["column"]] is None for entry in SETTING)
    assert not any(name.startswith("own_") for name in rows_by_id(done, "posts")[post.id])
    assert rows[full.id]["unparsed"] is rows[full.id]["other_properties"] is None
    schema = done.schemas["messages"]["properties"]
    for entry in SETTING:
        kind = entry["type"].removesuffix("Array")
        of = schema[entry["column"]]
        of = of["items"] if entry["type"].endswith("Array") else of
        assert of["type"] == [KINDS[kind], "null"]
        assert of.get("format") == ("date-time" if kind == "SystemTime" else None)


def test_a_value_of_another_type_is_kept_as_it_came(inbox: Folder, server: Server) -> None:
    inbox.add(extended={Extended("Integer", tag=0x6001): "no number"})
    own = [{"column": "own", "tag": "0x6001", "type": "Integer", "streams": ["messages"]}]
    (row,) = messages(run(server, extended_properties=own)).values()
    assert (row["own"], row["unparsed"]) == (None, {"own": "no number"})


def test_a_setting_in_the_environment_is_json(inbox: Folder, server: Server) -> None:
    inbox.add(extended={Extended("String", tag=0x3A4A): "C-17"})
    own = [{"column": "customer", "tag": "0x3A4A", "type": "String"}]
    (row,) = messages(run(server, extended_properties=json.dumps(own))).values()
    assert row["customer"] == "C-17"


def test_a_deselected_mapi_property_is_not_requested(inbox: Folder, server: Server) -> None:
    inbox.add(extended={Extended("String", tag=0x3A4A): "C-17"})
    own = [{"column": "customer", "tag": "0x3A4A", "type": "String"}]
    settings = config(server, extended_properties=own)
    catalog = TapExchange(config=settings).catalog_dict
    done = run_tap_here(settings, catalog=selection(("*.*", "!*.customer"), catalog)).checked()
    assert "customer" not in done.of("messages")[0]
    asked = [request.properties for request in server.requests if request.operation == "GetItem"]
    assert asked
    assert not any("0x3A4A" in properties for properties in asked)


def test_a_catalog_that_does_not_know_what_a_setting_adds_is_told(inbox: Folder, server: Server) -> None:
    inbox.add()
    own = [{"column": "customer", "tag": "0x3A4A", "type": "String"}]
    done = run(server, selects=("*.*", "!*.mime_content"), extended_properties=own, include_mime=True).checked()
    assert "extended_properties: the catalog selects the column customer in no stream" in done.stderr
    assert "include_mime: the catalog selects the column mime_content in no stream" in done.stderr


# Headers


def test_internet_headers_keep_their_order_and_repetitions(inbox: Folder, server: Server) -> None:
    headers = [("Received", "from b"), ("Received", "from a"), ("X-Empty", ""), ("Subject", "ü <&>")]
    inbox.add(InternetMessageHeaders=headers)
    (row,) = messages(run(server)).values()
    assert [(header["name"], header["value"]) for header in row["internet_message_headers"]] == headers


# Other settings


def test_changed_settings_load_again_what_they_concern_and_nothing_else(inbox: Folder, server: Server) -> None:
    message = inbox.add(Body=Body(HTML), extended={Extended("String", tag=0x3A4A): "C-17"})
    post = inbox.add("PostItem", Body=Body(HTML), extended={Extended("String", tag=0x3A4A): "C-18"})
    done = run(server)

    def changed(**settings: object) -> tuple[dict[str, Any], dict[str, Any]]:
        nonlocal done
        done = run(server, state=done.state, **settings).checked()
        rows = rows_by_id(done, "messages").get(message.id), rows_by_id(done, "posts").get(post.id)
        assert all(row is None or row["origin"] == "fill" for row in rows)
        return rows

    assert changed() == (None, None)
    own = [{"column": "customer", "streams": ["posts"], "tag": "0x3A4A", "type": "String"}]
    rows = changed(extended_properties=own)
    assert (rows[0], rows[1]["customer"]) == (None, "C-18")

    own[0]["tag"] = "0x6001"  # the same column, filled from elsewhere
    rows = changed(extended_properties=own)
    assert (rows[0], rows[1]["customer"]) == (None, None)

    rows = changed(extended_properties=own, body_type="text")
    assert rows[0]["body"] == rows[1]["body"] == as_text(Body(HTML))
    rows = changed(extended_properties=own, body_type="text", body_max_bytes=4)
    assert rows[0]["body"] == rows[1]["body"] == "Grü"
    rows = changed(extended_properties=own, body_type="text", body_max_bytes=4, include_mime=True)
    assert b64decode(rows[0]["mime_content"]) == mime_message(message.properties)

    settings = {"extended_properties": own, "body_type": "text", "body_max_bytes": 4, "include_mime": True}
    assert changed(**settings) == (None, None)
    assert requests_of(server, "GetItem") == 0
    assert changed() != (None, None)  # whole bodies again


# Bad input


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"extended_properties": [{"column": "own", "tag": "0x3A4A", "type": "Text"}]},
            "extended_properties, entry 1: the type 'Text' is unknown; there are ApplicationTime, ",
        ),
        (
            {"extended_properties": [{"column": "own", "tag": "0x8005", "type": "String"}]},
            "extended_properties, entry 1: the tag 0x8005 differs from mailbox to mailbox",
        ),
        (
            {"extended_properties": [{"column": "own", "property_set": "Uncommon", "id": 1, "type": "String"}]},
            "extended_properties, entry 1: the property set 'Uncommon' is neither a GUID nor one of ",
        ),
        (
            {"extended_properties": [{"column": "subject", "streams": ["tasks"], "tag": "0x3A4A", "type": "String"}]},
            "extended_properties, entry 1: the stream tasks has a column 'subject' already",
        ),
        (
            {"extended_properties": [{"column": "own", "streams": ["mails"], "tag": "0x3A4A", "type": "String"}]},
            "extended_properties, entry 1: there is no stream 'mails'; there are messages, ",
        ),
        ({"body_type": "rtf"}, "body_type must be one of html, text, best, none"),
        ({"body_type": "none", "body_max_bytes": 10}, "body_max_bytes has no meaning with body_type none"),
        ({"body_max_bytes": 0}, "body_max_bytes must be a whole number"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_asked(
    inbox: Folder, server: Server, settings: dict[str, Any], line: str
) -> None:
    inbox.add()
    failed = run(server, **settings)
    assert failed.exit_code == 1
    (said,) = [one for one in failed.stderr.splitlines() if "ERROR" in one]
    assert line in said
    assert not failed.messages.parsed
    assert not server.requests
