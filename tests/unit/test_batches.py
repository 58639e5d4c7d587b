"""A batch of items: each id gets its own answer, or none is believed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tap_exchange.ews import ask, strict
from tap_exchange.ews.batch import CONVERSION_FAILED
from tap_exchange.ews.errors import IncompleteAnswer, ItemsError, MailboxError, TransientError
from tap_exchange.ews.faults import Action, Fault
from tap_exchange.ews.operations import Answer
from tap_exchange.ews.soap import Message
from tests.wire import (
    NAMESPACES,
    SPACED,
    URL,
    Clock,
    IdShape,
    answer,
    failure,
    fault,
    ids_asked,
    item,
    mailbox,
    success,
)

if TYPE_CHECKING:
    import requests
    from requests_mock import Mocker


def records(answers: list[Answer]) -> list[str | None]:
    return [a.code or (a.record or {}).get("item_id") for a in answers]


def test_each_id_gets_its_answer_in_the_order_asked(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL, text=answer("GetItem", item("A"), failure("GetItem", "ErrorItemNotFound"), item("c", "Task"))
    )
    answers = mailbox().get_items(["A", "b", "c"], IdShape())
    assert answers[0] == Answer("A", "Message", {"item_id": "A"})
    assert (answers[1].id, answers[1].code) == ("b", "ErrorItemNotFound")
    assert answers[2] == Answer("c", "Task", {"item_id": "c"})
    assert ids_asked(requests_mock) == ["A", "b", "c"]


def test_ids_keep_their_blanks_their_case_and_their_letters(requests_mock: Mocker) -> None:
    ids = [SPACED, "abc", "ABC", 'x&<>"y', "tab\there", "line\nend"]
    requests_mock.post(URL, text=answer("GetItem", *[item(ask.escape(i)) for i in ids]))
    assert records(mailbox().get_items(ids, IdShape())) == ids
    assert ids_asked(requests_mock) == ids


def test_an_id_asked_twice_is_loaded_once_and_answered_twice(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", item("A"), item("B")))
    assert records(mailbox().get_items(["A", "B", "A"], IdShape())) == ["A", "B", "A"]
    assert ids_asked(requests_mock) == ["A", "B"]


def test_nothing_asked_sends_nothing(requests_mock: Mocker) -> None:
    assert mailbox().get_items([], IdShape()) == []
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("order", list(itertools.permutations("ABC")))
def test_answers_in_another_order_are_matched_by_id(requests_mock: Mocker, order: tuple[str, ...]) -> None:
    requests_mock.post(URL, text=answer("GetItem", *[item(i) for i in order]))
    assert records(mailbox().get_items(["A", "B", "C"], IdShape())) == ["A", "B", "C"]


def test_one_error_among_answers_in_another_order_is_the_one_left_over(requests_mock: Mocker) -> None:
    error = failure("GetItem", "ErrorItemCorrupt")
    requests_mock.post(URL, text=answer("GetItem", item("C"), item("A"), error))
    assert records(mailbox().get_items(["A", "B", "C"], IdShape())) == ["A", "ErrorItemCorrupt", "C"]


NAMELESS = success("GetItem", "<m:Items><t:Task/></m:Items>")


class Subjects(IdShape):
    def convert(self, element: etree._Element) -> dict[str, str | None]:  # type: ignore[override]
        return {"subject": element.findtext("{*}Subject")}


GONE, CORRUPT = failure("GetItem", "ErrorItemNotFound"), failure("GetItem", "ErrorItemCorrupt")
DOUBTFUL = {
    "too few": [item("A"), item("B")],
    "too many": [item("A"), item("B"), item("C"), item("C")],
    "one twice": [item("A"), item("A"), item("C")],
    "a stranger twice": [item("A"), item("X"), item("X")],
    "a stranger in its place": [item("A"), item("X"), CORRUPT],
    "a stranger among the reordered": [item("B"), item("A"), item("X")],
    "two different errors out of order": [item("C"), CORRUPT, GONE],
    "a success without an item": [item("A"), success("GetItem", "<m:Items/>"), item("C")],
    "a success without a container": [item("A"), success("GetItem", ""), item("C")],
    "a success with two items": [
        item("A"),
        item("B").replace("</m:Items>", '<t:Task><t:ItemId Id="D"/></t:Task></m:Items>'),
        item("C"),
    ],
    "an item without an id": [item("A"), NAMELESS, item("C")],
}


@pytest.mark.parametrize("doubt", DOUBTFUL)
def test_answers_that_leave_a_doubt_are_not_believed(requests_mock: Mocker, doubt: str) -> None:
    requests_mock.post(URL, text=answer("GetItem", *DOUBTFUL[doubt]))
    with pytest.raises(IncompleteAnswer):
        mailbox().get_items(["A", "B", "C"], IdShape())
    assert requests_mock.call_count == 2


def test_a_lone_answer_is_believed_without_its_id_and_never_under_another(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", NAMELESS))
    (told,) = mailbox().get_items(["A"], Subjects())
    assert (told.id, told.record) == ("A", {"subject": None})
    requests_mock.post(URL, text=answer("GetItem", item("X")))
    with pytest.raises(IncompleteAnswer):
        mailbox().get_items(["A"], Subjects())


def test_where_answers_never_tell_their_ids_each_item_is_asked_for_alone(requests_mock: Mocker) -> None:
    def nameless(request: requests.PreparedRequest, _: object) -> str:
        ids = [node.get("Id") for node in etree.fromstring(request.body or b"").iter("{*}ItemId")]
        told = [f"<m:Items><t:Task><t:Subject>of {i}</t:Subject></t:Task></m:Items>" for i in reversed(ids)]
        return answer("GetItem", *[success("GetItem", one) for one in told])

    requests_mock.post(URL, text=nameless)
    wire = mailbox()
    for ids in ("ABC", "DEF"):
        assert [a.record for a in wire.get_items(ids, Subjects())] == [{"subject": f"of {i}"} for i in ids]
    asked = [ids_asked(requests_mock, n) for n in range(requests_mock.call_count)]
    assert asked == [["A", "B", "C"], ["A", "B", "C"], ["A"], ["B"], ["C"], ["D"], ["E"], ["F"]]


@pytest.mark.parametrize("told", ["AAMk/+8", "AAMk_-8=", "\n AAMk/+8=  "])
def test_an_id_spelled_in_another_way_is_the_one_asked_for(requests_mock: Mocker, told: str) -> None:
    ids = [" AAMk/+8=", "AAMk/+9=", "aamk/+8="]
    requests_mock.post(URL, text=answer("GetItem", item(ids[2]), item(ids[1]), item(told)))
    assert [(a.id, a.code) for a in mailbox().get_items(ids, IdShape())] == [(i, None) for i in ids]


def test_an_id_spelled_in_another_way_is_not_believed_where_two_were_asked_for(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", item("A"), item("A")))
    with pytest.raises(IncompleteAnswer):
        mailbox().get_items(["A=", "A=="], IdShape())
    requests_mock.post(URL, text=answer("GetItem", item("A="), item("A")))
    with pytest.raises(IncompleteAnswer):
        mailbox().get_items(["A=", "A=="], IdShape())


@given(st.data())
def test_matching_gives_every_id_its_own_answer_or_refuses(data: st.DataObject) -> None:
    """A server may shuffle, drop, repeat and fail as it likes: an id never gets another one's item."""
    ids = [f"I{n}" for n in range(data.draw(st.integers(1, 6)))]
    failed = {i: data.draw(st.sampled_from(["", "", "ErrorItemCorrupt", "ErrorItemNotFound"])) for i in ids}
    sent = data.draw(st.permutations(ids)) if data.draw(st.booleans()) else list(ids)
    if data.draw(st.booleans()):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.sampled_from(ids))
    messages = []
    for i in sent:
        element = etree.fromstring(f"<r {NAMESPACES}>{item(i)}</r>")[0]
        code = failed[i]
        messages.append(Message(element, Fault(code, Action.QUARANTINE) if code else None))
    try:
        found = strict.matched(messages, ids, "Item")
    except IncompleteAnswer:
        return
    assert [match.id for match in found] == ids
    for match in found:
        if match.element is not None:
            assert strict.identity(match.element, f"{strict.TYPES}ItemId")[0] == match.id


def test_a_stopped_batch_is_asked_to_its_end(requests_mock: Mocker) -> None:
    stopped = failure("GetItem", "ErrorBatchProcessingStopped", kind="Warning")
    requests_mock.post(
        URL,
        [
            {"text": answer("GetItem", item("A"), CORRUPT, stopped, stopped)},
            {"text": answer("GetItem", item("C"), stopped)},
            {"text": answer("GetItem", item("D"))},
        ],
    )
    assert records(mailbox().get_items("ABCD", IdShape())) == ["A", "ErrorItemCorrupt", "C", "D"]
    assert [ids_asked(requests_mock, n) for n in range(3)] == [["A", "B", "C", "D"], ["C", "D"], ["D"]]


def test_a_batch_that_always_stops_at_its_first_item_is_given_up(requests_mock: Mocker) -> None:
    stopped = failure("GetItem", "ErrorBatchProcessingStopped")
    requests_mock.post(URL, text=answer("GetItem", stopped, stopped))
    with pytest.raises(ItemsError) as raised:
        mailbox().get_items("AB", IdShape())
    assert requests_mock.call_count == 3
    assert raised.value.splittable


def test_an_item_that_is_busy_is_asked_again_after_the_back_off(requests_mock: Mocker) -> None:
    clock = Clock()
    busy = failure("GetItem", "ErrorServerBusy", text="Suggested backoff time 4000 ms.")
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), busy)}, {"text": answer("GetItem", item("B"))}])
    assert records(mailbox(clock).get_items("AB", IdShape())) == ["A", "B"]
    assert clock.waits == [4.0]
    assert ids_asked(requests_mock) == ["B"]


@pytest.mark.parametrize("code", ["ErrorTimeoutExpired", "ErrorInternalServerTransientError"])
def test_an_item_that_stays_busy_by_itself_becomes_its_code(requests_mock: Mocker, code: str) -> None:
    busy = failure("GetItem", code)
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), busy)}, {"text": answer("GetItem", busy)}])
    assert records(mailbox().get_items("AB", IdShape())) == ["A", code]
    assert requests_mock.call_count == 3


def test_items_of_a_store_that_stays_away_are_never_called_corrupt(requests_mock: Mocker) -> None:
    down = failure("GetItem", "ErrorMailboxMoveInProgress")
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), down)}, {"text": answer("GetItem", down)}])
    with pytest.raises(TransientError, match="ErrorMailboxMoveInProgress"):
        mailbox(max_wait=300).get_items("AB", IdShape())


def test_a_mailbox_that_is_out_is_not_a_batch_of_corrupt_items(requests_mock: Mocker) -> None:
    out = failure("GetItem", "ErrorNonExistentMailbox")
    requests_mock.post(URL, text=answer("GetItem", out, out))
    with pytest.raises(MailboxError):
        mailbox().get_items("AB", IdShape())


@pytest.mark.parametrize("code", ["ErrorNonExistentMailbox", "ErrorMailboxMoveInProgress", "ErrorConnectionFailed"])
def test_under_suspicion_an_item_among_answered_ones_has_its_own_code(requests_mock: Mocker, code: str) -> None:
    bad = failure("GetItem", code)
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), bad)}, {"text": answer("GetItem", bad)}])
    clock = Clock()
    assert records(mailbox(clock, max_wait=300).get_items("AB", IdShape(), suspect=True)) == ["A", code]
    assert requests_mock.call_count <= 4
    assert sum(clock.waits) < 300
    assert records(mailbox(Clock(), max_wait=300).get_items("B", IdShape(), suspect=True)) == [code]


@pytest.mark.parametrize("code", ["ErrorServerBusy", "ErrorExceededConnectionCount"])
def test_an_item_is_never_suspected_for_what_its_account_is_told(requests_mock: Mocker, code: str) -> None:
    busy = failure("GetItem", code)
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), busy)}, {"text": answer("GetItem", busy)}])
    with pytest.raises(TransientError, match=code):
        mailbox(max_wait=300).get_items("AB", IdShape(), suspect=True)


@pytest.mark.parametrize(
    ("code", "error"), [("ErrorNonExistentMailbox", MailboxError), ("ErrorMailboxMoveInProgress", TransientError)]
)
def test_several_items_that_all_say_so_are_believed_even_under_suspicion(
    requests_mock: Mocker, code: str, error: type[Exception]
) -> None:
    out = failure("GetItem", code)
    requests_mock.post(URL, text=answer("GetItem", out, out))
    with pytest.raises(error, match=code):
        mailbox(max_wait=300).get_items("AB", IdShape(), suspect=True)


def test_an_item_that_is_closed_to_us_is_its_own_trouble(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorAccessDenied")))
    assert records(mailbox().get_items("A", IdShape())) == ["ErrorAccessDenied"]


def test_the_servers_words_come_along_for_the_table(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorItemCorrupt", text="It is corrupt.")))
    assert mailbox().get_items("A", IdShape())[0].message == "It is corrupt."


def test_an_item_that_cannot_be_converted_stops_no_other(requests_mock: Mocker) -> None:
    class Fails(IdShape):
        def convert(self, element: etree._Element) -> dict[str, str]:
            if element.tag.endswith("Task"):
                raise ValueError("Dear Bob")
            return super().convert(element)

    requests_mock.post(URL, text=answer("GetItem", item("A", "Task"), item("B")))
    answers = mailbox().get_items("AB", Fails())
    assert records(answers) == [CONVERSION_FAILED, "B"]
    assert "Bob" not in (answers[0].message or "")


def test_a_batch_that_fails_as_a_whole_says_that_less_may_succeed(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorItemCorrupt"), status_code=500)
    with pytest.raises(ItemsError) as raised:
        mailbox().get_items("AB", IdShape())
    assert raised.value.splittable
