"""Kill proof: whatever kills the tap, and whatever happened in the mailbox since, the next runs make it good.

Two hundred kills at random moments (`make prove`), some of them of initial loads, into files as target-jsonl writes
them and through target-postgres; before the next run items of the lost pages are deleted on the server. Some of it
runs in `make test` too: tests/integration/test_tables_equal_mailbox.py and tests/model.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_tables_equal_mailbox import kept  # noqa: F401 - a fixture
from tests.pipeline import Kill

if TYPE_CHECKING:
    from tests.integration.test_tables_equal_mailbox import Copy
    from tests.pipeline import TapRun

KILLS = 200
BETWEEN_FULL_RUNS = 8


@pytest.mark.prove
@pytest.mark.parametrize("kept", ["files", "postgres"], indirect=True)
def test_nothing_is_missing_and_nothing_extra_after_any_kill(kept: Copy) -> None:  # noqa: F811
    dice = random.Random(99)
    repeated: list[int] = []
    for number in range(KILLS // 2):
        if number % BETWEEN_FULL_RUNS == 0:
            kept.state = None
        inbox = kept.anna.folder("inbox")
        inbox.fill(dice.randrange(30))
        killed = kept.run(kill=Kill(after=dice.randrange(1, 400)), config={"max_changes": dice.choice([3, 20, 512])})
        delete_what_was_written(kept, killed, dice)
        if number % 4 == 3:
            again = kept.run()
            kept.check()
            repeated.append(len(both(killed, again)))
    print(f"rows of item streams repeated after a kill: at most {max(repeated)}, seed 99")  # noqa: T201


def delete_what_was_written(kept: Copy, killed: TapRun, dice: random.Random) -> None:  # noqa: F811
    """Delete on the server some of what the killed run wrote last."""
    written = {row["item_id"] for row in killed.of("messages")[-20:]}
    for item in kept.anna.folder("inbox").items():
        if item.id in written and dice.random() < 0.5:
            item.delete()


def both(killed: TapRun, again: TapRun) -> set[str]:
    """Return the keys of messages that a killed run and the next both wrote."""
    return {row["item_key"] for row in killed.of("messages")} & {row["item_key"] for row in again.of("messages")}
