"""The operations: what is asked, and an answer that is believed whole or not at all."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tap_exchange.ews import ask, strict
from tap_exchange.ews.batch import CONVERSION_FAILED
from tap_exchange.ews.errors import (
    FolderError,
    IncompleteAnswer,
    ItemsError,
    MailboxError,
    RequestTooBig,
    StateError,
    TransientError,
)
from tap_exchange.ews.faults import Action, Fault
from tap_exchange.ews.operations import Answer, FolderChange, ItemChange, Mailbox
from tap_exchange.ews.soap import Message
from tests.wire import (
    ANNA,
    NAMESPACES,
    URL,
    Clock,
    Connection,
    IdShape,
    answer,
    envelope,
    failure,
    fault,
    item,
    page,
    success,
    transport,
)

if TYPE_CHECKING:
    from requests_mock import Mocker

SPACED = " AgENAAAA"


def mailbox(
    clock: Clock | None = None, *, store: str = "primary", impersonate: bool = False, **options: float
) -> Mailbox:
    connection = Connection()
    connection.impersonate = impersonate
    return Mailbox(transport(connection, clock, **options), ANNA, store)


def asked(mock: Mocker, number: int = -1) -> etree._Element:
    """The operation's element of a request."""
    return etree.fromstring(mock.request_history[number].body).find("{*}Body")[0]


def ids_asked(mock: Mocker, number: int = -1) -> list[str]:
    return [node.get("Id") for node in asked(mock, number).iter("{*}ItemId")]


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


def test_a_page_that_lost_its_list_of_changes_is_not_taken_for_an_empty_one(requests_mock: Mocker) -> None:
    whole = page(CREATE, state="S9")
    start, end = whole.index("<m:Changes>"), whole.index("</m:Changes>") + len("</m:Changes>")
    requests_mock.post(URL, [{"text": whole[:start] + whole[end:]}, {"text": whole}])
    assert len(mailbox().sync_items("F", "S1").changes) == 1


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


# --- GetItem ---------------------------------------------------------------------------------


def records(answers: list[Answer]) -> list[str | None]:
    return [a.code or (a.record or {}).get("item_id") for a in answers]


def test_each_id_gets_its_answer_in_the_order_asked(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL, text=answer("GetItem", item("A"), failure("GetItem", "ErrorItemNotFound"), item("c", "Task"))
    )
    answers = mailbox().get_items(["A", "b", "c"], IdShape())
    assert answers[0] == Answer("A", "Message", {"item_id": "A"})
    assert (answers[1].id, answers[1].code) == ("b", "ErrorItemNotFound")
    assert answers[2] == Answer("c", "Task", {"item_id": "c"})
    assert ids_asked(requests_mock) == ["A", "b", "c"]


def test_ids_keep_their_blanks_their_case_and_their_letters(requests_mock: Mocker) -> None:
    ids = [SPACED, "abc", "ABC", 'x&<>"y', "tab\there", "line\nend"]
    requests_mock.post(URL, text=answer("GetItem", *[item(ask.escape(i)) for i in ids]))
    assert records(mailbox().get_items(ids, IdShape())) == ids
    assert ids_asked(requests_mock) == ids


def test_an_id_asked_twice_is_loaded_once_and_answered_twice(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", item("A"), item("B")))
    assert records(mailbox().get_items(["A", "B", "A"], IdShape())) == ["A", "B", "A"]
    assert ids_asked(requests_mock) == ["A", "B"]


def test_nothing_asked_sends_nothing(requests_mock: Mocker) -> None:
    assert mailbox().get_items([], IdShape()) == []
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("order", list(itertools.permutations("ABC")))
def test_answers_in_another_order_are_matched_by_id(requests_mock: Mocker, order: tuple[str, ...]) -> None:
    requests_mock.post(URL, text=answer("GetItem", *[item(i) for i in order]))
    assert records(mailbox().get_items(["A", "B", "C"], IdShape())) == ["A", "B", "C"]


def test_one_error_among_answers_in_another_order_is_the_one_left_over(requests_mock: Mocker) -> None:
    error = failure("GetItem", "ErrorItemCorrupt")
    requests_mock.post(URL, text=answer("GetItem", item("C"), item("A"), error))
    assert records(mailbox().get_items(["A", "B", "C"], IdShape())) == ["A", "ErrorItemCorrupt", "C"]


GONE, CORRUPT = failure("GetItem", "ErrorItemNotFound"), failure("GetItem", "ErrorItemCorrupt")
DOUBTFUL = {
    "too few": [item("A"), item("B")],
    "too many": [item("A"), item("B"), item("C"), item("C")],
    "one twice": [item("A"), item("A"), item("C")],
    "a stranger twice": [item("A"), item("X"), item("X")],
    "a stranger in its place": [item("A"), item("X"), CORRUPT],
    "a stranger among the reordered": [item("B"), item("A"), item("X")],
    "two different errors out of order": [item("C"), CORRUPT, GONE],
    "a success without an item": [item("A"), success("GetItem", "<m:Items/>"), item("C")],
    "a success without a container": [item("A"), success("GetItem", ""), item("C")],
    "a success with two items": [
        item("A"),
        item("B").replace("</m:Items>", '<t:Task><t:ItemId Id="D"/></t:Task></m:Items>'),
        item("C"),
    ],
    "an item without an id": [item("A"), success("GetItem", "<m:Items><t:Task/></m:Items>"), item("C")],
}


@pytest.mark.parametrize("doubt", DOUBTFUL)
def test_answers_that_leave_a_doubt_are_not_believed(requests_mock: Mocker, doubt: str) -> None:
    requests_mock.post(URL, text=answer("GetItem", *DOUBTFUL[doubt]))
    with pytest.raises(IncompleteAnswer):
        mailbox().get_items(["A", "B", "C"], IdShape())
    assert requests_mock.call_count == 2


@given(st.data())
def test_matching_gives_every_id_its_own_answer_or_refuses(data: st.DataObject) -> None:
    """A server may shuffle, drop, repeat and fail as it likes: an id never gets another one's item."""
    ids = [f"I{n}" for n in range(data.draw(st.integers(1, 6)))]
    failed = {i: data.draw(st.sampled_from(["", "", "ErrorItemCorrupt", "ErrorItemNotFound"])) for i in ids}
    sent = data.draw(st.permutations(ids)) if data.draw(st.booleans()) else list(ids)
    if data.draw(st.booleans()):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.sampled_from(ids))
    messages = []
    for i in sent:
        element = etree.fromstring(f"<r {NAMESPACES}>{item(i)}</r>")[0]
        code = failed[i]
        messages.append(Message(element, Fault(code, Action.QUARANTINE) if code else None))
    try:
        found = strict.matched(messages, ids, "Item")
    except IncompleteAnswer:
        return
    assert [match.id for match in found] == ids
    for match in found:
        if match.element is not None:
            assert strict.identity(match.element, f"{strict.TYPES}ItemId")[0] == match.id


def test_a_stopped_batch_is_asked_to_its_end(requests_mock: Mocker) -> None:
    stopped = failure("GetItem", "ErrorBatchProcessingStopped", kind="Warning")
    requests_mock.post(
        URL,
        [
            {"text": answer("GetItem", item("A"), CORRUPT, stopped, stopped)},
            {"text": answer("GetItem", item("C"), stopped)},
            {"text": answer("GetItem", item("D"))},
        ],
    )
    assert records(mailbox().get_items("ABCD", IdShape())) == ["A", "ErrorItemCorrupt", "C", "D"]
    assert [ids_asked(requests_mock, n) for n in range(3)] == [["A", "B", "C", "D"], ["C", "D"], ["D"]]


def test_a_batch_that_always_stops_at_its_first_item_is_given_up(requests_mock: Mocker) -> None:
    stopped = failure("GetItem", "ErrorBatchProcessingStopped")
    requests_mock.post(URL, text=answer("GetItem", stopped, stopped))
    with pytest.raises(ItemsError) as raised:
        mailbox().get_items("AB", IdShape())
    assert requests_mock.call_count == 3
    assert raised.value.splittable


def test_an_item_that_is_busy_is_asked_again_after_the_back_off(requests_mock: Mocker) -> None:
    clock = Clock()
    busy = failure("GetItem", "ErrorServerBusy", text="Suggested backoff time 4000 ms.")
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), busy)}, {"text": answer("GetItem", item("B"))}])
    assert records(mailbox(clock).get_items("AB", IdShape())) == ["A", "B"]
    assert clock.waits == [4.0]
    assert ids_asked(requests_mock) == ["B"]


@pytest.mark.parametrize("code", ["ErrorTimeoutExpired", "ErrorInternalServerTransientError"])
def test_an_item_that_stays_busy_by_itself_becomes_its_code(requests_mock: Mocker, code: str) -> None:
    busy = failure("GetItem", code)
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), busy)}, {"text": answer("GetItem", busy)}])
    assert records(mailbox().get_items("AB", IdShape())) == ["A", code]
    assert requests_mock.call_count == 3


def test_items_of_a_store_that_stays_away_are_never_called_corrupt(requests_mock: Mocker) -> None:
    down = failure("GetItem", "ErrorMailboxMoveInProgress")
    requests_mock.post(URL, [{"text": answer("GetItem", item("A"), down)}, {"text": answer("GetItem", down)}])
    with pytest.raises(TransientError, match="ErrorMailboxMoveInProgress"):
        mailbox(max_wait=300).get_items("AB", IdShape())


def test_a_mailbox_that_is_out_is_not_a_batch_of_corrupt_items(requests_mock: Mocker) -> None:
    out = failure("GetItem", "ErrorNonExistentMailbox")
    requests_mock.post(URL, text=answer("GetItem", out, out))
    with pytest.raises(MailboxError):
        mailbox().get_items("AB", IdShape())


def test_an_item_that_is_closed_to_us_is_its_own_trouble(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorAccessDenied")))
    assert records(mailbox().get_items("A", IdShape())) == ["ErrorAccessDenied"]


def test_the_servers_words_come_along_for_the_table(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetItem", failure("GetItem", "ErrorItemCorrupt", text="It is corrupt.")))
    assert mailbox().get_items("A", IdShape())[0].message == "It is corrupt."


def test_an_item_that_cannot_be_converted_stops_no_other(requests_mock: Mocker) -> None:
    class Fails(IdShape):
        def convert(self, element: etree._Element) -> dict[str, str]:
            if element.tag.endswith("Task"):
                raise ValueError("Dear Bob")
            return super().convert(element)

    requests_mock.post(URL, text=answer("GetItem", item("A", "Task"), item("B")))
    answers = mailbox().get_items("AB", Fails())
    assert records(answers) == [CONVERSION_FAILED, "B"]
    assert "Bob" not in (answers[0].message or "")


def test_a_batch_that_fails_as_a_whole_says_that_less_may_succeed(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorItemCorrupt"), status_code=500)
    with pytest.raises(ItemsError) as raised:
        mailbox().get_items("AB", IdShape())
    assert raised.value.splittable


# --- folders ---------------------------------------------------------------------------------


def folder(folder_id: str, content: str = "", name: str = "Folder") -> str:
    inner = f'<t:{name}><t:FolderId Id="{folder_id}" ChangeKey="K"/>{content}</t:{name}>'
    return success("GetFolder", f"<m:Folders>{inner}</m:Folders>")


def test_the_root_of_each_store(requests_mock: Mocker) -> None:
    content = (
        "<t:FolderClass>IPF</t:FolderClass><t:DisplayName>Top</t:DisplayName><t:TotalCount>3</t:TotalCount>"
        "<t:ChildFolderCount>16</t:ChildFolderCount>"
    )
    requests_mock.post(URL, text=answer("GetFolder", folder("R", content)))
    roots = {
        "primary": "msgfolderroot",
        "archive": "archivemsgfolderroot",
        "recoverable_items": "recoverableitemsroot",
        "public_folders": "publicfoldersroot",
    }
    for store, name in roots.items():
        root = mailbox(store=store).root()
        assert (root.folder_id, root.name, root.folder_class) == ("R", "Top", "IPF")
        assert (root.total_count, root.child_folder_count, root.element) == (3, 16, "Folder")
        sent = asked(requests_mock).find(".//{*}DistinguishedFolderId")
        assert sent.get("Id") == name
        assert sent.findtext("{*}Mailbox/{*}EmailAddress") == (None if store == "public_folders" else ANNA)


def test_impersonation_names_no_mailbox_in_the_body(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("R")))
    mailbox(impersonate=True).root()
    assert asked(requests_mock).find(".//{*}Mailbox") is None


@pytest.mark.parametrize("own", [True, False])
def test_only_the_accounts_own_mailbox_is_opened_without_its_address(requests_mock: Mocker, *, own: bool) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "t:EmailAddress" in request.text:
            context.status_code = 500
            return fault("ErrorSchemaValidation")
        return answer("GetFolder", folder("R"))

    requests_mock.post(URL, text=respond)
    connection = Connection()
    connection.own_address = ANNA if own else "boris@example.com"
    wire = Mailbox(transport(connection), ANNA)
    if own:
        assert wire.root().folder_id == "R"
        assert asked(requests_mock).find(".//{*}Mailbox") is None
    else:
        with pytest.raises(MailboxError):
            wire.root()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ErrorNonExistentMailbox", MailboxError),
        ("ErrorAccessDenied", MailboxError),
        ("ErrorFolderNotFound", MailboxError),
        ("ErrorItemNotFound", MailboxError),
    ],
)
def test_a_root_that_cannot_be_opened_is_the_mailboxes_failure(requests_mock: Mocker, code: str, kind: type) -> None:
    requests_mock.post(URL, text=answer("GetFolder", failure("GetFolder", code)))
    with pytest.raises(kind) as raised:
        mailbox().root()
    assert raised.value.code == code
    assert ANNA in str(raised.value)


def test_a_store_that_the_mailbox_lacks_is_named(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", failure("GetFolder", "ErrorFolderNotFound")))
    with pytest.raises(MailboxError, match="has no recoverable items"):
        mailbox(store="recoverable_items").root()


def test_public_folders_that_do_not_exist_are_not_waited_for(requests_mock: Mocker) -> None:
    gone = failure("GetFolder", "ErrorNoPublicFolderReplicaAvailable")
    requests_mock.post(URL, text=answer("GetFolder", gone))
    with pytest.raises(MailboxError, match="no public folders"):
        mailbox(store="public_folders").root()
    assert requests_mock.call_count == 1


def named(mock: Mocker, number: int = -1) -> list[str]:
    return [node.get("Id") for node in asked(mock, number).iter("{*}DistinguishedFolderId")]


def answers_to_names(context: dict[str, Any], *missing: str) -> Any:  # noqa: ANN401 - a callback
    def respond(request: Any, _: Any) -> str:  # noqa: ANN401
        names = [node.get("Id") for node in etree.fromstring(request.body).iter("{*}DistinguishedFolderId")]
        context["names"] = names
        gone = failure("GetFolder", "ErrorFolderNotFound")
        return answer("GetFolder", *[gone if n in missing else folder(f"id-{n}") for n in names])

    return respond


def test_all_distinguished_folders_in_one_request(requests_mock: Mocker) -> None:
    context: dict[str, Any] = {}
    requests_mock.post(URL, text=answers_to_names(context, "voicemail", "journal"))
    found = mailbox().distinguished()
    assert requests_mock.call_count == 1
    assert found["id-inbox"] == "inbox"
    assert "id-voicemail" not in found
    assert {"inbox", "calendar", "msgfolderroot", "syncissues"} <= set(context["names"])
    assert not [n for n in context["names"] if n.startswith(("archive", "recoverable", "public"))]


@pytest.mark.parametrize(
    ("store", "name"),
    [("archive", "archivedeleteditems"), ("recoverable_items", "recoverableitemspurges")],
)
def test_each_store_asks_for_its_own_names(requests_mock: Mocker, store: str, name: str) -> None:
    requests_mock.post(URL, text=answers_to_names({}))
    assert mailbox(store=store).distinguished()[f"id-{name}"] == name
    assert "inbox" not in named(requests_mock)


def test_a_server_that_lacks_a_name_is_asked_for_fewer(requests_mock: Mocker) -> None:
    refused = {"status_code": 500, "text": fault("ErrorSchemaValidation")}
    requests_mock.post(URL, [refused, {"text": answers_to_names({})}])
    assert mailbox().distinguished()["id-inbox"] == "inbox"
    assert "syncissues" in named(requests_mock, 0)
    assert "syncissues" not in named(requests_mock, 1)


@pytest.mark.parametrize("code", ["ErrorSchemaValidation", "ErrorInvalidPropertyRequest", ""])
def test_a_server_that_lacks_all_but_the_common_names_is_asked_for_those(requests_mock: Mocker, code: str) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "voicemail" in request.text or "folder:DistinguishedFolderId" in request.text:
            context.status_code = 500
            return fault(code)
        return answers_to_names({})(request, context)

    requests_mock.post(URL, text=respond)
    assert mailbox().distinguished()["id-inbox"] == "inbox"


def test_a_server_that_knows_no_distinguished_folder_has_none(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorInvalidRequest"), status_code=500)
    assert mailbox().distinguished() == {}


def test_a_server_that_is_busy_is_not_taken_for_one_without_distinguished_folders(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorServerBusy"), status_code=500)
    with pytest.raises(TransientError):
        mailbox(max_wait=5).distinguished()


def test_a_folder_that_says_its_own_name_is_believed(requests_mock: Mocker) -> None:
    def shuffled(request: Any, _: Any) -> str:  # noqa: ANN401
        names = [node.get("Id") for node in etree.fromstring(request.body).iter("{*}DistinguishedFolderId")]
        own = "<t:DistinguishedFolderId>{}</t:DistinguishedFolderId>"
        return answer("GetFolder", *[folder(f"id-{n}", own.format(n)) for n in reversed(names)])

    requests_mock.post(URL, text=shuffled)
    found = mailbox().distinguished()
    assert all(folder_id == f"id-{name}" for folder_id, name in found.items())


def test_too_few_distinguished_folders_are_not_believed(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("id-inbox")))
    with pytest.raises(IncompleteAnswer):
        mailbox().distinguished()


def test_names_a_server_is_too_old_for_are_not_asked() -> None:
    from tap_exchange.ews.answers import ServerInfo  # noqa: PLC0415

    newest = {
        build: ask.distinguished_names("primary", ServerInfo(build, ""))[0]
        for build in ("8.1.1", "14.3.1", "15.1.1", "15.20.1.1")
    }
    assert "syncissues" not in newest["8.1.1"]
    assert "syncissues" not in newest["14.3.1"]
    assert "syncissues" in newest["15.1.1"]
    assert "teamchat" not in newest["15.1.1"]
    assert "teamchat" in newest["15.20.1.1"]


def test_folders_are_loaded_like_items(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("F1"), failure("GetFolder", "ErrorFolderNotFound")))
    answers = mailbox().get_folders(["F1", "F2"], IdShape())
    assert (answers[0].element, answers[0].record) == ("Folder", {"item_id": "F1"})
    assert (answers[1].id, answers[1].code) == ("F2", "ErrorFolderNotFound")
    assert [node.get("Id") for node in asked(requests_mock).iter("{*}FolderId")] == ["F1", "F2"]


# --- listings --------------------------------------------------------------------------------


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
    found = mailbox().find_items("F", view=ask.CalendarWindow("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", 1000))
    view = asked(requests_mock).find("{*}CalendarView")
    assert view.get("MaxEntriesReturned") == "1000"
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


# --- ResolveNames ----------------------------------------------------------------------------


def resolution(address: str, *aliases: str, routing: str = "SMTP", kind: str = "Mailbox") -> str:
    entries = "".join(f'<t:Entry Key="EmailAddress{n}">{a}</t:Entry>' for n, a in enumerate(aliases, 1))
    contact = f"<t:Contact><t:EmailAddresses>{entries}</t:EmailAddresses></t:Contact>" if aliases else ""
    return (
        f"<t:Resolution><t:Mailbox><t:Name>N</t:Name><t:EmailAddress>{address}</t:EmailAddress>"
        f"<t:RoutingType>{routing}</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:Mailbox>{contact}</t:Resolution>"
    )


def resolved(*resolutions: str) -> str:
    found = f"<m:ResolutionSet TotalItemsInView='{len(resolutions)}'>{''.join(resolutions)}</m:ResolutionSet>"
    if len(resolutions) > 1:
        return answer(
            "ResolveNames", failure("ResolveNames", "ErrorNameResolutionMultipleResults", found, kind="Warning")
        )
    return answer("ResolveNames", success("ResolveNames", found))


LONGER = "anna@example.com.au"


@pytest.mark.parametrize(
    ("found", "address"),
    [
        ([resolution("Anna@Example.com")], ANNA),
        (
            [resolution("anna.smith@example.com", "SMTP:anna.smith@example.com", "smtp:Anna@example.com")],
            "anna.smith@example.com",
        ),
        ([resolution(LONGER, f"SMTP:{LONGER}"), resolution(ANNA)], ANNA),
        ([resolution(LONGER, f"SMTP:{LONGER}"), resolution("a.s@example.com", f"smtp:{ANNA}")], "a.s@example.com"),
        ([resolution(LONGER, f"SMTP:{LONGER}")], ANNA),
        ([resolution(LONGER), resolution("b@example.com")], ANNA),
        ([resolution("primary@example.com")], "primary@example.com"),
        ([resolution("primary@example.com", "SMTP:a@x.y", "smtp:b@x.y", "smtp:c@x.y")], "primary@example.com"),
        ([resolution("/o=Org/cn=anna", routing="EX")], ANNA),
        ([resolution("list@example.com", kind="PublicDL")], ANNA),
        ([resolution("no address")], ANNA),
    ],
)
def test_the_primary_address(requests_mock: Mocker, found: list[str], address: str) -> None:
    requests_mock.post(URL, text=resolved(*found))
    assert mailbox().resolve() == address


@pytest.mark.parametrize("code", ["ErrorNameResolutionNoResults", "ErrorNameResolutionNoMailbox", "ErrorAccessDenied"])
def test_a_directory_that_cannot_say_leaves_the_address(requests_mock: Mocker, code: str) -> None:
    requests_mock.post(URL, text=answer("ResolveNames", failure("ResolveNames", code)))
    one = Mailbox(transport(), "Anna@Example.COM")
    assert one.resolve() == ANNA


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, fault("", faultcode="s:Client", text="Unknown operation.")),
        (200, fault("", faultcode="s:Client", text="Unknown operation.")),
        (500, fault("ErrorInvalidRequest")),
        (500, fault("ErrorAccessDenied")),
        (400, "Bad Request"),
        (501, "<html>Not Implemented</html>"),
    ],
)
def test_a_server_without_a_directory_leaves_the_address(requests_mock: Mocker, status: int, text: str) -> None:
    requests_mock.post(URL, text=text, status_code=status)
    assert Mailbox(transport(), "Anna@Example.COM").resolve() == ANNA


def test_a_directory_that_is_out_of_order_settles_nothing(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorServerBusy"), status_code=500)
    with pytest.raises(TransientError):
        mailbox(max_wait=5).resolve()


def test_blanks_around_a_response_code_say_nothing(requests_mock: Mocker) -> None:
    text = resolved(resolution("primary@example.com")).replace(">NoError<", ">\n  NoError\n <")
    requests_mock.post(URL, text=text)
    assert mailbox().resolve() == "primary@example.com"


def test_a_mailbox_that_does_not_exist_is_out(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorNonExistentMailbox"), status_code=500)
    with pytest.raises(MailboxError, match="no such mailbox"):
        mailbox().resolve()
    requests_mock.post(URL, text=answer("ResolveNames", failure("ResolveNames", "ErrorNonExistentMailbox")))
    with pytest.raises(MailboxError):
        mailbox().resolve()


def test_the_server_is_known_after_the_first_answer(requests_mock: Mocker) -> None:
    text = answer("GetFolder", folder("R"))
    info = '<t:ServerVersionInfo MajorVersion="15" MinorVersion="20" MajorBuildNumber="8769" MinorBuildNumber="35"/>'
    requests_mock.post(URL, text=text.replace("<s:Header>", f"<s:Header>{info}"))
    one = mailbox()
    one.root()
    assert one.server is not None
    assert (one.server.build, one.server.online) == ("15.20.8769.35", True)


def test_an_answer_without_messages_is_its_own_message(requests_mock: Mocker) -> None:
    requests_mock.post(
        URL, text=envelope('<m:GetRoomsResponse ResponseClass="Success"><m:Rooms/></m:GetRoomsResponse>')
    )
    assert transport().call("GetRooms", "<m:GetRooms/>", mailbox=ANNA, read=len) == 1
