"""Every answer of the embedded Exchange is what Microsoft's schema allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.fields import order_of
from tests.conformance.support import CheckedAnswers, Client, code, schema_folder, served
from tests.elements import needs_xsd

if TYPE_CHECKING:
    from tap_exchange.demo.store import Store

pytestmark = needs_xsd


@pytest.fixture(scope="module")
def world() -> Exchange:
    exchange = Exchange.example(items=60)
    for store in stores(exchange):
        if store.kind != "primary":
            for folder in store.folders.values():
                folder.fill(3)
    anna = exchange.mailboxes["anna@example.com"]
    for name, element in (
        ("calendar", "CalendarItem"),
        ("contacts", "Contact"),
        ("tasks", "Task"),
        ("notes", "PostItem"),
    ):
        anna.folder(name).fill(60, element)
    exchange.public.owner = "public folders"
    return exchange


def stores(exchange: Exchange) -> list[Store]:
    return [store for store, _ in exchange._stores.values()]


SHAPES = {
    "IdOnly": "<t:BaseShape>IdOnly</t:BaseShape>",
    "Default": "<t:BaseShape>Default</t:BaseShape>",
    "everything": "<t:BaseShape>AllProperties</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
    "<t:BodyType>Text</t:BodyType><t:MaximumBodySize>500</t:MaximumBodySize>",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_item_of_the_example(world: Exchange, shape: str) -> None:
    with served(world, unknown_elements=True) as server, Client(server) as client:
        server.endpoint.compress = False
        for store in stores(world):
            for folder in store.folders.values():
                ids = [item.id for contents in (folder.contents, folder.associated) for item in contents.items()]
                for start in range(0, len(ids), 100):
                    batch = "".join(f'<t:ItemId Id="{item_id}"/>' for item_id in ids[start : start + 100])
                    client.post(
                        f"<m:GetItem><m:ItemShape>{SHAPES[shape]}</m:ItemShape><m:ItemIds>{batch}</m:ItemIds></m:GetItem>"
                    )
        assert {request.status for request in server.requests} == {200}
        assert sum(request.item_count for request in server.requests) > 1100


def test_every_folder_of_the_example(world: Exchange) -> None:
    with served(world) as server, Client(server) as client:
        for store in stores(world):
            ids = "".join(f'<t:FolderId Id="{folder.id}"/>' for folder in store.folders.values())
            for base in ("IdOnly", "Default", "AllProperties"):
                messages = client.ask(
                    f"<m:GetFolder><m:FolderShape><t:BaseShape>{base}</t:BaseShape></m:FolderShape>"
                    f"<m:FolderIds>{ids}</m:FolderIds></m:GetFolder>"
                )
                assert {code(message) for message in messages} == {"NoError"}


def test_every_feed_and_listing_of_the_example(world: Exchange) -> None:
    anna = world.mailboxes["anna@example.com"]
    with served(world, unknown_elements=True) as server, Client(server) as client:
        client.hierarchy(anna.folder("root").id)
        for folder in anna.folders():
            if folder.search is None:
                assert client.sync(folder.id, limit=200).code == "NoError"
            for base in ("IdOnly", "AllProperties"):
                client.post(
                    f'<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>{base}</t:BaseShape></m:ItemShape>'
                    '<m:IndexedPageItemView MaxEntriesReturned="100" Offset="0" BasePoint="Beginning"/>'
                    f'<m:ParentFolderIds><t:FolderId Id="{folder.id}"/></m:ParentFolderIds></m:FindItem>'
                )
        assert {request.status for request in server.requests} == {200}


def test_every_occurrence_of_a_year(world: Exchange) -> None:
    calendar = world.mailboxes["anna@example.com"].folder("calendar")
    view = '<m:CalendarView StartDate="2026-01-01T00:00:00Z" EndDate="2026-12-31T00:00:00Z"/>'
    with served(world) as server, Client(server) as client:
        (message,) = client.ask(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            f'{view}<m:ParentFolderIds><t:FolderId Id="{calendar.id}"/></m:ParentFolderIds></m:FindItem>'
        )
        ids = [element.get("Id") for element in message.iter("{*}ItemId")]
        assert len(ids) > 300
        for start in range(0, len(ids), 100):
            messages = client.items(*ids[start : start + 100], shape="<t:BaseShape>AllProperties</t:BaseShape>")
            assert {code(message) for message in messages} == {"NoError"}


def test_every_attachment_of_the_example(world: Exchange) -> None:
    seen = 0
    with served(world) as server, Client(server) as client:
        for folder in world.mailboxes["anna@example.com"].folders():
            for item in folder.items():
                for number, _ in enumerate(item.attachments, 1):
                    attachment = folder.store.ids.attachment(folder.number, item.number, (number,))
                    (message,) = client.ask(
                        "<m:GetAttachment><m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
                        "</m:AttachmentShape><m:AttachmentIds>"
                        f'<t:AttachmentId Id="{attachment}"/></m:AttachmentIds></m:GetAttachment>'
                    )
                    assert code(message) == "NoError"
                    seen += 1
    assert seen > 40


def test_errors_and_faults(world: Exchange) -> None:
    anna = world.mailboxes["anna@example.com"]
    with served(world) as server, Client(server) as client:
        assert client.sync("x").code == "ErrorInvalidIdMalformed"
        assert client.sync(anna.folder("inbox").id, "x").code == "ErrorInvalidSyncStateData"
        assert client.hierarchy(anna.folder("inbox").id, "x").code == "ErrorInvalidSyncStateData"
        assert [code(message) for message in client.items("x", "y")] == ["ErrorInvalidIdMalformed"] * 2


def test_the_check_itself_sees_what_is_wrong(world: Exchange) -> None:
    checks = CheckedAnswers(schema_folder())
    with served(world) as server, Client(server) as client:
        server.faults.clear()
        server.faults.add(checks)
        anna = world.mailboxes["anna@example.com"]
        item = anna.folder("Unknown kinds").items()[0]
        assert item.element not in {"Message", "Item"}
        assert order_of(item.element) == order_of("Item")
        client.items(item.id)
    assert checks.checked == 1
    assert len(checks.problems) == 1
