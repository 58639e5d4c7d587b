"""What no patience mends: refused questions and refused sign-ins end at once, each in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews.errors import FatalError, FolderError, ItemsError, Level, MailboxError, RequestTooBig
from tap_exchange.ews.faults import Action
from tests.conversation import GOOD, ask, count, welcomed
from tests.wire import ANNA, URL, Clock, Connection, answer, failure, fault, transport

if TYPE_CHECKING:
    from requests_mock import Mocker


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


def test_an_error_names_its_action(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorFolderNotFound"))
    with pytest.raises(FolderError) as raised:
        ask(transport(), Level.FOLDER)
    assert raised.value.action is Action.FOLDER_GONE


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


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("NTLM, Negotiate", "; the server offers NTLM, Negotiate$"),
        ('Negotiate, NTLM, Basic realm="Digest, of mail"', "; the server offers Negotiate, NTLM, Basic$"),
        ('Bearer client_id="1", token_types="app", Basic realm=""', "; the server offers Bearer, Basic$"),
        ("Mutual x", "this application$|5555$"),
    ],
)
def test_a_refused_sign_in_tells_what_the_server_offers(requests_mock: Mocker, header: str, words: str) -> None:
    requests_mock.post(URL, status_code=401, headers={"WWW-Authenticate": header})
    with pytest.raises(FatalError, match=words):
        ask(transport())


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


@pytest.mark.parametrize("status", [401, 440, 456])
def test_once_a_sign_in_is_lost_nothing_is_asked_again(requests_mock: Mocker, status: int) -> None:
    requests_mock.post(URL, [{"text": GOOD}, {"status_code": status}])
    one = transport()
    ask(one)
    with pytest.raises(FatalError, match=str(status)) as lost:
        ask(one)
    sent = requests_mock.call_count
    with pytest.raises(FatalError) as again:
        ask(one)
    assert again.value is lost.value
    assert requests_mock.call_count == sent
