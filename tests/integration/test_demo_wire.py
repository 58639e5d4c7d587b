"""The endpoint as a program meets it: sign-in, versions, faults, compression, the request log."""

from __future__ import annotations

import logging
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.soap import ServiceError, SoapFault
from tests.conformance.support import Client, M, code, served
from tests.elements import needs_xsd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.rendering import Shape
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

ROOT = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>"
    '<t:DistinguishedFolderId Id="msgfolderroot">{}</t:DistinguishedFolderId></m:FolderIds></m:GetFolder>'
)
AS = "<t:ExchangeImpersonation><t:ConnectingSID><t:{0}>{1}</t:{0}></t:ConnectingSID></t:ExchangeImpersonation>"


@pytest.fixture
def world() -> Exchange:
    exchange = Exchange(seed=7)
    exchange.add_mailbox("anna@example.com").folder("inbox").fill(5)
    exchange.add_mailbox("ben@example.com", password="other")
    exchange.add_account("service", "robot", impersonates=("anna@example.com",))
    return exchange


@pytest.fixture
def anna(world: Exchange) -> Mailbox:
    return world.mailboxes["anna@example.com"]


@pytest.fixture
def server(world: Exchange) -> Iterator[Server]:
    with served(world) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail if it never is."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_clients_that_die_are_no_errors_of_the_server(world: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    with served(world) as server:
        for sent in (b"half a body", b""):
            with socket.create_connection((server.host, server.port)) as dying:
                dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends in a reset
                dying.sendall(
                    b"POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: exchange\r\nContent-Length: 100\r\n\r\n" + sent
                )
                until(lambda: bool(server.requests))
            until(lambda: all(request.ended for request in server.requests))
            server.reset_requests()
        with Client(server) as client:
            assert code(client.ask(ROOT.format(""))[0]) == "NoError"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("username", "password"), [("anna@example.com", "wrong"), ("nobody", "secret"), ("", "")])
def test_a_wrong_sign_in_is_401(server: Server, username: str, password: str) -> None:
    with Client(server, username, password) as client:
        response = client.post(ROOT.format(""))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert requests.get(server.url, timeout=5).status_code == 401


def test_other_paths_are_not_found(server: Server) -> None:
    address = server.url.replace("Exchange.asmx", "Other.asmx")
    assert requests.post(address, auth=("anna@example.com", "secret"), timeout=5).status_code == 404


def test_the_demo_listens_on_loopback_only(world: Exchange) -> None:
    with pytest.raises(ValueError, match="loopback"), served(world, host="0.0.0.0"):
        pass


def test_one_connection_serves_many_requests(server: Server, client: Client) -> None:
    for _ in range(5):
        client.ask(ROOT.format(""))
    pool = next(iter(client.session.get_adapter(server.url).poolmanager.pools._container.values()))
    assert pool.num_connections == 1
    assert pool.num_requests == 5


def test_answers_are_compressed_only_when_offered(client: Client) -> None:
    client.session.headers["Accept-Encoding"] = "gzip"
    big = client.post(ROOT.format("").replace("Default", "AllProperties"))
    assert big.headers["Content-Encoding"] == "gzip"
    client.session.headers["Accept-Encoding"] = "identity"
    assert "Content-Encoding" not in client.post(ROOT.format("").replace("Default", "AllProperties")).headers


def test_the_answer_names_the_server_version(client: Client) -> None:
    text = client.post(ROOT.format("")).text
    assert 'MajorVersion="15" MinorVersion="2"' in text
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>')


def test_an_unknown_version_is_refused(client: Client) -> None:
    assert client.fault(ROOT.format(""), version="Exchange2099") == "ErrorInvalidServerVersion"


@needs_xsd
@pytest.mark.parametrize(
    "body",
    [
        "<m:GetItem/>",
        "<m:GetItem><m:ItemIds/></m:GetItem>",
        "<m:Nonsense/>",
        ROOT.format("").replace("Default", "Everything"),
        ROOT.format("").replace("msgfolderroot", "nowhere"),
    ],
)
def test_what_the_schema_refuses_the_server_refuses(client: Client, body: str) -> None:
    assert client.fault(body) == "ErrorSchemaValidation"


def test_what_is_no_request_is_a_fault(server: Server, client: Client) -> None:
    for data in (b"", b"<broken", b"<a/>", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"):
        response = client.session.post(server.url, data=data, timeout=5)
        assert response.status_code == 500
        assert "ErrorInvalidRequest" in response.text
        assert "root:" not in response.text
    assert client.fault(f"<m:GetFolder>{' ' * 410_000}</m:GetFolder>") == "ErrorRequestStreamTooBig"


def test_an_unknown_operation_is_a_fault(server: Server, client: Client) -> None:
    server.endpoint.validator = None
    assert client.fault("<m:MakeCoffee/>") == "ErrorInvalidOperation"


def test_a_mailbox_of_somebody_else_is_denied_unless_granted(world: Exchange, client: Client) -> None:
    other = ROOT.format("<t:Mailbox><t:EmailAddress>ben@example.com</t:EmailAddress></t:Mailbox>")
    assert code(client.ask(other)[0]) == "ErrorAccessDenied"
    world.mailboxes["ben@example.com"].grant("anna@example.com")
    assert code(client.ask(other)[0]) == "NoError"
    nobody = other.replace("ben@", "nobody@")
    assert code(client.ask(nobody)[0]) == "ErrorNonExistentMailbox"


@pytest.mark.parametrize("kind", ["PrimarySmtpAddress", "SmtpAddress", "PrincipalName"])
def test_impersonation_reaches_who_may_be_impersonated(server: Server, kind: str) -> None:
    with Client(server, "service", "robot") as client:
        assert code(client.ask(ROOT.format(""), AS.format(kind, "anna@example.com"))[0]) == "NoError"
        assert server.requests[-1].mailbox == "anna@example.com"
        assert client.fault(ROOT.format(""), AS.format(kind, "ben@example.com")) == "ErrorImpersonateUserDenied"
        assert client.fault(ROOT.format(""), AS.format(kind, "nobody@example.com")) == "ErrorNonExistentMailbox"
        assert code(client.ask(ROOT.format(""))[0]) == "ErrorNonExistentMailbox"


def test_a_mailbox_in_trouble_says_so(anna: Mailbox, client: Client) -> None:
    anna.code = "ErrorMailboxMoveInProgress"
    assert code(client.ask(ROOT.format(""))[0]) == "ErrorMailboxMoveInProgress"


def test_stores_that_a_mailbox_lacks(world: Exchange, anna: Mailbox, client: Client) -> None:
    for name, missing in (
        ("archivemsgfolderroot", "ErrorFolderNotFound"),
        ("publicfoldersroot", "ErrorNoPublicFolderReplicaAvailable"),
    ):
        body = ROOT.format("").replace("msgfolderroot", name)
        assert code(client.ask(body)[0]) == missing
    anna.add_archive()
    world.add_public_folders()
    for name in ("archivemsgfolderroot", "publicfoldersroot", "recoverableitemsroot"):
        assert code(client.ask(ROOT.format("").replace("msgfolderroot", name))[0]) == "NoError"


def test_the_log_tells_what_was_asked(anna: Mailbox, server: Server, client: Client) -> None:
    inbox = anna.folder("inbox")
    ids = [item.id for item in inbox.items()]
    client.items(*ids, shape="<t:BaseShape>IdOnly</t:BaseShape><t:BodyType>Text</t:BodyType>")
    client.items("nonsense")
    client.sync(inbox.id, limit=100)
    load, bad, sync = server.requests
    assert (load.operation, load.ids, load.item_count, load.body_shape) == ("GetItem", tuple(ids), 5, "Text")
    assert (load.mailbox, load.username, load.status) == ("anna@example.com", "anna@example.com", 200)
    assert bad.codes == ("ErrorInvalidIdMalformed",)
    assert (sync.operation, sync.folders, sync.max_changes, sync.item_count) == ("SyncFolderItems", (inbox.id,), 100, 5)
    assert not sync.had_state
    assert load.at <= load.ended <= sync.at
    assert server.counts == {"GetItem": 2, "SyncFolderItems": 1}
    assert "Authorization" not in load.headers
    server.reset_requests()
    assert server.requests == []


class EverywhereOnce(Fault):
    """Write down each place it is asked at."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def before(self, call: Call) -> Answer | None:
        self.places.append("before")
        return super().before(call)

    def mailbox(self, call: Call, mailbox: Mailbox | None) -> None:  # noqa: ARG002
        self.places.append("mailbox")

    def folder(self, call: Call, folder: Folder) -> None:  # noqa: ARG002
        self.places.append("folder")

    def changes(self, call: Call, folder: Folder, changes: list[object]) -> None:  # noqa: ARG002
        self.places.append("changes")

    def body(self, call: Call, body: str) -> str:  # noqa: ARG002
        self.places.append("body")
        return body

    def after(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002
        self.places.append("after")
        return answer


def test_a_fault_is_asked_at_each_place(anna: Mailbox, server: Server, client: Client) -> None:
    fault = EverywhereOnce()
    server.faults.add(fault)
    client.sync(anna.folder("inbox").id)
    assert fault.places == ["before", "mailbox", "folder", "changes", "body", "after"]
    server.faults.remove(fault)
    client.sync(anna.folder("inbox").id)
    assert len(fault.places) == 6


def test_a_fault_fails_one_item_or_the_whole_request(anna: Mailbox, server: Server, client: Client) -> None:
    bad = anna.folder("inbox").items()[2]

    class Corrupt(Fault):
        whole = False

        def item(self, call: Call, item: Item, shape: Shape) -> None:  # noqa: ARG002
            if item.id == bad.id:
                if self.whole:
                    raise SoapFault("ErrorInternalServerError")
                raise ServiceError("ErrorItemCorrupt")

    fault = Corrupt()
    server.faults.add(fault)
    ids = [item.id for item in anna.folder("inbox").items()]
    assert [code(message) for message in client.items(*ids)] == [
        "NoError", "NoError", "ErrorItemCorrupt", "NoError", "NoError",
    ]  # fmt: skip
    fault.whole = True
    listed = "".join(f'<t:ItemId Id="{item_id}"/>' for item_id in ids)
    shape = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
    assert client.fault(f"<m:GetItem>{shape}<m:ItemIds>{listed}</m:ItemIds></m:GetItem>") == "ErrorInternalServerError"


class Sent(Fault):
    """Send an answer differently."""

    def __init__(self, **fields: object) -> None:
        self.fields = fields

    def after(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002
        for name, value in self.fields.items():
            setattr(answer, name, value)
        return answer


def test_a_fault_answers_in_the_servers_place(server: Server, client: Client) -> None:
    class Busy(Fault):
        def before(self, call: Call) -> Answer | None:  # noqa: ARG002
            return Answer(503, b"busy", {"Retry-After": "7"})

    server.faults.add(Busy())
    response = client.post(ROOT.format(""))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")


def test_a_fault_answers_before_sign_in(server: Server) -> None:
    class Locked(Fault):
        def arrived(self, request: object) -> Answer | None:  # noqa: ARG002
            return Answer(456)

    server.faults.add(Locked())
    with Client(server, "anna@example.com", "wrong") as client:
        assert client.post(ROOT.format("")).status_code == 456


def test_bodies_are_cut_with_the_right_and_with_a_wrong_length(server: Server, client: Client) -> None:
    whole = client.post(ROOT.format("")).content
    server.faults.add(Sent(cut=200, compress=False))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.post(ROOT.format(""))
    server.faults.clear()
    server.faults.add(Sent(cut=200, declared_length=200, compress=False))
    assert client.post(ROOT.format("")).content == whole[:200]


def test_connections_are_reset_at_once_or_in_the_middle(server: Server, client: Client) -> None:
    for fields in ({"reset": True}, {"reset": True, "cut": 100, "compress": False}):
        server.faults.clear()
        server.faults.add(Sent(**fields))
        with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            client.post(ROOT.format(""))
    server.faults.clear()
    assert code(client.ask(ROOT.format(""))[0]) == "NoError"


def test_answers_are_slow_or_streamed(server: Server, client: Client) -> None:
    async def pieces() -> object:
        for piece in (b"<a>", b"one", b"</a>"):
            yield piece

    server.faults.add(Sent(pace=0.01, piece=300, delay=0.01, compress=False))
    assert code(client.ask(ROOT.format(""))[0]) == "NoError"
    server.faults.clear()

    class Streamed(Fault):
        def before(self, call: Call) -> Answer | None:  # noqa: ARG002
            return Answer(stream=pieces(), compress=False)

    server.faults.add(Streamed())
    assert client.post(ROOT.format("")).content == b"<a>one</a>"


def test_a_mistake_of_the_demo_itself_is_not_hidden(world: Exchange) -> None:
    class Broken(Fault):
        def body(self, call: Call, body: str) -> str:  # noqa: ARG002
            raise ZeroDivisionError

    def meet() -> None:
        with served(world) as server, Client(server) as client:
            server.faults.add(Broken())
            assert client.fault(ROOT.format("")) == "ErrorInternalServerError"

    with pytest.raises(ZeroDivisionError):
        meet()


def test_resolve_names_finds_addresses_aliases_and_beginnings(world: Exchange, anna: Mailbox, client: Client) -> None:
    ask = '<m:ResolveNames ReturnFullContactData="{1}"><m:UnresolvedEntry>{0}</m:UnresolvedEntry></m:ResolveNames>'
    anna.aliases.append("annie@example.com")
    for entry in ("anna@example.com", "SMTP:ANNA@example.com", "annie@example.com", "ann"):
        (message,) = client.ask(ask.format(entry, "true"))
        assert message.findtext(".//{*}EmailAddress") == "anna@example.com"
    assert code(client.ask(ask.format("nobody@example.com", "false"))[0]) == "ErrorNameResolutionNoResults"
    world.add_mailbox("annabel@example.com")
    (message,) = client.ask(ask.format("anna", "false"))
    assert (code(message), message.get("ResponseClass")) == ("ErrorNameResolutionMultipleResults", "Warning")


def test_time_zones_are_told_with_their_rules(client: Client) -> None:
    every = "<m:GetServerTimeZones/>"
    assert len(client.ask(every)[0].find(f"{M}TimeZoneDefinitions")) > 10
    one = (
        '<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>Eastern Standard Time</t:Id></m:Ids>'
        "</m:GetServerTimeZones>"
    )
    (definition,) = client.ask(one)[0].find(f"{M}TimeZoneDefinitions")
    assert definition.get("Id") == "Eastern Standard Time"
    assert len(definition.findall(".//{*}Period")) == 2
