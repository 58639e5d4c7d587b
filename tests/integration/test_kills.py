"""Kill proof: whatever kills the tap, and whatever happened in the mailbox since, the next runs make it good.

Two hundred kills for each loader, at random moments of initial loads and of incremental runs; after each the items of
the lost pages are deleted on the server, most of them. Some of it runs in `make test` too:
tests/integration/test_tables_equal_mailbox.py and tests/model. docs/proof.md has the figures of one time.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.resources import ITEM_STREAMS
from tests.integration.test_tables_equal_mailbox import ANNA, Copy, furnish, into_postgres
from tests.live import files, live_rows, views_anew
from tests.pipeline import Kill, State, TapRun, run_to_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Database

KILLS = 200
KILLED = -9
PAGES = (3, 20, 512)
LINES_OF_A_RUN = {True: 420, False: 160}
"""About so many lines an initial load has, and an incremental run."""


def into_jsonl(
    folder: Path,
    config: dict[str, Any],
    state: State | None,
    **options: Any,  # noqa: ANN401
) -> tuple[TapRun, State | None]:
    run = run_to_files(config, folder, state, **options)
    if "kill" not in options:
        run.checked()
    return run.tap, run.durable


@pytest.fixture(params=["target-postgres", "target-jsonl"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copy]:
    exchange = Exchange(seed=3)
    anna = exchange.add_mailbox(ANNA, password="secret")
    furnish(anna)
    with serve(exchange) as server:
        if request.param == "target-jsonl":
            views = lambda: partial(live_rows, files(tmp_path))  # noqa: E731
            yield Copy(anna, server, partial(into_jsonl, tmp_path), views)
        else:
            database: Database = request.getfixturevalue("database")
            with database.connect("exchange") as connection:
                yield Copy(anna, server, partial(into_postgres, database), partial(views_anew, connection, "exchange"))


@dataclass
class Figures:
    """What was measured."""

    kills: Counter[str] = field(default_factory=Counter)
    with_loader: int = 0
    checks: int = 0
    deleted: int = 0
    after_the_last_state: list[int] = field(default_factory=list)
    """Item rows of a killed run behind the last STATE that the tap wrote: its page in flight."""
    after_the_durable_state: list[int] = field(default_factory=list)
    """Item rows behind the last STATE that the loader gave out."""
    repeated: list[int] = field(default_factory=list)
    """Item rows of a killed run that the next run wrote again."""

    def __str__(self) -> str:
        """Tell all of it in a few lines."""
        return (
            f"{self.kills.total()} kills {dict(self.kills)}, of {self.with_loader} the loader too, "
            f"{self.checks} comparisons of all rows, "
            f"{self.deleted} items of lost pages deleted; rows at most (and in all): "
            f"behind the last STATE {_most(self.after_the_last_state)}, "
            f"behind the durable STATE {_most(self.after_the_durable_state)}, repeated {_most(self.repeated)}"
        )


def _most(counts: list[int]) -> str:
    return f"{max(counts, default=0)} ({sum(counts)})"


@pytest.mark.prove
@pytest.mark.pipeline
def test_nothing_is_missing_and_nothing_extra_after_any_kill(kept: Copy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "aiohttp.server")  # which tells of each connection that a kill broke
    dice = random.Random(99)
    figures = Figures()
    lost: set[str] = set()
    while figures.kills.total() < KILLS:
        if dice.random() < 0.15:
            kept.state = None
        edit(kept, dice)
        before, initial = kept.state, kept.state is None
        size = dice.choice(PAGES)
        kill = Kill(
            after=dice.randrange(1, LINES_OF_A_RUN[initial]),
            loader=dice.random() < 0.2,
            half_line=dice.random() < 0.2,
        )
        run = kept.run(kill=kill, config={"max_changes": size})
        assert run.exit_code in {0, KILLED}, run.stderr
        if run.exit_code == KILLED:
            figures.kills["initial loads" if initial else "incremental runs"] += 1
            figures.with_loader += kill.loader
        in_flight = rows_after(run, run.state)
        assert len(in_flight) <= size, "more than the page in flight"
        figures.after_the_last_state.append(len(in_flight))
        lost = rows_after(run, kept.state if kept.state != before else None)
        figures.after_the_durable_state.append(len(lost))
        figures.deleted += delete_some(kept, lost, dice)
        if dice.random() < 0.5:
            again = kept.run()
            kept.check()
            figures.checks += 1
            repeated = rows_after(run, None) & rows_after(again, None)
            assert repeated <= lost, "a page whose STATE was durable was repeated"
            figures.repeated.append(len(repeated))
    print(f"seed 99: {figures}")  # noqa: T201 - the figures of docs/proof.md


def rows_after(run: TapRun, state: State | None) -> set[str]:
    """Return the items, with their versions, that a run wrote after it had written this state, or at all."""
    parsed = run.messages.parsed
    after = 0
    if state is not None:
        after = max((n for n, m in enumerate(parsed) if m["type"] == "STATE" and m["value"] == state), default=0)
    rows = (m["record"] for m in parsed[after:] if m["type"] == "RECORD" and m["stream"] in ITEM_STREAMS)
    return {f"{row['item_id']} {row['change_key']}" for row in rows}


def delete_some(kept: Copy, lost: set[str], dice: random.Random) -> int:
    """Delete on the server most of what was written and is not covered by the durable state."""
    deleted = 0
    for folder in kept.anna.folders():
        for item in folder.items() if folder.search is None else ():
            if f"{item.id} {item.change_key}" in lost and dice.random() < 0.7:
                item.delete()
                deleted += 1
    return deleted


def edit(kept: Copy, dice: random.Random) -> None:
    """Let people work in the mailbox, which stays about as large as it is."""
    inbox, sent = kept.anna.folder("inbox"), kept.anna.folder("sentitems")
    inbox.fill(dice.randrange(30))
    for item in inbox.items():
        chance = dice.random()
        if chance < 0.05:
            item.update(Subject=f"edited {dice.random()}")
        elif chance < 0.1:
            item.mark_read(dice.random() < 0.5)
        elif chance < 0.12:
            item.move(sent)
    for folder in (inbox, sent):
        for item in folder.items()[60:]:
            item.delete()
