"""The tree of errors: which class a fault becomes, and the one line it says."""

from __future__ import annotations

import pytest

from tap_exchange.ews import errors
from tap_exchange.ews.errors import (
    ExchangeError,
    FatalError,
    FolderError,
    IncompleteAnswer,
    ItemsError,
    Level,
    MailboxError,
    RequestTooBig,
    StateError,
    Stopped,
    TransientError,
    error_for,
    item_action,
)
from tap_exchange.ews.faults import ACTIONS, Action, Fault, action_of
from tests.wire import ANNA

MAILBOX, FOLDER, ITEMS = Level.MAILBOX, Level.FOLDER, Level.ITEMS


@pytest.mark.parametrize(
    ("code", "level", "kind", "splittable"),
    [
        ("ErrorInvalidSyncStateData", FOLDER, StateError, False),
        ("ErrorInvalidSyncStateData", MAILBOX, StateError, False),
        ("ErrorFolderNotFound", FOLDER, FolderError, False),
        ("ErrorFolderNotFound", MAILBOX, MailboxError, False),
        ("ErrorItemCorrupt", ITEMS, ItemsError, True),
        ("ErrorItemCorrupt", FOLDER, FolderError, True),
        ("ErrorOfNextYear", ITEMS, ItemsError, True),
        ("ErrorOfNextYear", MAILBOX, MailboxError, False),
        ("ErrorBatchProcessingStopped", ITEMS, ItemsError, True),
        ("ErrorServerBusy", ITEMS, TransientError, False),
        ("ErrorRequestStreamTooBig", ITEMS, RequestTooBig, True),
        ("ErrorExceededFindCountLimit", FOLDER, RequestTooBig, True),
        ("ErrorNonExistentMailbox", ITEMS, MailboxError, False),
        ("ErrorAccessDenied", MAILBOX, MailboxError, False),
        ("ErrorAccessDenied", FOLDER, FolderError, False),
        ("ErrorAccessDenied", ITEMS, ItemsError, True),
        ("HTTP403", ITEMS, FatalError, False),
        ("ErrorInvalidServerVersion", MAILBOX, FatalError, False),
        ("ErrorInvalidSchemaVersionForMailboxVersion", FOLDER, MailboxError, False),
        ("ErrorSchemaValidation", ITEMS, ItemsError, True),
        ("ErrorSchemaValidation", MAILBOX, MailboxError, False),
    ],
)
def test_a_fault_becomes_the_error_of_what_depended_on_it(
    code: str, level: Level, kind: type[ExchangeError], *, splittable: bool
) -> None:
    error = error_for(Fault(code, action_of(code)), "GetItem", ANNA, level)
    assert type(error) is kind
    assert error.splittable is splittable
    assert (error.code, error.action) == (code, action_of(code))


@pytest.mark.parametrize("code", [*ACTIONS, "ErrorOfNextYear", "HTTP500"])
def test_every_code_has_one_line_that_says_what_to_do(code: str) -> None:
    fault = Fault(code, action_of(code), text="Dear Bob, the secret is 42")
    line = str(error_for(fault, "SyncFolderItems", ANNA, FOLDER))
    assert line.startswith(f"SyncFolderItems of {ANNA}: {code}: ")
    assert "\n" not in line
    assert "secret" not in line, "the server's words stay out of errors"
    assert len(line) > len(code) + 50


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("ErrorItemNotFound", Action.ITEM_GONE),
        ("ErrorAccessDenied", Action.QUARANTINE),
        ("ErrorSchemaValidation", Action.QUARANTINE),
        ("ErrorFolderNotFound", Action.QUARANTINE),
        ("ErrorNonExistentMailbox", Action.MAILBOX_OUT),
        ("ErrorServerBusy", Action.BACK_OFF),
        ("ErrorBatchProcessingStopped", Action.RESEND),
    ],
)
def test_a_code_of_one_item_is_that_items_trouble(code: str, action: Action) -> None:
    assert item_action(code) is action


def test_the_docstring_prints_the_tree() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    tree = (errors.__doc__ or "").splitlines()
    for kind in kinds:
        line = next(line for line in tree if kind.__name__ in line.split())
        parent = kind.__mro__[1]
        above = [other for other in tree[: tree.index(line)] if parent.__name__ in other.split()]
        assert above or kind is ExchangeError
        assert not above or _indent(above[-1]) < _indent(line)


def _indent(line: str) -> int:
    return next(position for position, letter in enumerate(line) if letter.isalpha())


def test_what_was_cut_or_stopped_says_whether_less_may_succeed() -> None:
    assert IncompleteAnswer("cut").splittable
    assert not Stopped().splittable
    assert (Stopped().code, str(Stopped())) == ("Stopped", "the run was stopped")
    assert not TransientError("busy").splittable
    assert TransientError("busy").action is Action.BACK_OFF
