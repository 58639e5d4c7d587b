"""Items made from their number, for folders with many."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from tap_exchange.demo.content import defaults

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder

EPOCH = datetime(2024, 1, 1, 8, tzinfo=timezone.utc)
UNREAD_EVERY = 5


class NumberedRecipe:
    """Make plain items whose times and texts follow from their number."""

    def __init__(self, seed: int, element: str) -> None:
        """Take the world's seed and the items' element."""
        self.seed = seed
        self.element = element

    def is_read(self, number: int) -> bool:
        """Tell whether the item is born read; every fifth is not."""
        return self.element != "Message" or number % UNREAD_EVERY != 0

    def unread(self, first: int, count: int) -> int:
        """Count the items born unread."""
        if self.element != "Message":
            return 0
        return (first + count - 1) // UNREAD_EVERY - (first - 1) // UNREAD_EVERY

    def properties(self, folder: Folder, number: int) -> dict[str, Any]:
        """Give all properties of the item."""
        when = EPOCH + timedelta(minutes=7 * number)
        result = defaults.properties(folder, number, self.element, {"DateTimeReceived": when})
        if self.element == "Message":
            result["IsRead"] = self.is_read(number)
        return result

    def value(self, folder: Folder, number: int, name: str) -> Any:  # noqa: ANN401 - whatever a property holds
        """Give one property of the item."""
        return self.properties(folder, number).get(name)


@cache
def recipe_for(seed: int, element: str) -> NumberedRecipe:
    """Give the recipe for an element."""
    return NumberedRecipe(seed, element)
