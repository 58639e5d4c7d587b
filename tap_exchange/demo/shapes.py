"""Read response shapes and property paths from requests."""

from __future__ import annotations

from lxml import etree

from tap_exchange.demo import fields
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.rendering import Shape
from tap_exchange.demo.soap import SoapFault, T, whole

_INDEXED = {
    "item:InternetMessageHeader": "InternetMessageHeaders",
    "contacts:ImAddress": "ImAddresses",
    "contacts:PhoneNumber": "PhoneNumbers",
    "contacts:EmailAddress": "EmailAddresses",
    "distributionlist:Members:Member": "Members",
}
_SHAPES: dict[bytes, Shape] = {}
INT = 2**31 - 1
MAX_REMEMBERED = 512


def _tag(text: str) -> int:
    try:
        return int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError as error:
        raise SoapFault("ErrorSchemaValidation") from error


def extended_of(element: etree._Element) -> Extended:
    """Read a t:ExtendedFieldURI."""
    tag = element.get("PropertyTag")
    number = element.get("PropertyId")
    return Extended(
        element.get("PropertyType", "String"),
        tag=None if tag is None else _tag(tag),
        property_set=element.get("PropertySetId"),
        distinguished_set=element.get("DistinguishedPropertySetId"),
        name=element.get("PropertyName"),
        number=None if number is None else whole(number, -INT, INT),
    )


def indexed_of(element: etree._Element) -> tuple[str, str]:
    """Read a t:IndexedFieldURI as the element's name and the key."""
    uri = element.get("FieldURI", "")
    name = "PhysicalAddresses" if uri.startswith("contacts:PhysicalAddress:") else _INDEXED.get(uri, uri)
    return name, element.get("FieldIndex", "")


def shape_of(element: etree._Element | None) -> Shape:
    """Read an ItemShape, FolderShape or AttachmentShape."""
    if element is None:
        return Shape()
    key = etree.tostring(element)
    shape = _SHAPES.get(key)
    if shape is None:
        if len(_SHAPES) >= MAX_REMEMBERED:
            _SHAPES.clear()
        shape = _SHAPES[key] = _read(element)
    return shape


def _read(element: etree._Element) -> Shape:
    names: set[str] = set()
    indexed: set[tuple[str, str]] = set()
    extended: list[Extended] = []
    for path in element.iterfind(f"{T}AdditionalProperties/*"):
        if path.tag == f"{T}FieldURI":
            names.add(fields.element_of_uri(path.get("FieldURI", "")))
        elif path.tag == f"{T}IndexedFieldURI":
            indexed.add(indexed_of(path))
        elif path.tag == f"{T}ExtendedFieldURI":
            extended.append(extended_of(path))
    return Shape(
        element.findtext(f"{T}BaseShape", "IdOnly"),
        frozenset(names),
        frozenset(indexed),
        tuple(dict.fromkeys(extended)),
        mime=element.findtext(f"{T}IncludeMimeContent") in {"true", "1"},
        body_type=element.findtext(f"{T}BodyType", "Best"),
        max_body=whole(element.findtext(f"{T}MaximumBodySize", "0"), 0, INT),
    )
