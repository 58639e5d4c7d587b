"""The strict reader: the complete bytes of an answer become a tree, or nothing is believed.

Exchange writes character references that XML 1.0 forbids: `&#x1;` for a control character of a
mail, `&#xD83D;&#xDE00;` for one emoji. Those are repaired, and only those: a pair of surrogates
becomes its character; what stands for no character becomes U+FFFD, as raw control characters do, so
that a person sees that something stood there. Blanks before the XML declaration are left out. Broken
UTF-8, a cut or malformed document, a document type and whatever grows out of bounds are refused.

The repair runs when the strict parser has refused a document, so a good one costs nothing extra.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from lxml import etree

from .encodings import BEGINNING, foreign_encoding
from .errors import IncompleteAnswer, RequestTooBig

if TYPE_CHECKING:
    from lxml.etree import _Element

# 150 MB is the largest mail that Exchange Online takes, 200 MB in base64.
MOST_BYTES = 256 * 1024 * 1024
# An empty element takes 4 bytes here and over 100 in the tree; an attribute 6 and 200.
MOST_ELEMENTS = 4_000_000
MOST_ATTRIBUTES = 8_000_000
# One that may need repair takes 5 bytes here, and some 250 while it is being repaired.
MOST_REFERENCES = 500_000
# Below this size no tree can grow large.
SMALL = 1024 * 1024

# Runs of references, since surrogates pair up; not the line ends that every body is full of.
_REFERENCES = re.compile(rb"(?:&#(?!xD;|xA;)(?:x[0-9a-fA-F]+|[0-9]+);)+")
_REFERENCE = re.compile(rb"&#(x?)([0-9a-fA-F]+);")
_CONTROLS = bytes([*range(0x9), 0xB, 0xC, *range(0xE, 0x20)])
_CONTROL = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_NO_CHARACTERS = re.compile(rb"\xef\xbf[\xbe\xbf]")  # U+FFFE, U+FFFF
_SECTIONS = re.compile(rb"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_BOM = b"\xef\xbb\xbf"
_BEFORE_ROOT = {b"<?": b"?>", b"<!--": b"-->"}
_BLANKS = b" \t\r\n"
# What may stand around a byte order mark, or is left out when it does.
_NOTHING = re.compile(b"[ \t\r\n" + _BOM + b"]*")
_REPLACEMENT = 0xFFFD
_LONGEST_REFERENCE = 7

_parsers = threading.local()


def parse(document: bytes, most: int = MOST_BYTES) -> _Element:
    """Parse one complete XML document and give its root.

    Raises:
        IncompleteAnswer: it is not one complete, well-formed document.
        RequestTooBig: it would need more memory than is good.
    """
    encoding = foreign_encoding(document[:BEGINNING])
    if encoding is not None:
        document = _in_utf8(document, encoding)
    if len(document) > SMALL:
        _check_size(document, most)
    if _has_doctype(document):
        raise IncompleteAnswer("the answer has a document type, which SOAP forbids", code="IncompleteAnswer")
    try:
        return etree.fromstring(document, _parser())
    except etree.XMLSyntaxError:
        _check_references(document)
        repaired = repair(document.lstrip(_BLANKS))
        if repaired == document:
            raise _broken() from None
    try:
        return etree.fromstring(repaired, _parser())
    except etree.XMLSyntaxError:
        raise _broken() from None


def _parser() -> etree.XMLParser:
    """Give this thread its parser: one that is shared would let one thread parse at a time."""
    parser: etree.XMLParser | None = getattr(_parsers, "parser", None)
    if parser is None:
        parser = _parsers.parser = etree.XMLParser(
            encoding="utf-8",  # by now it is, whatever the document declares
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,  # bodies over 10 MB; the bounds above replace libxml2's
            recover=False,
            remove_comments=True,
            remove_pis=True,
        )
    return parser


def _in_utf8(document: bytes, encoding: str) -> bytes:
    try:
        return document.decode(encoding).encode()
    except UnicodeError:
        raise _broken() from None


def _check_size(document: bytes, most: int) -> None:
    if len(document) > most:
        raise too_big(most)
    attributes = document.count(b'="') + document.count(b"='")
    if document.count(b"<") > MOST_ELEMENTS or attributes > MOST_ATTRIBUTES:
        raise RequestTooBig("the answer has too many elements; lower batch_size or max_changes", code="AnswerTooBig")


def _has_doctype(document: bytes) -> bool:
    """Tell whether a document type, with which entities come, stands where one may: before the root."""
    place = 0
    while True:
        place = _NOTHING.match(document, place).end()  # type: ignore[union-attr] # it matches everywhere
        if document.startswith(b"<!DOCTYPE", place):
            return True
        begin = next((begin for begin in _BEFORE_ROOT if document.startswith(begin, place)), None)
        if begin is None:
            return False
        end = document.find(_BEFORE_ROOT[begin], place + len(begin))
        if end < 0:
            return False
        place = end + len(_BEFORE_ROOT[begin])


def _check_references(document: bytes) -> None:
    """Refuse to repair more references than anybody's mail has; line ends are not repaired."""
    line_ends = document.count(b"&#xD;") + document.count(b"&#xA;")
    if document.count(b"&#") - line_ends > MOST_REFERENCES:
        raise RequestTooBig("the answer has too many characters to repair; lower batch_size", code="AnswerTooBig")


def repair(document: bytes) -> bytes:
    """Repair what XML 1.0 forbids: references to no character, and raw control characters."""
    if b"<![CDATA[" in document:
        # In there a reference is text.
        parts = _SECTIONS.split(document)
        parts[::2] = [_REFERENCES.sub(_joined, part) for part in parts[::2]]
        document = b"".join(parts)
    else:
        document = _REFERENCES.sub(_joined, document)
    replacement = chr(_REPLACEMENT).encode()
    if len(document.translate(None, _CONTROLS)) != len(document):
        document = _CONTROL.sub(replacement, document)
    return _NO_CHARACTERS.sub(replacement, document)


def _joined(match: re.Match[bytes]) -> bytes:
    """Write a run of references anew when one of them is forbidden."""
    points = [_point(reference) for reference in _REFERENCE.finditer(match.group())]
    if all(_allowed(point) for point in points):
        return match.group()
    written = []
    position = 0
    while position < len(points):
        point = points[position]
        low = points[position + 1] if position + 1 < len(points) else 0
        if 0xD800 <= point <= 0xDBFF and 0xDC00 <= low <= 0xDFFF:  # noqa: PLR2004 - surrogates
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
            position += 1
        written.append(b"&#%d;" % (point if _allowed(point) else _REPLACEMENT))
        position += 1
    return b"".join(written)


def _point(reference: re.Match[bytes]) -> int:
    digits = reference.group(2).lstrip(b"0") or b"0"
    if len(digits) > _LONGEST_REFERENCE:
        return -1
    return int(digits, 16 if reference.group(1) else 10)


def _allowed(point: int) -> bool:
    """Tell whether XML 1.0 allows a character (its production 2)."""
    return (
        0x20 <= point <= 0xD7FF  # noqa: PLR2004
        or point in {0x9, 0xA, 0xD}
        or 0xE000 <= point <= 0xFFFD  # noqa: PLR2004
        or 0x10000 <= point <= 0x10FFFF  # noqa: PLR2004
    )


def too_big(most: int) -> RequestTooBig:
    """Make the error of an answer over `most` bytes."""
    return RequestTooBig(
        f"the answer is larger than {most >> 20} MiB; lower batch_size or max_changes", code="AnswerTooBig"
    )


def _broken() -> IncompleteAnswer:
    return IncompleteAnswer("the answer was cut or garbled on its way", code="IncompleteAnswer")
