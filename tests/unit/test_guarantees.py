"""docs/guarantees.md names a test for each promise: these tests are there, and a full run collects them."""

from __future__ import annotations

import re

import pytest

from tests.pipeline import ROOT
from tests.promises import PROMISES

NAMED = sorted(PROMISES)


def test_many_promises_are_kept_by_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("named", NAMED)
def test_a_promise_has_its_test(named: str) -> None:
    file, _, test = named.partition("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), named


def test_a_full_run_collects_them_all(request: pytest.FixtureRequest) -> None:
    collected = {item.nodeid.partition("[")[0] for item in request.session.items}
    files = {node.partition("::")[0] for node in collected}
    ran_whole = [named for named in NAMED if named.partition("::")[0] in files]
    long = {named for named in ran_whole if named.endswith(("_at_length", "_after_any_kill"))}
    if (
        (request.config.option.markexpr != "not prove")
        or request.config.option.keyword
        or any("::" in arg for arg in request.config.args)
    ):
        pytest.skip("only some tests were asked for")
    assert set(ran_whole) - long <= collected
