"""`notifications: stream`: what happens is in the tables some seconds later, whatever the connection does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tests.integration.test_tables_equal_mailbox import ANNA, furnish
from tests.live import files, live_rows
from tests.truth import differences, shown, truth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server


@dataclass(slots=True)
class Live:
    """A tap that listens, and what it has written so far."""

    anna: Mailbox
    server: Server
    folder: Path
    process: subprocess.Popen[bytes]
    kinds: list[str] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                return  # the test killed the tap in the middle of it
            message = json.loads(line)
            if message["type"] == "RECORD":
                path = self.folder / f"{message['stream']}.jsonl"
                with self.lock, path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(message["record"]) + "\n")
                if message["stream"] == "messages":
                    self.subjects.add(message["record"]["subject"])
            self.kinds.append(message["type"])

    def wait_for(self, subject: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while subject not in self.subjects:
            assert time.monotonic() < deadline, f"{subject} did not arrive in {seconds} seconds"
            time.sleep(0.02)

    def count(self, operation: str) -> int:
        return self.server.counts.get(operation, 0)

    def listening(self) -> None:
        """Wait until a streaming connection is held."""
        deadline = time.monotonic() + 30
        while self.count("GetStreamingEvents") == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def check(self, seconds: float = 30) -> None:
        """Wait until the views equal the mailbox."""
        deadline = time.monotonic() + seconds
        while found := self.differences():
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def differences(self) -> list[str]:
        with self.lock:
            show = files(self.folder)
            return differences(truth(self.anna), shown(lambda stream: live_rows(show, stream), ANNA))


@contextmanager
def listening(folder: Path, minutes: float, **more: Any) -> Iterator[Live]:  # noqa: ANN401
    exchange = Exchange(seed=9)
    anna = exchange.add_mailbox(ANNA, password="secret")
    furnish(anna)
    with serve(exchange) as server:
        server.endpoint.heartbeat = 0.5
        settings = {
            "ews_url": server.url,
            "username": ANNA,
            "password": "secret",
            "notifications": "stream",
            "listen_minutes": minutes,
            "notification_delay": 0.3,
            **more,
        }
        config = folder / "config.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "tap_exchange", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        live = Live(anna, server, folder, process)
        reader = threading.Thread(target=live.read)
        reader.start()
        try:
            live.listening()
            yield live
        finally:
            process.kill()
            process.wait()
            reader.join()
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()


def test_what_happens_arrives_and_lost_connections_lose_nothing(tmp_path: Path) -> None:
    with listening(tmp_path, 5) as live:
        inbox = live.anna.folder("inbox")
        inbox.add("Message", Subject="live one")
        live.wait_for("live one")

        live.server.endpoint.subscriptions.expire_all()
        inbox.items()[-1].delete()
        inbox.add("Message", Subject="while the connection was down")
        live.wait_for("while the connection was down")
        inbox.add("Message", Subject="after it came back")
        live.wait_for("after it came back")

        inbox.items()[3].delete()
        live.check()

        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(10) == 128 + signal.SIGTERM


def test_a_burst_makes_one_sync_for_each_folder_and_delay(tmp_path: Path) -> None:
    with listening(tmp_path, 5, notification_delay=3) as live:
        inbox = live.anna.folder("inbox")
        inbox.add("Message", Subject="settle")
        live.wait_for("settle")
        time.sleep(4)
        before = live.count("SyncFolderItems")
        begun = time.monotonic()
        for number in range(3000):
            inbox.items()[0].update(Subject=f"burst {number}") if number % 3 else inbox.add("Message", Subject="more")
        inbox.add("Message", Subject="last of the burst")
        windows = (time.monotonic() - begun) / 3 + 2
        live.wait_for("last of the burst")
        assert live.count("SyncFolderItems") - before <= 2 * windows + 2


def test_listening_ends_when_its_time_is_over(tmp_path: Path) -> None:
    with listening(tmp_path, 0.05) as live:
        assert live.process.wait(30) == 0
        assert live.kinds[-1] == "STATE"
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and live.count("Unsubscribe") == 0:
            time.sleep(0.05)


def test_a_silent_connection_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat that never comes: the connection is dead, though nobody closed it."""
    from tap_exchange.ews import streaming  # noqa: PLC0415 - patched
    from tap_exchange.ews.connect import connect  # noqa: PLC0415
    from tap_exchange.ews.errors import TransientError  # noqa: PLC0415
    from tap_exchange.ews.pace import Pace  # noqa: PLC0415
    from tap_exchange.settings import Settings  # noqa: PLC0415

    exchange = Exchange(seed=9)
    exchange.add_mailbox(ANNA, password="secret")
    with serve(exchange) as server:
        settings = Settings.from_config({"ews_url": server.url, "username": ANNA, "password": "secret"})
        connection = connect(settings)
        monkeypatch.setattr(server.endpoint, "heartbeat", 1000.0)
        with streaming.opened(connection, Pace(1, 0.5), silence=0.5) as line:
            line.subscribe(ANNA)
            begun = time.monotonic()
            with pytest.raises(TransientError):
                line.listen([].append, lambda: None)
            assert time.monotonic() - begun < 10
        connection.close()
