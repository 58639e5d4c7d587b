"""`notifications: pull`: nearly nothing is asked when nothing changed, and the tables equal the mailbox."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tests.integration.test_tables_equal_mailbox import ANNA, Copy, furnish, into_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.mailbox import Mailbox
    from tests.warehouses import JSONLines

PULL = {"notifications": "pull"}


@pytest.fixture
def kept(tables: JSONLines) -> Iterator[Copy]:
    exchange = Exchange(seed=9)
    anna = exchange.add_mailbox(ANNA, password="secret")
    furnish(anna)
    with serve(exchange) as server:
        runner = partial(into_files, tables)

        def pulling(config: dict[str, Any], state: Any, **options: Any) -> Any:  # noqa: ANN401
            return runner({**config, **PULL}, state, **options)

        yield Copy(anna, server, pulling, lambda: tables.live)


def subscriptions(kept: Copy) -> Any:  # noqa: ANN401 - of the embedded server
    return kept.server.endpoint.subscriptions


def test_an_idle_run_of_a_mailbox_with_500_folders_uses_three_requests(kept: Copy) -> None:
    for number in range(500):
        kept.anna.add_folder(f"Inbox/F{number}")
    kept.run(config={"state_interval": 30})  # a STATE for each of 500 folders would tell of 500 folders each time
    kept.run()
    assert sum(kept.server.counts.values()) <= 3
    kept.check()


def test_events_mean_only_the_folders_they_name(kept: Copy) -> None:
    kept.run()
    inbox = kept.anna.folder("inbox")
    inbox.items()[0].update(Subject="changed")
    inbox.items()[1].move(kept.anna.folder("sentitems"))
    inbox.items()[2].mark_read(False)
    kept.run()
    assert kept.server.counts["SyncFolderItems"] == 2
    kept.check()


def test_a_new_folder_is_found_by_its_event(kept: Copy) -> None:
    kept.run()
    kept.anna.add_folder("Inbox/Fresh").add("Message", Subject="first")
    kept.anna.folder("Inbox/Projects").rename("Plans")
    kept.run()
    assert kept.server.counts["SyncFolderItems"] <= 3
    kept.check()


def test_a_lost_subscription_means_that_everything_is_asked(kept: Copy) -> None:
    kept.run()
    kept.anna.folder("inbox").items()[0].delete()
    subscriptions(kept).held.clear()
    kept.run()
    assert kept.server.counts["SyncFolderItems"] == len(kept.anna.folders())
    kept.check()
    kept.run()
    assert sum(kept.server.counts.values()) <= 3


def test_missed_events_mean_that_everything_is_asked(kept: Copy) -> None:
    kept.run()
    kept.anna.folder("inbox").items()[0].delete()
    for subscription in subscriptions(kept).held.values():
        subscription.missed = True
    kept.run()
    assert kept.server.counts["SyncFolderItems"] == len(kept.anna.folders())
    kept.check()


def test_a_subscription_that_an_earlier_run_read_serves_no_second_time(kept: Copy) -> None:
    """A run read it and was killed before its STATE was durable: what it read must not be lost."""
    kept.run()
    before = kept.state
    kept.anna.folder("inbox").items()[0].delete()
    kept.run()
    kept.state = before
    kept.run()
    assert kept.server.counts["SyncFolderItems"] == len(kept.anna.folders())
    kept.check()


def test_every_full_check_hours_all_folders_are_asked_anyway(kept: Copy) -> None:
    kept.run()
    kept.run(config={"full_check_hours": 0})
    assert kept.server.counts["SyncFolderItems"] == len(kept.anna.folders())


def test_a_folder_that_events_named_and_a_run_did_not_finish_stays_due(kept: Copy) -> None:
    kept.run()
    kept.anna.folder("inbox").items()[0].delete()
    kept.server.endpoint.latency = 0.7
    kept.run(config={"max_runtime_minutes": 0.01})
    kept.server.endpoint.latency = 0.0
    assert "SyncFolderItems" not in kept.server.counts
    kept.run()
    assert kept.server.counts["SyncFolderItems"] == 1
    kept.check()


def test_the_users_own_mailbox_has_notifications_whatever_the_user_is_called(kept: Copy) -> None:
    kept.server.endpoint.exchange.add_account("EXAMPLE\\anna", "secret").mailbox = kept.anna
    as_user = {"username": "EXAMPLE\\anna", "mailboxes": [ANNA]}
    kept.run(config=as_user)
    kept.run(config=as_user)  # knows whose mailbox it is from the root that the first one read
    kept.anna.folder("inbox").items()[0].update(Subject="changed")
    kept.run(config=as_user)
    assert kept.server.counts["SyncFolderItems"] == 1
    kept.check()


def test_a_delegates_other_mailbox_is_asked_whole(kept: Copy) -> None:
    """SubscribeToAllFolders is of the signed-in mailbox: its events say nothing of another one."""
    exchange = kept.server.endpoint.exchange
    exchange.add_mailbox("boss@example.com", password="secret")
    kept.anna.grant("boss@example.com")
    kept.run(config={"username": "boss@example.com", "mailboxes": [ANNA]})
    assert "Subscribe" not in kept.server.counts
    kept.check()


def test_random_edits_with_random_losses_end_equal_to_the_mailbox(kept: Copy) -> None:
    dice = random.Random(4)
    kept.run()
    for _ in range(12):
        for _ in range(dice.randrange(4)):
            edit_at_random(kept.anna, dice)
        if dice.random() < 0.3:
            subscriptions(kept).expire_all()
        if dice.random() < 0.2:
            before = kept.state
            kept.run()
            kept.state = before
        kept.run()
    kept.check()


def edit_at_random(anna: Mailbox, dice: random.Random) -> None:
    folders = [anna.folder(name) for name in ("inbox", "sentitems", "tasks", "contacts")]
    folder = dice.choice(folders)
    items = folder.items()
    what = dice.randrange(5) if items else 0
    if what == 0:
        folder.add("Message", Subject=f"random {dice.random()}")
    elif what == 1:
        dice.choice(items).delete()
    elif what == 2:
        dice.choice(items).update(Subject=f"edited {dice.random()}")
    elif what == 3:
        dice.choice(items).move(dice.choice(folders))
    else:
        anna.folder("inbox").items()[0].mark_read(dice.random() < 0.5)
