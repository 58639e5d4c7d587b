"""The conversation in trouble: what is outlasted, for how long, and what it is called when it never ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from tap_exchange.ews import xml
from tap_exchange.ews.errors import (
    ExchangeError,
    FatalError,
    FolderError,
    IncompleteAnswer,
    ItemsError,
    Level,
    RequestTooBig,
    TransientError,
)
from tap_exchange.ews.patience import REACHES
from tests.conversation import BODY, GOOD, ask, welcomed
from tests.wire import ANNA, URL, Clock, answer, failure, fault, item, success, transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxml.etree import _Element
    from requests_mock import Mocker

    from tap_exchange.ews.soap import Message


# --- throttling -------------------------------------------------------------------------------

HINT = '<t:Value Name="BackOffMilliseconds">7000</t:Value>'
BUSY_ANSWERS = {
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


@pytest.mark.parametrize("shape", BUSY_ANSWERS)
@pytest.mark.parametrize("each", [False, True])
def test_throttling_waits_as_long_as_the_server_says(requests_mock: Mocker, shape: str, *, each: bool) -> None:
    clock = Clock()
    one = welcomed(transport(clock=clock), requests_mock)
    requests_mock.post(URL, [BUSY_ANSWERS[shape], {"text": GOOD}])
    assert ask(one, each=each) == 1
    assert clock.waits == [7.0]
    assert requests_mock.call_count == 2
    assert one.pace.limit == 2
    assert one.pace.throttled_seconds == 7.0


@pytest.mark.parametrize("shape", BUSY_ANSWERS)
def test_a_back_off_is_known_before_another_request_takes_the_place(requests_mock: Mocker, shape: str) -> None:
    clock = Clock()
    one = transport(clock=clock)
    held: list[float] = []
    leave = one._place

    @contextmanager
    def watched() -> Iterator[None]:
        try:
            with leave():
                yield
        finally:
            held.append(max(0.0, one.pace._until - clock.now))

    one._place = watched
    requests_mock.post(URL, [BUSY_ANSWERS[shape], {"text": GOOD}])
    ask(one)
    assert held == [7.0, 0.0]


def test_an_answer_without_errors_gives_its_place_back_before_it_is_read(
    requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = transport(clock=Clock())
    under_way: list[int] = []
    parse = xml.parse

    def watched(document: bytes) -> _Element:
        under_way.append(one.pace._under_way)
        return parse(document)

    monkeypatch.setattr(xml, "parse", watched)
    busy = failure("GetItem", "ErrorServerBusy", f"<m:MessageXml>{HINT}</m:MessageXml>")
    loaded = item("A")
    texts = {
        answer("GetItem", loaded, loaded): 0,
        answer("GetItem", loaded, loaded).replace('"', "'"): 0,
        answer("GetItem", loaded, busy): 1,
        answer("GetItem", loaded, busy).replace('"', "'"): 1,
    }
    requests_mock.post(URL, [{"text": text} for text in texts])
    for _ in texts:
        one.call("GetItem", BODY, mailbox=ANNA, read=len, each=True)
    assert under_way == list(texts.values())


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

SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
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


PAGE = "<html>Welcome!</html>"
PAGES = {
    "a page": {"text": PAGE, "headers": {"Content-Type": "text/html"}},
    "a page without a type": {"text": PAGE},
    "a page that is no XML": {"text": "\n<!DOCTYPE html><html><br>Welcome!</html>"},
    "SOAP 1.2": {"text": GOOD.replace("http://schemas.xmlsoap.org/soap/envelope/", SOAP_12)},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_no_exchange_ends_the_run_at_once(requests_mock: Mocker, page: str) -> None:
    requests_mock.post(URL, **PAGES[page])
    with pytest.raises(FatalError, match="does not answer as EWS"):
        ask(transport())
    assert requests_mock.call_count == 1
