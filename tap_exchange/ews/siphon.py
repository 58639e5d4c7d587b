"""The streaming reader: an answer becomes a tree, but for the contents that flow past it.

The content of an attachment may have 200 MB in base64. It is decoded piece by piece, as it arrives,
into whatever takes it; neither it nor the answer ever stands in memory as a whole. What is left is
the small tree that every other answer is read as, and it exists only when the whole answer was
well-formed: until then nothing that was taken is to be believed.

Of an attached item only its class and subject are kept besides.
"""

from __future__ import annotations

import binascii
import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Protocol
from xml.parsers import expat

from lxml import etree

from .encodings import BEGINNING, foreign_encoding
from .errors import IncompleteAnswer, RequestTooBig
from .faults import MESSAGES, TYPES
from .xml import repair

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import Callable

    from lxml.etree import _Element

CONTENTS = frozenset({f"{TYPES}Content", f"{TYPES}MimeContent"})
ITEM_ATTACHMENT = f"{TYPES}ItemAttachment"
KEPT_OF_AN_ITEM = frozenset({f"{TYPES}ItemClass", f"{TYPES}Subject", f"{TYPES}MimeContent"})
RESPONSE_MESSAGES = f"{MESSAGES}ResponseMessages"

# What is kept of an answer: ids, names, codes. A thousand times what an honest server sends.
MOST_KEPT = 16 * 1024 * 1024
MOST_ELEMENTS = 200_000
# A tag or comment is read from its beginning with every piece that it goes on in.
LONGEST_TAG = 1024 * 1024
GATHERED = 64 * 1024

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BLANKS = b" \t\r\n"
QUANTUM = 4
MOST_PADDING = 2

_WINDOW = 48
_OPEN_REFERENCE = re.compile(rb"&[^;&<\s]{0,14}\Z")
_HIGH_SURROGATE = re.compile(
    rb"&#(?:x0{0,8}[dD][89abAB][0-9a-fA-F]{2}|0{0,8}(?:5529[6-9]|55[3-9]\d\d|56[0-2]\d\d|563[01]\d));\Z"
)
_OPEN_CHARACTER = re.compile(rb"\xef\xbf?\Z")
_CONTROLS = bytes([*range(0x9), 0xB, 0xC, *range(0xE, 0x20)])


class Sink(Protocol):
    """Where a content goes; one that was begun may be begun anew, by another sink."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""


class Siphon:
    """Reads one answer; `open_sink` gives the sink for the content in the n-th response message.

    Raises (from `feed` and `close`):
        IncompleteAnswer: it is not one complete, well-formed document, or a content is not base64.
        RequestTooBig: besides the contents there is more than is good.
    """

    def __init__(self, open_sink: Callable[[int], Sink]) -> None:
        self._open_sink = open_sink
        self._builder = etree.TreeBuilder()
        self._beginning: bytes | None = b""
        self._decoder: IncrementalDecoder | None = None
        self._held = b""
        self._path: list[str] = []
        self._skipped = 0
        self._message = -1
        self._content: Base64 | None = None
        self._elements = 0
        self._kept = 0
        self._fed = 0
        parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.buffer_size = GATHERED
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser = parser

    def feed(self, piece: bytes) -> None:
        """Read the next bytes of the answer."""
        if self._beginning is not None:
            self._beginning += piece
            if len(self._beginning) < BEGINNING:
                return
            piece = self._begin()
        elif self._decoder is not None:
            piece = self._decoded(piece)
        self._read(piece)

    def _begin(self) -> bytes:
        """Give the first bytes, once they are enough to tell their encoding."""
        beginning, self._beginning = self._beginning or b"", None
        encoding = foreign_encoding(beginning)
        if encoding is None:
            return beginning.lstrip(BLANKS)
        self._decoder = getincrementaldecoder(encoding)()
        return self._decoded(beginning)

    def _decoded(self, piece: bytes, *, last: bool = False) -> bytes:
        if self._decoder is None:
            return piece
        try:
            return self._decoder.decode(piece, last).encode()
        except UnicodeError:
            raise _broken() from None

    def _read(self, piece: bytes) -> None:
        if self._held:
            piece = self._held + piece
        end = _whole_until(piece)
        self._held = piece[end:]
        self._parse(piece[:end], last=False)

    def close(self) -> _Element:
        """End the document and give its root."""
        if self._beginning is not None:
            self._read(self._begin())
        self._read(self._decoded(b"", last=True))
        self._parse(self._held, last=True)
        root: _Element = self._builder.close()
        return root

    def _parse(self, piece: bytes, *, last: bool) -> None:
        # Three quick looks: contents are long and hold none of these.
        if b"&#" in piece or b"\xef\xbf" in piece or len(piece.translate(None, _CONTROLS)) != len(piece):
            piece = repair(piece)
        self._fed += len(piece)
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError:
            raise _broken() from None
        if self._fed - self._parser.CurrentByteIndex > LONGEST_TAG:
            raise _too_much()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = "{" + name if "}" in name else name
        path = self._path
        if path and path[-1] == RESPONSE_MESSAGES:
            self._message += 1
        of_an_item = len(path) > 1 and path[-2] == ITEM_ATTACHMENT
        path.append(tag)
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise _too_much()
        if self._skipped or (of_an_item and tag not in KEPT_OF_AN_ITEM):
            self._skipped += 1
            return
        if self._content is not None:
            raise IncompleteAnswer("a content holds more than text", code="IncompleteAnswer")
        if tag in CONTENTS:
            self._content = Base64(self._open_sink(self._message))
        self._keep(len(tag) + sum(map(len, attributes.values())))
        self._builder.start(tag, {("{" + key if "}" in key else key): value for key, value in attributes.items()})

    def _end(self, _name: str) -> None:
        tag = self._path.pop()
        if self._skipped:
            self._skipped -= 1
            return
        if self._content is not None:
            self._content.close()
            self._content = None
        self._builder.end(tag)

    def _text(self, text: str) -> None:
        if self._skipped:
            return
        if self._content is not None:
            self._content.feed(text)
        else:
            self._keep(len(text))
            self._builder.data(text)

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > MOST_KEPT:
            raise _too_much()

    def _refuse_doctype(self, *_: object) -> None:
        raise IncompleteAnswer("the answer has a document type, which SOAP forbids", code="IncompleteAnswer")


class Base64:
    """Decodes base64 that comes in pieces, strictly: nothing but its alphabet, whole to the last quantum."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""
        self._ended = False

    def feed(self, text: str) -> None:
        """Decode the next piece."""
        try:
            piece = self._rest + text.encode("ascii").translate(None, BLANKS)
        except UnicodeEncodeError:
            raise _no_base64() from None
        whole = len(piece) - len(piece) % QUANTUM
        self._rest = piece[whole:]
        if not piece:
            return
        if self._ended:
            raise _no_base64()
        if whole:
            self._decode(piece[:whole])

    def close(self) -> None:
        """See that nothing is left over."""
        if self._rest:
            raise _no_base64()

    def _decode(self, piece: bytes) -> None:
        digits = piece.rstrip(b"=")
        padding = len(piece) - len(digits)
        if padding > MOST_PADDING or digits.translate(None, ALPHABET):
            raise _no_base64()
        self._ended = padding > 0
        self._sink.write(binascii.a2b_base64(piece))


def _whole_until(piece: bytes) -> int:
    """Tell where a piece may be cut: not in a reference, a pair of surrogates or a character to repair."""
    end = len(piece)
    if found := _OPEN_CHARACTER.search(piece, max(0, end - 2)):
        end = found.start()
    start = max(0, end - _WINDOW)
    if piece.rfind(b"&", start, end) >= 0:
        if found := _OPEN_REFERENCE.search(piece[:end], start):
            end = found.start()
        if found := _HIGH_SURROGATE.search(piece[:end], start):
            end = found.start()
    return end


def _no_base64() -> IncompleteAnswer:
    return IncompleteAnswer("a content is not base64", code="IncompleteAnswer")


def _broken() -> IncompleteAnswer:
    return IncompleteAnswer("the answer was cut or garbled on its way", code="IncompleteAnswer")


def _too_much() -> RequestTooBig:
    return RequestTooBig("the answer holds more than contents", code="AnswerTooBig")
