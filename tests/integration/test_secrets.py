"""Mail is private: nothing of it, and no secret, in logs below DEBUG, errors, state or process arguments."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.faults import Answers, FolderFails, ItemFails, On, RequestFails, SignInEnds, cut, says
from tap_exchange.demo.values import Address
from tests.certificates import make
from tests.pipeline import run_tap, run_tap_here
from tests.trouble import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.demo.faultplan import Fault
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.server import Server
    from tests.pipeline import TapRun

ANNA = "anna@example.com"
APPLICATION = "11111111-2222-3333-4444-555555555555"
PASSWORD = "planted-password-7781"
PLANTED = {
    "password": PASSWORD,
    "subject": "planted-subject-4410",
    "body": "planted-body-9023",
    "sender": "planted-sender-5512",
    "folder": "planted-folder-3307",
    "attachment": "planted-attachment-6604",
    "client secret": "planted-client-secret-2218",
    "refresh token": "planted-refresh-token-8153",
    "certificate password": "planted-certificate-password-1907",
    "proxy password": "planted-proxy-password-6641",
}
TELLS_MOST = "INFO"
LEVELS = (TELLS_MOST, "WARNING", "ERROR", "CRITICAL")


@pytest.fixture
def server() -> Iterator[Server]:
    exchange = Exchange(seed=21)
    anna = exchange.add_mailbox(ANNA, password=PASSWORD)
    folder = anna.add_folder(f"Inbox/{PLANTED['folder']}")
    sender = Address(name=PLANTED["sender"], email=f"{PLANTED['sender']}@example.com")
    attached = [Attachment(name=PLANTED["attachment"], content=b"x")]
    for target in (folder, anna.folder("inbox")):
        for _ in range(12):
            target.add("Message", Subject=PLANTED["subject"], Body=PLANTED["body"], From=sender, attachments=attached)
    exchange.add_account(APPLICATION, PLANTED["client secret"])
    with serve(exchange) as running:
        yield running


def settings(server: Server) -> dict[str, Any]:
    return {"ews_url": server.url, "username": ANNA, "password": PASSWORD, "auth_type": "basic"}


def application(server: Server, **more: str) -> dict[str, Any]:
    return {
        "ews_url": server.url,
        "auth_type": "oauth_client_credentials",
        "tenant_id": "common",
        "client_id": APPLICATION,
        "client_secret": PLANTED["client secret"],
        "token_url": server.token_url,
        "mailboxes": [ANNA],
        **more,
    }


def assert_nothing_of_it(text: str, where: str, but: str = "") -> None:
    for what, planted in PLANTED.items():
        assert what == but or planted not in text, f"the {what} stands in {where}"


def assert_a_run_tells_nothing(run: TapRun) -> None:
    """Fail when a log, a state or a row about trouble has what was planted; the state holds the names of folders."""
    assert_nothing_of_it(run.stderr, "the log")
    assert_nothing_of_it(json.dumps(run.states), "the state", but="folder")
    for row in run.of("corrupt_items") + run.of("folder_syncs") + run.of("sync_runs") + run.of("mailboxes"):
        assert_nothing_of_it(json.dumps(row), "a row about trouble")


def bad_items(server: Server) -> Fault:
    return ItemFails("ErrorItemCorrupt", mails(server), asking="item:Body")


def mails(server: Server) -> list[Item]:
    return server.exchange.mailboxes[ANNA].folder("inbox").items()


def a_page_that_repeats_what_it_was_sent(server: Server) -> Fault:
    page = f"<html>{PASSWORD} {PLANTED['subject']} {PLANTED['client secret']}</html>".encode()
    return Answers(says(500, page), On("GetItem", items=mails(server)[:1]))


TROUBLES: dict[str, Callable[[Server], Fault]] = {
    "bad items": bad_items,
    "broken answers": lambda server: Answers(cut(honest=False), On("GetItem", items=mails(server)[:1])),
    "a page of an error": a_page_that_repeats_what_it_was_sent,
    "a locked folder": lambda _: FolderFails("ErrorAccessDenied", on=On("SyncFolderItems", skip=2)),
    "an invalid request": lambda _: RequestFails("ErrorSchemaValidation", On("SyncFolderItems", skip=2)),
    "a sign-in that ends": lambda _: SignInEnds(401, On("GetItem", skip=1)),
}


@pytest.mark.parametrize("trouble", ["none", *TROUBLES])
def test_neither_log_nor_state_tells_of_mail_or_secrets(server: Server, trouble: str) -> None:
    """The state holds the names of folders, which tell their paths from run to run; nothing else of the mailbox."""
    if trouble in TROUBLES:
        server.faults.add(TROUBLES[trouble](server))
    with quick():
        run = run_tap_here(settings(server))
    assert run.states
    assert_a_run_tells_nothing(run)


@pytest.mark.pipeline
@pytest.mark.parametrize("level", LEVELS)
def test_a_process_in_trouble_tells_nothing_at_any_level(server: Server, level: str) -> None:
    """At the level that tells most in a process of its own, with all that Python itself may say there."""
    drafts = server.exchange.mailboxes[ANNA].folder("drafts")
    fails = RequestFails("ErrorSchemaValidation", On(("SyncFolderItems", "FindItem"), folder=drafts))
    server.faults.add(bad_items(server), fails)
    how = {"TAP_EXCHANGE_LOGLEVEL": level}
    if level == TELLS_MOST:
        run = run_tap(settings(server), env=how)
    else:
        with mock.patch.dict(os.environ, how):
            run = run_tap_here(settings(server))
    assert run.exit_code == 1
    assert run.of("corrupt_items")
    assert bool(run.stderr) == (level != "CRITICAL"), run.stderr
    assert_a_run_tells_nothing(run)


@pytest.mark.parametrize("way", ["well", "a wrong secret", "a token that is withdrawn"])
def test_an_applications_secret_and_its_tokens_are_told_nowhere(server: Server, way: str) -> None:
    config = application(server)
    if way == "a wrong secret":
        server.exchange.accounts[APPLICATION].password = "another"
    if way == "a token that is withdrawn":
        server.faults.add(SignInEnds(401, On("GetItem", skip=1)))
    with quick():
        run = run_tap_here(config)
    assert (run.exit_code == 0) == (way == "well")
    for token in server.tokens._accounts:
        assert token not in run.stderr
        assert token not in json.dumps(run.messages.parsed)
    assert_a_run_tells_nothing(run)


def secrets_of_other_ways(server: Server) -> dict[str, dict[str, Any]]:
    certificate = make("anna")
    password = PLANTED["certificate password"]
    nobody = "http://127.0.0.1:9"
    return {
        "a refresh token": {
            **application(server, auth_type="oauth_refresh_token", refresh_token=PLANTED["refresh token"]),
            "mailboxes": None,
            "username": ANNA,
        },
        "a certificate with another password": {
            **application(server, client_secret=""),
            "client_certificate": certificate.pem + certificate.key("riegel"),
            "client_certificate_password": password,
        },
        "a certificate for nobody": {
            **application(server, client_secret="", token_url=f"{nobody}/token"),
            "client_certificate": certificate.pem + certificate.key(password),
            "client_certificate_password": password,
        },
        "a proxy": {
            **settings(server),
            "ews_url": "https://mail.nowhere.invalid/EWS/Exchange.asmx",
            "proxy_url": f"http://proxy:{PLANTED['proxy password']}@127.0.0.1:9",
        },
        "a setting that cannot be": {**settings(server), "password": [PASSWORD]},
    }


@pytest.mark.parametrize(
    "way",
    [
        "a refresh token",
        "a certificate with another password",
        "a certificate for nobody",
        "a proxy",
        "a setting that cannot be",
    ],
)
def test_a_sign_in_that_fails_is_told_without_what_was_given(server: Server, way: str) -> None:
    config = {name: value for name, value in secrets_of_other_ways(server)[way].items() if value not in (None, "")}
    with quick():
        run = run_tap_here({"max_wait": 1, "request_timeout": 5, **config})
    assert run.exit_code == 1
    assert run.stderr
    assert "PRIVATE KEY" not in run.stderr
    assert_a_run_tells_nothing(run)


def test_process_arguments_tell_nothing(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings(server)), encoding="utf-8")
    server.endpoint.latency = 0.2
    command = [sys.executable, "-m", "tap_exchange", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        assert tap.stdout is not None
        tap.stdout.readline()
        for process in family(tap.pid):
            told = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
            assert_nothing_of_it(told, "the arguments")
        tap.kill()


def family(process: int) -> list[int]:
    """Return a process and those that it started."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended
            parents[int(entry.name)] = int(
                Path(entry, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            )
    found = [process]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


def test_a_wrong_password_is_not_repeated(server: Server) -> None:
    run = run_tap_here({**settings(server), "password": f"{PASSWORD}-wrong"})
    assert run.exit_code == 1
    assert_nothing_of_it(run.stderr, "the log")
