"""GetItem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import fields, rendering, targets
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, failure, response, success

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.rendering import Shape


def get_item(call: Call) -> str:
    """Answer one response message per id, in the order asked."""
    operation = "GetItem"
    shape = shape_of(call.body.find(f"{M}ItemShape"))
    messages = []
    for element in call.body.iterfind(f"{M}ItemIds/*"):
        try:
            inside = f"<m:Items>{_item(call, element, shape)}</m:Items>"
            messages.append(success(operation, inside))
        except ServiceError as error:
            messages.append(failure(operation, error, "<m:Items/>"))
    return response(operation, "".join(messages))


def _item(call: Call, element: etree._Element, shape: Shape) -> str:
    call.server.faults.item_id(call, element.get("Id", ""))
    item = targets.item_by(call, element)
    call.server.faults.item(call, item, shape)
    for name, elements in fields.NOT_VALID_FOR.items():
        if item.element in elements and name in shape.names:
            raise ServiceError("ErrorInvalidPropertyRequest")
    return rendering.item_xml(item, shape)
