"""SyncFolderItems and SyncFolderHierarchy over HTTP: pages, states, codes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tests.conformance.support import Client, T, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server


@pytest.fixture
def world() -> Exchange:
    exchange = Exchange(seed=7)
    exchange.add_mailbox("anna@example.com")
    exchange.add_mailbox("ben@example.com")
    return exchange


@pytest.fixture
def anna(world: Exchange) -> Mailbox:
    return world.mailboxes["anna@example.com"]


@pytest.fixture
def server(world: Exchange) -> Iterator[Server]:
    with served(world) as running:
        yield running


def test_an_initial_sync_gives_everything_newest_first_in_pages(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox")
    inbox.fill(1200)
    newest = inbox.add("Message")
    state, kinds, ids, pages = None, set(), [], []
    while not pages or not pages[-1].last:
        pages.append(client.sync(inbox.id, state))
        state = pages[-1].state
        kinds |= {kind for kind, _ in pages[-1].changes}
        ids += [item_id for _, item_id in pages[-1].changes]
    assert [len(page.changes) for page in pages] == [512, 512, 177]
    assert kinds == {"Create"}
    assert ids[0] == newest.id
    assert ids == [item.id for item in inbox.items()]


def test_the_last_page_may_be_exactly_full(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox").fill(20)
    assert client.sync(inbox.id, limit=20).last
    assert not client.sync(inbox.id, limit=19).last


def test_the_four_changes_arrive_net_per_item(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox")
    changed, read, both, gone, moved, untouched, toggled = (inbox.add("Message") for _ in range(7))
    state = client.sync(inbox.id).state
    changed.update(Subject="one").update(Subject="two")
    read.mark_read()
    both.mark_read()
    both.update(Subject="both")
    gone.update(Subject="in vain")
    gone.delete()
    there = moved.move(anna.folder("drafts"))
    toggled.mark_read().mark_read(read=False)
    born = inbox.add("Message").update(Subject="born and changed")
    inbox.add("Message").delete()
    page = client.sync(inbox.id, state)
    assert set(page.changes) == {
        ("Update", changed.id),
        ("ReadFlagChange", read.id),
        ("Update", both.id),
        ("Delete", gone.id),
        ("Delete", moved.id),
        ("Create", born.id),
        ("ReadFlagChange", toggled.id),
    }
    assert len(page.changes) == 7
    flags = {
        element[0].get("Id"): element.findtext(f"{T}IsRead") for element in page.elements if "ReadFlag" in element.tag
    }
    assert flags == {read.id: "true", toggled.id: "false"}
    assert client.sync(anna.folder("drafts").id).changes == [("Create", there.id)]
    assert there.id != moved.id
    assert client.sync(inbox.id, page.state).changes == []
    assert untouched.id not in dict(page.changes)


def test_any_older_state_goes_on_working(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox")
    states = [client.sync(inbox.id).state]
    items = []
    for _ in range(5):
        items.append(inbox.add("Message"))
        states.append(client.sync(inbox.id, states[-1]).state)
    items[0].delete()
    assert len(client.sync(inbox.id, states[0]).changes) == 4
    assert ("Delete", items[0].id) in client.sync(inbox.id, states[1]).changes
    assert client.sync(inbox.id, states[5]).changes == [("Delete", items[0].id)]


def test_the_state_moves_on_every_call_and_is_opaque(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox").fill(3)
    states = [client.sync(inbox.id).state]
    for _ in range(4):
        states.append(client.sync(inbox.id, states[-1]).state)
    assert len(set(states)) == 5
    assert all(base64.b64decode(state, validate=True) for state in states)


def test_edits_between_the_pages_of_a_walk_are_not_lost(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox").fill(30)
    items = inbox.items()
    page = client.sync(inbox.id, limit=10)
    items[0].delete()  # was given
    items[1].update(Subject="given, then changed")
    items[29].delete()  # was not yet given
    items[28].update(Subject="changed before it is given")
    new = inbox.add("Message")
    held = dict.fromkeys(item_id for _, item_id in page.changes)
    while not page.last:
        page = client.sync(inbox.id, page.state, limit=10)
        for kind, item_id in page.changes:
            assert (kind == "Create") == (item_id not in held)
            if kind == "Delete":
                del held[item_id]
            else:
                held[item_id] = None
    assert set(held) == {item.id for item in inbox.items()}
    assert new.id in held
    assert items[29].id not in held


def test_ignored_items_are_passed_over(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox")
    items = [inbox.add("Message") for _ in range(4)]
    page = client.sync(inbox.id, ignore=(items[1].id, items[2].id))
    assert {item_id for _, item_id in page.changes} == {items[0].id, items[3].id}
    assert page.last
    assert client.sync(inbox.id, page.state).changes == []


def test_associated_items_come_only_when_asked_for(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox")
    normal, hidden = inbox.add("Message"), inbox.add("Message", associated=True)
    page = client.sync(inbox.id)
    assert page.changes == [("Create", normal.id)]
    page = client.sync(inbox.id, page.state, scope="NormalAndAssociatedItems")
    assert page.changes == [("Create", hidden.id)]
    hidden.delete()
    assert client.sync(inbox.id, page.state, scope="NormalAndAssociatedItems").changes == [("Delete", hidden.id)]


def test_a_state_is_bound_to_its_folder_and_call(anna: Mailbox, client: Client) -> None:
    inbox, drafts = anna.folder("inbox"), anna.folder("drafts")
    state = client.sync(inbox.id).state
    for folder, given in ((drafts, state), (inbox, "garbage"), (inbox, state[:-8]), (inbox, state.swapcase())):
        page = client.sync(folder.id, given)
        assert (page.code, page.state, page.last) == ("ErrorInvalidSyncStateData", "", True)
    assert client.hierarchy(anna.folder("msgfolderroot").id, state).code == "ErrorInvalidSyncStateData"


def test_a_reset_feed_refuses_older_states_until_it_starts_over(anna: Mailbox, client: Client) -> None:
    inbox = anna.folder("inbox").fill(3)
    state = client.sync(inbox.id).state
    inbox.restore_feed()
    assert client.sync(inbox.id, state).code == "ErrorInvalidSyncStateData"
    fresh = client.sync(inbox.id)
    assert len(fresh.changes) == 3
    assert client.sync(inbox.id, fresh.state).code == "NoError"


def test_a_state_of_an_earlier_process_with_a_longer_past_works() -> None:
    def begin() -> tuple[Exchange, Mailbox]:
        exchange = Exchange(seed=3)
        mailbox = exchange.add_mailbox("anna@example.com")
        mailbox.folder("inbox").fill(5)
        return exchange, mailbox

    world, mailbox = begin()
    late = mailbox.folder("inbox").add("Message")
    late.mark_read()
    with served(world) as server, Client(server) as client:
        state = client.sync(mailbox.folder("inbox").id).state
    world, mailbox = begin()
    inbox = mailbox.folder("inbox")
    with served(world) as server, Client(server) as client:
        page = client.sync(inbox.id, state)
        assert page.changes == [("Delete", late.id)]
        new = inbox.items()[0].update(Subject="new")
        assert client.sync(inbox.id, page.state).changes == [("Update", new.id)]


def test_folders_that_have_no_feed(anna: Mailbox, world: Exchange, client: Client) -> None:
    search = anna.add_search_folder("Everything", lambda _: True)
    assert client.sync(search.id).code == "ErrorInvalidFolderTypeForOperation"
    public = world.add_public_folders().new_folder("Board", world.add_public_folders().root)
    assert client.sync(public.id).code == "ErrorInvalidOperation"
    gone = anna.add_folder("Gone")
    gone.delete()
    assert client.sync(gone.id).code == "ErrorSyncFolderNotFound"
    assert client.sync("no id at all").code == "ErrorInvalidIdMalformed"
    assert client.sync(anna.folder("inbox").add("Message").id).code == "ErrorInvalidIdMalformed"


@pytest.mark.parametrize("limit", [0, 513, -1, 100_000])
def test_a_page_holds_1_to_512_changes(anna: Mailbox, server: Server, limit: int) -> None:
    body = (
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>"
        f'<t:FolderId Id="{anna.folder("inbox").id}"/></m:SyncFolderId>'
        f"<m:MaxChangesReturned>{limit}</m:MaxChangesReturned></m:SyncFolderItems>"
    )
    with Client(server) as client:
        assert client.fault(body) == "ErrorSchemaValidation"
        server.endpoint.validator = None  # the same without anybody's schema at hand
        assert client.fault(body) == "ErrorSchemaValidation"


def test_the_hierarchy_tells_created_changed_moved_and_deleted_folders(anna: Mailbox, client: Client) -> None:
    root = anna.folder("msgfolderroot")
    first = client.hierarchy(root.id)
    assert {item_id for _, item_id in first.changes} == {folder.id for folder in anna.folders()}
    assert {kind for kind, _ in first.changes} == {"Create"}
    parents = set()
    for _, folder_id in first.changes:  # parents come before their children
        folder = next(folder for folder in anna.folders() if folder.id == folder_id)
        assert folder.parent is root or folder.parent.id in parents
        parents.add(folder_id)
    a = anna.add_folder("A")
    b = anna.add_folder("A/B")
    c = anna.add_folder("C")
    state = client.hierarchy(root.id, first.state).state
    a.rename("Z")
    c.move(b)
    gone = anna.folder("Archive")
    gone.delete()
    anna.folder("inbox").fill(10)  # counts alone are not told
    page = client.hierarchy(root.id, state)
    assert set(page.changes) == {("Update", a.id), ("Update", c.id), ("Delete", gone.id)}
    assert client.hierarchy(root.id, page.state).changes == []
    assert c.path == "Z/B/C"


def test_a_folder_that_leaves_the_root_is_deleted_with_all_below_it(anna: Mailbox, client: Client) -> None:
    root = anna.folder("msgfolderroot")
    outer, inner = anna.add_folder("Outer"), anna.add_folder("Outer/Inner")
    state = client.hierarchy(root.id).state
    outer.move(anna.folder("root"))
    page = client.hierarchy(root.id, state)
    assert set(page.changes) == {("Delete", outer.id), ("Delete", inner.id)}
    outer.move(root)
    page = client.hierarchy(root.id, page.state)
    assert page.changes == [("Create", outer.id), ("Create", inner.id)]


def test_a_hierarchy_may_come_in_pages(anna: Mailbox, server: Server, client: Client) -> None:
    server.endpoint.hierarchy_page = 7
    root = anna.folder("root")
    page = client.hierarchy(root.id)
    seen = [item_id for _, item_id in page.changes]
    anna.folder("Archive").rename("Old")
    while not page.last:
        page = client.hierarchy(root.id, page.state)
        assert len(page.changes) <= 7
        seen += [item_id for _, item_id in page.changes]
    assert set(seen) == {folder.id for folder in root.subtree()}


def test_ids_differ_by_letter_case_alone(anna: Mailbox) -> None:
    ids = [item.id for item in anna.folder("inbox").fill(60).items()]
    assert len(set(ids)) == 60
    assert len({item_id.lower() for item_id in ids}) < 60


def test_another_mailbox_is_closed_until_it_is_opened(world: Exchange, client: Client) -> None:
    ben = world.mailboxes["ben@example.com"]
    assert client.sync(ben.folder("inbox").id).code == "ErrorAccessDenied"
    ben.grant("anna@example.com")
    assert client.sync(ben.folder("inbox").id).code == "NoError"
