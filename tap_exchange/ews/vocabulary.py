"""What a server can be asked for: properties that it does not know are found by trying, and asked for no more.

Exchange tells its version, and the shapes keep to that. Other servers that speak EWS tell what they like, and some
refuse a whole request for one property that they lack. All else of the items is worth having.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .answers import PartedShape

log = logging.getLogger(__name__)


class Vocabulary:
    """The properties that one server refused to be asked for, by stream; for all threads of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[str, frozenset[str]] = {}
        self._answered: set[PartedShape] = set()
        self.restricts: bool | None = None
        """Whether FindItem keeps to the restriction that it is given; None as long as nobody tried."""
        self.lists = True
        """Whether FindItem lists anything at all; true until it turned out otherwise."""
        self.nameless: set[str] = set()
        """Operations whose answers do not tell the ids that they are about: each id is asked for alone."""

    def known(self, shape: PartedShape) -> PartedShape:
        """Return the shape without what was refused so far."""
        refused = self._refused.get(shape.stream) if self._refused else None
        return shape.without(refused) if refused else shape

    def is_doubtful(self, shape: PartedShape) -> bool:
        """Tell whether the server has given nothing yet in this shape: it may lack a word of it."""
        return shape not in self._answered

    def trust(self, shape: PartedShape) -> None:
        """Note that the server knows all that a shape asks for."""
        self._answered.add(shape)

    def learn(self, shape: PartedShape, accepts: Callable[[PartedShape], bool], *, alone: bool = False) -> bool:
        """Find the properties that make a server refuse a request, and remember them; tell whether any are known now.

        Args:
            shape: What was asked for and refused.
            accepts: Asks once, and tells whether the server took the request; what else goes wrong it raises.
            alone: Whether but one item speaks for it: that is believed of what was refused for other streams alone.
        """
        with self._lock:
            if not set(self._refused.get(shape.stream, ())) <= set(shape.missing):
                return True  # another thread found them meanwhile
            elsewhere = self._refused_elsewhere(shape)
            if shape in self._answered or (alone and not elsewhere):
                return False
            if not shape.groups or not accepts(shape.without(shape.columns)):
                return False
            if elsewhere and accepts(shape.without(name for group in elsewhere for name in group)):
                suspects = elsewhere
            elif alone:
                return False
            else:
                suspects = shape.groups
            refused = [name for group in _refused(shape, suspects, accepts) for name in group]
            if not refused or not accepts(shape.without(refused)):  # else the server was in trouble meanwhile
                return False
            self._refused[shape.stream] = self._refused.get(shape.stream, frozenset()).union(refused)
        log.warning(
            "The server refuses to be asked for these columns of %s, which stay empty: %s.",
            shape.stream,
            ", ".join(refused),
        )
        return True

    def _refused_elsewhere(self, shape: PartedShape) -> Sequence[tuple[str, ...]]:
        """List the properties of a shape that were refused for other streams."""
        names = {name for columns in self._refused.values() for name in columns}
        return [group for group in shape.groups if names.intersection(group)]


def _refused(
    shape: PartedShape, groups: Sequence[tuple[str, ...]], accepts: Callable[[PartedShape], bool]
) -> list[tuple[str, ...]]:
    """List the properties of these that are refused, by halving whatever is not accepted as a whole."""
    wanted = {name for group in groups for name in group}
    if accepts(shape.without(name for group in shape.groups for name in group if name not in wanted)):
        return []
    if len(groups) == 1:
        return list(groups)
    middle = len(groups) // 2
    return [*_refused(shape, groups[:middle], accepts), *_refused(shape, groups[middle:], accepts)]
