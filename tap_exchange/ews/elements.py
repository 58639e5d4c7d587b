"""Elements close at hand: lxml's own search takes longer than to look at the few children before the one sought."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element


def child(element: _Element, tag: str) -> _Element | None:
    """Return the first child with a tag, as `find` does."""
    for node in element:
        if node.tag == tag:
            return node
    return None


def child_text(element: _Element, tag: str) -> str | None:
    """Return the text of the first child with a tag, None without such a child, as `findtext` does."""
    found = child(element, tag)
    return None if found is None else found.text or ""
