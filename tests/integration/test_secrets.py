"""Mail is private: nothing of it, and no secret, in logs below DEBUG, errors, state or process arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.faults import Answers, FolderFails, ItemFails, On, RequestFails, cut
from tap_exchange.demo.values import Address
from tests.pipeline import run_tap_here
from tests.trouble import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server

ANNA = "anna@example.com"
PASSWORD = "planted-password-7781"
PLANTED = {
    "password": PASSWORD,
    "subject": "planted-subject-4410",
    "body": "planted-body-9023",
    "sender": "planted-sender-5512",
    "folder": "planted-folder-3307",
    "attachment": "planted-attachment-6604",
}


@pytest.fixture
def server() -> Iterator[Server]:
    exchange = Exchange(seed=21)
    anna = exchange.add_mailbox(ANNA, password=PASSWORD)
    folder = anna.add_folder(f"Inbox/{PLANTED['folder']}")
    sender = Address(name=PLANTED["sender"], email=f"{PLANTED['sender']}@example.com")
    for target in (folder, anna.folder("inbox")):
        for _ in range(12):
            target.add("Message", Subject=PLANTED["subject"], Body=PLANTED["body"], From=sender)
    with serve(exchange) as running:
        yield running


def settings(server: Server) -> dict[str, Any]:
    return {"ews_url": server.url, "username": ANNA, "password": PASSWORD, "auth_type": "basic"}


def assert_nothing_of_it(text: str, where: str, but: str = "") -> None:
    for what, planted in PLANTED.items():
        assert what == but or planted not in text, f"the {what} stands in {where}"


def bad_items(server: Server) -> Fault:
    return ItemFails("ErrorItemCorrupt", mails(server), asking="item:Body")


def mails(server: Server) -> list[Item]:
    return server.exchange.mailboxes[ANNA].folder("inbox").items()


TROUBLES: dict[str, Callable[[Server], Fault]] = {
    "bad items": bad_items,
    "broken answers": lambda server: Answers(cut(honest=False), On("GetItem", items=mails(server)[:1])),
    "a locked folder": lambda _: FolderFails("ErrorAccessDenied", on=On("SyncFolderItems", skip=2)),
    "an invalid request": lambda _: RequestFails("ErrorSchemaValidation", On("SyncFolderItems", skip=2)),
}


@pytest.mark.parametrize("trouble", ["none", *TROUBLES])
def test_neither_log_nor_state_tells_of_mail_or_secrets(server: Server, trouble: str) -> None:
    """The state holds the names of folders, which tell their paths from run to run; nothing else of the mailbox."""
    if trouble in TROUBLES:
        server.faults.add(TROUBLES[trouble](server))
    with quick():
        run = run_tap_here(settings(server))
    assert run.states
    assert_nothing_of_it(run.stderr, "the log")
    assert_nothing_of_it(json.dumps(run.states), "the state", but="folder")
    for row in run.of("corrupt_items") + run.of("folder_syncs"):
        assert_nothing_of_it(json.dumps(row), "a row about trouble")


def test_process_arguments_tell_nothing(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings(server)), encoding="utf-8")
    server.endpoint.latency = 0.2
    command = [sys.executable, "-m", "tap_exchange", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        assert tap.stdout is not None
        tap.stdout.readline()
        assert_nothing_of_it(Path(f"/proc/{tap.pid}/cmdline").read_text(encoding="utf-8"), "the arguments")
        tap.kill()


def test_a_wrong_password_is_not_repeated(server: Server) -> None:
    run = run_tap_here({**settings(server), "password": f"{PASSWORD}-wrong"})
    assert run.exit_code == 1
    assert_nothing_of_it(run.stderr, "the log")
