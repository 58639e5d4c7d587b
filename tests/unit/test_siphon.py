"""The streaming reader: contents flow past, the rest is a tree, and nothing half is believed."""

from __future__ import annotations

import hashlib
import tracemalloc
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_exchange.ews import siphon
from tap_exchange.ews.errors import IncompleteAnswer, ItemsError, RequestTooBig
from tap_exchange.ews.faults import TYPES
from tap_exchange.ews.operations import Mailbox
from tap_exchange.ews.siphon import Base64, Siphon
from tests.wire import ANNA, URL, answer, failure, success, transport

if TYPE_CHECKING:
    from requests_mock import Mocker

    from tap_exchange.ews.answers import Answer, AttachmentKind


class Taken(bytearray):
    """A sink that keeps what it is given."""

    def write(self, piece: bytes) -> None:
        self.extend(piece)


def file(attachment_id: str, content: str | None, name: str = "a.txt") -> str:
    inside = "" if content is None else f"<t:Content>{content}</t:Content>"
    return success(
        "GetAttachment",
        f'<m:Attachments><t:FileAttachment><t:AttachmentId Id="{attachment_id}"/><t:Name>{name}</t:Name>{inside}'
        "</t:FileAttachment></m:Attachments>",
    )


def attached(attachment_id: str, mime: bytes | None, more: str = "") -> str:
    inside = "" if mime is None else f'<t:MimeContent CharacterSet="UTF-8">{b64encode(mime).decode()}</t:MimeContent>'
    return success(
        "GetAttachment",
        f'<m:Attachments><t:ItemAttachment><t:AttachmentId Id="{attachment_id}"/><t:Message>{inside}'
        f"<t:ItemClass>IPM.Note</t:ItemClass><t:Subject>Inner</t:Subject>{more}</t:Message></t:ItemAttachment>"
        "</m:Attachments>",
    )


def read(document: bytes, size: int = 7) -> tuple[Siphon, dict[int, Taken]]:
    sinks: dict[int, Taken] = {}

    def open_sink(number: int) -> Taken:
        return sinks.setdefault(number, Taken())

    reading = Siphon(open_sink)
    for start in range(0, len(document), size):
        reading.feed(document[start : start + size])
    return reading, sinks


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_contents_arrive_in_whatever_encoding_the_answer_shows(encoding: str, size: int) -> None:
    document = answer("GetAttachment", attached("A", b"content")).replace("Inner", "Für Zoë")
    document = document.replace('"utf-8"', f'"{encoding.removesuffix("-sig")}"')
    reading, sinks = read(document.encode(encoding), size)
    root = reading.close()
    assert sinks[0] == b"content"
    assert root.findtext(f".//{TYPES}Subject") == "Für Zoë"


def test_an_answer_cut_within_a_character_is_refused() -> None:
    reading, _ = read(answer("GetAttachment", file("A", "AAAA")).encode("utf-16")[:-1])
    with pytest.raises(IncompleteAnswer):
        reading.close()


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 300))
def test_contents_arrive_whole_however_the_answer_is_cut_into_pieces(contents: list[bytes], size: int) -> None:
    messages = [file(f"A{n}", b64encode(content).decode()) for n, content in enumerate(contents)]
    reading, sinks = read(answer("GetAttachment", *messages).encode(), size)
    root = reading.close()
    assert [bytes(sinks[n]) for n in range(len(contents))] == contents
    assert [node.get("Id") for node in root.iter(f"{TYPES}AttachmentId")] == [f"A{n}" for n in range(len(contents))]
    assert not any(node.text for node in root.iter(f"{TYPES}Content"))


@given(st.binary(max_size=100), st.integers(1, 20), st.sampled_from(["\n", "\r\n", " ", ""]))
def test_base64_in_lines_is_decoded(content: bytes, width: int, between: str) -> None:
    text = b64encode(content).decode()
    lines = between.join(text[start : start + width] for start in range(0, len(text), width))
    sink = Taken()
    decoder = Base64(sink)
    for start in range(0, len(lines), 5):
        decoder.feed(lines[start : start + 5])
    decoder.close()
    assert bytes(sink) == content


@pytest.mark.parametrize("text", ["QUJ", "QUJD=", "QQ==QQ==", "Q===", "QU-_", "QUJDé", "====", "QUI=QUJD"])
def test_what_is_not_base64_is_not_believed(text: str) -> None:
    with pytest.raises(IncompleteAnswer, match="not base64"):
        read(answer("GetAttachment", file("A", text)).encode())


@given(st.integers(1, 400))
def test_forbidden_references_are_repaired_wherever_a_piece_ends(size: int) -> None:
    name = "a&#x1;b&#xD83D;&#xDE00;c&amp;&#55357;&#56832;&#xD83D;&#x1F600;d&#xFFFE;"
    reading, sinks = read(answer("GetAttachment", file("A", "QUJD", name)).encode(), size)
    assert reading.close().findtext(f".//{TYPES}Name") == "a\ufffdb\U0001f600c&\U0001f600\ufffd\U0001f600d\ufffd"
    assert bytes(sinks[0]) == b"ABC"


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_raw_characters_that_xml_forbids_are_repaired(size: int) -> None:
    reading, _ = read(answer("GetAttachment", file("A", "QUJD", "a\x01b\ufffec")).encode(), size)
    assert reading.close().findtext(f".//{TYPES}Name") == "a\ufffdb\ufffdc"


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_a_cut_answer_is_never_complete(place: int) -> None:
    document = answer("GetAttachment", file("A", b64encode(b"content" * 40).decode())).encode()
    with pytest.raises(IncompleteAnswer):
        read(document[: place % len(document)])[0].close()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        answer("GetAttachment", file("A", "<t:Evil>QUJD</t:Evil>")).encode(),
        answer("GetAttachment", file("A", "QUJD", "\xe9")).encode("latin-1"),
        answer("GetAttachment", file("A", "QUJD")).encode() + b"<more/>",
    ],
)
def test_what_is_not_one_well_formed_document_is_not_believed(document: bytes) -> None:
    with pytest.raises(IncompleteAnswer):
        read(document)[0].close()


def test_what_comes_besides_contents_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siphon, "MOST_KEPT", 100_000)
    monkeypatch.setattr(siphon, "MOST_ELEMENTS", 1000)
    with pytest.raises(RequestTooBig):
        read(answer("GetAttachment", file("A", "QUJD", "x" * 100_000)).encode(), 65536)
    with pytest.raises(RequestTooBig):
        read(answer("GetAttachment", "<m:A/>" * 1000).encode(), 65536)
    read(answer("GetAttachment", file("A", b64encode(b"x" * 200_000).decode())).encode(), 65536)[0].close()


@pytest.mark.parametrize("endless", ['<t:A b="', "<t:A", "<!--", "<?a "])
def test_a_tag_without_an_end_is_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch, endless: str) -> None:
    monkeypatch.setattr(siphon, "LONGEST_TAG", 100_000)
    whole = answer("GetAttachment", file("A", "QUJD", f"{endless}{'x' * 200_000}")).encode()
    with pytest.raises(RequestTooBig):
        read(whole, 8192)


def test_of_an_attached_item_only_class_and_subject_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siphon, "MOST_KEPT", 100_000)
    more = f"<t:Body>{'x' * 200_000}</t:Body><t:Extra><t:ItemClass>No</t:ItemClass></t:Extra>"
    reading, sinks = read(answer("GetAttachment", attached("A", b"MIME", more)).encode(), 65536)
    root = reading.close()
    assert bytes(sinks[0]) == b"MIME"
    assert [node.text for node in root.iter(f"{TYPES}ItemClass")] == ["IPM.Note"]
    assert root.find(f".//{TYPES}Body") is None


def test_a_large_content_never_stands_in_memory() -> None:
    content = bytes(range(256)) * 4096
    text = b64encode(content * 16)
    parts = answer("GetAttachment", file("A", "@")).encode().split(b"@")
    document = [parts[0], *(text[start : start + 65536] for start in range(0, len(text), 65536)), parts[1]]
    digest = hashlib.sha256()

    class Hash:
        def write(self, piece: bytes) -> None:
            digest.update(piece)

    tracemalloc.start()
    reading = Siphon(lambda _: Hash())
    for piece in document:
        reading.feed(piece)
    reading.close()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert digest.hexdigest() == hashlib.sha256(content * 16).hexdigest()
    assert most < 2_000_000


# The operation


def ask(
    mock: Mocker, *answers: str, ids: tuple[str, ...] = ("A", "B"), kind: AttachmentKind = "file"
) -> tuple[list[Answer], dict[str, list[Taken]]]:
    mock.post(URL, [{"text": text} for text in answers])
    sinks: dict[str, list[Taken]] = {}

    def open_sink(attachment_id: str) -> Taken:
        sinks.setdefault(attachment_id, []).append(Taken())
        return sinks[attachment_id][-1]

    return Mailbox(transport(), ANNA).get_attachments(ids, open_sink, kind=kind), sinks


def test_each_attachment_has_its_answer(requests_mock: Mocker) -> None:
    bad = failure("GetAttachment", "ErrorCannotOpenFileAttachment", "<m:Attachments/>", text="No.")
    answers, sinks = ask(requests_mock, answer("GetAttachment", bad, file("B", "QUJD")))
    assert [(one.id, one.code) for one in answers] == [("A", "ErrorCannotOpenFileAttachment"), ("B", None)]
    assert answers[1].record == {"has_content": True, "item_class": None, "item_subject": None}
    assert {key: [bytes(one) for one in taken] for key, taken in sinks.items()} == {"B": [b"ABC"]}
    assert "AttachmentShape" not in requests_mock.last_request.text


def test_a_content_that_is_left_out_is_told(requests_mock: Mocker) -> None:
    answers, sinks = ask(requests_mock, answer("GetAttachment", file("A", None), file("B", "")))
    assert [one.record["has_content"] for one in answers if one.record] == [False, True]
    assert [bytes(one) for one in sinks["B"]] == [b""]


def test_an_attached_item_has_class_and_subject(requests_mock: Mocker) -> None:
    answers, sinks = ask(requests_mock, answer("GetAttachment", attached("A", b"MIME")), ids=("A",), kind="item")
    assert answers[0].record == {"has_content": True, "item_class": "IPM.Note", "item_subject": "Inner"}
    assert bytes(sinks["A"][0]) == b"MIME"
    assert "<t:IncludeMimeContent>true</t:IncludeMimeContent>" in requests_mock.last_request.text


def test_a_broken_answer_is_asked_again_with_new_sinks(requests_mock: Mocker) -> None:
    good = answer("GetAttachment", file("A", "QUJD"), file("B", "QUJD"))
    answers, sinks = ask(requests_mock, good[:-30], good)
    assert [one.code for one in answers] == [None, None]
    assert [len(taken) for taken in sinks.values()] == [2, 2]
    assert bytes(sinks["A"][-1]) == b"ABC"


def test_only_what_was_busy_is_asked_again(requests_mock: Mocker) -> None:
    busy = failure("GetAttachment", "ErrorTimeoutExpired", "<m:Attachments/>")
    answers, sinks = ask(
        requests_mock,
        answer("GetAttachment", file("A", "QUJD"), busy),
        answer("GetAttachment", file("B", "REVG")),
    )
    assert [one.code for one in answers] == [None, None]
    assert {key: [bytes(one) for one in taken] for key, taken in sinks.items()} == {"A": [b"ABC"], "B": [b"DEF"]}


@pytest.mark.parametrize(
    "messages",
    [
        [file("A", "QUJD")],
        [file("A", "QUJD"), file("B", "QUJD"), file("C", "QUJD")],
        [file("B", "QUJD"), file("A", "QUJD")],
        [success("GetAttachment", "<m:Attachments/>"), file("B", "QUJD")],
    ],
)
def test_answers_to_something_else_are_not_believed(requests_mock: Mocker, messages: list[str]) -> None:
    with pytest.raises(IncompleteAnswer):
        ask(requests_mock, answer("GetAttachment", *messages))


def test_a_request_that_fails_as_a_whole_can_be_split(requests_mock: Mocker) -> None:
    requests_mock.post(URL, status_code=500, text="no")
    with pytest.raises(ItemsError) as caught:
        Mailbox(transport(), ANNA).get_attachments(["A"], lambda _: Taken())
    assert caught.value.splittable
