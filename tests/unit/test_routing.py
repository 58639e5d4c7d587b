"""Routing requests for public folders, and reading where a folder's contents are."""

from __future__ import annotations

from base64 import b64encode

import pytest
import requests_mock

from tap_exchange.ews import ask
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.routing import CONTENT_MAILBOX, ReplicaShape, content_address, routed
from tap_exchange.ews.shapes import folder_shape
from tests.elements import item, message_schema, needs_xsd
from tests.wire import ANNA, URL, IdShape, answer, transport
from tests.wire import item as loaded

GUID = "11111111-2222-3333-4444-555555555555"


def folder(value: bytes) -> str:
    uri = '<t:ExtendedFieldURI PropertyTag="0x6698" PropertyType="Binary"/>'
    return (
        '<t:ParentFolderId Id="AAMkParent="/>'
        f"<t:ExtendedProperty>{uri}<t:Value>{b64encode(value).decode()}</t:Value></t:ExtendedProperty>"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{GUID}\0".encode(), GUID),
        (f"{{{GUID.upper()}}}\0".encode(), GUID),
        (f"{GUID}\0another\0".encode(), GUID),
        (b"/o=First/ou=Site/cn=Servers/cn=OLD\0", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_a_replica_list_names_the_mailbox_with_the_contents(value: bytes, expected: str | None) -> None:
    record = ReplicaShape(folder_shape(())).convert(item("Folder", folder(value)))
    assert record[CONTENT_MAILBOX] == expected
    assert record["parent_folder_id"] == "AAMkParent="


def test_a_folder_without_a_replica_list_names_none() -> None:
    assert ReplicaShape(folder_shape(())).convert(item("Folder"))[CONTENT_MAILBOX] is None


@needs_xsd
def test_the_shape_fits_the_schema() -> None:
    from lxml import etree  # noqa: PLC0415 - where the schema is

    from tests.elements import NAMESPACES  # noqa: PLC0415

    shape = ReplicaShape(folder_shape(None)).for_server("Exchange2016")
    assert "0x6698" in shape.xml
    request = ask.find_folder("AAMk=", shape.xml, deep=False, offset=0, page_size=10)
    element = etree.fromstring(request.replace("<m:FindFolder", f"<m:FindFolder {NAMESPACES}", 1))
    assert message_schema().validate(element), message_schema().error_log


def test_requests_are_led_to_the_mailbox_and_counted_with_the_others() -> None:
    shared = transport()
    wire = Mailbox(shared, ANNA, "public_folders")
    address = content_address(GUID, ANNA)
    with requests_mock.Mocker() as mocked:
        mocked.post(URL, text=answer("GetItem", loaded("a")))
        routed(routed(wire, ANNA), address).get_items(["a"], IdShape())
        headers = mocked.last_request.headers
        assert (headers["X-AnchorMailbox"], headers["X-PublicFolderMailbox"]) == (address, address)
        wire.get_items(["a"], IdShape())
        assert mocked.last_request.headers["X-AnchorMailbox"] == ANNA
        assert "X-PublicFolderMailbox" not in mocked.last_request.headers
    assert address == f"{GUID}@example.com"
    assert shared.requests == 2
