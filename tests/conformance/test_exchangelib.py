"""exchangelib's own Account works against the embedded Exchange as against a real one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from exchangelib import (
    DELEGATE,
    IMPERSONATION,
    Account,
    BaseProtocol,
    CalendarItem,
    Configuration,
    Contact,
    Credentials,
    DistributionList,
    FaultTolerance,
    FileAttachment,
    ItemAttachment,
    Message,
    Task,
)
from exchangelib.errors import ErrorInvalidOperation, ErrorItemNotFound, UnauthorizedError
from exchangelib.folders import Calendar, Contacts, Inbox, Tasks
from exchangelib.items import MeetingRequest, PostItem

from tap_exchange.demo import Exchange
from tests.conformance.support import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server

UTC = timezone.utc


@pytest.fixture(scope="module")
def world() -> Exchange:
    return Exchange.example(items=100)


@pytest.fixture(scope="module")
def anna(world: Exchange) -> Mailbox:
    return world.mailboxes["anna@example.com"]


@pytest.fixture(scope="module")
def server(world: Exchange) -> Iterator[Server]:
    with served(world) as running:
        yield running


def sign_in(server: Server, address: str = "anna@example.com", username: str = "", **options: object) -> Account:
    configuration = Configuration(
        service_endpoint=server.url,
        credentials=Credentials(username or address, str(options.pop("password", "secret"))),
        auth_type="basic",
        max_connections=2,
        **options,
    )
    access = IMPERSONATION if username else DELEGATE
    return Account(address, config=configuration, autodiscover=False, access_type=access)


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Account]:
    opened = sign_in(server)
    yield opened
    opened.protocol.close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseProtocol, "RETRY_WAIT", 1)


def test_it_finds_the_version_and_the_time_zones(account: Account) -> None:
    assert str(account.version.build).startswith("15.2.")
    zones = list(account.protocol.get_timezones(return_full_timezone_data=True))
    assert "W. Europe Standard Time" in {zone.id for zone in zones}


def test_it_guesses_the_sign_in(server: Server) -> None:
    credentials = Credentials("anna@example.com", "secret")
    configuration = Configuration(service_endpoint=server.url, credentials=credentials)
    account = Account("anna@example.com", config=configuration, autodiscover=False, access_type=DELEGATE)
    assert account.inbox.name == "Inbox"
    account.protocol.close()


def test_a_wrong_password_is_refused(server: Server) -> None:
    account = sign_in(server, password="wrong")
    with pytest.raises(UnauthorizedError):
        account.root.refresh()
    account.protocol.close()


def test_it_walks_the_folder_tree(account: Account, anna: Mailbox) -> None:
    walked = {folder.id for folder in account.root.walk()}
    assert {folder.id for folder in anna.folder("root").subtree()} == walked
    assert isinstance(account.inbox, Inbox)
    assert isinstance(account.calendar, Calendar)
    assert isinstance(account.contacts, Contacts)
    assert isinstance(account.tasks, Tasks)
    assert (account.inbox / "Projects" / "Aurora").total_count == anna.folder("Inbox/Projects/Aurora").total_count
    assert "Inbox" in account.root.tree()


def test_it_syncs_the_hierarchy(account: Account, anna: Mailbox) -> None:
    changes = list(account.msg_folder_root.sync_hierarchy())
    assert {folder.id for _, folder in changes} == {folder.id for folder in anna.folders()}
    made = anna.add_folder("Made later")
    assert [(kind, folder.id) for kind, folder in account.msg_folder_root.sync_hierarchy()] == [("create", made.id)]
    made.rename("Renamed later")
    ((kind, folder),) = account.msg_folder_root.sync_hierarchy()
    assert (kind, folder.name) == ("update", "Renamed later")
    made.delete()
    ((kind, gone),) = account.msg_folder_root.sync_hierarchy()
    assert (kind, gone.id) == ("delete", made.id)


def test_it_syncs_items_of_each_kind_of_change(account: Account, anna: Mailbox) -> None:
    inbox = anna.folder("inbox")
    first = list(account.inbox.sync_items(max_changes_returned=40))
    assert {item.id for _, item in first} == {item.id for item in inbox.items()}
    assert {type(item) for _, item in first} >= {Message, MeetingRequest}
    state = account.inbox.item_sync_state
    new = inbox.add("Message", Subject="arrived")
    changed = inbox.items()[5].update(Subject="changed")
    read = inbox.add("Message")
    gone = inbox.items()[10]
    gone.delete()
    kinds = {kind: item for kind, item in account.inbox.sync_items() if kind != "create"}
    assert kinds["update"].subject == "changed"
    assert kinds["delete"].id == gone.id
    read.mark_read()
    ((kind, (item_id, is_read)),) = account.inbox.sync_items()
    assert (kind, item_id.id, is_read) == ("read_flag_change", read.id, True)
    again = {item.id for kind, item in account.inbox.sync_items(sync_state=state) if kind == "create"}
    assert again == {new.id, read.id}
    assert changed.id not in again


def test_it_fetches_items_by_id(account: Account, anna: Mailbox) -> None:
    items = anna.folder("sentitems").items()[:15]
    gone = anna.folder("sentitems").add("Message")
    gone.delete()
    ids = [(item.id, item.change_key) for item in [*items, gone]]
    fetched = list(account.fetch(ids, chunk_size=4))
    assert [item.subject for item in fetched[:-1]] == [item.properties["Subject"] for item in items]
    assert isinstance(fetched[-1], ErrorItemNotFound)
    assert {recipient.email_address for recipient in fetched[0].to_recipients} == {
        person.email for person in items[0].properties["ToRecipients"]
    }


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("inbox", {Message}), ("contacts", {Contact, DistributionList}), ("tasks", {Task}), ("calendar", {CalendarItem})],
)
def test_it_reads_everything_of_a_folder(account: Account, anna: Mailbox, name: str, kinds: set[type]) -> None:
    found = list(getattr(account, name).all())
    assert {item.id for item in found} == {item.id for item in anna.folder(name).items()}
    assert kinds <= {type(item) for item in found}


def test_it_filters_sorts_and_counts(account: Account, anna: Mailbox) -> None:
    inbox = anna.folder("inbox")
    since = datetime(2025, 6, 1, tzinfo=UTC)
    wanted = {item.id for item in inbox.items() if item.properties["DateTimeReceived"] >= since}
    found = account.inbox.filter(datetime_received__gte=since)
    assert found.count() == len(wanted)
    received = [item.datetime_received for item in found.order_by("-datetime_received").only("datetime_received")[:40]]
    assert received == sorted(received, reverse=True)
    unread = account.inbox.filter(is_read=False, item_class="IPM.Note").only("subject")
    assert {item.id for item in unread} == {
        item.id for item in inbox.items() if item.unread and item.properties["ItemClass"] == "IPM.Note"
    }


def test_it_views_a_calendar(account: Account) -> None:
    start = datetime(2025, 3, 24, tzinfo=UTC)
    entries = list(account.calendar.view(start=start, end=start + timedelta(days=14)))
    planning = [entry for entry in entries if entry.subject == "Weekly planning"]
    assert [entry.start.hour for entry in planning] == [8, 7], "before and after the clocks change in Berlin"
    assert {entry.type for entry in planning} == {"Occurrence"}
    starts = [entry.start for entry in entries if not entry.is_all_day]
    assert starts == sorted(starts)


def test_it_reads_series(account: Account) -> None:
    (master,) = account.calendar.filter(subject="Weekly planning")
    assert master.type == "RecurringMaster"
    assert len(master.deleted_occurrences) == 5
    moved = master.modified_occurrences[0]
    assert moved.start != moved.original_start
    assert account.calendar.get(id=moved.id).subject == "Planning, moved"
    assert master.first_occurrence.start == datetime(2024, 1, 8, 8, 30, tzinfo=UTC)
    assert master.recurrence.pattern.weekdays == [1]


def test_it_downloads_attachments(account: Account, anna: Mailbox) -> None:
    holders = [item for item in anna.folder("inbox").items() if item.attachments][:12]
    seen = set()
    for item, loaded in zip(holders, account.fetch([(item.id, item.change_key) for item in holders]), strict=True):
        assert len(loaded.attachments) == len(item.attachments)
        for attachment in loaded.attachments:
            seen.add(type(attachment))
            if isinstance(attachment, FileAttachment):
                (original,) = [held for held in item.attachments if held.name == attachment.name]
                assert attachment.content == original.content
            elif isinstance(attachment, ItemAttachment):
                assert attachment.item.subject == item.attachments[0].item.properties["Subject"]
    assert FileAttachment in seen


def test_it_reads_posts_and_other_stores(account: Account, anna: Mailbox) -> None:
    assert {type(item) for item in (account.inbox / "Notice board").all()} == {PostItem}
    archived = account.archive_msg_folder_root / "2024"
    assert archived.all().count() == anna.archive.folder("2024").total_count == 20
    public = account.public_folders_root
    assert {folder.name for folder in public.children} == {"Company board", "Room bookings"}


def test_it_impersonates(world: Exchange, server: Server) -> None:
    world.add_account("service", "robot", impersonates=("anna@example.com",))
    account = sign_in(server, username="service", password="robot")
    assert account.inbox.total_count > 0
    account.protocol.close()


def test_what_the_embedded_exchange_does_not_offer_is_said_in_plain_words(account: Account, server: Server) -> None:
    message = Message(account=account, folder=account.drafts, subject="new", to_recipients=["boris@example.com"])
    before = len(server.requests)
    with pytest.raises(ErrorInvalidOperation, match="does not offer CreateItem"):
        message.save()
    with pytest.raises(ErrorInvalidOperation, match="does not offer UpdateItem"):
        next(iter(account.inbox.all())).save(update_fields=["subject"])
    assert [request.operation for request in server.requests[before:]].count("CreateItem") == 1


def test_it_is_patient_with_a_fault_tolerant_policy(server: Server) -> None:
    account = sign_in(server, retry_policy=FaultTolerance(max_wait=10))
    assert account.drafts.all().count() == 5
    account.protocol.close()
