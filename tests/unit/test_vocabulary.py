"""What a server cannot be asked for is found by trying, left out, and told; all else is read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.ews.errors import ExchangeError, ItemsError, TransientError
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.shapes import ContentSettings, Shape, folder_shape, shape
from tap_exchange.ews.vocabulary import Vocabulary
from tests.wire import ANNA, URL, answer, failure, fault, item, success, transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_mock import Mocker

MESSAGES = shape("messages", settings=ContentSettings())
FOLDERS = folder_shape()


def lacking(*words: str) -> tuple[Callable[[Shape], bool], list[str]]:
    asked: list[str] = []

    def accepts(tried: Shape) -> bool:
        asked.append(tried.xml)
        return not any(word in tried.xml for word in words)

    return accepts, asked


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        (["item:Size"], {"size"}),
        (["item:Culture", "message:Sender"], {"culture", "sender"}),
        (["item:Body"], {"body", "body_type", "body_truncated"}),
    ],
)
def test_what_is_refused_is_found_and_nothing_else(words: list[str], columns: set[str]) -> None:
    vocabulary = Vocabulary()
    accepts, asked = lacking(*[f'"{word}"' for word in words])
    assert vocabulary.known(MESSAGES) is MESSAGES
    assert vocabulary.learn(MESSAGES, accepts)
    known = vocabulary.known(MESSAGES)
    assert set(known.missing) - set(MESSAGES.missing) == columns
    assert known.columns == MESSAGES.columns
    assert len(asked) < 12 * len(words) + 4
    assert vocabulary.known(FOLDERS) is FOLDERS


def test_what_is_refused_for_one_stream_is_tried_first_for_another_and_not_taken_for_granted() -> None:
    vocabulary = Vocabulary()
    vocabulary.learn(MESSAGES, lacking('"item:Size"', '"item:Culture"')[0])
    for stream, words, columns in (("tasks", ["item:Size"], {"size"}), ("posts", ["item:Body"], {"body"})):
        other = shape(stream, settings=ContentSettings())
        accepts, asked = lacking(*[f'"{word}"' for word in words])
        assert vocabulary.learn(other, accepts)
        missing = set(vocabulary.known(other).missing) - set(other.missing)
        assert {name for name in missing if not name.startswith("body_")} == columns
        assert len(asked) < (7 if stream == "tasks" else 17)


def test_a_request_that_is_refused_whatever_it_asks_for_teaches_nothing() -> None:
    vocabulary = Vocabulary()
    accepts, asked = lacking("IdOnly")
    assert not vocabulary.learn(MESSAGES, accepts)
    assert len(asked) == 1
    assert vocabulary.known(MESSAGES) is MESSAGES


def test_a_request_that_is_accepted_by_now_teaches_nothing() -> None:
    vocabulary = Vocabulary()
    assert not vocabulary.learn(MESSAGES, lambda _: True)
    assert vocabulary.known(MESSAGES) is MESSAGES


def test_what_another_thread_found_is_not_looked_for_again() -> None:
    vocabulary = Vocabulary()
    vocabulary.learn(MESSAGES, lacking('"item:Size"')[0])
    accepts, asked = lacking('"item:Size"')
    assert vocabulary.learn(MESSAGES, accepts)
    assert asked == []


def test_trouble_on_the_way_is_not_taken_for_a_refusal() -> None:
    def accepts(_: Shape) -> bool:
        raise TransientError("busy", code="ErrorServerBusy")

    with pytest.raises(ExchangeError):
        Vocabulary().learn(MESSAGES, accepts)


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, fault("ErrorSchemaValidation")), (500, fault("ErrorInvalidRequest")), (400, "Bad Request")],
)
def test_items_come_without_a_property_that_the_server_lacks(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture, status: int, text: str
) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "item:Size" in request.text:
            context.status_code = status
            return text
        return answer("GetItem", *[item(one) for one in "AB" if f'"{one}"' in request.text])

    requests_mock.post(URL, text=respond)
    mailbox = Mailbox(transport(), ANNA)
    found = mailbox.get_items(["A", "B"], MESSAGES)
    assert [one.id for one in found if one.record] == ["A", "B"]
    assert "columns of messages, which stay empty: size" in caplog.text
    before = requests_mock.call_count
    mailbox.get_items(["A", "B"], MESSAGES)
    assert requests_mock.call_count == before + 1


def test_items_whose_request_is_refused_in_any_shape_raise_what_was_said(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorInvalidRequest"), status_code=500)
    with pytest.raises(ItemsError, match="report this as a defect"):
        Mailbox(transport(), ANNA).get_items(["A"], MESSAGES)
    assert requests_mock.call_count == 2


OF_PROPERTIES = (
    "ErrorInvalidArgument",
    "ErrorInvalidExtendedProperty",
    "ErrorInternalServerError",
    "ErrorInvalidPropertyForOperation",
    "ErrorPropertyNotSupported",
    "ErrorUnsupportedPathForQuery",
    "ErrorUnsupportedPropertyDefinition",
)
WAYS = (
    "",
    "ErrorInvalidPropertyRequest",
    "ErrorSchemaValidation",
    "message",
    *OF_PROPERTIES,
    *[f"message {code}" for code in OF_PROPERTIES],
)


class Strict:
    """A server that fails, in one of several ways, when some items are asked for a property."""

    def __init__(self, requests_mock: Mocker, word: str, of: str, way: str) -> None:
        self.word, self.of, self.way = word, of, way
        requests_mock.post(URL, text=self.respond)

    def respond(self, request: Any, context: Any) -> str:  # noqa: ANN401
        asked = [one for one in "ABCD" if f'"{one}"' in request.text]
        bad = [one for one in asked if one in self.of and self.word in request.text]
        if bad and self.way.startswith("message"):
            code = self.way.partition(" ")[2] or "ErrorInvalidPropertyRequest"
            messages = [failure("GetItem", code) if one in bad else item(one) for one in asked]
            return answer("GetItem", *messages)
        if bad:
            context.status_code = 500
            return fault(self.way)
        return answer("GetItem", *map(item, asked))


@pytest.mark.parametrize("way", WAYS)
def test_a_property_that_fails_for_all_of_several_items_is_one_that_the_server_lacks(
    requests_mock: Mocker, way: str
) -> None:
    Strict(requests_mock, "item:Size", "ABCD", way)
    mailbox = Mailbox(transport(), ANNA)
    found = mailbox.get_items(["A", "B", "C", "D"], MESSAGES)
    assert [one.id for one in found if one.record] == ["A", "B", "C", "D"]
    before = requests_mock.call_count
    mailbox.get_items(["A"], MESSAGES)
    assert requests_mock.call_count == before + 1


@pytest.mark.parametrize("way", WAYS)
def test_a_property_that_fails_for_some_items_is_asked_of_the_others(requests_mock: Mocker, way: str) -> None:
    Strict(requests_mock, "item:Size", "AB", way)
    mailbox = Mailbox(transport(), ANNA)
    with suppress(ItemsError):
        mailbox.get_items(["A", "B", "C"], MESSAGES)
    (found,) = mailbox.get_items(["C"], MESSAGES)
    assert found.record is not None
    assert "item:Size" in requests_mock.last_request.text


@pytest.mark.parametrize("way", WAYS)
def test_what_the_server_gave_before_is_nothing_that_it_lacks(requests_mock: Mocker, way: str) -> None:
    Strict(requests_mock, "item:Size", "ABC", way)
    mailbox = Mailbox(transport(), ANNA)
    mailbox.get_items(["D"], MESSAGES)
    before = requests_mock.call_count
    with suppress(ItemsError):
        mailbox.get_items(["A", "B", "C"], MESSAGES, tries=1)
    assert requests_mock.call_count == before + 1


@pytest.mark.parametrize("code", ["ErrorSchemaValidation", "ErrorInvalidPropertyRequest", ""])
def test_folders_come_without_a_property_that_the_server_lacks(requests_mock: Mocker, code: str) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "folder:DistinguishedFolderId" in request.text:
            context.status_code = 500
            return fault(code)
        return answer(
            "GetFolder", success("GetFolder", '<m:Folders><t:Folder><t:FolderId Id="F"/></t:Folder></m:Folders>')
        )

    requests_mock.post(URL, text=respond)
    (found,) = Mailbox(transport(), ANNA).get_folders(["F"], FOLDERS)
    assert found.record is not None


@pytest.mark.parametrize("way", ["message ErrorItemPropertyRequestFailed", "message ErrorContentConversionFailed"])
def test_what_tells_of_damage_is_never_taken_for_a_property_that_the_server_lacks(
    requests_mock: Mocker, way: str
) -> None:
    Strict(requests_mock, "item:Size", "ABC", way)
    mailbox = Mailbox(transport(), ANNA)
    assert {one.code for one in mailbox.get_items(["A", "B", "C"], MESSAGES)} == {way.partition(" ")[2]}
    mailbox.get_items(["D"], MESSAGES)
    assert "item:Size" in requests_mock.last_request.text


@pytest.mark.parametrize("way", ["ErrorInternalServerError", "message ErrorInternalServerError"])
def test_two_items_that_fail_without_a_word_take_no_property_from_others(requests_mock: Mocker, way: str) -> None:
    Strict(requests_mock, "item:Size", "AB", way)
    mailbox = Mailbox(transport(), ANNA)
    with suppress(ItemsError):
        mailbox.get_items(["A", "B"], MESSAGES)
    mailbox.get_items(["D"], MESSAGES)
    assert "item:Size" in requests_mock.last_request.text


def test_a_server_that_breaks_while_it_is_tried_teaches_nothing() -> None:
    asked: list[str] = []

    def accepts(tried: Shape) -> bool:
        asked.append(tried.xml)
        return len(asked) == 1

    vocabulary = Vocabulary()
    assert not vocabulary.learn(MESSAGES, accepts)
    assert vocabulary.known(MESSAGES) is MESSAGES


@pytest.mark.parametrize("way", ["message ErrorInvalidPropertyForOperation", "message ErrorInternalServerError"])
def test_one_item_alone_speaks_against_what_was_refused_for_another_stream_and_no_more(
    requests_mock: Mocker, way: str
) -> None:
    Strict(requests_mock, "item:Size", "ABCD", way)
    mailbox = Mailbox(transport(), ANNA)
    tasks, posts = (shape(stream, settings=ContentSettings()) for stream in ("tasks", "posts"))
    (found,) = mailbox.get_items(["D"], tasks)
    assert found.record is None
    mailbox.get_items(["A", "B", "C"], MESSAGES)
    (found,) = mailbox.get_items(["D"], tasks)
    assert found.record is not None
    Strict(requests_mock, "item:Subject", "D", way)
    before = requests_mock.call_count
    (found,) = mailbox.get_items(["D"], posts)
    assert found.record is None
    assert requests_mock.call_count < before + 5
