"""The encoding of an answer: UTF-8, unless the document itself shows that it is another.

Exchange sends UTF-8. A server of another make may send UTF-16, which its first bytes show, or declare one of the
encodings with a byte for each character. A document that declares UTF-16 and is written in UTF-8 is a common slip.
"""

from __future__ import annotations

import re

BEGINNING = 256
"""Bytes that tell the encoding."""

_MARKS = {
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
}
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{1,100}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_OF_ONE_BYTE = re.compile(r"iso[-_]?8859-(?:[1-9]|1[0-6])|latin-?[1-9]|windows-125[0-8]|cp125[0-8]|koi8-[ru]")


def foreign_encoding(beginning: bytes) -> str | None:
    """Tell the encoding of a document by its first bytes, None when it is UTF-8."""
    marked = _MARKS.get(beginning[:2])
    if marked is not None:
        return marked
    declared = _DECLARED.match(beginning[:BEGINNING])
    name = declared.group(1).decode("ascii").lower() if declared else ""
    return name if _OF_ONE_BYTE.fullmatch(name) else None
