"""The master of an occurrence: asked for by the occurrence's id, believed by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews.errors import IncompleteAnswer, TransientError
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.series import masters
from tests.elements import element, message_schema, needs_xsd
from tests.wire import ANNA, URL, answer, failure, success, transport

if TYPE_CHECKING:
    from requests_mock import Mocker

GONE = failure("GetItem", "ErrorCalendarOccurrenceIsDeletedFromRecurrence", "<m:Items/>")


def master(item_id: str) -> str:
    return success(
        "GetItem", f'<m:Items><t:CalendarItem><t:ItemId Id="{item_id}" ChangeKey="C"/></t:CalendarItem></m:Items>'
    )


def mailbox() -> Mailbox:
    return Mailbox(transport(), ANNA)


def question(mock: Mocker, number: int = -1) -> str:
    return str(mock.request_history[number].text)


def test_several_occurrences_may_have_one_master(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", master("M"), GONE, master("M")))
    assert masters(mailbox(), ["A", "B&", "A", "C"]) == {"A": "M", "C": "M"}
    assert question(requests_mock).count("<t:RecurringMasterItemId ") == 3
    assert '<t:RecurringMasterItemId OccurrenceId="B&amp;"/>' in question(requests_mock)


def test_what_was_not_processed_is_asked_again(requests_mock: Mocker) -> None:
    stopped = failure("GetItem", "ErrorBatchProcessingStopped", "<m:Items/>")
    requests_mock.post(
        URL, [{"text": answer("GetItem", master("M"), stopped)}, {"text": answer("GetItem", master("N"))}]
    )
    assert masters(mailbox(), ["A", "B"]) == {"A": "M", "B": "N"}
    assert 'OccurrenceId="A"' not in question(requests_mock)


def test_what_stays_busy_is_the_servers_trouble(requests_mock: Mocker) -> None:
    busy = failure("GetItem", "ErrorMailboxStoreUnavailable", "<m:Items/>")
    requests_mock.post(URL, text=answer("GetItem", master("M"), busy))
    requests_mock.post(URL, [{"text": answer("GetItem", master("M"), busy)}, {"text": answer("GetItem", busy)}])
    with pytest.raises(TransientError):
        masters(mailbox(), ["A", "B"])


def test_an_occurrence_that_is_answered_with_itself_tells_nothing(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", master("A")))
    assert masters(mailbox(), ["A"]) == {"A": None}


@pytest.mark.parametrize("messages", [[], [master("M"), master("M")], [success("GetItem", "<m:Items/>")]])
def test_an_answer_to_something_else_is_not_believed(requests_mock: Mocker, messages: list[str]) -> None:
    requests_mock.post(URL, text=answer("GetItem", *messages))
    with pytest.raises(IncompleteAnswer):
        masters(mailbox(), ["A"])


@needs_xsd
def test_the_question_is_valid(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", master("M")))
    masters(mailbox(), ["AAMk="])
    body = question(requests_mock)
    asked = body[body.index("<m:GetItem") : body.index("</m:GetItem>") + len("</m:GetItem>")]
    message_schema().assertValid(element(asked))
