"""A feed comes to an end, or is known to have none."""

from __future__ import annotations

from tap_exchange.ews.answers import ItemChange, ItemPage
from tap_exchange.sync.walk import MOST_EMPTY, MOST_REPEATS, Walk


def page(state: str, *ids: str, last: bool = False) -> ItemPage:
    return ItemPage(tuple(ItemChange("create", one, "K", "Message") for one in ids), state, last)


def test_a_feed_that_moves_on_has_an_end() -> None:
    walk = Walk()
    assert not any(walk.is_endless(f"S{n}" if n else None, page(f"S{n + 1}", f"I{n}")) for n in range(1000))


def test_states_that_come_round_again_have_none() -> None:
    walk = Walk()
    assert not walk.is_endless(None, page("A", "1"))
    assert not walk.is_endless("A", page("B", "2"))
    assert walk.is_endless("B", page("A", "3"))


def test_the_same_page_in_ever_new_states_has_none() -> None:
    walk = Walk()
    told = [walk.is_endless(f"S{n}" if n else None, page(f"S{n + 1}", "1", "2")) for n in range(MOST_REPEATS + 1)]
    assert told == [False] * MOST_REPEATS + [True]


def test_empty_pages_may_follow_each_other_and_not_for_ever() -> None:
    walk = Walk()
    told = [walk.is_endless(f"S{n}" if n else None, page(f"S{n + 1}")) for n in range(MOST_EMPTY + 1)]
    assert told == [False] * MOST_EMPTY + [True]


def test_a_last_page_ends_a_walk_and_another_walk_may_take_the_same_way() -> None:
    walk = Walk()
    for _ in range(2):
        assert not walk.is_endless(None, page("A", "1"))
        assert not walk.is_endless("A", page("A", last=True))
