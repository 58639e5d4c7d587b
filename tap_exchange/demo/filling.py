"""Blocks of items that are made from their number when somebody asks: a million of them weigh nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.rendering import Shape


class Recipe(Protocol):
    """Make the properties of a generated item from its number."""

    def properties(self, folder: Folder, number: int) -> dict[str, Any]:
        """Give all properties, equal in each process."""

    def value(self, folder: Folder, number: int, name: str) -> Any:  # noqa: ANN401 - whatever a property holds
        """Give one property."""

    def render(self, item: Item, shape: Shape) -> str:
        """Write an item that is still as it was born."""

    def is_read(self, number: int) -> bool:
        """Tell whether the item is born read."""

    def unread(self, first: int, count: int) -> int:
        """Count the items born unread."""


@dataclass(frozen=True, slots=True)
class Block:
    """Items first .. first+count-1 with the changes first_change .. first_change+count-1."""

    first: int
    count: int
    first_change: int
    element: str
    recipe: Recipe

    @property
    def unread(self) -> int:
        """Count the items born unread."""
        return self.recipe.unread(self.first, self.count)

    def change_of(self, number: int) -> int:
        """Give the change number an item of the block was born with."""
        return self.first_change + number - self.first

    def overlaps(self, low: int, high: int) -> bool:
        """Tell whether a change of the block lies in [low, high)."""
        return self.first_change < high and low < self.first_change + self.count
