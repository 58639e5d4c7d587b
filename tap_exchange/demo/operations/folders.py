"""GetFolder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import rendering, targets
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, messages

if TYPE_CHECKING:
    from lxml import etree


def get_folder(call: Call) -> str:
    """Answer one response message per id, in the order asked."""
    shape = shape_of(call.body.find(f"{M}FolderShape"))

    def write(element: etree._Element) -> str:
        return f"<m:Folders>{rendering.folder_xml(targets.folder_of(call, element), shape)}</m:Folders>"

    return messages("GetFolder", call.body.iterfind(f"{M}FolderIds/*"), write, "<m:Folders/>")
