"""What can be read of a bad item: found in few requests, and not misled by a request that fails by chance."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews.answers import Answer
from tap_exchange.ews.errors import ItemsError
from tap_exchange.ews.shapes import ContentSettings, shape
from tap_exchange.sync.salvage import salvage

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_exchange.ews.shapes import Shape

WHOLE = shape("messages", None, settings=ContentSettings())
SOME_GROUPS = (WHOLE.groups[0], WHOLE.groups[20], WHOLE.groups[-1])
ITEM = "AAMk="
BATCH_AND_TENTHS = 11
"""Requests beside the one that would do, before a single item of a batch of ten is salvaged."""


class Wire:
    """A server that has one item, and fails as a whole while any of some columns is asked for."""

    def __init__(
        self,
        bad: Collection[str] = (),
        *,
        by_chance: Collection[int] = (),
        dead_after: int = 10_000,
        not_found: Collection[int] = (),
    ) -> None:
        self.bad = set(bad)
        self.by_chance = by_chance
        self.dead_after = dead_after
        self.not_found = not_found
        self.requests = 0

    def get_items(
        self, ids: list[str], asked: Shape, *, tries: int | None = None, suspect: bool = False
    ) -> list[Answer]:
        assert suspect, "one item's word is no proof that its mailbox is out"
        for _ in range(tries or 2):
            self.requests += 1
            if self.requests in self.not_found:
                return [Answer(ids[0], code="ErrorItemNotFound")]
            columns = {column for group in asked.groups for column in group}
            fails = self.requests in self.by_chance or self.requests > self.dead_after
            if not fails and self.bad.isdisjoint(columns):
                return [Answer(ids[0], "Message", dict.fromkeys(columns, "read"))]
        raise ItemsError("it failed", code="ErrorItemCorrupt")


@pytest.mark.parametrize("stream", ["messages", "contacts", "meeting_messages", "calendar_items", "tasks"])
def test_whichever_property_is_bad_it_alone_is_missing_at_little_cost(stream: str) -> None:
    whole = shape(stream, None, settings=ContentSettings())
    for group in whole.groups:
        wire = Wire(group)
        rescue = salvage(wire, ITEM, whole)
        assert rescue.missing == group
        assert rescue.answer is not None
        assert rescue.answer.record is not None
        assert set(rescue.answer.record) == {c for g in whole.groups for c in g} - set(group)
        assert BATCH_AND_TENTHS + wire.requests <= 10 + 12


def test_several_bad_properties_are_found_one_by_one() -> None:
    groups = [WHOLE.groups[0], WHOLE.groups[7], WHOLE.groups[-1]]
    wire = Wire({column for group in groups for column in group})
    assert salvage(wire, ITEM, WHOLE).missing == tuple(column for group in groups for column in group)
    assert BATCH_AND_TENTHS + wire.requests <= 3 * (10 + 12)


def test_a_request_that_fails_by_chance_misleads_nobody() -> None:
    for group in SOME_GROUPS:
        for number in range(1, 30):
            rescue = salvage(Wire(group, by_chance={number}), ITEM, WHOLE)
            assert (rescue.missing, rescue.told) == (group, True), f"misled by request {number}"


def test_two_requests_that_fail_by_chance_mislead_nobody_while_the_item_can_be_read_without_properties() -> None:
    without = {2, 3}
    for group in SOME_GROUPS:
        for unlucky in combinations(range(1, 20), 2):
            if set(unlucky) != without:
                rescue = salvage(Wire(group, by_chance=unlucky), ITEM, WHOLE)
                assert (rescue.missing, rescue.told) == (group, True), f"misled by requests {unlucky}"


def test_an_item_that_is_not_found_for_a_moment_is_read_as_far_as_it_can_be() -> None:
    for group in SOME_GROUPS:
        for number in range(1, 30):
            rescue = salvage(Wire(group, not_found={number}), ITEM, WHOLE)
            assert (rescue.missing, rescue.gone) == (group, False), f"misled by request {number}"


def test_an_item_that_is_not_found_without_any_property_is_gone() -> None:
    for went in (1, 2):
        wire = Wire(WHOLE.groups[20], not_found=range(went, 99))
        assert salvage(wire, ITEM, WHOLE).gone
        assert wire.requests == 3


def test_an_item_that_failed_by_chance_is_whole() -> None:
    for unlucky in ({1}, {1, 2}, {1, 3}, {1, 3, 5}, {1, 9}):
        rescue = salvage(Wire(by_chance=unlucky), ITEM, WHOLE)
        assert rescue.missing == ()
        assert rescue.answer is not None


def test_a_server_that_dies_in_the_middle_says_nothing_of_the_item() -> None:
    for alive in range(1, 9):
        rescue = salvage(Wire(WHOLE.groups[30], dead_after=alive), ITEM, WHOLE)
        assert not rescue.told or rescue.missing == WHOLE.groups[30]


def test_an_item_of_which_nothing_can_be_read_costs_three_requests() -> None:
    wire = Wire(dead_after=0)
    rescue = salvage(wire, ITEM, WHOLE)
    assert (rescue.answer, rescue.told) == (None, False)
    assert wire.requests == 3


@pytest.mark.parametrize(("code", "requests"), [("ErrorNonExistentMailbox", 2), ("ErrorMailboxStoreUnavailable", 1)])
def test_an_item_that_says_its_mailbox_is_out_is_not_blamed_by_its_own_word(code: str, requests: int) -> None:
    wire = Says(code)
    rescue = salvage(wire, ITEM, WHOLE, code)
    assert (rescue.answer, rescue.told, rescue.gone) == (None, False, False)
    assert wire.requests == requests


class Says(Wire):
    """A server whose only item answers with a code, whatever is asked for."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code

    def get_items(
        self, ids: list[str], asked: Shape, *, tries: int | None = None, suspect: bool = False
    ) -> list[Answer]:
        super().get_items(ids, asked, tries=tries, suspect=suspect)
        return [Answer(ids[0], code=self.code)]
