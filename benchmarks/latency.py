"""How long a new message takes from the mailbox to PostgreSQL in the live mode: median and worst of many.

    python -m benchmarks.latency [--messages 50] [--delay 1] [--json FILE]

The embedded Exchange in this process, the tap in its own, its records written by a plain INSERT as they come: what is
measured is the tap and the server, not a loader's batching (SDK targets keep records until their batch is full).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from tap_exchange.demo import Exchange, serve
from tests.postgres import running

ADDRESS = "anna@example.com"


def measure(messages: int, delay: float) -> list[float]:
    """Return the seconds from a message's arrival in the mailbox to its row in PostgreSQL."""
    exchange = Exchange(seed=1)
    inbox = exchange.add_mailbox(ADDRESS, password="secret").folder("inbox")
    with serve(exchange) as server, running() as postgres, postgres.database() as database:
        settings = {
            "ews_url": server.url,
            "username": ADDRESS,
            "password": "secret",
            "notifications": "stream",
            "listen_minutes": 60,
            "notification_delay": delay,
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
            json.dump(settings, config)
            config.flush()
            command = [sys.executable, "-m", "tap_exchange", "--config", config.name]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
                rows = Rows(database.url)
                reader = threading.Thread(target=rows.load, args=(tap.stdout,), daemon=True)
                reader.start()
                while server.counts.get("GetStreamingEvents", 0) == 0:
                    time.sleep(0.05)
                time.sleep(delay + 2)
                seconds = []
                for number in range(messages):
                    began = time.monotonic()
                    inbox.add("Message", Subject=f"message {number}")
                    seconds.append(rows.wait_for(f"message {number}") - began)
                tap.terminate()
                reader.join()
            return seconds


class Rows:
    """Loads messages into a table, and tells when each was there."""

    def __init__(self, url: str) -> None:
        """Make the table."""
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("create table messages (subject text primary key, record jsonb)")
        self.arrived: dict[str, float] = {}
        self.news = threading.Condition()

    def load(self, lines: object) -> None:
        """Insert each message as its line comes."""
        for line in lines:  # type: ignore[attr-defined]
            if line.startswith(b'{"type":"RECORD","stream":"messages"'):
                record = json.loads(line)["record"]
                self.connection.execute(
                    "insert into messages values (%s, %s) on conflict (subject) do update set record = excluded.record",
                    [record["subject"], json.dumps(record)],
                )
                with self.news:
                    self.arrived[record["subject"]] = time.monotonic()
                    self.news.notify_all()

    def wait_for(self, subject: str) -> float:
        """Return when a message was in the table."""
        with self.news:
            if not self.news.wait_for(lambda: subject in self.arrived, timeout=60):
                raise TimeoutError(subject)
            return self.arrived[subject]


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--delay", type=float, default=1.0, help="notification_delay in seconds")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    seconds = measure(asked.messages, asked.delay)
    result = {
        "messages": asked.messages,
        "notification_delay": asked.delay,
        "median_seconds": round(statistics.median(seconds), 3),
        "worst_seconds": round(max(seconds), 3),
    }
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
