"""What an error means: every row of the table, and the code and the hint wherever they stand."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from lxml import etree

from tap_exchange.ews.faults import (
    _CODES,
    ACTIONS,
    Action,
    action_of,
    http_action,
    http_fault,
    message_fault,
    retry_after,
    soap_fault,
)
from tests.wire import NAMESPACES, failure, fault

ROWS = {
    Action.RESTART_FOLDER: "ErrorInvalidSyncStateData",
    Action.FOLDER_GONE: "ErrorSyncFolderNotFound ErrorFolderNotFound",
    Action.ITEM_GONE: "ErrorItemNotFound ErrorCalendarOccurrenceIsDeletedFromRecurrence",
    Action.QUARANTINE: (
        "ErrorItemCorrupt ErrorCorruptData ErrorContentConversionFailed ErrorMimeContentConversionFailed"
        " ErrorMimeContentInvalid ErrorUnsupportedMimeConversion ErrorUnsupportedTypeForConversion"
        " ErrorItemPropertyRequestFailed ErrorInvalidPropertyRequest ErrorPropertyValidationFailure"
        " ErrorDataSizeLimitExceeded ErrorMessageSizeExceeded ErrorVirusDetected ErrorVirusMessageDeleted"
        " ErrorRecurrenceHasNoOccurrence ErrorCannotOpenFileAttachment ErrorAttachmentSizeLimitExceeded"
        " ErrorInvalidIdMalformed ErrorObjectTypeChanged ErrorInternalServerError"
    ),
    Action.RESEND: "ErrorBatchProcessingStopped",
    Action.BACK_OFF: (
        "ErrorServerBusy ErrorInternalServerTransientError ErrorTimeoutExpired ErrorMailboxMoveInProgress"
        " ErrorMailboxStoreUnavailable ErrorMailboxFailover ErrorConnectionFailed ErrorADUnavailable"
        " ErrorInsufficientResources ErrorNotEnoughMemory ErrorTooManyObjectsOpened"
        " ErrorExceededConnectionCount ErrorClientDisconnected HTTP429 HTTP502 HTTP503 HTTP504"
    ),
    Action.ASK_LESS: "ErrorRequestStreamTooBig ErrorExceededFindCountLimit ErrorCalendarViewRangeTooBig",
    Action.MAILBOX_OUT: (
        "ErrorNonExistentMailbox ErrorAccountDisabled ErrorPasswordExpired ErrorPasswordChangeRequired"
        " ErrorImpersonateUserDenied ErrorImpersonationDenied ErrorAccessDenied"
    ),
    Action.FATAL: "HTTP401 HTTP403 HTTP456",
    Action.OLDER_VERSION: (
        "ErrorInvalidServerVersion ErrorIncorrectSchemaVersion ErrorInvalidSchemaVersionForMailboxVersion"
    ),
    Action.OUR_BUG: "ErrorSchemaValidation ErrorInvalidRequest",
}


@pytest.mark.parametrize(
    ("code", "action"),
    [(code, action) for action, codes in ROWS.items() for code in codes.split()],
)
def test_each_code_has_its_action(code: str, action: Action) -> None:
    assert action_of(code) is action


def test_no_code_stands_in_two_rows() -> None:
    listed = [code for codes in _CODES.values() for code in codes.split()]
    assert sorted(listed) == sorted(ACTIONS)


def test_an_unknown_code_is_a_corrupt_item() -> None:
    assert action_of("ErrorThatComesNextYear") is Action.QUARANTINE


@pytest.mark.parametrize(
    ("status", "action"),
    [(418, Action.FATAL), (501, Action.OUR_BUG), (507, Action.BACK_OFF), (500, Action.QUARANTINE)],
)
def test_an_unknown_status_is_judged_by_its_class(status: int, action: Action) -> None:
    assert http_action(status) is action


def element(text: str) -> etree._Element:
    return etree.fromstring(f"<x {NAMESPACES}>{text}</x>")[0]


def soap(text: str) -> etree._Element:
    found = etree.fromstring(text.encode()).find(".//{*}Fault")
    assert found is not None
    return found


def value(name: str, text: object) -> str:
    return f'<t:Value Name="{name}">{text}</t:Value>'


def test_a_response_message_tells_code_text_and_hint() -> None:
    xml = f"<m:MessageXml>{value('Policy', 'ConcurrentSyncCalls')}{value('BackOffMilliseconds', 5000)}</m:MessageXml>"
    found = message_fault(element(failure("SyncFolderItems", "ErrorServerBusy", xml, text="Busy.")))
    assert (found.code, found.action, found.back_off, found.text) == (
        "ErrorServerBusy",
        Action.BACK_OFF,
        5.0,
        "Busy.",
    )


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("Suggested backoff time: 300000 milliseconds.", 300.0),
        ("policy value '27',  Budget type: 'Ews'.  Suggested backoff time 5000 ms.", 5.0),
        ("Suggested backoff time 0 ms.", 0.0),
        ("Suggested back-off time: 1500 Milliseconds", 1.5),
        ("Try again later.", None),
        ("Suggested backoff time: soon", None),
    ],
)
def test_the_hint_may_stand_in_words_alone(sentence: str, seconds: float | None) -> None:
    assert message_fault(element(failure("GetItem", "ErrorServerBusy", text=sentence))).back_off == seconds
    assert soap_fault(soap(fault("ErrorServerBusy", text=sentence)), 500).back_off == seconds


def test_the_words_may_stand_in_the_values_of_a_fault() -> None:
    values = f"<t:MessageXml>{value('ErrorMessage', 'Suggested backoff time 250 ms.')}</t:MessageXml>"
    assert soap_fault(soap(fault("ErrorServerBusy", values=values)), 500).back_off == 0.25


@pytest.mark.parametrize("garbage", ["", "-5", "soon", "1e9"])
def test_a_hint_that_is_no_number_is_none(garbage: str) -> None:
    xml = f"<m:MessageXml>{value('BackOffMilliseconds', garbage)}</m:MessageXml>"
    assert message_fault(element(failure("GetItem", "ErrorServerBusy", xml))).back_off is None


def test_the_inner_code_of_an_internal_error_decides() -> None:
    values = value("InnerErrorResponseCode", "ErrorServerBusy") + value("BackOffMilliseconds", 7000)
    found = message_fault(
        element(failure("GetItem", "ErrorInternalServerError", f"<m:MessageXml>{values}</m:MessageXml>"))
    )
    assert (found.code, found.back_off) == ("ErrorServerBusy", 7.0)


def test_an_unknown_inner_code_changes_nothing() -> None:
    values = f"<m:MessageXml>{value('InnerErrorResponseCode', 'Strange')}</m:MessageXml>"
    found = message_fault(element(failure("GetItem", "ErrorInternalServerError", values)))
    assert found.code == "ErrorInternalServerError"


def test_an_inner_code_never_overrides_another_outer_one() -> None:
    values = f"<m:MessageXml>{value('InnerErrorResponseCode', 'ErrorServerBusy')}</m:MessageXml>"
    assert message_fault(element(failure("GetItem", "ErrorItemCorrupt", values))).code == "ErrorItemCorrupt"


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (fault("ErrorServerBusy"), 500, "ErrorServerBusy"),
        (fault("", faultcode="a:ErrorInvalidIdMalformed"), 200, "ErrorInvalidIdMalformed"),
        (fault("", faultcode="soap:Client", text="Failed with ErrorInvalidId here."), 200, "ErrorInvalidId"),
        (fault("", faultcode="s:Server", text="No such operation."), 500, "HTTP500"),
        (fault("", faultcode="s:Server", text="No such operation."), 200, "SoapFault"),
        (fault("ErrorOfNextYear"), 500, "ErrorOfNextYear"),
    ],
)
def test_the_code_of_a_fault_is_read_wherever_it_stands(text: str, status: int, code: str) -> None:
    assert soap_fault(soap(text), status).code == code


def test_a_status_without_words_is_its_own_code() -> None:
    found = http_fault(503, {"Retry-After": "17"})
    assert (found.code, found.action, found.back_off) == ("HTTP503", Action.BACK_OFF, 17.0)


def test_the_longer_of_two_hints_counts() -> None:
    values = f"<t:MessageXml>{value('BackOffMilliseconds', 2000)}</t:MessageXml>"
    said = soap_fault(soap(fault("ErrorServerBusy", values=values)), 503)
    assert http_fault(503, {"Retry-After": "9"}, said).back_off == 9.0
    assert http_fault(503, {"Retry-After": "1"}, said).back_off == 2.0


def test_the_words_of_ews_outweigh_the_status() -> None:
    said = soap_fault(soap(fault("ErrorAccessDenied")), 403)
    assert http_fault(403, {}, said).code == "ErrorAccessDenied"


def test_a_status_outweighs_a_fault_that_says_nothing_known() -> None:
    said = soap_fault(soap(fault("", faultcode="s:Server")), 503)
    assert http_fault(503, {}, said).action is Action.BACK_OFF


@pytest.mark.parametrize("status", [200, 500])
def test_a_strange_fault_keeps_its_code(status: int) -> None:
    said = soap_fault(soap(fault("ErrorOfNextYear")), status)
    assert http_fault(status, {}, said).code == "ErrorOfNextYear"


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("Sun, 22 Nov 2026 12:00:45 GMT", 45.0),
        ("Sun, 22 Nov 2026 13:01:00 +0100", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("-3", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
