"""The small parts of the engine: keys, clock, net changes, scope, bookmarks."""

from __future__ import annotations

import asyncio
import gc
import string
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_exchange.ews.answers import ItemChange
from tap_exchange.sync.bookmarks import StateRefusedError, open_bookmarks
from tap_exchange.sync.changes import net
from tap_exchange.sync.clock import Clock
from tap_exchange.sync.fill import IdSet
from tap_exchange.sync.keys import shard_of, surrogate
from tap_exchange.sync.loader import tenths
from tap_exchange.sync.run import Run
from tap_exchange.sync.scope import Scope, descendants, path_of

IDS = st.text(string.ascii_letters, min_size=1, max_size=6)


def test_keys_tell_ids_apart_that_differ_by_letter_case_alone() -> None:
    assert surrogate("a@b.c", "AAMk") != surrogate("a@b.c", "aamk")
    assert len(surrogate("a@b.c", "x" * 512)) == 32


def test_keys_do_not_run_mailbox_and_id_together() -> None:
    assert surrogate("a@b.c", "de") != surrogate("a@b.cd", "e")


@given(st.lists(st.text(max_size=40).map("{}@example.com".format), max_size=30), st.integers(1, 8))
def test_every_mailbox_belongs_to_one_shard(mailboxes: list[str], count: int) -> None:
    assert all(0 <= shard_of(mailbox, count) < count for mailbox in mailboxes)


def test_the_clock_never_stands_still_and_never_goes_before_the_state_it_began_with() -> None:
    ahead = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    clock = Clock(after=ahead)
    stamps = [clock.stamp() for _ in range(1000)]
    assert stamps[0] > ahead
    assert stamps == sorted(set(stamps))


def test_the_clock_tells_the_time() -> None:
    told = datetime.fromisoformat(Clock().stamp().replace("Z", "+00:00"))
    assert abs(datetime.now(timezone.utc) - told) < timedelta(seconds=5)


def change(kind: str, item_id: str) -> ItemChange:
    return ItemChange(kind, item_id, "ck", "Message" if kind in {"create", "update"} else None)  # type: ignore[arg-type]


KINDS = st.sampled_from(["create", "update", "delete", "read_flag"])


@given(st.lists(st.builds(change, KINDS, st.sampled_from("abc")), max_size=12))
def test_net_keeps_one_change_for_each_item_and_the_last_word(changes: list[ItemChange]) -> None:
    kept = {one.item_id: one for one in net(changes)}
    assert kept.keys() == {one.item_id for one in changes}
    for item_id, one in kept.items():
        told = [each for each in changes if each.item_id == item_id]
        others = [each for each in told if each.kind != "read_flag"]
        assert one == (others or told)[-1]


@given(st.sets(IDS), st.sets(IDS))
def test_an_id_set_holds_what_was_added_and_nothing_else(added: set[str], others: set[str]) -> None:
    ids = IdSet()
    ids.update(added)
    assert all(item_id in ids for item_id in added)
    assert not any(item_id in ids for item_id in others - added)


@given(st.lists(IDS, min_size=1, max_size=120))
def test_tenths_cover_a_batch_in_at_most_ten_slices_smaller_than_it(ids: list[str]) -> None:
    slices = list(tenths(ids))
    assert [item for part in slices for item in part] == ids
    assert len(slices) <= 10
    assert len(ids) == 1 or all(len(part) < len(ids) for part in slices)


FOLDERS = {
    "i": {"parent": "root", "name": "Inbox", "dn": "inbox"},
    "p": {"parent": "i", "name": "Projects"},
    "x": {"parent": "p", "name": "2026"},
    "s": {"parent": "root", "name": "Sent Items", "dn": "sentitems"},
}


@pytest.mark.parametrize(
    ("include", "exclude", "left_out"),
    [
        ((), (), set()),
        (("Inbox",), (), {"s"}),
        (("inbox/projects",), (), {"i", "s"}),
        (("INBOX/*",), (), {"i", "s"}),
        ((), ("sentitems",), {"s"}),
        ((), ("*/Projects",), {"p", "x"}),
        (("inbox",), ("Inbox/Projects/2026",), {"x", "s"}),
    ],
)
def test_patterns_name_a_folder_and_all_below_it(
    include: tuple[str, ...], exclude: tuple[str, ...], left_out: set[str]
) -> None:
    scope = Scope(include, exclude)
    assert {folder for folder in FOLDERS if scope.excludes(folder, FOLDERS)} == left_out  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["[Gmail]", "[gmail]/All Mail", "[Gmail]/*", "[[]Gmail]", "*/all mail"])
def test_a_pattern_names_a_folder_with_brackets_as_it_is_written(pattern: str) -> None:
    folders = {"g": {"name": "[Gmail]", "parent": ""}, "a": {"name": "All Mail", "parent": "g"}}
    assert not Scope((pattern,)).excludes("a", folders)  # type: ignore[arg-type]


def test_brackets_name_one_of_the_letters_too() -> None:
    folders = {year: {"name": year, "parent": ""} for year in ("2024", "2025", "2026")}
    assert [year for year in folders if Scope(("202[45]",)).excludes(year, folders)] == ["2026"]  # type: ignore[arg-type]


def test_paths_and_descendants_follow_the_parents() -> None:
    assert path_of("x", FOLDERS) == "Inbox/Projects/2026"  # type: ignore[arg-type]
    assert descendants(frozenset({"i"}), FOLDERS) == ["p", "x"]  # type: ignore[arg-type]


def test_a_tree_that_loops_ends_all_the_same() -> None:
    loop = {"a": {"parent": "b", "name": "A"}, "b": {"parent": "a", "name": "B"}}
    assert path_of("a", loop) == "B/A"  # type: ignore[arg-type]
    assert descendants(frozenset({"a"}), loop) == ["b"]  # type: ignore[arg-type]


def test_a_new_lineage_has_an_identity_and_a_time() -> None:
    bookmarks = open_bookmarks(None, None, Clock())
    assert len(bookmarks.feed_id) == 12
    assert bookmarks.as_of


def test_a_state_of_another_shard_is_refused() -> None:
    state = open_bookmarks(None, (0, 4), Clock()).value()["bookmarks"]["_feeds"]
    open_bookmarks(state, (0, 4), Clock())
    for shard in [(1, 4), (0, 2), None]:
        with pytest.raises(StateRefusedError, match="shard"):
            open_bookmarks(state, shard, Clock())


def test_a_selection_is_kept_as_long_as_a_folder_names_it() -> None:
    bookmarks = open_bookmarks(None, None, Clock())
    bookmarks.keep_selection("old", {"streams": {}})
    bookmarks.store("a@b.c", "primary")["folders"]["f"] = {"selection": "old"}
    bookmarks.keep_selection("new", {"streams": {}})
    bookmarks.store("a@b.c", "primary")["folders"]["f"]["sync_state"] = "moved"
    bookmarks.drop_selections()
    assert bookmarks.selection("old") is not None
    assert bookmarks.selection("new") is None
    bookmarks.store("a@b.c", "primary")["folders"]["f"] = {"selection": "new"}
    bookmarks.keep_selection("new", {"streams": {}})
    bookmarks.drop_selections()
    assert bookmarks.selection("old") is None
    assert bookmarks.selection("new") is not None


def test_of_folders_that_fail_together_one_is_raised_and_none_goes_unheard() -> None:
    run = object.__new__(Run)
    run._places = {}
    unheard: list[object] = []

    async def fail(number: int) -> None:
        raise ValueError(number)

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
        await run.each(range(5), fail, at_once=3)

    with pytest.raises(ValueError, match=r"[012]"):
        asyncio.run(work())
    gc.collect()
    assert not unheard
