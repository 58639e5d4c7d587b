"""Write items and folders for a response shape; each property is written once and kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tap_exchange.demo import computed, fields, ids, values
from tap_exchange.demo.item import MESSAGE_TYPE_BYTE, TYPE_BYTES

if TYPE_CHECKING:
    from tap_exchange.demo.extended import Extended
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item


STREAMED = 255
"""Characters of a text that FindItem gives; Exchange cuts them at 512 bytes."""
KEYED = frozenset({"EmailAddresses", "PhoneNumbers", "ImAddresses", "PhysicalAddresses", "InternetMessageHeaders"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request wants of each item or folder."""

    base: str = "IdOnly"
    names: frozenset[str] = frozenset()
    indexed: frozenset[tuple[str, str]] = frozenset()
    extended: tuple[Extended, ...] = ()
    mime: bool = False
    body_type: str = "Best"
    max_body: int = 0
    find: bool = False
    """Written by FindItem, which gives no bodies, no recipients and at most 512 bytes of a text."""

    @property
    def id_only(self) -> bool:
        """Tell whether nothing but the id is wanted."""
        return self.base == "IdOnly" and not (self.names or self.indexed or self.extended or self.mime)


@lru_cache(maxsize=512)
def for_find(shape: Shape) -> Shape:
    """Give the shape that FindItem makes of one: what only GetItem loads is left out."""
    if shape.id_only:
        return shape
    return replace(shape, names=shape.names - fields.NOT_IN_FINDS, mime=False, find=True)


@lru_cache(maxsize=4096)
def wanted(shape: Shape, element: str) -> tuple[str, ...]:
    """Give the properties to write for an element, in the order of the schema, without the id itself."""
    names = set(shape.names) | {name for name, _ in shape.indexed}
    if shape.base == "Default":
        names |= fields.default_shape(element)
    if shape.mime:
        names.add("MimeContent")
    if shape.extended:
        names.add("ExtendedProperty")
    order = fields.order_of(element)
    if shape.base == "AllProperties":
        names |= set(order) - fields.NOT_IN_ALL
    if shape.find:
        names -= fields.NOT_IN_FINDS
    return tuple(name for name in order if name in names and name not in {"ItemId", "FolderId"})


def item_id(item: Item) -> str:
    """Write an item's t:ItemId."""
    return f'<t:ItemId Id="{item.id}" ChangeKey="{item.change_key}"/>'


def identity(folder: Folder, number: int, element: str, change: int) -> str:
    """Write the element of a bulk item with its id alone."""
    change_key = folder.store.ids.change_key(TYPE_BYTES.get(element, MESSAGE_TYPE_BYTE), change)
    text = folder.item_prefix + ids.item_suffix(number)
    return f'<t:{element}><t:ItemId Id="{text}" ChangeKey="{change_key}"/></t:{element}>'


def item_xml(item: Item, shape: Shape) -> str:
    """Write an item as its element."""
    if shape.id_only:
        return f"<t:{item.element}>{item_id(item)}</t:{item.element}>"
    recipe = item.newborn
    if recipe is not None:
        return recipe.render(item, shape)
    parts = [f"<t:{item.element}>"]
    names = wanted(shape, item.element)
    if names and names[0] == "MimeContent":
        parts.append(item_property(item, "MimeContent", shape))
        names = names[1:]
    parts.append(item_id(item))
    parts.extend([item_property(item, name, shape) for name in names])
    parts.append(f"</t:{item.element}>")
    return "".join(parts)


def item_property(item: Item, name: str, shape: Shape) -> str:
    """Write one property of an item, or nothing when the item lacks it."""
    special = computed.BY_SHAPE.get(name)
    if special is not None:
        return special(item, shape)
    if name in KEYED and name not in shape.names and shape.base != "AllProperties":
        return computed.only_indexed(item, name, shape)
    fragment = item.fragments.get(name)
    if fragment is None:
        fragment = item.fragments[name] = values.element(name, computed.item_value(item, name))
    if shape.find and len(fragment) > STREAMED:
        value = computed.item_value(item, name)
        if isinstance(value, str):
            return values.element(name, value[:STREAMED])
    return fragment


def folder_xml(folder: Folder, shape: Shape) -> str:
    """Write a folder as its element."""
    element = folder.element
    parts = [f'<t:{element}><t:FolderId Id="{folder.id}" ChangeKey="{folder.change_key}"/>']
    for name in wanted(shape, element):
        if name == "ExtendedProperty":
            held = ((extended, computed.folder_value(folder, extended)) for extended in shape.extended)
            parts += [extended.xml(value) for extended, value in held if value is not None]
        else:
            parts.append(values.element(name, computed.folder_value(folder, name)))
    parts.append(f"</t:{element}>")
    return "".join(parts)
