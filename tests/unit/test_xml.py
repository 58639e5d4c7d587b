"""The strict reader: what XML forbids is repaired, what is broken is refused, nothing grows out of bounds."""

from __future__ import annotations

import gzip
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tap_exchange.ews import xml
from tap_exchange.ews.errors import IncompleteAnswer, RequestTooBig

GONE = "\N{REPLACEMENT CHARACTER}"


def text(content: str | bytes) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return xml.parse(b"<a>" + raw + b"</a>").text or ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a&#x1;b", f"a{GONE}b"),
        ("&#0;&#x00;&#31;", GONE * 3),
        ("&#xD83D;&#xDE00;", "\N{GRINNING FACE}"),
        ("&#xd83d;&#xde00;", "\N{GRINNING FACE}"),
        ("&#55357;&#56832;", "\N{GRINNING FACE}"),
        ("&#55357;&#xDE00;", "\N{GRINNING FACE}"),
        ("&#x0000D83D;&#x0DE00;", "\N{GRINNING FACE}"),
        ("&#xD83D;", GONE),
        ("&#xDE00;&#xD83D;", GONE * 2),
        ("&#xD83D;&#xD83D;&#xDE00;", f"{GONE}\N{GRINNING FACE}"),
        ("&#xD83D;x&#xDE00;", f"{GONE}x{GONE}"),
        ("&#xD83D;&#xD;&#xDE00;", f"{GONE}\r{GONE}"),
        ("&#xFFFE;&#xFFFF;&#xFFFD;", GONE * 3),
        ("&#x110000;&#99999999999999999999;", GONE * 2),
        ("&#x1;&#xD;&#xA;&#x9;&#x20;", f"{GONE}\r\n\t "),
        ("&#x1;&#x1F600;&#xE9;", f"{GONE}\N{GRINNING FACE}é"),
        ("&amp;#x1;", "&#x1;"),
        ("&amp;#x1;&#x1;", f"&#x1;{GONE}"),
        ("a\x00b\x1fc\x0bd", f"a{GONE}b{GONE}c{GONE}d"),
        ("\ufffe\uffff", GONE * 2),
    ],
)
def test_what_xml_forbids_is_repaired(written: str, read: str) -> None:
    assert text(written) == read


def test_a_reference_in_a_cdata_section_is_text() -> None:
    assert text("<![CDATA[&#x1;]]>&#x1;<![CDATA[&#x2;]]>") == f"&#x1;{GONE}&#x2;"


def test_attributes_are_repaired_too() -> None:
    assert xml.parse(b'<a b="x&#x1;&#xD83D;&#xDE00;"/>').get("b") == f"x{GONE}\N{GRINNING FACE}"


def test_comments_and_instructions_never_split_a_text() -> None:
    element = xml.parse(b"<a>x<!-- c -->y<?p i?>z</a>")
    assert (element.text, len(element)) == ("xyz", 0)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"   ",
        b"no document",
        b"<a>",
        b"<a><b></a></b>",
        b"<a/><b/>",
        b"<a/>rest",
        b"<a>&nbsp;</a>",
        b"<a>&#X1;</a>",
        b"<a>&#;</a>",
        b"<a>\xff\xfe</a>",
        b"<a>\xed\xa0\xbd\xed\xb8\x80</a>",
        b"<a>\xc3</a>",
        b"<a>\xc0\x80</a>",
        b'<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>',
        b'<?xml version="1.0" encoding="shift_jis"?><a>\x83e</a>',
        b'<?xml version="1.0" encoding="windows-1252"?><a>\x81</a>',
        "<a>é</a>".encode("utf-16")[:-1],
        "<a>é</a>".encode("utf-16-le") + b"\x00\xd8",
        b'<a b="1" b="2"/>',
        b"<x:a/>",
    ],
)
def test_what_is_broken_is_refused(broken: bytes) -> None:
    with pytest.raises(IncompleteAnswer):
        xml.parse(broken)


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("<?xml version='1.0'?>", "utf-16-le"),
        ('<?xml version="1.0" encoding="utf-16"?>', "utf-16-be"),
        ('<?xml version="1.0" encoding="utf-16"?>', "utf-8"),
        ('<?xml version="1.0" encoding="us-ascii"?>', "utf-8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "iso-8859-1"),
        ("<?xml version='1.0' encoding = 'windows-1252' standalone='yes'?>", "windows-1252"),
    ],
)
def test_a_document_is_read_in_the_encoding_that_it_shows(declaration: str, encoding: str) -> None:
    assert xml.parse(f"{declaration}<a>Grüße Ã©</a>".encode(encoding)).text == "Grüße Ã©"


def test_blanks_before_the_declaration_do_no_harm() -> None:
    assert xml.parse(b'\r\n <?xml version="1.0"?><a>b</a>').text == "b"


@pytest.mark.parametrize(
    "evil",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <a -->\n<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x"><a/>',
        b' \n\xef\xbb\xbf <!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>',
        b'\n\xef\xbb\xbf<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!-- <!DOCTYPE --><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!--> x --><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<?p <a ?><!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
    ],
)
def test_a_document_type_is_refused_before_it_is_read(evil: bytes) -> None:
    with pytest.raises(IncompleteAnswer, match="document type"):
        xml.parse(evil)


def test_the_words_of_a_document_type_may_stand_in_a_text() -> None:
    assert text("<![CDATA[<!DOCTYPE html>]]>") == "<!DOCTYPE html>"


def test_an_entity_bomb_in_another_encoding_is_not_read_at_all() -> None:
    bomb = b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY b "c"+AD4-]+AD4APA-a/+AD4-'
    with pytest.raises(IncompleteAnswer):
        xml.parse(bomb)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    with pytest.raises(IncompleteAnswer):
        xml.parse(b"<a>" * 200_000 + b"</a>" * 200_000)


def test_a_text_over_ten_megabytes_is_read() -> None:
    body = b"x" * 12_000_000
    assert len(text(body)) == len(body)


def test_a_document_over_the_bound_is_refused() -> None:
    with pytest.raises(RequestTooBig, match="larger than 1 MiB"):
        xml.parse(b"<a>" + b"x" * (1 << 20) + b"</a>", most=1 << 20)


def test_a_swarm_of_elements_or_attributes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "SMALL", 100)
    monkeypatch.setattr(xml, "MOST_ELEMENTS", 1000)
    monkeypatch.setattr(xml, "MOST_ATTRIBUTES", 1000)
    xml.parse(b"<a>" + b"<b/>" * 990 + b"</a>")
    xml.parse(b"<a " + b" ".join(b"b%d=''" % n for n in range(990)) + b"/>")
    for swarm in (b"<a>" + b"<b/>" * 1000 + b"</a>", b"<a " + b" ".join(b"b%d=''" % n for n in range(1001)) + b"/>"):
        with pytest.raises(RequestTooBig, match="too many elements"):
            xml.parse(swarm)


def test_a_good_document_is_parsed_once_and_never_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "repair", None)
    assert text("line&#xD;\nline&#x1F600;") == "line\r\nline\N{GRINNING FACE}"


def test_repairing_takes_a_time_that_grows_with_the_size_alone() -> None:
    # Were it otherwise, this would take hours.
    xml.parse(b"<a>" + b"&#xD83D;&#xDE00;&#xD;\n" * 50_000 + b"</a>")
    with pytest.raises(IncompleteAnswer):
        xml.parse(b"<a>" + b"&#" * 240_000 + b"&#x1" * 240_000 + b"</a>")


# What a server writes: any code point as a reference, in any of the ways to write one.
points = st.one_of(
    st.integers(0, 0x20),
    st.integers(0xD7F0, 0xE010),
    st.integers(0xFFF0, 0x10010),
    st.integers(0x10FFF0, 0x110010),
    st.integers(0, 0x110000),
)
forms = st.sampled_from(["&#x{:X};", "&#x{:x};", "&#x000{:X};", "&#{:d};", "&#0{:d};"])
pieces = st.lists(
    st.one_of(
        st.tuples(points, forms),
        st.text(st.characters(codec="utf-8", exclude_characters="<&>"), max_size=5),
    ),
    max_size=30,
)


def allowed(point: int) -> bool:
    return re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", chr(point)) is not None


def meant(parts: list[tuple[int, str] | str]) -> str:
    """What the pieces mean: UTF-16 where surrogates pair, else the character, else U+FFFD."""
    read = ""
    position = 0
    while position < len(parts):
        part = parts[position]
        if isinstance(part, str):
            # Raw line ends are normalized by XML.
            read += "".join(c if allowed(ord(c)) else GONE for c in part)
        else:
            point, following = part[0], parts[position + 1] if position + 1 < len(parts) else ""
            if isinstance(following, tuple) and point >> 10 == 0x36 and following[0] >> 10 == 0x37:
                read += (point.to_bytes(2, "big") + following[0].to_bytes(2, "big")).decode("utf-16-be")
                position += 1
            else:
                read += chr(point) if point < 0x110000 and allowed(point) else GONE
        position += 1
    return read


@settings(max_examples=400)
@given(pieces)
def test_any_mixture_of_references_and_text_reads_as_it_was_meant(parts: list[tuple[int, str] | str]) -> None:
    parts = [p.replace("\r", "") if isinstance(p, str) else p for p in parts]
    parts = [p for p in parts if p]  # nothing parts no pair
    written = "".join(p if isinstance(p, str) else p[1].format(p[0]) for p in parts)
    read = text(written)
    assert read == meant(parts)
    etree.Element("a").text = read  # lxml takes only what XML allows


@settings(max_examples=400)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_no_bytes_crash_the_reader(noise: bytes, start: int, end: int) -> None:
    good = gzip.compress(b"").hex().encode().join([b"<s><t a='1'>&#xD83D;&#xDE00;</t>", b"<u>&amp;</u></s>"])
    for document in (noise, good[:start] + noise + good[end:], b"<a>" + noise + b"</a>"):
        with suppress(IncompleteAnswer, RequestTooBig):
            xml.parse(document)


@given(st.integers(0, 300))
def test_a_cut_document_is_never_believed(where: int) -> None:
    whole = b"<m:Sync xmlns:m='m'><m:SyncState>H4sI&#x1;</m:SyncState><m:Changes><m:Create/></m:Changes></m:Sync>"
    if where < len(whole):
        with pytest.raises(IncompleteAnswer):
            xml.parse(whole[:where])
