"""The date of an item, and the restriction that asks for what is recent."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from tap_exchange.ews import ask
from tap_exchange.ews.answers import Answer, ItemChange
from tap_exchange.ews.errors import ItemsError
from tap_exchange.sync.dates import EVERYTHING, NOTHING, Since, date_of, within
from tests.elements import NAMESPACES, message_schema, needs_xsd

if TYPE_CHECKING:
    from collections.abc import Collection

START = datetime(2026, 1, 10, tzinfo=timezone.utc)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"date_time_received": "2026-01-02T00:00:00Z", "date_time_sent": "2026-01-01T00:00:00Z"}, "2026-01-02"),
        ({"date_time_sent": "2026-01-01T00:00:00Z", "date_time_created": "2026-01-03T00:00:00Z"}, "2026-01-01"),
        (
            {"date_time_received": None, "date_time_sent": None, "date_time_created": "2026-01-03T00:00:00Z"},
            "2026-01-03",
        ),
        ({}, None),
    ],
)
def test_an_item_is_as_old_as_it_was_received_else_sent_else_created(record: Any, expected: str | None) -> None:  # noqa: ANN401
    assert date_of("Message", record) == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"end_time": "2026-01-05T10:00:00Z", "recurrence": None}, "2026-01-05T10:00"),
        ({"end_time": "2026-01-05T10:00:00Z", "recurrence": {"range": {"type": "NoEndRecurrence"}}}, None),
        ({"end_time": "2026-01-05T10:00:00Z", "recurrence": {"range": {"number_of_occurrences": 9}}}, None),
        ({"end_time": "2026-01-05T10:00:00Z", "recurrence": {"range": {"end_date": "2026-02-01"}}}, "2026-02-04"),
        ({"end_time": "2026-01-05T10:00:00Z", "recurrence": {"range": {"end_date": "9999-12-31"}}}, None),
        (
            {
                "end_time": "2026-01-05T10:00:00Z",
                "recurrence": {"range": {"end_date": "2026-02-01"}},
                "last_occurrence": {"end": "2026-02-01T10:00:00Z"},
                "modified_occurrences": [{"end": "2026-01-20T10:00:00Z"}, {"end": None}],
            },
            "2026-02-01T10:00",
        ),
        (
            {
                "end_time": "2026-01-05T10:00:00Z",
                "recurrence": {"range": {"number_of_occurrences": 2}},
                "last_occurrence": {"end": "2026-01-06T10:00:00Z"},
                "modified_occurrences": [{"end": "2026-03-01T10:00:00Z"}],
            },
            "2026-03-01T10:00",
        ),
    ],
)
def test_a_calendar_item_is_as_old_as_its_end_and_a_series_as_its_last_occurrence(
    record: Any,  # noqa: ANN401
    expected: str | None,
) -> None:
    assert date_of("CalendarItem", record) == (at(expected) if expected else None)


def test_the_start_is_wanted_and_the_moment_before_is_not() -> None:
    since = Since(START)
    assert since.takes("Message", {"date_time_received": "2026-01-10T00:00:00Z"})
    assert not since.takes("Message", {"date_time_received": "2026-01-09T23:59:59.999Z"})
    assert since.takes("Message", {})
    assert Since(None).takes("Message", {"date_time_received": "1999-01-01T00:00:00Z"})


def test_starts_sort_as_the_dates_do() -> None:
    later = Since(datetime(2026, 1, 10, 0, 0, 0, 1, tzinfo=timezone.utc)).start
    assert EVERYTHING == Since(None).start < Since(START).start < later < NOTHING


def test_what_cannot_be_told_is_neither_wanted_nor_unwanted() -> None:
    class Wire:
        def get_items(self, ids: Collection[str], shape: object, *, suspect: bool) -> list[Answer]:
            assert shape
            assert suspect
            if "bad request" in ids:
                raise ItemsError("in vain", code="ErrorInternalServerError")
            old = {"date_time_received": "2020-01-01T00:00:00Z", "end_time": "2020-01-01T00:00:00Z"}
            return [Answer(i, code="ErrorItemCorrupt") if i == "corrupt" else Answer(i, record=old) for i in ids]

    def change(item_id: str, element: str = "Message") -> ItemChange:
        return ItemChange("update", item_id, None, element)

    changes = [change("old"), change("corrupt"), change("bad request", "CalendarItem"), change("x", "CalendarItem")]
    parted = Since(START).split(Wire(), changes, 10)  # type: ignore[arg-type]
    assert not parted.wanted
    assert [item.item_id for item in parted.untold] == ["bad request", "x", "corrupt"]
    assert [item.item_id for item in parted.unwanted] == ["old"]


@needs_xsd
@pytest.mark.parametrize("reach", [("a", NOTHING), (EVERYTHING, "b"), ("a", "b"), (EVERYTHING, NOTHING)])
def test_restrictions_fit_the_schema(reach: tuple[str, str]) -> None:
    low, high = ("2026-01-10T00:00:00.000000Z" if bound in {"a", "b"} else bound for bound in reach)
    request = ask.find_item("AAMk=", ask.ID_ONLY_ITEMS, offset=0, page_size=10, restriction=within(low, high))
    element = etree.fromstring(request.replace("<m:FindItem", f"<m:FindItem {NAMESPACES}", 1))
    assert message_schema().validate(element), message_schema().error_log
