"""Restrictions and sort orders of FindItem and FindFolder, compiled to functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import fields, shapes
from tap_exchange.demo.soap import ServiceError, T
from tap_exchange.demo.values import Address, Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml import etree

    Lookup = Callable[[Any, str], Any]
    Getter = Callable[[Any], Any]
    Test = Callable[[Any], bool]

PATHS = frozenset({f"{T}FieldURI", f"{T}IndexedFieldURI", f"{T}ExtendedFieldURI"})
NOT_FOR_QUERIES = frozenset(
    {"item:MimeContent", "item:UniqueBody", "item:NormalizedBody", "item:EntityExtractionResult"}
)


class Compiler:
    """Compile expressions; `look_up` gives a property of what is tested by element name or extended name."""

    def __init__(self, look_up: Callable[[Any, Any], Any]) -> None:
        """Take the function that reads properties."""
        self._look_up = look_up

    def test(self, element: etree._Element) -> Test:  # noqa: PLR0911 - one return per operator
        """Compile a search expression."""
        name = element.tag.removeprefix(T)
        if name in {"And", "Or"}:
            parts = [self.test(child) for child in element]
            combine = all if name == "And" else any
            return lambda thing: combine(part(thing) for part in parts)
        if name == "Not":
            inner = self.test(element[0])
            return lambda thing: not inner(thing)
        get = self.getter(element[0])
        if name == "Exists":
            return lambda thing: get(thing) is not None
        if name == "Contains":
            return _contains(get, element)
        if name == "Excludes":
            mask = int(element[1].get("Value", "0"), 0)
            return lambda thing: isinstance(value := get(thing), int) and not value & mask
        compare = COMPARISONS.get(name)
        if compare is None:
            raise ServiceError("ErrorUnsupportedQueryFilter")
        operand = element[1][0]
        if operand.tag in PATHS:
            other = self.getter(operand)
            return lambda thing: _compare(compare, get(thing), other(thing))
        text = operand.get("Value", "")
        return lambda thing: _compare(compare, value := get(thing), constant(text, value))

    def getter(self, path: etree._Element) -> Getter:
        """Compile a property path to a function that reads it."""
        if path.tag == f"{T}FieldURI":
            uri = path.get("FieldURI", "")
            if uri in NOT_FOR_QUERIES:
                raise ServiceError("ErrorUnsupportedPathForQuery")
            name = fields.element_of_uri(uri)
            return lambda thing: plain(self._look_up(thing, name))
        if path.tag == f"{T}IndexedFieldURI":
            name, index = shapes.indexed_of(path)
            return lambda thing: plain(_entry(self._look_up(thing, name), index))
        extended = shapes.extended_of(path)
        return lambda thing: plain(self._look_up(thing, extended))

    def order(self, order: etree._Element | None) -> Order:
        """Compile a SortOrder; what lacks a property comes first, as with MAPI tables."""
        keys = [] if order is None else list(order)
        return Order([self.getter(key[0]) for key in keys], [key.get("Order") == "Descending" for key in keys])


@dataclass(frozen=True, slots=True)
class Order:
    """A sort order: how each key is read, and whether it descends."""

    getters: list[Getter]
    descends: list[bool]

    def keys(self, thing: Any) -> list[Any]:  # noqa: ANN401 - an item or folder
        """Give what a thing is sorted by."""
        return [sort_key(get(thing)) for get in self.getters]

    def sort(self, rows: list[tuple[Any, list[Any]]]) -> list[Any]:
        """Sort pairs of a thing and its keys; give the things."""
        for place in reversed(range(len(self.getters))):
            rows.sort(key=lambda row: row[1][place], reverse=self.descends[place])
        return [thing for thing, _ in rows]


def sort_key(value: Any) -> tuple[int, Any]:  # noqa: ANN401 - whatever a property holds
    """Make values comparable."""
    if value is None:
        return (0, 0)
    if isinstance(value, str):
        return (1, value.casefold())
    if isinstance(value, bytes):
        return (2, value)
    return (3, value)


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - whatever a property holds
    """Reduce a value to something comparable: times to UTC numbers, people to their names."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp()
    if isinstance(value, Address):
        return value.name or value.email or ""
    if isinstance(value, Body):
        return value.content
    if isinstance(value, (list, tuple)):
        return "; ".join(str(plain(entry)) for entry in value)
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return value
    return str(value)


def constant(text: str, like: Any) -> Any:  # noqa: ANN401 - of the property's type
    """Read a constant as the type of the value it is compared with."""
    return text if isinstance(like, str) or like is None else _number(text)


@lru_cache(maxsize=256)
def _number(text: str) -> Any:  # noqa: ANN401 - a number, or the text when it is none
    if text.lower() in {"true", "false"}:
        return int(text.lower() == "true")
    try:
        return float(text) if "." in text and "T" not in text else int(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)).timestamp()


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "IsEqualTo": lambda left, right: bool(left == right),
    "IsNotEqualTo": lambda left, right: bool(left != right),
    "IsGreaterThan": lambda left, right: bool(left > right),
    "IsGreaterThanOrEqualTo": lambda left, right: bool(left >= right),
    "IsLessThan": lambda left, right: bool(left < right),
    "IsLessThanOrEqualTo": lambda left, right: bool(left <= right),
}


def _compare(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:  # noqa: ANN401
    if left is None or right is None:
        return compare is COMPARISONS["IsNotEqualTo"] and left is not right
    if isinstance(left, str) and isinstance(right, str):
        return compare(left.casefold(), right.casefold())
    try:
        return compare(left, right)
    except TypeError:
        return False


def _contains(get: Getter, element: etree._Element) -> Test:
    wanted = element.find(f"{T}Constant")
    text = wanted.get("Value", "") if wanted is not None else ""
    mode = element.get("ContainmentMode", "FullString")
    fold = "IgnoreCase" in element.get("ContainmentComparison", "Exact") or element.get(
        "ContainmentComparison", "Exact"
    ).startswith("Loose")
    needle = text.casefold() if fold else text

    def test(thing: Any) -> bool:  # noqa: ANN401 - an item or folder
        value = get(thing)
        if value is None:
            return False
        hay = str(value).casefold() if fold else str(value)
        if mode == "FullString":
            return hay == needle
        if mode == "Prefixed":
            return hay.startswith(needle)
        if mode == "PrefixOnWords":
            return any(word.startswith(needle) for word in hay.split())
        return needle in hay

    return test


def _entry(held: Any, index: str) -> Any:  # noqa: ANN401 - whatever the dictionary holds
    if isinstance(held, dict):
        value = held.get(index)
        return value.email if isinstance(value, Address) else value
    return next((text for name, text in held or () if name.lower() == index.lower()), None)
