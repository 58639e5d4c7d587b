"""The small tables, off by default: a mailbox's rules, absence and delegates, the organization's rooms."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.soap import Call, SoapFault
from tap_exchange.demo.values import Address
from tap_exchange.sync.keys import shard_of
from tests.conformance.support import served
from tests.pipeline import TapRun, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server

ANNA, BOB = "anna@example.com", "bob@example.com"
SMALL = ("inbox_rules", "out_of_office", "delegates", "rooms")
ASKED = {"GetInboxRules", "GetUserOofSettingsRequest", "GetDelegate", "GetRoomLists", "GetRooms"}


@pytest.fixture
def server() -> Iterator[Server]:
    exchange = Exchange(seed=51)
    for address in (ANNA, BOB):
        exchange.add_mailbox(address, password="secret").grant(ANNA)
    exchange.rooms["floor1@example.com"] = ("First floor", {"Red@example.com": "Red", "blue@example.com": "Blue"})
    with served(exchange) as running:
        yield running


def run(
    server: Server,
    state: dict[str, Any] | None = None,
    *,
    selects: Sequence[str] | None = ("*.*",),
    **settings: Any,  # noqa: ANN401 - whatever a setting takes
) -> TapRun:
    """Run the tap on the Inbox, with the small tables or, with None, as it is by default."""
    server.reset_requests()
    sign_in = {"ews_url": server.url, "username": ANNA, "password": "secret", "folders_include": ["inbox"]}
    return run_tap_here({**sign_in, **settings}, state=state, selects=selects)


@pytest.fixture
def anna(server: Server) -> Mailbox:
    return server.exchange.mailboxes[ANNA]


def test_nothing_of_it_is_asked_by_default(server: Server) -> None:
    done = run(server, selects=None).checked()
    assert not ASKED & server.counts.keys()
    assert not any(done.of(name) for name in SMALL)


def test_rules_are_told_whole(server: Server, anna: Mailbox) -> None:
    folder = anna.add_folder("Inbox/Bills")
    anna.personal.add_rule(
        "bills",
        {"ContainsSubjectStrings": ["bill", "invoice"], "FromAddresses": [Address("Shop", "shop@example.com")]},
        {"MoveToFolder": folder, "MarkAsRead": True},
        {"HasAttachments": True},
    )
    anna.personal.add_rule("all").enabled = False
    first = run(server).checked()
    bills, every = sorted(first.of("inbox_rules"), key=lambda row: row["priority"])
    assert (bills["display_name"], bills["is_enabled"], every["is_enabled"]) == ("bills", True, False)
    assert bills["conditions"]["ContainsSubjectStrings"]["String"] == ["bill", "invoice"]
    assert bills["conditions"]["FromAddresses"]["Address"]["EmailAddress"] == "shop@example.com"
    assert bills["actions"]["MoveToFolder"]["FolderId"]["@Id"] == folder.id
    assert bills["exceptions"] == {"HasAttachments": "true"}
    assert bills["listed_at"] == every["listed_at"]
    del anna.personal.rules[1]
    second = run(server, first.state).checked()
    rows = {row["rule_key"]: row for row in second.of("inbox_rules")}
    assert rows[bills["rule_key"]]["deleted_at"] is None
    assert rows[every["rule_key"]]["deleted_at"]
    assert len(run(server, second.state).checked().of("inbox_rules")) == 1


def test_an_absence_is_told(server: Server, anna: Mailbox) -> None:
    absence = anna.personal.absence
    absence.state, absence.audience = "Scheduled", "Known"
    absence.start, absence.end = (datetime(2026, 7, day, tzinfo=timezone.utc) for day in (1, 15))
    absence.internal_reply = "<p>Back on the 15th & rested</p>"
    (row,) = run(server).checked().of("out_of_office")
    assert row["mailbox"] == ANNA
    assert (row["oof_state"], row["external_audience"], row["allow_external_oof"]) == ("Scheduled", "Known", "All")
    assert (row["start_time"], row["end_time"]) == ("2026-07-01T00:00:00Z", "2026-07-15T00:00:00Z")
    assert row["internal_reply"] == "<p>Back on the 15th & rested</p>"


def test_delegates_are_told_and_nobody_is_no_error(server: Server, anna: Mailbox) -> None:
    first = run(server).checked()
    assert not first.of("delegates")
    anna.personal.add_delegate(BOB, calendar="Editor").copies = True
    second = run(server, first.state).checked()
    (row,) = second.of("delegates")
    assert (row["primary_smtp_address"], row["calendar_permission_level"]) == (BOB, "Editor")
    assert (row["tasks_permission_level"], row["receive_copies_of_meeting_messages"]) == ("None", True)
    assert row["deliver_meeting_requests"] == "DelegatesAndSendInformationToMe"
    anna.personal.delegates.clear()
    (gone,) = run(server, second.state).checked().of("delegates")
    assert (gone["delegate_key"], bool(gone["deleted_at"])) == (row["delegate_key"], True)


def test_rooms_are_told_once_for_all_mailboxes(server: Server) -> None:
    first = run(server, mailboxes=[ANNA, BOB]).checked()
    rows = {(row["room_list"], row["room"]): row for row in first.of("rooms")}
    assert set(rows) == {("floor1@example.com", "red@example.com"), ("floor1@example.com", "blue@example.com")}
    red = rows["floor1@example.com", "red@example.com"]
    assert (red["name"], red["email_address"], red["room_list_name"]) == ("Red", "Red@example.com", "First floor")
    assert {row["mailbox"] for row in first.of("out_of_office")} == {ANNA, BOB}
    del server.exchange.rooms["floor1@example.com"][1]["blue@example.com"]
    second = run(server, first.state, mailboxes=[ANNA, BOB]).checked()
    assert {row["room"]: bool(row["deleted_at"]) for row in second.of("rooms")} == {
        "red@example.com": False,
        "blue@example.com": True,
    }


def test_the_first_shard_tells_rooms_though_it_has_no_mailbox(server: Server) -> None:
    other = next(address for address in (ANNA, BOB, "carl@example.com", "dora@example.com") if shard_of(address, 2))
    if other not in server.exchange.mailboxes:
        server.exchange.add_mailbox(other, password="secret").grant(ANNA)
    shards = [run(server, mailboxes=[other], shard_count=2, shard_index=index).checked() for index in (0, 1)]
    assert [len(done.of("rooms")) for done in shards] == [2, 0]
    assert [len(done.of("out_of_office")) for done in shards] == [0, 1]


def test_a_mailbox_without_news_is_asked_only_for_what_was_selected_since(server: Server, anna: Mailbox) -> None:
    anna.personal.add_rule("all")
    pull = {"notifications": "pull"}
    first = run(server, selects=["*.*", "!inbox_rules.*"], **pull).checked()
    second = run(server, first.state, **pull).checked()
    assert ASKED & server.counts.keys() == {"GetInboxRules", "GetRoomLists", "GetRooms"}
    assert len(second.of("inbox_rules")) == 1
    run(server, second.state, **pull).checked()
    assert ASKED & server.counts.keys() == {"GetRoomLists", "GetRooms"}
    run(server, second.state, full_check_hours=0, **pull).checked()
    assert server.counts.keys() >= ASKED


def test_an_impersonating_account_reads_them_too(server: Server, anna: Mailbox) -> None:
    server.exchange.add_account("service", "secret")
    anna.personal.add_rule("all")
    done = run(server, username="service", access_type="impersonation", mailboxes=[ANNA]).checked()
    assert [row["display_name"] for row in done.of("inbox_rules")] == ["all"]
    assert len(done.of("rooms")) == 2


@pytest.mark.parametrize(
    ("operation", "code", "fails"),
    [
        ("GetInboxRules", "ErrorAccessDenied", False),
        ("GetDelegate", "ErrorItemNotFound", True),
        ("GetUserOofSettingsRequest", "ErrorUnableToGetUserOofSettings", True),
        ("GetRoomLists", "ErrorADUnavailable", True),
    ],
)
def test_one_that_cannot_be_read_never_stops_the_rest(
    server: Server, anna: Mailbox, operation: str, code: str, *, fails: bool
) -> None:
    class Broken(Fault):
        def before(self, call: Call) -> Answer | None:
            if call.operation == operation:
                raise SoapFault(code)
            return None

    anna.personal.add_rule("all")
    anna.personal.add_delegate(BOB)
    anna.folder("inbox").add("Message", Subject="hello")
    server.faults.add(Broken())
    done = run(server, max_wait=0.1)
    assert (done.exit_code != 0) is fails
    assert [row["subject"] for row in done.of("messages")] == ["hello"]
    told = {name for name in SMALL if done.of(name)}
    assert len(told) == 3
    assert "cannot be read" in done.stderr
