"""The conversation: what is sent, in which version, to which address, and that it can be stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from tap_exchange.ews.errors import FatalError, Stopped
from tests.conversation import BODY, GOOD, ask, count, welcomed
from tests.wire import ANNA, URL, Clock, Connection, answer, envelope, failure, fault, transport

if TYPE_CHECKING:
    from requests_mock import Mocker


def test_what_is_sent(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=GOOD)
    one = transport()
    assert ask(one) == 1
    sent = requests_mock.last_request
    assert sent.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert sent.headers["Accept-Encoding"] == "gzip"
    assert sent.headers["X-AnchorMailbox"] == ANNA
    assert re.fullmatch(r"[0-9a-f-]{36}", sent.headers["client-request-id"])
    root = etree.fromstring(sent.body)
    assert root.find(".//{*}RequestServerVersion").get("Version") == "Exchange2016"
    assert root.find(".//{*}ExchangeImpersonation") is None
    assert root.find("{*}Body")[0].tag.endswith("GetItem")
    assert (one.requests, one.bytes_out, one.bytes_in) == (1, len(sent.body), len(GOOD))


def test_impersonation_stands_in_the_header(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=GOOD)
    connection = Connection()
    connection.impersonate = True
    transport(connection).call("GetItem", BODY, mailbox="o'neil&co@example.com", read=count)
    root = etree.fromstring(requests_mock.last_request.body)
    assert root.findtext(".//{*}ConnectingSID/{*}PrimarySmtpAddress") == "o'neil&co@example.com"


def test_the_server_says_who_it_is(requests_mock: Mocker) -> None:
    info = (
        '<t:ServerVersionInfo MajorVersion="15" MinorVersion="01" MajorBuildNumber="225"'
        ' MinorBuildNumber="042" Version="V2018_01_08"/>'
    )
    requests_mock.post(URL, text=envelope(GOOD[GOOD.index("<m:GetItemResponse>") : GOOD.index("</s:Body>")], info))
    one = transport()
    assert one.server(ANNA) is None
    ask(one)
    server = one.server(ANNA)
    assert server is not None
    assert (server.build, server.version, server.online) == ("15.1.225.42", "V2018_01_08", False)


def test_an_answer_without_messages_is_its_own_message(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL, text=envelope('<m:GetRoomsResponse ResponseClass="Success"><m:Rooms/></m:GetRoomsResponse>')
    )
    assert transport().call("GetRooms", "<m:GetRooms/>", mailbox=ANNA, read=len) == 1


# --- versions --------------------------------------------------------------------------------


def versions_sent(mock: Mocker) -> list[str]:
    return [re.search(r'ServerVersion Version="(\w+)"', r.text).group(1) for r in mock.request_history]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "refused",
    [
        {"status_code": 500, "text": fault("ErrorInvalidServerVersion")},
        {"status_code": 500, "text": fault("ErrorIncorrectSchemaVersion")},
        {"status_code": 500, "text": fault("ErrorInvalidSchemaVersionForMailboxVersion")},
        {"text": answer("GetItem", failure("GetItem", "ErrorInvalidServerVersion"))},
    ],
)
@pytest.mark.parametrize("each", [False, True])
def test_a_refused_version_is_asked_in_an_older_one_and_remembered(
    requests_mock: Mocker, refused: dict[str, Any], *, each: bool
) -> None:
    clock = Clock()
    requests_mock.post(URL, [refused, {"text": GOOD}, {"text": GOOD}])
    one = transport(clock=clock)
    ask(one, each=each)
    ask(one)
    assert versions_sent(requests_mock) == ["Exchange2016", "Exchange2013", "Exchange2013"]
    assert clock.waits == []


def test_a_mailbox_on_an_older_server_is_asked_in_its_own_version(requests_mock: Mocker) -> None:
    old = {"status_code": 500, "text": fault("ErrorInvalidSchemaVersionForMailboxVersion")}
    requests_mock.post(URL, [old, {"text": GOOD}, {"text": GOOD}])
    one = transport()
    ask(one)
    one.call("GetItem", BODY, mailbox="bob@example.com", read=count)
    assert versions_sent(requests_mock) == ["Exchange2016", "Exchange2013", "Exchange2016"]


def test_without_an_older_version_the_run_ends(requests_mock: Mocker) -> None:
    requests_mock.post(URL, status_code=500, text=fault("ErrorInvalidServerVersion"))
    with pytest.raises(FatalError, match="speaks no version"):
        ask(transport())
    assert versions_sent(requests_mock) == ["Exchange2016", "Exchange2013"]


# --- redirects -------------------------------------------------------------------------------

ANYWHERE = re.compile(".*")


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.net/EWS/Exchange.asmx",
        "http://mail.example.com/EWS/Exchange.asmx",
        "https://mail.example.com:8443/EWS/Exchange.asmx",
        "//evil.example.net/EWS/",
        "",
    ],
)
def test_credentials_never_follow_a_redirect_elsewhere(requests_mock: Mocker, location: str) -> None:
    requests_mock.post(ANYWHERE, status_code=302, headers={"Location": location})
    with pytest.raises(FatalError):
        ask(transport())
    assert {request.url for request in requests_mock.request_history} == {URL}


def test_a_redirect_within_the_server_is_followed_once(requests_mock: Mocker) -> None:
    elsewhere = "https://mail.example.com/internal/exchange.asmx"
    requests_mock.post(URL, status_code=307, headers={"Location": "/internal/exchange.asmx"})
    requests_mock.post(elsewhere, text=GOOD)
    one = transport()
    assert ask(one) == 1
    ask(one)
    assert [request.url for request in requests_mock.request_history] == [URL, elsewhere, elsewhere]


@pytest.mark.parametrize("origin", ["", "https://webmail.example.com:8443"])
def test_a_redirect_to_the_web_mail_is_told_as_such(requests_mock: Mocker, origin: str) -> None:
    page = "/owa/auth/logon.aspx"
    requests_mock.post(URL, status_code=302, headers={"Location": f"{origin}{page}?url=secret&reason=0"})
    with pytest.raises(FatalError, match="sign-in of the web mail: check ews_url") as raised:
        ask(transport())
    assert f"sends requests to {origin}{page};" in str(raised.value)
    assert requests_mock.call_count == 1


def test_redirects_in_a_circle_end(requests_mock: Mocker) -> None:
    requests_mock.post(ANYWHERE, status_code=307, headers={"Location": "/EWS/other.asmx"})
    with pytest.raises(FatalError, match="set ews_url"):
        ask(transport())
    assert requests_mock.call_count == 2


def test_the_error_page_of_a_busy_server_is_waited_for(requests_mock: Mocker) -> None:
    page = {"Location": "/ews/genericerrorpage.htm?aspxerrorpath=/ews/exchange.asmx"}
    requests_mock.post(URL, [{"status_code": 302, "headers": page}, {"text": GOOD}])
    assert ask(transport()) == 1


# --- the end ---------------------------------------------------------------------------------


def test_a_stopped_run_sends_nothing(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=GOOD)
    one = transport()
    one.pace.stop()
    with pytest.raises(Stopped):
        ask(one)
    assert requests_mock.call_count == 0


def test_a_run_stopped_in_trouble_blames_nothing_and_asks_no_more(requests_mock: Mocker) -> None:
    one = welcomed(transport(), requests_mock)

    def stop(*_: object) -> str:
        one.pace.stop()
        return "<cut"

    requests_mock.post(URL, text=stop)
    with pytest.raises(Stopped):
        ask(one, tries=1)
    assert requests_mock.call_count == 1
