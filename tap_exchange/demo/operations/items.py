"""GetItem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import fields, rendering, targets
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, messages

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.rendering import Shape


def get_item(call: Call) -> str:
    """Answer one response message per id, in the order asked."""
    shape = shape_of(call.body.find(f"{M}ItemShape"))

    def write(element: etree._Element) -> str:
        return f"<m:Items>{_item(call, element, shape)}</m:Items>"

    return messages("GetItem", call.body.iterfind(f"{M}ItemIds/*"), write, "<m:Items/>")


def _item(call: Call, element: etree._Element, shape: Shape) -> str:
    call.server.faults.item_id(call, element.get("Id", ""))
    item = targets.item_by(call, element)
    call.server.faults.item(call, item, shape)
    for name, elements in fields.NOT_VALID_FOR.items():
        if item.element in elements and name in shape.names:
            raise ServiceError("ErrorInvalidPropertyRequest")
    return rendering.item_xml(item, shape)
