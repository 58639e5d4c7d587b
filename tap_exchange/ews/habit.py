"""Empty lists that a server leaves out: when an answer without its list is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Habit:
    """Whether a server leaves out an empty list, as the schema lets it: an answer that lost its list looks the same.

    So the first answer without one is asked for again; one that comes so twice shows the server's habit. Of a
    server that was seen to write empty lists each such answer has to come so three times.
    """

    def __init__(self) -> None:
        """Begin without having seen any list."""
        self._leaves_out = False
        self._writes_empty = False

    def note_empty(self) -> None:
        """Note that the server wrote an empty list."""
        self._writes_empty = True

    def question(self) -> Callable[[], bool]:
        """Return what tells, for each answer to one question that has no list, whether it is believed."""
        asked = 0

        def is_believed() -> bool:
            nonlocal asked
            asked += 1
            if not self._leaves_out and asked < (3 if self._writes_empty else 2):
                return False
            self._leaves_out = not self._writes_empty
            return True

        return is_believed
