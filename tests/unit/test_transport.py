"""The conversation: what is sent, what is outlasted and for how long, what ends at once."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
from lxml import etree

from tap_exchange.ews.errors import (
    ExchangeError,
    FatalError,
    FolderError,
    IncompleteAnswer,
    ItemsError,
    Level,
    MailboxError,
    RequestTooBig,
    Stopped,
    TransientError,
)
from tap_exchange.ews.faults import Action
from tap_exchange.ews.patience import REACHES
from tests.wire import ANNA, URL, Clock, Connection, answer, envelope, failure, fault, item, success, transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from requests_mock import Mocker

    from tap_exchange.ews.soap import Message
    from tap_exchange.ews.transport import Transport

GOOD = answer("GetItem", item("A"))
BODY = "<m:GetItem/>"
ANYWHERE = re.compile(".*")


def count(messages: Sequence[Message]) -> int:
    return len(messages)


def ask(one: Transport, level: Level = Level.MAILBOX, *, tries: int | None = None, each: bool = False) -> int:
    return one.call("GetItem", BODY, mailbox=ANNA, read=count, level=level, tries=tries, each=each)


def welcomed(one: Transport, mock: Mocker) -> Transport:
    """Let the first request succeed: sign-in and address are right."""
    mock.post(URL, text=GOOD)
    ask(one)
    mock.reset_mock()
    return one


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
    assert one.seconds > 0


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


# --- throttling -------------------------------------------------------------------------------

HINT = '<t:Value Name="BackOffMilliseconds">7000</t:Value>'
FOUR_SHAPES = {
    "HTTP 503 with Retry-After": {"status_code": 503, "headers": {"Retry-After": "7"}},
    "HTTP 429 with Retry-After": {"status_code": 429, "headers": {"Retry-After": "7"}},
    "a fault with BackOffMilliseconds": {
        "status_code": 500,
        "text": fault("ErrorServerBusy", values=f"<t:MessageXml>{HINT}</t:MessageXml>"),
    },
    "a fault with words alone": {
        "status_code": 500,
        "text": fault("ErrorServerBusy", text="Suggested backoff time: 7000 milliseconds"),
    },
    "a response message": {
        "text": answer("GetItem", failure("GetItem", "ErrorServerBusy", f"<m:MessageXml>{HINT}</m:MessageXml>"))
    },
    "the inner code": {
        "text": answer(
            "GetItem",
            failure(
                "GetItem",
                "ErrorInternalServerError",
                f'<m:MessageXml><t:Value Name="InnerErrorResponseCode">ErrorServerBusy</t:Value>{HINT}</m:MessageXml>',
            ),
        )
    },
}


@pytest.mark.parametrize("shape", FOUR_SHAPES)
@pytest.mark.parametrize("each", [False, True])
def test_throttling_waits_as_long_as_the_server_says(requests_mock: Mocker, shape: str, *, each: bool) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, [FOUR_SHAPES[shape], {"text": GOOD}])
    assert ask(one, each=each) == 1
    assert clock.waits == [7.0]
    assert requests_mock.call_count == 2
    assert one.pace.limit == 2
    assert one.pace.throttled_seconds == 7.0


@pytest.mark.parametrize("shape", FOUR_SHAPES)
def test_a_back_off_is_known_before_another_request_takes_the_place(requests_mock: Mocker, shape: str) -> None:
    clock = Clock()
    one = transport(clock=clock)
    held: list[float] = []
    leave = one.pace.slot

    @contextmanager
    def watched() -> Iterator[None]:
        try:
            with leave():
                yield
        finally:
            held.append(max(0.0, one.pace._until - clock.now))

    one.pace.slot = watched  # type: ignore[method-assign]
    requests_mock.post(URL, [FOUR_SHAPES[shape], {"text": GOOD}])
    ask(one)
    assert held == [7.0, 0.0]


def test_throttling_may_be_the_first_answer_of_all(requests_mock: Mocker) -> None:
    requests_mock.post(URL, [{"status_code": 503}, {"text": GOOD}])
    assert ask(transport()) == 1


def test_throttling_without_an_end_gives_up_after_max_wait(requests_mock: Mocker) -> None:
    clock = Clock()
    requests_mock.post(URL, status_code=503, headers={"Retry-After": "20"})
    with pytest.raises(TransientError, match="HTTP503"):
        ask(transport(clock=clock, max_wait=100))
    assert clock.waits == [20.0] * 5
    assert requests_mock.call_count == 6


def test_a_hint_that_would_outlast_max_wait_is_not_waited_for(requests_mock: Mocker) -> None:
    clock = Clock()
    requests_mock.post(URL, status_code=503, headers={"Retry-After": "99999"})
    with pytest.raises(TransientError, match="max_wait"):
        ask(transport(clock=clock))
    assert clock.waits == []


def test_of_many_busy_messages_the_longest_hint_counts(requests_mock: Mocker) -> None:
    clock = Clock()
    shorter = HINT.replace("7000", "3000")
    messages = [failure("GetItem", "ErrorServerBusy", f"<m:MessageXml>{h}</m:MessageXml>") for h in (shorter, HINT)]
    requests_mock.post(URL, [{"text": answer("GetItem", *messages)}, {"text": GOOD}])
    ask(transport(clock=clock), each=True)
    assert clock.waits == [7.0]


def test_one_busy_message_among_others_is_a_value_that_slows_down_the_next(requests_mock: Mocker) -> None:
    clock = Clock()
    one = transport(clock=clock)
    busy = failure("GetItem", "ErrorServerBusy", f"<m:MessageXml>{HINT}</m:MessageXml>")
    requests_mock.post(URL, text=answer("GetItem", item("A"), busy))
    assert ask(one, each=True) == 2
    assert clock.waits == []
    ask(one, each=True)
    assert clock.waits == [7.0]


# --- what breaks -----------------------------------------------------------------------------

GOOD_WITHOUT_CODE = {
    "text": GOOD.replace('"Success"', '"Warning"').replace("<m:ResponseCode>NoError</m:ResponseCode>", "")
}
BROKEN = {
    "a reset connection": {"exc": requests.ConnectionError(ConnectionResetError(104, "reset"))},
    "a read timeout": {"exc": requests.ReadTimeout("timeout")},
    "a cut body": {"text": GOOD[:-40]},
    "an empty body": {"text": ""},
    "no SOAP": {"text": "<html/>"},
    "the answer to something else": {"text": answer("GetFolder", success("GetFolder", ""))},
    "no response messages": {"text": answer("GetItem")},
    "neither success nor error": {"text": GOOD.replace('"Success"', '"Perhaps"')},
    "a warning without a code": GOOD_WITHOUT_CODE,
    "an error without a code": {"text": GOOD.replace('"Success"', '"Error"')},
    "HTTP 500 without words": {"status_code": 500, "text": "<html>oops</html>"},
    "ErrorInternalServerError": {"status_code": 500, "text": fault("ErrorInternalServerError")},
    "a plain fault": {"status_code": 500, "text": fault("", faultcode="s:Server")},
    "broken UTF-8": {"content": GOOD.encode().replace(b"CK", b"\xff\xfe")},
    "a longer Content-Length": {"text": GOOD, "headers": {"Content-Length": str(len(GOOD) + 1)}},
    "a shorter Content-Length": {"text": GOOD, "headers": {"Content-Length": str(len(GOOD) - 1)}},
    "a strange packing": {"text": GOOD, "headers": {"Content-Encoding": "gzip, gzip"}},
    "no gzip though it says so": {"text": GOOD, "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_breaks_once_is_asked_again(requests_mock: Mocker, broken: str) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, [BROKEN[broken], {"text": GOOD}])
    assert ask(one, Level.ITEMS) == 1
    assert clock.waits == [0.5]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("level", Level)
def test_what_always_breaks_is_given_up_after_a_few_tries(requests_mock: Mocker, broken: str, level: Level) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, [BROKEN[broken]])
    with pytest.raises(ExchangeError) as raised:
        ask(one, level)
    tries = {Level.MAILBOX: 4, Level.FOLDER: 3, Level.ITEMS: 2}[level]
    assert requests_mock.call_count == tries
    assert clock.waits == [0.5, 1.0, 2.0][: tries - 1], "the pauses grow"
    error = raised.value
    assert ANNA in str(error)
    assert "\n" not in str(error)
    if isinstance(error, IncompleteAnswer):
        assert error.splittable
    else:
        assert isinstance(error, TransientError) is (level is Level.MAILBOX)
        assert error.splittable is (level is not Level.MAILBOX)


@pytest.mark.parametrize(
    ("broken", "level", "kind"),
    [
        ("a reset connection", Level.ITEMS, ItemsError),
        ("a reset connection", Level.FOLDER, FolderError),
        ("a read timeout", Level.ITEMS, RequestTooBig),
        ("a read timeout", Level.FOLDER, RequestTooBig),
        ("HTTP 500 without words", Level.ITEMS, ItemsError),
        ("ErrorInternalServerError", Level.FOLDER, FolderError),
        ("a cut body", Level.ITEMS, IncompleteAnswer),
        ("broken UTF-8", Level.ITEMS, IncompleteAnswer),
    ],
)
def test_the_kind_of_what_always_breaks(requests_mock: Mocker, broken: str, level: Level, kind: type) -> None:
    one = welcomed(transport(), requests_mock)
    requests_mock.post(URL, [BROKEN[broken]])
    with pytest.raises(kind):
        ask(one, level)


def test_a_repeated_timeout_of_the_server_asks_for_less(requests_mock: Mocker) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorTimeoutExpired")))
    with pytest.raises(RequestTooBig, match="ErrorTimeoutExpired"):
        ask(one, Level.FOLDER)
    assert requests_mock.call_count == 3
    assert one.pace.throttled_seconds > 0, "each backs off before it is tried again"


def test_what_the_reader_finds_incomplete_is_asked_again(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=GOOD)
    seen: list[int] = []

    def read(messages: Sequence[Message]) -> str:
        seen.append(len(messages))
        if len(seen) < 3:
            raise IncompleteAnswer("one is missing")
        return "whole"

    result = transport().call("GetItem", BODY, mailbox=ANNA, read=read, tries=3)
    assert (result, seen) == ("whole", [1, 1, 1])


def test_tries_bound_what_is_asked_again(requests_mock: Mocker) -> None:
    one = welcomed(transport(), requests_mock)
    requests_mock.post(URL, text="<cut")
    with pytest.raises(IncompleteAnswer):
        ask(one, Level.ITEMS, tries=1)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("outcome", ['"Success"', '"Warning"'])
def test_success_may_come_with_a_warning(requests_mock: Mocker, outcome: str) -> None:
    requests_mock.post(URL, text=GOOD.replace('"Success"', outcome))
    assert ask(transport()) == 1


# --- faults of the whole question ------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "level", "kind"),
    [
        ("ErrorItemCorrupt", Level.ITEMS, ItemsError),
        ("ErrorInvalidIdMalformed", Level.ITEMS, ItemsError),
        ("ErrorItemCorrupt", Level.FOLDER, FolderError),
        ("ErrorNonExistentMailbox", Level.MAILBOX, MailboxError),
        ("ErrorImpersonateUserDenied", Level.MAILBOX, MailboxError),
        ("ErrorRequestStreamTooBig", Level.ITEMS, RequestTooBig),
        ("ErrorSchemaValidation", Level.FOLDER, FolderError),
        ("ErrorAccessDenied", Level.FOLDER, FolderError),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_fault_that_no_retry_mends_is_raised_at_once(
    requests_mock: Mocker, code: str, level: Level, kind: type, status: int
) -> None:
    clock = Clock()
    requests_mock.post(URL, text=fault(code), status_code=status)
    with pytest.raises(kind) as raised:
        ask(transport(clock=clock), level)
    assert raised.value.code == code
    assert (requests_mock.call_count, clock.waits) == (1, [])


def test_the_code_may_stand_in_the_faultcode_of_http_200(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("", faultcode="soap:ErrorInvalidIdMalformed"))
    with pytest.raises(ItemsError, match="ErrorInvalidIdMalformed"):
        ask(transport(), Level.ITEMS)


def test_an_error_message_is_a_value_only_when_each_counts(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorItemNotFound")))
    assert ask(transport(), Level.ITEMS, each=True) == 1
    with pytest.raises(ItemsError, match="ErrorItemNotFound"):
        ask(transport(), Level.ITEMS)


def test_a_request_over_400_kb_is_never_sent(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=GOOD)
    with pytest.raises(RequestTooBig, match="400 KB"):
        transport().call("GetItem", "x" * 400_000, mailbox=ANNA, read=count)
    assert requests_mock.call_count == 0


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


# --- sign-in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the sign-in .HTTP 401.: check auth_type with username and password"),
        (403, "EwsAllowList"),
        (404, "no EWS at this address .HTTP 404.: check ews_url"),
        (407, "proxy_url"),
        (456, "locked"),
        (418, "check ews_url"),
    ],
)
def test_what_a_person_must_mend_ends_at_once(requests_mock: Mocker, status: int, words: str) -> None:
    clock = Clock()
    requests_mock.post(URL, status_code=status, text="<html>mail content</html>")
    with pytest.raises(FatalError, match=words) as raised:
        ask(transport(clock=clock))
    assert (requests_mock.call_count, clock.waits) == (1, [])
    assert raised.value.code == f"HTTP{status}"
    assert "content" not in str(raised.value)


def test_exchange_online_says_that_ews_ends_and_what_to_do(requests_mock: Mocker) -> None:
    url = "https://outlook.office365.com/EWS/Exchange.asmx"
    requests_mock.post(url, status_code=403)
    with pytest.raises(FatalError) as raised:
        ask(transport(Connection(url)))
    for word in ("1 April 2027", "EWSEnabled", "Set-OrganizationConfig -EwsAllowedAppIDs", "11111111-2222"):
        assert word in str(raised.value)


def test_a_host_that_only_sounds_like_exchange_online_is_none(requests_mock: Mocker) -> None:
    url = "https://notoutlook.example.com/EWS/Exchange.asmx"
    requests_mock.post(url, status_code=403)
    with pytest.raises(FatalError, match="EwsAllowList"):
        ask(transport(Connection(url)))


def test_a_403_that_speaks_of_one_mailbox_is_that_mailboxes(requests_mock: Mocker) -> None:
    requests_mock.post(URL, status_code=403, text=fault("ErrorAccessDenied"))
    with pytest.raises(MailboxError, match="ErrorAccessDenied"):
        ask(transport())


def test_a_sign_in_that_ends_in_mid_run_is_renewed_once(requests_mock: Mocker) -> None:
    connection = Connection()
    one = welcomed(transport(connection), requests_mock)
    requests_mock.post(URL, [{"status_code": 401}, {"text": GOOD}])
    assert ask(one) == 1
    assert connection.renewed == 1


def test_a_sign_in_that_stays_refused_in_mid_run_is_fatal(requests_mock: Mocker) -> None:
    connection = Connection()
    one = welcomed(transport(connection), requests_mock)
    requests_mock.post(URL, status_code=401)
    with pytest.raises(FatalError, match="although it did when the run began"):
        ask(one)
    assert (connection.renewed, requests_mock.call_count) == (1, 2)


def test_without_a_token_to_renew_a_401_in_mid_run_is_tried_once_more(requests_mock: Mocker) -> None:
    connection = Connection()
    connection.renewable = False
    clock = Clock()
    one = welcomed(transport(connection, clock), requests_mock)
    requests_mock.post(URL, [{"status_code": 401}, {"text": GOOD}])
    assert ask(one) == 1
    assert (connection.renewed, clock.waits) == (0, [0.5])


@pytest.mark.parametrize("status", [403, 456])
def test_a_refusal_in_mid_run_is_fatal_at_once(requests_mock: Mocker, status: int) -> None:
    one = welcomed(transport(), requests_mock)
    requests_mock.post(URL, status_code=status)
    with pytest.raises(FatalError):
        ask(one)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("status", [404, 405, 302])
def test_an_address_that_was_right_may_come_back(requests_mock: Mocker, status: int) -> None:
    one = welcomed(transport(), requests_mock)
    requests_mock.post(URL, [{"status_code": status}, {"text": GOOD}])
    assert ask(one) == 1


# --- reaching the server ---------------------------------------------------------------------

REFUSED = requests.ConnectionError(ConnectionRefusedError(111, "refused"))


def test_a_server_that_was_never_reached_ends_the_run_at_once(requests_mock: Mocker) -> None:
    clock = Clock()
    requests_mock.post(URL, exc=REFUSED)
    with pytest.raises(FatalError, match="refuses connections"):
        ask(transport(clock=clock))
    assert (requests_mock.call_count, clock.waits) == (1, [])


def test_a_server_that_is_gone_for_a_while_is_waited_for(requests_mock: Mocker) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, [{"exc": REFUSED}] * 5 + [{"text": GOOD}])
    assert ask(one, Level.ITEMS) == 1
    assert clock.waits == [1, 2, 4, 8, 16]


def test_a_server_that_stays_away_is_no_fault_of_what_was_asked(requests_mock: Mocker) -> None:
    one = welcomed(transport(), requests_mock)
    requests_mock.post(URL, exc=REFUSED)
    with pytest.raises(TransientError, match="tried again in vain") as raised:
        ask(one, Level.ITEMS)
    assert requests_mock.call_count == REACHES
    assert not raised.value.splittable


def test_a_page_that_is_no_exchange_ends_the_run_at_once(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text="<html>Welcome!</html>", headers={"Content-Type": "text/html"})
    with pytest.raises(FatalError, match="does not answer as EWS"):
        ask(transport())
    assert requests_mock.call_count == 1


# --- redirects -------------------------------------------------------------------------------


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


def test_an_error_names_its_action(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorFolderNotFound"))
    with pytest.raises(FolderError) as raised:
        ask(transport(), Level.FOLDER)
    assert raised.value.action is Action.FOLDER_GONE
