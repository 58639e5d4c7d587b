"""What can still be read of an item that cannot be read whole: the failing properties, found by trying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_exchange.ews.errors import (
    IncompleteAnswer,
    ItemsError,
    MailboxError,
    RequestTooBig,
    is_gone,
    item_action,
    may_be_the_stores,
)
from tap_exchange.ews.faults import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_exchange.ews.answers import Answer
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.ews.shapes import Shape

FAILS_AS_A_WHOLE = (ItemsError, IncompleteAnswer, RequestTooBig)
"""Errors of a GetItem that one item of it may cause: without that item the others can be read."""

NAMED_BY_CODE = dict.fromkeys(
    ("ErrorMimeContentConversionFailed", "ErrorMimeContentInvalid", "ErrorUnsupportedMimeConversion"), "mime_content"
)
"""Columns that a response code speaks of; many items (signed, encrypted, reports) have no MIME form."""


BY_CHANCE = 10
"""Properties that may fail by chance while one item is salvaged; more are the server's habit, which no pause mends."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of a bad item: its answer in the largest shape that works, and the columns it lacks."""

    answer: Answer | None
    missing: tuple[str, ...] = ()
    gone: bool = False
    told: bool = True
    """Whether the server named the item as the trouble; else the server, or the mailbox, may be the trouble."""


def salvage(wire: Mailbox, item_id: str, shape: Shape, code: str = "") -> Rescue:
    """Find the most that the server can give of an item, in at most 12 requests for each bad property.

    When the code that it failed with names a property: without that one. Else first once more alone; then without
    any property, which tells whether anything can be read; then, as long as the remaining properties fail together,
    the shortest failing prefix of them is found by bisecting, and its last one left out. Each is tried alone in the
    end. Raises what outlasted every wait.

    An item is gone when it is not found twice without any property: not found with some, it was only seen to fail.
    """
    if (rescue := _at_once(wire, item_id, shape, code)) is not None:
        return rescue
    if may_be_the_stores(code) and item_action(code) is Action.BACK_OFF:  # each try more would hold back all others
        return Rescue(None, shape.columns, told=False)
    nothing = shape.without(shape.columns)
    bare = _ask(wire, item_id, nothing, tries=2)
    if bare is not None and is_gone(bare.code):
        bare = _ask(wire, item_id, nothing, tries=2)
    if bare is None or bare.record is None:
        told = bare is not None and not may_be_the_stores(bare.code)
        return Rescue(None, shape.columns, gone=bare is not None and is_gone(bare.code), told=told)
    return _without_bad(wire, item_id, shape, bare)


def _without_bad(wire: Mailbox, item_id: str, shape: Shape, bare: Answer) -> Rescue:
    """Leave out property by property until the rest can be read; `bare` is the item without any."""
    nothing = shape.without(shape.columns)
    properties = list(shape.groups)
    bad: list[tuple[str, ...]] = []
    good = 0
    while good < len(properties):
        good = _first_bad(wire, item_id, shape, properties, good)
        bad.append(properties.pop(good))
        if (answer := _read(wire, item_id, _less(shape, bad))) is not None:
            return _taken_back(wire, item_id, shape, bad) or Rescue(answer, _names(bad))
        if _read(wire, item_id, nothing, tries=2) is None:  # what could be read before: the trouble is not the item's
            return Rescue(None, shape.columns, told=False)
    if (rescue := _taken_back(wire, item_id, shape, bad)) is not None:
        return rescue
    answer = _read(wire, item_id, _less(shape, bad), tries=2)
    return Rescue(bare, _names(shape.groups)) if answer is None else Rescue(answer, _names(bad))


def _taken_back(wire: Mailbox, item_id: str, shape: Shape, found: list[tuple[str, ...]]) -> Rescue | None:
    """Take back those of the properties found bad that can be read alone: a request may have failed by chance.

    None when there are none, or the item cannot be read with them.
    """
    tries = 2 if 1 < len(found) <= BY_CHANCE else 1
    bad = [group for group in found if _read(wire, item_id, _only(shape, [group]), tries) is None]
    if len(bad) == len(found):
        return None
    answer = _read(wire, item_id, _less(shape, bad), tries=2)
    return None if answer is None else Rescue(answer, _names(bad))


def _first_bad(wire: Mailbox, item_id: str, shape: Shape, properties: list[tuple[str, ...]], good: int) -> int:
    """Return the index of the first property that fails, knowing that the first `good` ones do not."""
    low, high = good, len(properties)
    while high - low > 1:
        middle = (low + high) // 2
        if _read(wire, item_id, _only(shape, properties[:middle])) is None:
            high = middle
        else:
            low = middle
    return low


def _at_once(wire: Mailbox, item_id: str, shape: Shape, code: str) -> Rescue | None:
    named = NAMED_BY_CODE.get(code)
    if named is not None and any(named in group for group in shape.groups):
        answer = _read(wire, item_id, shape.without([named]))
        if answer is not None:
            return Rescue(answer, (named,))
    answer = _read(wire, item_id, shape)
    return None if answer is None else Rescue(answer)


def _only(shape: Shape, properties: list[tuple[str, ...]]) -> Shape:
    keep = set(_names(properties))
    return shape.without(column for column in _names(shape.groups) if column not in keep)


def _less(shape: Shape, properties: list[tuple[str, ...]]) -> Shape:
    return shape.without(_names(properties))


def _names(properties: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(column for group in properties for column in group)


def _read(wire: Mailbox, item_id: str, shape: Shape, tries: int = 1) -> Answer | None:
    """Ask for one item, None when it cannot be read."""
    answer = _ask(wire, item_id, shape, tries)
    return None if answer is None or answer.record is None else answer


def _ask(wire: Mailbox, item_id: str, shape: Shape, tries: int = 1) -> Answer | None:
    """Ask for one item, None when the request fails as a whole, as often as is to be tried."""
    try:
        (answer,) = wire.get_items([item_id], shape, tries=tries, suspect=True)
    except (*FAILS_AS_A_WHOLE, MailboxError):
        return None
    return answer
