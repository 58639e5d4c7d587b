"""The errors of the wire, each with one line that says what failed, where, and what to do.

    ExchangeError
    ├── FatalError               the run ends: sign-in, permission, EWS switched off, wrong address
    ├── Stopped                  the run is being ended
    └── SurvivableError          the run goes on without what was asked
        ├── MailboxError         this mailbox or store is out, the others go on
        ├── FolderError          this folder cannot be read so
        │   └── StateError       its sync state (or the hierarchy's) was refused
        ├── TransientError       a trouble of the server or the network outlasted every retry
        ├── RequestTooBig        the same question, but for less
        ├── ItemsError           a whole GetItem failed: ask for fewer items, down to one
        └── IncompleteAnswer     cut, garbled, or not the answer to what was asked

No message holds anything of a response but its code: a response is somebody's mail. Of addresses it
holds the mailbox's alone. `splittable` says that asking for less (fewer items, a smaller page, a
smaller shape) may succeed.
"""

from __future__ import annotations

from enum import IntEnum

from .faults import OF_THE_ACCOUNT, OF_THE_REQUEST, Action, Fault, action_of


class ExchangeError(Exception):
    """Any failure of a conversation; `code` is Exchange's, or `HTTP503`, `ConnectionReset`, ..."""

    _action = Action.QUARANTINE

    def __init__(self, message: str, *, code: str = "", action: Action | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.action = self._action if action is None else action

    @property
    def splittable(self) -> bool:
        """Whether the same question for less may be answered."""
        return False

    @property
    def of_exchange(self) -> bool:
        """Whether the code is Exchange's answer to what was asked, not a trouble on the way."""
        return self.code.startswith("Error")

    @property
    def unsupported(self) -> bool:
        """Whether the server may be one that lacks this question, or a word of it: nothing it said speaks against."""
        return may_lack(self.code)

    @property
    def may_mean_state(self) -> bool:
        """Whether a sync call's state may be what is refused: servers of other makes say so in words of their own."""
        return self.action in {Action.QUARANTINE, Action.OUR_BUG} or self.code in _FAILS_INSIDE


def may_lack(code: str) -> bool:
    """Tell whether a server says by a code that it lacks what it was asked for, or may say so."""
    return action_of(code) is Action.OUR_BUG or code in _LACKING


def may_lack_property(code: str | None) -> bool:
    """Tell whether a server says by a code, None for none, that it lacks a property that it was asked for, or may."""
    return may_lack(code or "") or code in _LACKING_PROPERTY


def took_too_long(code: str) -> bool:
    """Tell whether a request was given up for its time, not for its size: the server may have been slow for now."""
    return action_of(code) is Action.BACK_OFF or code == "Timeout"


class FatalError(ExchangeError):
    """Nothing of this run can succeed: sign-in, permission, EWS switched off, a wrong address."""

    _action = Action.FATAL


class Stopped(ExchangeError):  # noqa: N818 - nothing went wrong
    """The run is being ended; raised by every wait."""

    _action = Action.RESEND

    def __init__(self) -> None:
        super().__init__("the run was stopped", code="Stopped")


class SurvivableError(ExchangeError):
    """What was asked is not to be had, and the run goes on without it."""


class MailboxError(SurvivableError):
    """This mailbox or store is out; the others go on."""

    _action = Action.MAILBOX_OUT


class FolderError(SurvivableError):
    """This folder failed; `action` tells how."""

    @property
    def splittable(self) -> bool:
        """Whether a smaller page may be answered: not when the folder is gone or closed to us.

        Of an item that is not found a page may fail, too.
        """
        return self.action in {Action.QUARANTINE, Action.ASK_LESS, Action.ITEM_GONE}


class StateError(FolderError):
    """Exchange refused the sync state (ErrorInvalidSyncStateData)."""

    _action = Action.RESTART_FOLDER


class TransientError(SurvivableError):
    """A trouble of the server or the network outlasted every retry; the question was right."""

    _action = Action.BACK_OFF


class RequestTooBig(SurvivableError):  # noqa: N818 - named for what is wrong
    """Exchange, or the tap before sending, finds the question or its answer too big."""

    _action = Action.ASK_LESS

    @property
    def splittable(self) -> bool:
        """Always: that is what the error says."""
        return True


class ItemsError(SurvivableError):
    """A whole GetItem failed, perhaps because of one of its items."""

    @property
    def splittable(self) -> bool:
        """Always: the other items may be well."""
        return True


class IncompleteAnswer(SurvivableError):  # noqa: N818 - named for what is wrong
    """The answer was cut, garbled, or answers something else: nothing of it is believed."""

    @property
    def splittable(self) -> bool:
        """Always: one item's bytes may be what breaks it."""
        return True


class Level(IntEnum):
    """How much of the run depends on a question: what its failure means."""

    MAILBOX = 1
    FOLDER = 2
    ITEMS = 3


_FAILS_INSIDE = frozenset({"HTTP500", "ErrorInternalServerError"})

# What servers answer to an operation that they do not have, besides the codes of OUR_BUG.
_LACKING = frozenset({"HTTP500", "SoapFault", "ErrorNotSupported", "ErrorInvalidPropertyRequest"})
# What they answer to a property besides. ErrorItemPropertyRequestFailed is not among these: it tells of damage.
_LACKING_PROPERTY = frozenset(
    {
        "ErrorInvalidArgument",
        "ErrorInvalidExtendedProperty",
        "ErrorInvalidPropertyForOperation",
        "ErrorPropertyNotSupported",
        "ErrorUnsupportedPathForQuery",
        "ErrorUnsupportedPropertyDefinition",
    },
)

_MEANINGS: dict[Action, str] = {
    Action.RESTART_FOLDER: "Exchange refuses the sync state; the sync has to start over",
    Action.FOLDER_GONE: "the server does not find the folder; should that last, leave it out with folders_exclude",
    Action.ITEM_GONE: "the item is gone",
    Action.QUARANTINE: "Exchange cannot read it; corrupt_items or folder_syncs tell more",
    Action.RESEND: "Exchange stopped in the middle of the batch",
    Action.BACK_OFF: "the server stayed busy or out of reach; run again later, or raise max_wait",
    Action.ASK_LESS: "too much at once; lower batch_size or max_changes",
    Action.MAILBOX_OUT: "the mailbox cannot be opened; check its address and the rights to it",
    Action.FATAL: "the server refuses this account; check the account and its permissions",
    Action.OLDER_VERSION: "the server speaks no version that the tap knows (2010 or newer)",
    Action.OUR_BUG: "the server refuses the request; please report this as a defect",
}
_MEANINGS_OF_CODES: dict[str, str] = {
    "ErrorNonExistentMailbox": "no such mailbox; check its address in `mailboxes`",
    "ErrorNonPrimarySmtpAddress": "not the mailbox's primary address; name that one in `mailboxes`",
    "ErrorMissingEmailAddress": "the account has no mailbox; name those to read in `mailboxes`",
    "ErrorAccountDisabled": "the account is disabled; enable it, or take it out of `mailboxes`",
    "ErrorPasswordExpired": "the password has expired; set a new one",
    "ErrorPasswordChangeRequired": "the password must be changed before it can be used",
    "ErrorImpersonateUserDenied": "grant the account the role ApplicationImpersonation",
    "ErrorImpersonationDenied": "grant the account the role ApplicationImpersonation",
    "ErrorImpersonationFailed": "grant the account the role ApplicationImpersonation",
    "ErrorAccessDenied": "access denied; grant full access, or impersonate (`access_type`)",
    "ErrorNoPublicFolderReplicaAvailable": "there are no public folders; take them out of `stores`",
    "ErrorNoPublicFolderServerAvailable": "there are no public folders; take them out of `stores`",
    "ErrorArchiveMailboxNotEnabled": "the mailbox has no archive; take it out of `stores`",
    "HTTP501": "the server does not offer this operation, which the tap needs",
    "ErrorSchemaValidation": "Exchange finds the request invalid; check `extended_properties`",
    "ErrorOrganizationAccessBlocked": "the organization blocks EWS; its admin has to allow it",
    "ErrorInvalidLicense": "the account has no licence for this; have one assigned",
}
_REFUSED_OF_FOLDER = "the server refuses this; leave the folder out with folders_exclude, or report it"


def error_for(fault: Fault, operation: str, mailbox: str, level: Level) -> ExchangeError:
    """Make the error that fits a fault of the whole request, by what depended on it."""
    action = fault.action
    meaning = _MEANINGS_OF_CODES.get(fault.code) or _MEANINGS[action]
    if level is Level.FOLDER and action is Action.OUR_BUG:
        meaning = _REFUSED_OF_FOLDER
    message = f"{operation} of {mailbox}: {fault.code}: {meaning}"
    return _kind(action, fault.code, level)(message, code=fault.code, action=action)


def _kind(action: Action, code: str, level: Level) -> type[ExchangeError]:
    fixed = _FIXED.get(action)
    if fixed is not None and code != "ErrorInvalidSchemaVersionForMailboxVersion":
        return fixed
    if fixed is not None:
        return MailboxError
    if action is Action.MAILBOX_OUT and not (code == "ErrorAccessDenied" and level > Level.MAILBOX):
        return MailboxError
    if level is Level.MAILBOX:
        return MailboxError
    return ItemsError if level is Level.ITEMS else FolderError


_FIXED: dict[Action, type[ExchangeError]] = {
    Action.FATAL: FatalError,
    Action.OLDER_VERSION: FatalError,
    Action.RESTART_FOLDER: StateError,
    Action.BACK_OFF: TransientError,
    Action.ASK_LESS: RequestTooBig,
}


def item_action(code: str) -> Action:
    """Tell what is to be done about a code that stands in a single item's response message.

    There, access denied or an invalid request is the item's own trouble, not the mailbox's.
    """
    action = action_of(code)
    if action in {Action.ITEM_GONE, Action.RESEND, Action.BACK_OFF, Action.QUARANTINE}:
        return action
    if action is Action.MAILBOX_OUT and code != "ErrorAccessDenied":
        return action
    return Action.QUARANTINE


def may_be_the_stores(code: str | None) -> bool:
    """Tell whether a code, None for none, that a single item answers may be the trouble of its mailbox or server."""
    action = item_action(code or "")
    if action is Action.BACK_OFF:
        return code not in OF_THE_REQUEST and code not in OF_THE_ACCOUNT
    return action is Action.MAILBOX_OUT


def is_gone(code: str | None) -> bool:
    """Tell whether a code, None for none, says of a single item that it is not there."""
    return item_action(code or "") is Action.ITEM_GONE
