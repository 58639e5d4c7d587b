"""A page of changes: what is asked for, and an answer that is believed whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tap_exchange.ews import ask, strict
from tap_exchange.ews.answers import FolderChange, ItemChange
from tap_exchange.ews.errors import FolderError, IncompleteAnswer, StateError
from tap_exchange.ews.soap import Message
from tests.wire import SPACED, URL, answer, asked, failure, ids_asked, mailbox, page

if TYPE_CHECKING:
    from requests_mock import Mocker


# --- SyncFolderItems -------------------------------------------------------------------------

CREATE = '<t:Create><t:Message><t:ItemId Id="A" ChangeKey="K"/></t:Message></t:Create>'
UPDATE = f'<t:Update><t:CalendarItem><t:ItemId Id="{SPACED}" ChangeKey="K"/></t:CalendarItem></t:Update>'
DELETE = '<t:Delete><t:ItemId Id="a" ChangeKey="K"/></t:Delete>'
READ = '<t:ReadFlagChange><t:ItemId Id="B" ChangeKey="AAAA"/><t:IsRead>false</t:IsRead></t:ReadFlagChange>'
STRANGE = '<t:Create><t:Booking><t:Title>x</t:Title><t:ItemId Id="C"/></t:Booking></t:Create>'


@pytest.mark.parametrize(("said", "last"), [("true", True), ("False", False), (" 1 ", True), ("0", False)])
def test_a_page_says_whether_it_is_the_last(requests_mock: Mocker, said: str, *, last: bool) -> None:
    requests_mock.post(URL, text=page(CREATE, state="S2", last=said))
    assert mailbox().sync_items("F", "S1", 100).last is last


def test_a_page_of_changes_in_their_order(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page(CREATE, UPDATE, READ, DELETE, STRANGE, state="S2", last="false"))
    found = mailbox().sync_items("F", "S1", 100)
    assert (found.sync_state, found.last) == ("S2", False)
    assert found.changes == (
        ItemChange("create", "A", "K", "Message"),
        ItemChange("update", SPACED, "K", "CalendarItem"),
        ItemChange("read_flag", "B", "AAAA", None, is_read=False),
        ItemChange("delete", "a", "K", None),
        ItemChange("create", "C", None, "Booking"),
    )


def test_what_a_sync_call_asks(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page())
    mailbox().sync_items('F"<&>', None)
    sent = asked(requests_mock)
    assert [etree.QName(node).localname for node in sent] == ["ItemShape", "SyncFolderId", "MaxChangesReturned"]
    assert sent.findtext("{*}ItemShape/{*}BaseShape") == "IdOnly"
    assert sent.find("{*}SyncFolderId/{*}FolderId").get("Id") == 'F"<&>'
    assert sent.findtext("{*}MaxChangesReturned") == "512"
    mailbox().sync_items("F", "S&1", 9999, ignore=[SPACED, "x"])
    sent = asked(requests_mock)
    assert [etree.QName(node).localname for node in sent] == [
        "ItemShape",
        "SyncFolderId",
        "SyncState",
        "Ignore",
        "MaxChangesReturned",
    ]
    assert sent.findtext("{*}SyncState") == "S&1"
    assert sent.findtext("{*}MaxChangesReturned") == "512"
    assert ids_asked(requests_mock) == [SPACED, "x"]


def test_nothing_to_report_still_moves_the_state(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page(state="S9").replace("<m:Changes></m:Changes>", "<m:Changes/>"))
    found = mailbox().sync_items("F", "S1")
    assert (found.changes, found.sync_state, found.last) == ((), "S9", True)


def test_a_page_without_a_list_of_changes_is_asked_for_again_until_that_is_known_to_be_habit(
    requests_mock: Mocker,
) -> None:
    requests_mock.post(URL, text=page(state="\n  S9\n").replace("<m:Changes></m:Changes>", ""))
    asked = mailbox()
    for requests in (2, 3):
        found = asked.sync_items("F", "S1")
        assert (found.changes, found.sync_state, found.last) == ((), "S9", True)
        assert requests_mock.call_count == requests


def without_changes(whole: str) -> str:
    return whole[: whole.index("<m:Changes>")] + whole[whole.index("</m:Changes>") + len("</m:Changes>") :]


def test_a_page_that_lost_its_list_of_changes_is_not_taken_for_an_empty_one(requests_mock: Mocker) -> None:
    whole = page(CREATE, state="S9")
    requests_mock.post(URL, [{"text": without_changes(whole)}, {"text": whole}])
    assert len(mailbox().sync_items("F", "S1").changes) == 1


def test_a_server_that_writes_empty_lists_has_to_leave_one_out_three_times(requests_mock: Mocker) -> None:
    whole = page(CREATE, state="S9")
    lost = without_changes(whole)
    asked = mailbox()
    requests_mock.post(URL, [{"text": page(state="S1")}, *[{"text": lost}] * 2, {"text": whole}, *[{"text": lost}] * 3])
    assert asked.sync_items("F", "S0").changes == ()
    assert len(asked.sync_items("F", "S1").changes) == 1
    assert asked.sync_items("F", "S1").changes == ()
    assert requests_mock.call_count == 7


def test_a_page_without_changes_or_a_new_state_is_an_empty_one(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page(state="S1").replace("<m:Changes></m:Changes>", ""))
    assert mailbox().sync_items("F", "S1").changes == ()
    assert requests_mock.call_count == 1


def test_a_missing_word_for_the_last_page_means_the_last(requests_mock: Mocker) -> None:
    whole = page(CREATE)
    start, end = whole.index("<m:IncludesLast"), whole.index("<m:Changes>")
    requests_mock.post(URL, text=whole[:start] + whole[end:])
    assert mailbox().sync_items("F", None).last


def whole_message() -> str:
    whole = page(CREATE)
    return whole[whole.index("<m:SyncFolderItemsResponseMessage") : whole.index("</m:ResponseMessages>")]


INCOMPLETE = {
    "no changes element": page(CREATE).replace("Changes>", "Other>"),
    "no changes and more to come": page(state="S2", last="false").replace("<m:Changes></m:Changes>", ""),
    "a second list of changes": page(CREATE).replace("</m:Changes>", f"</m:Changes><m:Changes>{READ}</m:Changes>"),
    "no state": page(CREATE, state=""),
    "a blank state": page(CREATE, state="  \n"),
    "a change without an id": page(CREATE.replace('Id="A" ', "")),
    "a change with an empty id": page(CREATE.replace('"A"', '""')),
    "a deletion without an id": page("<t:Delete/>"),
    "an empty creation": page("<t:Create/>"),
    "two items in a creation": page(CREATE.replace("</t:Create>", "<t:Message/></t:Create>")),
    "an unknown kind of change": page(CREATE, READ.replace("ReadFlagChange", "Rename")),
    "a read flag without its value": page(READ.replace("<t:IsRead>false</t:IsRead>", "")),
    "a read flag that is neither": page(READ.replace("false", "perhaps")),
    "a last page that is neither": page(CREATE, last="maybe"),
    "two response messages": page(CREATE).replace("</m:ResponseMessages>", f"{whole_message()}</m:ResponseMessages>"),
}


@pytest.mark.parametrize("wrong", INCOMPLETE)
def test_a_page_that_is_not_complete_is_not_believed(requests_mock: Mocker, wrong: str) -> None:
    requests_mock.post(URL, text=INCOMPLETE[wrong])
    with pytest.raises(IncompleteAnswer) as raised:
        mailbox().sync_items("F", "S1")
    assert requests_mock.call_count == 3, "it is asked again, a few times"
    assert raised.value.splittable


def test_a_page_that_was_cut_after_its_state_is_never_a_page(requests_mock: Mocker) -> None:
    whole = page(*[CREATE] * 5, state="S2")
    for end in range(whole.index("</m:SyncState>"), len(whole), 37):
        requests_mock.post(URL, text=whole[:end])
        with pytest.raises(IncompleteAnswer):
            mailbox().sync_items("F", "S1")


def test_no_state_is_ever_taken_from_an_error(requests_mock: Mocker) -> None:
    rest = "<m:SyncState>S2</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes/>"
    for code, kind in (("ErrorInvalidSyncStateData", StateError), ("ErrorItemCorrupt", FolderError)):
        for outcome in ("Error", "Warning", "Success"):
            requests_mock.post(
                URL, text=answer("SyncFolderItems", failure("SyncFolderItems", code, rest, kind=outcome))
            )
            with pytest.raises(kind) as raised:
                mailbox().sync_items("F", "S1")
            assert raised.value.code == code


def test_the_same_state_with_more_to_come_ends_the_folder(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page(CREATE, state="S1", last="false"))
    with pytest.raises(FolderError, match="nothing would ever end") as raised:
        mailbox().sync_items("F", "S1")
    assert (raised.value.splittable, requests_mock.call_count) == (False, 1)


def test_the_same_state_on_the_last_page_is_an_unchanged_folder(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=page(state="S1"))
    assert mailbox().sync_items("F", "S1").sync_state == "S1"


kinds = st.sampled_from(["Create", "Update", "Delete", "ReadFlagChange"])
names = st.sampled_from(["Message", "CalendarItem", "Contact", "Item", "Network", "Anything"])
identities = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(kinds, names, identities, st.booleans()), max_size=20))
def test_every_change_of_a_page_is_read(changes: list[tuple[str, str, str, bool]]) -> None:
    written = []
    for kind, name, item_id, read in changes:
        identity = f'<t:ItemId Id="{ask.escape(item_id)}"/>'
        content = f"<t:{name}>{identity}</t:{name}>" if kind in {"Create", "Update"} else identity
        flag = f"<t:IsRead>{str(read).lower()}</t:IsRead>" if kind == "ReadFlagChange" else ""
        written.append(f"<t:{kind}>{content}{flag}</t:{kind}>")
    root = etree.fromstring(page(*written).encode())
    message = root.find(".//{*}SyncFolderItemsResponseMessage")
    found = strict.Feed().items(None)([Message(message, None)])
    assert [(c.kind.replace("_", "")[:8], c.item_id) for c in found.changes] == [
        (kind.lower()[:8], item_id) for kind, _, item_id, _ in changes
    ]
    assert [c.is_read for c in found.changes if c.kind == "read_flag"] == [r for k, _, _, r in changes if k[0] == "R"]


# --- SyncFolderHierarchy ---------------------------------------------------------------------


def test_the_hierarchys_changes(requests_mock: Mocker) -> None:
    inside = '<t:FolderId Id="F1" ChangeKey="K"/><t:ParentFolderId Id="R"/><t:DisplayName>Cal</t:DisplayName>'
    changes = (
        f"<t:Create><t:CalendarFolder>{inside}</t:CalendarFolder></t:Create>",
        '<t:Update><t:StrangeFolder><t:FolderId Id="F2"/></t:StrangeFolder></t:Update>',
        '<t:Delete><t:FolderId Id="F3"/></t:Delete>',
    )
    requests_mock.post(URL, text=page(*changes, operation="SyncFolderHierarchy"))
    found = mailbox().sync_hierarchy("R", "H1")
    assert found.changes == (
        FolderChange("create", "F1", "K", "CalendarFolder", "R", "Cal"),
        FolderChange("update", "F2", None, "StrangeFolder", None, None),
        FolderChange("delete", "F3", None, None, None, None),
    )
    sent = asked(requests_mock)
    assert sent.findtext("{*}FolderShape/{*}BaseShape") == "IdOnly"
    assert sent.find("{*}FolderShape/{*}AdditionalProperties") is None
    assert sent.findtext("{*}SyncState") == "H1"


def test_an_unknown_change_of_the_hierarchy_is_not_skipped(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL,
        text=page('<t:Rename><t:Folder><t:FolderId Id="F"/></t:Folder></t:Rename>', operation="SyncFolderHierarchy"),
    )
    with pytest.raises(IncompleteAnswer):
        mailbox().sync_hierarchy("R", None)


def test_a_hierarchy_state_that_is_refused(requests_mock: Mocker) -> None:
    operation = "SyncFolderHierarchy"
    requests_mock.post(URL, text=answer(operation, failure(operation, "ErrorInvalidSyncStateData")))
    with pytest.raises(StateError):
        mailbox().sync_hierarchy("R", "H1")
