"""Whose mailboxes a run reads: a list, a group's members, with rights of every kind, each mailbox once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import On, RequestFails
from tap_exchange.demo.soap import Call, ServiceError, SoapFault, failure, response
from tests.conformance.support import served
from tests.pipeline import TapRun, run_tap_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tests.warehouses import JSONLines

ANNA, BOB, CARL, DORA = (f"{name}@example.com" for name in ("anna", "bob", "carl", "dora"))
GROUP, TEAM = "everybody@example.com", "team@example.com"
SERVICE = "service@example.com"


@dataclass(slots=True)
class World:
    """An organisation of four mailboxes with one message each, served."""

    exchange: Exchange
    server: Server

    def mailbox(self, address: str) -> Mailbox:
        """Give a mailbox."""
        return self.exchange.mailboxes[address]

    def run(self, state: dict[str, Any] | None = None, **settings: Any) -> TapRun:  # noqa: ANN401 - whatever a setting takes
        """Run the tap as Anna on the Inbox alone, unless the settings say otherwise."""
        self.server.reset_requests()
        sign_in = {"ews_url": self.server.url, "username": ANNA, "password": "secret"}
        config = {**sign_in, "folders_include": ["inbox"], **settings}
        return run_tap_here(config, state=state)


@pytest.fixture
def world() -> Iterator[World]:
    exchange = Exchange(seed=11)
    for address in (ANNA, BOB, CARL, DORA):
        mailbox = exchange.add_mailbox(address, password="secret")
        mailbox.grant(ANNA)
        mailbox.folder("inbox").add("Message", Subject=f"to {address}")
    exchange.add_account(SERVICE, "secret")
    with served(exchange) as server:
        yield World(exchange, server)


def subjects(run: TapRun) -> dict[str, list[str]]:
    """Give the subjects that a run wrote, by mailbox."""
    found: dict[str, list[str]] = {}
    for row in run.of("messages"):
        found.setdefault(row["mailbox"], []).append(row["subject"])
    return found


def all_of(*addresses: str) -> dict[str, list[str]]:
    """Give what a run of these mailboxes writes: each message once."""
    return {address: [f"to {address}"] for address in addresses}


def the_line(run: TapRun) -> str:
    """Check that a run failed before it wrote anything, and give the one line that says why."""
    lines = [line for line in run.stderr.splitlines() if "| INFO " not in line]
    assert run.exit_code != 0
    assert len(lines) == 1, lines
    assert not run.records
    assert not run.states
    return lines[0]


# A list


def test_mailboxes_of_a_list_are_read_several_at_a_time_under_max_connections(world: World) -> None:
    world.server.endpoint.latency = 0.005
    run = world.run(mailboxes=[ANNA, BOB, CARL, DORA], max_connections=3).checked()
    assert subjects(run) == all_of(ANNA, BOB, CARL, DORA)
    assert 1 < world.server.endpoint.log.most_concurrent <= 3
    assert {row["mailbox"] for row in run.of("mailboxes")} == {ANNA, BOB, CARL, DORA}
    assert run.of("sync_runs")[-1]["mailboxes"] == 4


def test_a_bad_mailbox_never_stops_the_run(world: World) -> None:
    world.mailbox(BOB).code = "ErrorAccountDisabled"
    run = world.run(mailboxes=[ANNA, BOB, CARL])
    assert run.exit_code != 0
    assert subjects(run) == all_of(ANNA, CARL)
    rows = {row["mailbox"]: row for row in run.of("mailboxes")}
    assert (rows[BOB]["reachable"], rows[BOB]["code"]) == (False, "ErrorAccountDisabled")
    assert rows[CARL]["reachable"] is True
    assert run.of("sync_runs")[-1]["mailboxes_failed"] == 1


def test_a_mailbox_made_anew_leaves_its_row_and_the_others_go_on(world: World, tables: JSONLines) -> None:
    def load(run: TapRun) -> set[str]:
        tables.load((stream, row) for stream, rows in run.records.items() for row in rows)
        return {row["subject"] for row in tables.live("messages").values()}

    both = {"mailboxes": [ANNA, BOB]}
    first = world.run(**both).checked()
    load(first)
    world.exchange.seed += 1  # ids differ
    bob = world.exchange.add_mailbox(BOB, password="secret")
    bob.grant(ANNA)
    bob.folder("inbox").add("Message", Subject="to the new bob")
    world.mailbox(ANNA).folder("inbox").add("Message", Subject="news")
    second = world.run(first.state, **both)
    assert second.exit_code == 1
    assert subjects(second) == {ANNA: ["news"]}
    (row,) = [row for row in second.of("mailboxes") if row["mailbox"] == BOB]
    assert (row["reachable"], row["code"], row["left_at"]) == (False, "OtherRoot", None)
    assert "its entry" in second.stderr.splitlines()[-1]
    assert second.state["bookmarks"]["_feeds"][BOB] == first.state["bookmarks"]["_feeds"][BOB]
    load(second)
    del second.state["bookmarks"]["_feeds"][BOB]
    third = world.run(second.state, **both).checked()
    assert subjects(third) == {BOB: ["to the new bob"]}
    assert load(third) == {f"to {ANNA}", "news", "to the new bob"}


# The rights to them


def test_an_account_reads_mailboxes_by_impersonation(world: World) -> None:
    run = world.run(username=SERVICE, access_type="impersonation", mailboxes=[ANNA, BOB]).checked()
    assert subjects(run) == all_of(ANNA, BOB)
    acted = {request.mailbox for request in world.server.requests if request.operation == "GetItem"}
    assert acted == {ANNA, BOB}


def test_who_may_not_be_impersonated_is_a_row_and_the_others_are_read(world: World) -> None:
    world.exchange.accounts[SERVICE].impersonates = {ANNA, CARL}
    run = world.run(username=SERVICE, access_type="impersonation", mailboxes=[ANNA, BOB, CARL])
    assert run.exit_code != 0
    assert subjects(run) == all_of(ANNA, CARL)
    (row,) = [row for row in run.of("mailboxes") if row["mailbox"] == BOB]
    assert row["code"] == "ErrorImpersonateUserDenied"
    assert "ApplicationImpersonation" in row["message"]


def test_a_delegate_reads_the_mailboxes_that_were_opened_to_him_and_no_others(world: World) -> None:
    world.mailbox(BOB).full_access.clear()
    run = world.run(access_type="delegate", mailboxes=[ANNA, BOB, CARL])
    assert run.exit_code != 0
    assert subjects(run) == all_of(ANNA, CARL)
    (row,) = [row for row in run.of("mailboxes") if row["mailbox"] == BOB]
    assert (row["reachable"], row["code"]) == (False, "ErrorAccessDenied")


# A group


def test_members_of_a_group_and_of_the_groups_in_it_are_read_once_though_groups_go_in_circles(world: World) -> None:
    world.exchange.add_group(GROUP, ANNA, TEAM, "guest@elsewhere.example")
    world.exchange.add_group(TEAM, BOB, CARL, GROUP, ANNA)
    run = world.run(mailboxes_from=GROUP).checked()
    assert subjects(run) == all_of(ANNA, BOB, CARL)
    assert world.server.counts["ExpandDL"] == 2
    assert "ResolveNames" not in world.server.counts


def test_a_group_and_a_list_are_joined(world: World) -> None:
    world.exchange.add_group(GROUP, ANNA, BOB)
    run = world.run(mailboxes_from=GROUP.title(), mailboxes=[BOB, DORA]).checked()
    assert subjects(run) == all_of(ANNA, BOB, DORA)


def test_a_service_account_asks_for_the_members_as_itself(world: World) -> None:
    world.exchange.add_group(GROUP, ANNA, BOB)
    run = world.run(username=SERVICE, access_type="impersonation", mailboxes_from=GROUP).checked()
    assert subjects(run) == all_of(ANNA, BOB)


def test_a_group_that_does_not_exist_is_one_line_before_anything_is_loaded(world: World) -> None:
    line = the_line(world.run(mailboxes_from="nobody@example.com"))
    assert "mailboxes_from" in line
    assert "nobody@example.com" in line
    assert "no such group" in line
    assert set(world.server.counts) == {"ExpandDL"}


def test_a_group_without_mailboxes_is_one_line(world: World) -> None:
    world.exchange.add_group(GROUP, "guest@elsewhere.example")
    assert "no member with a mailbox" in the_line(world.run(mailboxes_from=GROUP))


def test_a_group_within_that_cannot_be_read_is_one_line_and_no_member_is_lost_in_silence(world: World) -> None:
    class Hidden(Fault):
        def before(self, call: Call) -> Answer | None:
            if call.operation == "ExpandDL" and TEAM in "".join(call.body.itertext()):
                raise SoapFault("ErrorAccessDenied")
            return None

    world.exchange.add_group(GROUP, ANNA, TEAM)
    world.exchange.add_group(TEAM, BOB)
    world.server.faults.add(Hidden())
    line = the_line(world.run(mailboxes_from=GROUP))
    assert "a group within" in line
    assert "ErrorAccessDenied" in line


def test_who_joins_a_group_is_read_from_the_next_run_on(world: World) -> None:
    group = world.exchange.add_group(GROUP, ANNA)
    first = world.run(mailboxes_from=GROUP).checked()
    group.append(BOB)
    assert subjects(world.run(first.state, mailboxes_from=GROUP).checked()) == all_of(BOB)


# Aliases


@pytest.mark.parametrize("how", [{"access_type": "delegate"}, {"access_type": "impersonation", "username": SERVICE}])
def test_aliases_of_one_mailbox_are_read_once_also_at_the_same_time(world: World, how: dict[str, str]) -> None:
    world.mailbox(BOB).aliases += ["robert@example.com", "bob.b@example.com"]
    world.server.endpoint.latency = 0.01
    addresses = ["robert@example.com", BOB, ANNA, "bob.b@example.com"]
    run = world.run(mailboxes=addresses, max_connections=4, **how).checked()
    assert subjects(run) == all_of(ANNA, BOB)
    assert {row["mailbox"] for row in run.of("mailboxes")} == {ANNA, BOB}
    assert run.of("sync_runs")[-1]["mailboxes"] == 2
    again = world.run(run.state, mailboxes=addresses, **how).checked()
    assert subjects(again) == {}
    assert "ResolveNames" not in world.server.counts


def test_an_address_that_cannot_be_resolved_is_not_loaded_under_what_may_be_an_alias(world: World) -> None:
    class NoDirectory(Fault):
        def before(self, call: Call) -> Answer | None:
            if call.operation == "ResolveNames" and "robert" in "".join(call.body.itertext()):
                raise SoapFault("ErrorMailboxLogonFailed")
            return None

    world.mailbox(BOB).aliases.append("robert@example.com")
    world.server.faults.add(NoDirectory())
    run = world.run(mailboxes=["robert@example.com", ANNA])
    assert run.exit_code != 0
    assert subjects(run) == all_of(ANNA)
    rows = {row["mailbox"]: row["code"] for row in run.of("mailboxes")}
    assert rows == {"robert@example.com": "ErrorMailboxLogonFailed", ANNA: None}
    world.server.faults.clear()
    assert subjects(world.run(run.state, mailboxes=["robert@example.com", ANNA]).checked()) == all_of(BOB)


def test_a_directory_that_knows_nobody_leaves_addresses_as_they_are(world: World) -> None:
    class Empty(Fault):
        def before(self, call: Call) -> Answer | None:
            if call.operation == "ResolveNames":
                no = failure(call.operation, ServiceError("ErrorNameResolutionNoResults"))
                return Answer(body=_enveloped(call, response(call.operation, no)))
            return None

    world.server.faults.add(Empty())
    assert subjects(world.run(mailboxes=[ANNA.title()]).checked()) == all_of(ANNA)


def _enveloped(call: Call, body: str) -> bytes:
    from tap_exchange.demo import soap  # noqa: PLC0415 - for this one alone

    return soap.envelope(body, call.server.version).encode()


# Shards


def test_shards_share_the_members_of_a_group_and_no_alias_makes_a_mailbox_two(world: World) -> None:
    addresses = [ANNA, BOB, CARL, DORA]
    for address in addresses:
        world.mailbox(address).aliases.append(f"x.{address}")
    world.exchange.add_group(GROUP, ANNA, TEAM)
    world.exchange.add_group(TEAM, BOB, CARL, DORA)
    shards = [
        world.run(
            mailboxes_from=GROUP, mailboxes=[f"x.{one}" for one in addresses], shard_index=index, shard_count=2
        ).checked()
        for index in (0, 1)
    ]
    found = [subjects(run) for run in shards]
    assert found[0] | found[1] == all_of(*addresses)
    assert not found[0].keys() & found[1].keys()
    assert all(found)


# Mailboxes that leave


def test_a_mailbox_that_leaves_goes_out_of_the_views_and_comes_back_without_a_load(
    world: World, tables: JSONLines
) -> None:
    def run(state: dict[str, Any] | None, *addresses: str) -> tuple[TapRun, set[str]]:
        done = world.run(state, mailboxes=list(addresses)).checked()
        tables.load((stream, row) for stream, rows in done.records.items() for row in rows)
        return done, {row["subject"] for row in tables.live("messages").values()}

    first, shown = run(None, ANNA, BOB)
    assert shown == {f"to {ANNA}", f"to {BOB}"}
    second, shown = run(first.state, ANNA)
    assert shown == {f"to {ANNA}"}
    (left,) = [row for row in second.of("mailboxes") if row["mailbox"] == BOB]
    assert left["left_at"]
    third, shown = run(second.state, ANNA)
    (again,) = [row for row in third.of("mailboxes") if row["mailbox"] == BOB]
    assert again["left_at"] == left["left_at"]
    world.mailbox(BOB).folder("inbox").add("Message", Subject="while away")
    fourth, shown = run(third.state, ANNA, BOB)
    assert shown == {f"to {ANNA}", f"to {BOB}", "while away"}
    assert subjects(fourth) == {BOB: ["while away"]}


@pytest.mark.parametrize("stores", [["primary"], ["primary", "archive"]])
def test_a_mailbox_that_cannot_be_resolved_for_now_has_not_left(
    world: World, tables: JSONLines, stores: list[str]
) -> None:
    def run(state: dict[str, Any] | None, code: str) -> TapRun:
        world.server.faults.clear()
        world.server.faults.add(RequestFails(code, On("ResolveNames")))
        done = world.run(state, mailboxes=[ANNA, BOB], stores=stores)
        tables.load((stream, row) for stream, rows in done.records.items() for row in rows)
        return done

    if "archive" in stores:
        for address in (ANNA, BOB):
            world.mailbox(address).add_archive()
    first = run(None, "ErrorAccessDenied").checked()
    second = run(first.state, "ErrorMailboxLogonFailed")
    assert second.exit_code == 1
    assert [row for row in second.of("mailboxes") if row["left_at"]] == []
    told = {(row["store"], row["reachable"], row["code"]) for row in second.of("mailboxes") if row["mailbox"] == BOB}
    assert told == {(store, False, "ErrorMailboxLogonFailed") for store in stores}
    roots = [
        {(row["mailbox"], row["store"]): (row["root_folder_id"], row["hierarchy_reset_at"]) for row in rows}
        for rows in (first.table("mailboxes").values(), second.table("mailboxes").values())
    ]
    assert roots[0] == roots[1]
    assert {row["subject"] for row in tables.live("messages").values()} == {f"to {ANNA}", f"to {BOB}"}
