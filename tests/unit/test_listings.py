"""A listing: where its next page begins, and an answer that is believed whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tap_exchange.ews import ask
from tap_exchange.ews.answers import FoundItem
from tap_exchange.ews.errors import IncompleteAnswer, RequestTooBig
from tap_exchange.sync.packed import TOGETHER, FoundItems
from tests.wire import URL, IdShape, answer, asked, failure, mailbox, success

if TYPE_CHECKING:
    from requests_mock import Mocker


def listing(count: int, attributes: str, name: str = "Item") -> str:
    nodes = "".join(f'<t:{name}><t:{name}Id Id="I{n}" ChangeKey="K"/></t:{name}>' for n in range(count))
    operation = f"Find{name}"
    return answer(
        operation, success(operation, f"<m:RootFolder {attributes}><t:{name}s>{nodes}</t:{name}s></m:RootFolder>")
    )


def test_a_page_of_a_listing(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL, text=listing(2, 'IndexedPagingOffset="2" TotalItemsInView="5" IncludesLastItemInRange="false"')
    )
    found = mailbox().find_items("F", page_size=2, order=(("item:DateTimeReceived", True),))
    assert [(i.item_id, i.change_key, i.element, i.record) for i in found.items] == [
        ("I0", "K", "Item", None),
        ("I1", "K", "Item", None),
    ]
    assert (found.next_offset, found.last, found.total) == (2, False, 5)
    sent = asked(requests_mock)
    view = sent.find("{*}IndexedPageItemView")
    assert dict(view.attrib) == {"MaxEntriesReturned": "2", "Offset": "0", "BasePoint": "Beginning"}
    assert sent.find("{*}SortOrder/{*}FieldOrder").get("Order") == "Descending"
    assert sent.get("Traversal") == "Shallow"


def test_a_restriction_and_a_calendar_window(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=listing(0, 'TotalItemsInView="0" IncludesLastItemInRange="true"'))
    received = ask.at_least("item:DateTimeReceived", "2026-01-01T00:00:00Z")
    unsent = ask.all_of(ask.negate(ask.exists("item:DateTimeReceived")), ask.at_least("item:DateTimeSent", "x"))
    mailbox().find_items("F", restriction=ask.any_of(received, unsent))
    restriction = asked(requests_mock).find("{*}Restriction")
    assert [etree.QName(node).localname for node in restriction.iter()][:4] == [
        "Restriction",
        "Or",
        "IsGreaterThanOrEqualTo",
        "FieldURI",
    ]
    found = mailbox().find_items("F", view=ask.CalendarWindow("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    view = asked(requests_mock).find("{*}CalendarView")
    assert (view.get("StartDate"), view.get("EndDate")) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert asked(requests_mock).find("{*}IndexedPageItemView") is None
    assert (found.items, found.next_offset, found.last) == ((), None, True)


def test_a_calendar_window_that_holds_more_has_no_next_page(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=listing(3, 'TotalItemsInView="9" IncludesLastItemInRange="false"'))
    found = mailbox().find_items("F", view=ask.CalendarWindow("a", "b"))
    assert (found.next_offset, found.last) == (None, False)


def test_too_many_entries_ask_for_less(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("FindItem", failure("FindItem", "ErrorExceededFindCountLimit")))
    with pytest.raises(RequestTooBig):
        mailbox().find_items("F")


@pytest.mark.parametrize(
    ("attributes", "next_offset", "last"),
    [
        ('TotalItemsInView="102"', None, True),
        ('TotalItemsInView="103"', 102, False),
        ('IncludesLastItemInRange="false"', 102, False),
        ('IncludesLastItemInRange="0" IndexedPagingOffset="105"', 105, False),
        ('IncludesLastItemInRange="1" IndexedPagingOffset="7"', None, True),
    ],
)
def test_where_the_next_page_begins(
    requests_mock: Mocker, attributes: str, next_offset: int | None, *, last: bool
) -> None:
    requests_mock.post(URL, text=listing(2, attributes))
    found = mailbox().find_items("F", offset=100)
    assert (found.next_offset, found.last) == (next_offset, last)


@pytest.mark.parametrize(
    "wrong",
    [
        listing(2, ""),
        listing(2, 'IncludesLastItemInRange="false" IndexedPagingOffset="100"'),
        listing(0, 'IncludesLastItemInRange="false"'),
        listing(2, 'IncludesLastItemInRange="perhaps"'),
        listing(2, 'TotalItemsInView="2" IncludesLastItemInRange="true"').replace("t:Items>", "t:Groups>"),
        listing(2, 'IncludesLastItemInRange="true"').replace("</t:Items>", "</t:Items><t:Items/>"),
        answer("FindItem", success("FindItem", "")),
        listing(2, 'IncludesLastItemInRange="true"').replace('Id="I1"', ""),
    ],
)
def test_a_listing_that_is_not_complete_is_not_believed(requests_mock: Mocker, wrong: str) -> None:
    requests_mock.post(URL, text=wrong)
    with pytest.raises(IncompleteAnswer):
        mailbox().find_items("F", offset=100)


def test_a_listing_of_folders(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=listing(2, 'TotalItemsInView="2" IncludesLastItemInRange="true"', "Folder"))
    found = mailbox().find_folders("F", deep=True, shape=IdShape())
    assert [(f.folder_id, f.element, f.record) for f in found.folders] == [
        ("I0", "Folder", {"item_id": "I0"}),
        ("I1", "Folder", {"item_id": "I1"}),
    ]
    assert asked(requests_mock).get("Traversal") == "Deep"


def test_found_items_are_given_back_as_they_were_in_their_order() -> None:
    items = [
        FoundItem(f"AAMk{n:08}", None if n % 3 else f"CQ{n}", "Message", {"at": n, "name": "é"} if n % 2 else None)
        for n in range(3 * TOGETHER + 7)
    ]
    found = FoundItems(items)
    assert (list(found), list(found), len(found)) == (items, items, len(items))
    assert not FoundItems()


NOTHING = answer("FindFolder", success("FindFolder", ""))


def test_folders_that_are_listed_without_a_root_are_asked_for_again_until_that_is_known_to_be_habit(
    requests_mock: Mocker,
) -> None:
    requests_mock.post(URL, text=NOTHING)
    box = mailbox()
    for requests in (2, 3):
        found = box.find_folders("F")
        assert (found.folders, found.next_offset, found.last) == ((), None, True)
        assert requests_mock.call_count == requests


def test_a_listing_of_folders_that_lost_its_root_is_not_taken_for_an_empty_one(requests_mock: Mocker) -> None:
    whole = listing(2, 'TotalItemsInView="2" IncludesLastItemInRange="true"', "Folder")
    requests_mock.post(URL, [{"text": NOTHING}, {"text": whole}])
    assert len(mailbox().find_folders("F").folders) == 2


def test_a_server_that_writes_empty_listings_has_to_leave_out_a_root_three_times(requests_mock: Mocker) -> None:
    empty = listing(0, 'TotalItemsInView="0" IncludesLastItemInRange="true"', "Folder")
    whole = listing(2, 'TotalItemsInView="2" IncludesLastItemInRange="true"', "Folder")
    box = mailbox()
    requests_mock.post(URL, [{"text": empty}, *[{"text": NOTHING}] * 2, {"text": whole}, *[{"text": NOTHING}] * 3])
    assert [len(box.find_folders("F").folders) for _ in range(3)] == [0, 2, 0]
    assert requests_mock.call_count == 7


def test_no_later_page_of_folders_is_believed_without_its_root(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=NOTHING)
    with pytest.raises(IncompleteAnswer):
        mailbox().find_folders("F", offset=100)
