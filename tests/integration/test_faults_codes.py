"""The error table of the protocol, row by row: what each code makes the tap do, at the level where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import (
    Answers,
    FolderFails,
    ItemFails,
    MailboxFails,
    Messages,
    On,
    RequestFails,
    SignInEnds,
    Speaks,
    reset,
    says,
    stopped_after,
)
from tests.trouble import ANNA, folder_row, has_all, mailbox, mark, requests_of, rows_by_id, run, store_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias, TypeVar

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.server import Server
    from tests.pipeline import TapRun

    About = TypeVar("About")
    OneRunForAll: TypeAlias = tuple[TapRun, dict[str, About], Folder]

RESTART = "ErrorInvalidSyncStateData"
FOLDER_GONE = ("ErrorSyncFolderNotFound", "ErrorFolderNotFound")
ITEM_GONE = ("ErrorItemNotFound", "ErrorCalendarOccurrenceIsDeletedFromRecurrence")
QUARANTINE = (
    "ErrorItemCorrupt",
    "ErrorCorruptData",
    "ErrorContentConversionFailed",
    "ErrorMimeContentConversionFailed",
    "ErrorMimeContentInvalid",
    "ErrorUnsupportedMimeConversion",
    "ErrorUnsupportedTypeForConversion",
    "ErrorItemPropertyRequestFailed",
    "ErrorInvalidPropertyRequest",
    "ErrorPropertyValidationFailure",
    "ErrorDataSizeLimitExceeded",
    "ErrorMessageSizeExceeded",
    "ErrorVirusDetected",
    "ErrorVirusMessageDeleted",
    "ErrorRecurrenceHasNoOccurrence",
    "ErrorCannotOpenFileAttachment",
    "ErrorAttachmentSizeLimitExceeded",
    "ErrorInvalidIdMalformed",
    "ErrorObjectTypeChanged",
    "ErrorInternalServerError",
    "ErrorThatNobodyKnows",
)
BACK_OFF = (
    "ErrorServerBusy",
    "ErrorInternalServerTransientError",
    "ErrorTimeoutExpired",
    "ErrorMailboxMoveInProgress",
    "ErrorMailboxStoreUnavailable",
    "ErrorMailboxFailover",
    "ErrorConnectionFailed",
    "ErrorADUnavailable",
    "ErrorInsufficientResources",
    "ErrorNotEnoughMemory",
    "ErrorTooManyObjectsOpened",
    "ErrorExceededConnectionCount",
    "ErrorClientDisconnected",
)
MAILBOX_OUT = (
    "ErrorNonExistentMailbox",
    "ErrorAccountDisabled",
    "ErrorPasswordExpired",
    "ErrorPasswordChangeRequired",
    "ErrorImpersonateUserDenied",
    "ErrorImpersonationDenied",
    "ErrorAccessDenied",
)
OLDER_VERSION = (
    "ErrorInvalidServerVersion",
    "ErrorIncorrectSchemaVersion",
    "ErrorInvalidSchemaVersionForMailboxVersion",
)
OUR_BUG = ("ErrorSchemaValidation", "ErrorInvalidRequest")
OPERATIONS = ("ResolveNames", "GetFolder", "SyncFolderHierarchy", "SyncFolderItems", "GetItem")


@pytest.fixture
def inbox() -> Folder:
    return mailbox().folder("inbox")


# -- codes of one item, many in one run


@pytest.fixture(scope="module")
def items_of_all_codes() -> Iterator[OneRunForAll[str]]:
    """One run in which each code of an item is the trouble of one item."""
    inbox = mailbox(items=2 * len(QUARANTINE + ITEM_GONE)).folder("inbox")
    with serve(inbox.store.exchange) as server:
        bad = dict(zip(QUARANTINE + ITEM_GONE, inbox.items(), strict=False))
        ended = run(server, *(ItemFails(code, [item]) for code, item in bad.items()))
        yield ended, {code: item.id for code, item in bad.items()}, inbox


@pytest.mark.parametrize("code", QUARANTINE)
def test_an_item_that_cannot_be_read_is_a_corrupt_item_and_stops_nothing(
    code: str, items_of_all_codes: OneRunForAll[str]
) -> None:
    ended, bad, inbox = items_of_all_codes
    ended.checked()
    row = rows_by_id(ended, "corrupt_items")[bad[code]]
    assert (row["code"], row["stage"], row["stream"], row["salvaged"]) == (code, "load", "messages", False)
    change = rows_by_id(ended, "item_changes")[bad[code]]
    assert (change["has_row"], change["change_type"]) == (False, "create")
    has_all(ended, inbox, but=set(bad.values()))
    assert folder_row(ended, inbox)["corrupt"] == len(QUARANTINE)


@pytest.mark.parametrize("code", ITEM_GONE)
def test_an_item_that_is_gone_is_counted_and_never_a_tombstone(
    code: str, items_of_all_codes: OneRunForAll[str]
) -> None:
    ended, bad, inbox = items_of_all_codes
    assert bad[code] not in rows_by_id(ended, "corrupt_items")
    assert bad[code] not in rows_by_id(ended, "item_changes")
    assert folder_row(ended, inbox)["not_found"] == len(ITEM_GONE)


def test_an_internal_server_error_of_one_item_is_tried_once_more_alone(server: Server, inbox: Folder) -> None:
    flaky = inbox.items()[4]
    fault = ItemFails("ErrorInternalServerError", [flaky], on=On(times=1))
    ended = run(server, fault).checked()
    assert fault.struck == 1
    assert not ended.of("corrupt_items")
    has_all(ended, inbox)


@pytest.fixture(scope="module")
def items_busy_for_once() -> Iterator[OneRunForAll[ItemFails]]:
    """One run in which each code of BACK_OFF is what one item answers at first."""
    inbox = mailbox(items=20).folder("inbox")
    with serve(inbox.store.exchange) as server:
        bad = dict(zip(BACK_OFF, inbox.items(), strict=False))
        faults = {code: ItemFails(code, [item], on=On(times=1)) for code, item in bad.items()}
        yield run(server, *faults.values()), faults, inbox


@pytest.mark.parametrize("code", BACK_OFF)
def test_an_item_that_is_busy_is_asked_again(code: str, items_busy_for_once: OneRunForAll[ItemFails]) -> None:
    ended, faults, inbox = items_busy_for_once
    ended.checked()
    assert faults[code].struck == 1
    assert not ended.of("corrupt_items")
    has_all(ended, inbox)
    assert ended.of("sync_runs")[-1]["throttled_seconds"] > 0


@pytest.mark.parametrize("number", [1, 4, 9])
def test_items_behind_a_stopped_batch_are_sent_again(number: int, server: Server, inbox: Folder) -> None:
    fault = Messages(stopped_after(number), On("GetItem"))
    ended = run(server, fault).checked()
    assert fault.struck > 1
    assert not ended.of("corrupt_items")
    has_all(ended, inbox)


# -- codes of a whole request


@pytest.mark.parametrize("code", BACK_OFF)
def test_a_request_that_is_too_much_is_sent_again_after_a_pause(code: str, server: Server, inbox: Folder) -> None:
    faults = [RequestFails(code, On(operation, times=1)) for operation in OPERATIONS]
    ended = run(server, *faults).checked()
    assert [fault.struck for fault in faults] == [1] * len(OPERATIONS)
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")


@pytest.mark.parametrize(
    "trouble", [says(429), says(502), says(503), says(504), reset()], ids=["429", "502", "503", "504", "reset"]
)
def test_a_server_out_of_order_is_asked_again(
    trouble: Callable[[Answer], Answer], server: Server, inbox: Folder
) -> None:
    faults = [Answers(trouble, On(operation, times=1), undone=True) for operation in OPERATIONS]
    ended = run(server, *faults).checked()
    assert [fault.struck for fault in faults] == [1] * len(OPERATIONS)
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")


def test_a_request_that_is_too_big_is_asked_for_less(server: Server, inbox: Folder) -> None:
    fault = RequestFails("ErrorRequestStreamTooBig", On("GetItem", where=lambda request: request.item_count > 2))
    ended = run(server, fault, batch_size=20).checked()
    assert fault.struck
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")


def test_a_page_that_times_out_again_and_again_is_asked_smaller(server: Server, inbox: Folder) -> None:
    fault = FolderFails("ErrorTimeoutExpired", inbox, On("SyncFolderItems", page_over=20))
    ended = run(server, fault).checked()
    assert fault.struck
    has_all(ended, inbox)
    assert folder_row(ended, inbox)["status"] == "finished"


def test_a_batch_that_times_out_again_and_again_is_asked_smaller(server: Server, inbox: Folder) -> None:
    fault = RequestFails("ErrorTimeoutExpired", On("GetItem", where=lambda request: request.item_count > 3))
    ended = run(server, fault).checked()
    has_all(ended, inbox)
    assert not ended.of("corrupt_items")


@pytest.mark.parametrize("code", ["ErrorInvalidId", "ErrorInvalidIdMalformed"])
def test_a_code_is_read_where_it_stands_in_the_fault_code_alone(code: str, server: Server, inbox: Folder) -> None:
    bad = inbox.items()[7]
    fault = RequestFails(code, On("GetItem", items=[bad]), status=200, bare=True)
    ended = run(server, fault).checked()
    assert {row["code"] for row in ended.of("corrupt_items")} == {code}
    has_all(ended, inbox, but={bad.id})


def test_a_server_without_resolve_names_is_read_all_the_same(server: Server, inbox: Folder) -> None:
    fault = RequestFails("ErrorInvalidRequest", On("ResolveNames"), bare=True)
    ended = run(server, fault).checked()
    assert fault.struck
    has_all(ended, inbox)


@pytest.mark.parametrize("code", OUR_BUG)
def test_a_folder_whose_feed_and_listing_are_refused_as_invalid_fails_with_what_to_do(
    code: str, server: Server, inbox: Folder
) -> None:
    ended = run(server, RequestFails(code, On(("SyncFolderItems", "FindItem"))))
    row = folder_row(ended, inbox)
    assert ended.exit_code == 1
    assert (row["status"], row["code"]) == ("failed", code)
    assert "leave the folder out with folders_exclude, or report it" in row["message"]
    assert requests_of(server, "SyncFolderItems") == 1, "no retry mends a defect"
    has_all(run(server, state=ended.state).checked(), inbox)


# -- codes of the state and the folder


@pytest.mark.parametrize(("refusals", "started_over"), [(2, False), (3, True)])
def test_a_folder_starts_over_when_its_state_is_refused_three_times(
    refusals: int, *, started_over: bool, server: Server, inbox: Folder
) -> None:
    before = run(server).checked()
    fault = FolderFails(RESTART, inbox, On("SyncFolderItems", state=True, times=refusals))
    ended = run(server, fault, state=before.state).checked()
    assert fault.struck == refusals
    row = folder_row(ended, inbox)
    assert (row["resets"] != folder_row(before, inbox)["resets"]) is started_over
    if started_over:
        assert row["status"] == "finished"
        has_all(ended, inbox)
        assert all(message["synced_at"] > row["resets"]["messages"] for message in ended.of("messages"))
    else:
        assert not ended.of("messages")


@pytest.mark.parametrize(("refusals", "started_over"), [(2, False), (3, True)])
def test_the_hierarchy_starts_over_when_its_state_is_refused_three_times(
    refusals: int, *, started_over: bool, server: Server, inbox: Folder
) -> None:
    before = run(server).checked()
    fault = FolderFails(RESTART, None, On("SyncFolderHierarchy", state=True, times=refusals))
    ended = run(server, fault, state=before.state).checked()
    assert fault.struck == refusals
    anew = store_row(ended)["hierarchy_reset_at"] != store_row(before)["hierarchy_reset_at"]
    assert anew is started_over
    assert bool(ended.of("folders")) is started_over
    assert not ended.of("messages"), "the folders' own states are still good"
    assert mark(ended, inbox)["sync_state"]


@pytest.mark.parametrize("code", FOLDER_GONE)
def test_a_folder_is_gone_only_when_a_fresh_get_folder_says_so_too(code: str, server: Server, inbox: Folder) -> None:
    before = run(server).checked()
    ended = run(server, FolderFails(code, inbox, On("SyncFolderItems")), state=before.state)
    assert ended.exit_code == 1
    assert folder_row(ended, inbox)["status"] == "failed"
    assert not any(row["deleted_at"] for row in ended.of("folders"))
    assert mark(ended, inbox)["sync_state"] == mark(before, inbox)["sync_state"]

    ended = run(server, FolderFails(code, inbox), state=before.state).checked()
    assert folder_row(ended, inbox)["status"] == "gone"
    assert [row["folder_id"] for row in ended.of("folders") if row["deleted_at"]] == [inbox.id]
    with pytest.raises(KeyError):
        mark(ended, inbox)


def test_a_folder_without_permission_is_skipped_and_the_others_go_on(server: Server, inbox: Folder) -> None:
    sent = inbox.store.folder("sentitems").fill(5)
    ended = run(
        server, FolderFails("ErrorAccessDenied", inbox, On("SyncFolderItems")), folders_include=["inbox", "sentitems"]
    ).checked()
    assert folder_row(ended, inbox)["status"] == "skipped"
    assert "folder inbox: No permission to read this folder. It is skipped" in ended.stderr
    has_all(ended, sent)


# -- codes of the mailbox, the account and the version


@pytest.mark.parametrize("code", MAILBOX_OUT)
def test_a_mailbox_that_is_out_leaves_its_row_and_the_others_finish(code: str) -> None:
    exchange = Exchange(seed=3)
    anna = mailbox(address=ANNA, exchange=exchange)
    bert = mailbox(items=5, address="bert@example.com", exchange=exchange).grant(ANNA)
    carl = mailbox(items=6, address="carl@example.com", exchange=exchange).grant(ANNA)
    with serve(exchange) as server:
        addresses = [one.address for one in (anna, bert, carl)]
        ended = run(server, MailboxFails(code, bert), mailboxes=addresses)
    assert ended.exit_code == 1
    row = store_row(ended, bert.address)
    assert (row["reachable"], row["code"]) == (False, code)
    assert bert.address in row["message"]
    assert {row["mailbox"] for row in ended.of("messages")} == {anna.address, carl.address}
    assert len(ended.of("messages")) == 36
    assert ended.of("sync_runs")[-1]["outcome"] == "failed"
    assert ended.of("sync_runs")[-1]["mailboxes_failed"] == 1


@pytest.mark.parametrize(("status", "words"), [(401, "username and password"), (403, "switched off"), (456, "locked")])
def test_what_no_retry_can_mend_ends_at_once_in_one_line(status: int, words: str, server: Server) -> None:
    fault = SignInEnds(status)
    ended = run(server, fault)
    assert ended.exit_code == 1
    assert fault.struck == 1
    line = ended.stderr.splitlines()[-1]
    assert f"HTTP {status}" in line
    assert words in line
    assert not ended.messages.parsed or not ended.of("sync_runs")


@pytest.mark.parametrize("code", OLDER_VERSION)
def test_an_older_server_is_asked_in_its_version(code: str, server: Server, inbox: Folder) -> None:
    fault = Speaks({"Exchange2013_SP1", "Exchange2013"}, code)
    ended = run(server, fault).checked()
    assert 0 < fault.struck < 10
    has_all(ended, inbox)


def test_a_server_whose_version_nobody_knows_is_refused_at_once(server: Server) -> None:
    ended = run(server, Speaks({"Exchange2007"}))
    assert ended.exit_code == 1
    assert "no version that the tap knows" in ended.stderr.splitlines()[-1]
