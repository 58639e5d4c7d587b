"""What an error means: one table from response code or HTTP status to what is to be done.

The code is read wherever it stands: in a response message, in a SOAP fault's `detail` or
`faultcode` (some servers send those with HTTP 200), or as the inner code of an
ErrorInternalServerError. The grouping follows Microsoft's list of response codes; where that is
silent it is judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
MESSAGES = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"
ERRORS = "{http://schemas.microsoft.com/exchange/services/2006/errors}"


class Action(Enum):
    """What is to be done about an error."""

    RESTART_FOLDER = "forget the sync state and start over, once it was refused three times"
    FOLDER_GONE = "the folder is gone, if a fresh GetFolder says the same"
    ITEM_GONE = "emit nothing; the feed's Delete makes the tombstone"
    QUARANTINE = "load again with a smaller shape, then the corrupt stream"
    RESEND = "send the rest again"
    BACK_OFF = "back off and try again"
    ASK_LESS = "ask for less"
    MAILBOX_OUT = "this mailbox is out, the others go on"
    FATAL = "the run ends at once"
    OLDER_VERSION = "try an older version"
    OUR_BUG = "a defect of tap-exchange"


_CODES: dict[Action, str] = {
    Action.RESTART_FOLDER: "ErrorInvalidSyncStateData",
    Action.FOLDER_GONE: """
        ErrorSyncFolderNotFound ErrorFolderNotFound ErrorParentFolderNotFound
        ErrorCannotAccessDeletedPublicFolder
    """,
    Action.ITEM_GONE: "ErrorItemNotFound ErrorCalendarOccurrenceIsDeletedFromRecurrence",
    Action.QUARANTINE: """
        ErrorItemCorrupt ErrorCorruptData ErrorContentConversionFailed
        ErrorMimeContentConversionFailed ErrorMimeContentInvalid
        ErrorMimeContentInvalidBase64String ErrorUnsupportedMimeConversion
        ErrorUnsupportedTypeForConversion ErrorItemPropertyRequestFailed
        ErrorInvalidPropertyRequest ErrorPropertyValidationFailure ErrorDataSizeLimitExceeded
        ErrorMessageSizeExceeded ErrorVirusDetected ErrorVirusMessageDeleted
        ErrorRecurrenceHasNoOccurrence ErrorCannotOpenFileAttachment
        ErrorAttachmentSizeLimitExceeded ErrorAttachmentNestLevelLimitExceeded ErrorInvalidId
        ErrorInvalidIdEmpty ErrorInvalidIdMalformed ErrorInvalidIdMalformedEwsLegacyIdFormat
        ErrorInvalidIdMonikerTooLong ErrorInvalidIdStoreObjectIdTooLong ErrorObjectTypeChanged
        ErrorInternalServerError ErrorFolderCorrupt ErrorInvalidValueForProperty
        ErrorCalendarInvalidPropertyValue ErrorCalendarInvalidPropertyState
        ErrorCalendarInvalidRecurrence ErrorCalendarInvalidTimeZone ErrorTimeZone
        ErrorUnsupportedRecurrence
    """,
    Action.RESEND: "ErrorBatchProcessingStopped",
    Action.BACK_OFF: """
        ErrorServerBusy ErrorInternalServerTransientError ErrorTimeoutExpired
        ErrorMailboxMoveInProgress ErrorMailboxStoreUnavailable ErrorMailboxFailover
        ErrorConnectionFailed ErrorADUnavailable ErrorInsufficientResources
        ErrorNotEnoughMemory ErrorTooManyObjectsOpened ErrorExceededConnectionCount
        ErrorClientDisconnected ErrorServiceUnavailable ErrorRequestAborted ErrorProxyCallFailed
        ErrorProxyRequestProcessingFailed ErrorNoRespondingCASInDestinationSite
        ErrorProxyTokenExpired
        """,
    Action.ASK_LESS: """
        ErrorRequestStreamTooBig ErrorExceededFindCountLimit ErrorCalendarViewRangeTooBig
        ErrorResultSetTooBig ErrorOccurrenceTimeSpanTooBig ErrorTimeIntervalTooBig
        ErrorInvalidPagingMaxRows
    """,
    Action.MAILBOX_OUT: """
        ErrorNonExistentMailbox ErrorAccountDisabled ErrorPasswordExpired
        ErrorPasswordChangeRequired ErrorImpersonateUserDenied ErrorImpersonationDenied
        ErrorImpersonationFailed ErrorInvalidExchangeImpersonationHeaderData ErrorAccessDenied
        ErrorMailboxConfiguration ErrorMailboxLogonFailed ErrorMissingEmailAddress
        ErrorInvalidSmtpAddress ErrorNonPrimarySmtpAddress ErrorArchiveMailboxNotEnabled
        ErrorArchiveMailboxServiceDiscoveryFailed ErrorInvalidUserSid
        ErrorPublicFolderMailboxDiscoveryFailed ErrorNoPublicFolderReplicaAvailable
        ErrorNoPublicFolderServerAvailable ErrorPublicFolderServerNotFound
        ErrorWrongServerVersion ErrorUnifiedGroupMailboxNotFound ErrorMissingExchangePrincipal
        ErrorInvalidLicense
    """,
    Action.FATAL: """
        ErrorOrganizationAccessBlocked ErrorCallerIsInvalidADAccount
    """,
    Action.OLDER_VERSION: """
        ErrorInvalidServerVersion ErrorIncorrectSchemaVersion
        ErrorInvalidSchemaVersionForMailboxVersion
    """,
    Action.OUR_BUG: """
        ErrorSchemaValidation ErrorInvalidRequest ErrorInvalidOperation ErrorMissingArgument
    """,
}
ACTIONS: dict[str, Action] = {code: action for action, codes in _CODES.items() for code in codes.split()}

# Codes of an answer that never came as EWS.
HTTP_ACTIONS: dict[int, Action] = {
    400: Action.OUR_BUG,
    401: Action.FATAL,
    403: Action.FATAL,
    404: Action.FATAL,
    405: Action.FATAL,
    407: Action.FATAL,
    408: Action.BACK_OFF,
    413: Action.ASK_LESS,
    429: Action.BACK_OFF,
    440: Action.FATAL,
    456: Action.FATAL,
    500: Action.QUARANTINE,
    501: Action.OUR_BUG,
    502: Action.BACK_OFF,
    503: Action.BACK_OFF,
    504: Action.BACK_OFF,
}

# One item or folder can make these last for ever; the other codes of BACK_OFF speak of the server.
OF_THE_REQUEST = frozenset(
    {
        "ErrorTimeoutExpired",
        "ErrorInternalServerTransientError",
        "ErrorClientDisconnected",
        "ErrorNotEnoughMemory",
        "ErrorRequestAborted",
        "ErrorInternalServerError",
        "HTTP408",
        "HTTP500",
    },
)

# These speak of the account's budget: no item makes them.
OF_THE_ACCOUNT = frozenset({"ErrorServerBusy", "ErrorExceededConnectionCount"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One error that Exchange reported.

    `text` is the server's own sentence: it may name anything, so it goes to tables alone, never to
    a log or an error.
    `back_off` is the server's hint in seconds, None without one; 0 is a hint that needs a floor.
    `ways` are the names of the ways to sign in that it offers with HTTP 401.
    """

    code: str
    action: Action
    back_off: float | None = None
    text: str = ""
    ways: tuple[str, ...] = ()


def action_of(code: str) -> Action:
    """Tell what a response code asks for; an unknown one is taken for a corrupt item or folder."""
    if code.startswith("HTTP") and code[4:].isdecimal():
        return http_action(int(code[4:]))
    return ACTIONS.get(code, Action.QUARANTINE)


def http_action(status: int) -> Action:
    """Tell what is to be done about an HTTP status that came without EWS's own words."""
    known = HTTP_ACTIONS.get(status)
    if known is not None:
        return known
    return Action.BACK_OFF if status > 500 else Action.FATAL  # noqa: PLR2004 - 5xx is the server's trouble


# Sentences seen: "Suggested backoff time: 300000 milliseconds", "Suggested backoff time 0 ms.".
_SUGGESTED = re.compile(r"back-?off\s+time:?\s*(\d{1,12})\s*(?:ms\b|millisecond)", re.IGNORECASE)
_CODE = re.compile(r"\b(Error[A-Z][A-Za-z0-9]{2,80})\b")


def message_fault(message: _Element) -> Fault:
    """Read the fault of a response message whose ResponseClass is not Success."""
    code = (message.findtext(f"{MESSAGES}ResponseCode") or "").strip()
    text = (message.findtext(f"{MESSAGES}MessageText") or "").strip()
    return _fault(code or "ErrorInternalServerError", text, message.find(f"{MESSAGES}MessageXml"))


def soap_fault(fault: _Element, status: int) -> Fault:
    """Read a SOAP fault; without a code it is `HTTP<status>`, or `SoapFault` with HTTP 200."""
    text = (fault.findtext("faultstring") or "").strip()
    detail = fault.find("detail")
    values: _Element | None = None
    code = ""
    if detail is not None:
        code = (
            detail.findtext(f".//{ERRORS}ResponseCode") or detail.findtext(f".//{MESSAGES}ResponseCode") or ""
        ).strip()
        text = text or (detail.findtext(f"{ERRORS}Message") or "").strip()
        values = detail.find(f".//{TYPES}MessageXml")
        if values is None:
            values = detail.find(f".//{MESSAGES}MessageXml")
    if not code or code not in ACTIONS:
        # A server of another make may put the code into faultcode or only into the sentence.
        named = _CODE.search(fault.findtext("faultcode") or "") or _CODE.search(text)
        code = code or (named.group(1) if named else "")
    return _fault(code or ("SoapFault" if status == 200 else f"HTTP{status}"), text, values)  # noqa: PLR2004


def _fault(code: str, text: str, values: _Element | None) -> Fault:
    found = {} if values is None else _values(values)
    if code == "ErrorInternalServerError":
        inner = found.get("InnerErrorResponseCode", "")
        code = inner if inner in ACTIONS else code
    hint: float | None = None
    if found.get("BackOffMilliseconds", "").isdecimal():
        hint = int(found["BackOffMilliseconds"]) / 1000
    else:
        for sentence in (
            text,
            found.get("ErrorMessage", ""),
            found.get("InnerErrorMessageText", ""),
        ):
            suggested = _SUGGESTED.search(sentence)
            if suggested:
                hint = int(suggested.group(1)) / 1000
                break
    return Fault(code, action_of(code), hint, text)


def _values(values: _Element) -> dict[str, str]:
    """Read the `Value Name="..."` elements of a MessageXml, whatever their namespace and order."""
    return {
        name: (value.text or "").strip() for value in values.iter("{*}Value") if (name := value.get("Name")) is not None
    }


_WAY = re.compile(r"(?:^|,)\s*(Basic|Bearer|Digest|Kerberos|Negotiate|NTLM)(?=[\s,]|$)")

# Statuses that say nothing by themselves when a SOAP fault comes with them.
_SPEAKING = frozenset({200, 500})


def http_fault(status: int, headers: Mapping[str, str], fault: Fault | None = None) -> Fault:
    """Classify an answer by its HTTP status, with the SOAP fault that its body held, if any.

    The body's code decides when it is known; of its hint and Retry-After the longer one counts.
    """
    if fault is None or (fault.code not in ACTIONS and status not in _SPEAKING):
        text, hint = ("", None) if fault is None else (fault.text, fault.back_off)
        fault = Fault(f"HTTP{status}", http_action(status), hint, text)
    if status == 401:  # noqa: PLR2004
        return replace(fault, ways=tuple(dict.fromkeys(_WAY.findall(headers.get("WWW-Authenticate", "")))))
    if fault.action is not Action.BACK_OFF:
        return fault
    hints = [hint for hint in (fault.back_off, retry_after(headers.get("Retry-After", ""))) if hint is not None]
    return replace(fault, back_off=max(hints, default=None))


def retry_after(value: str, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3); None when it has neither."""
    value = value.strip()
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - (now or datetime.now(timezone.utc))).total_seconds())
