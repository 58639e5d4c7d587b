"""The embedded Exchange in a process of its own, driven over its standard input, for the benchmark.

    python benchmarks/server.py '{"items": 1000, "folders": 1, "latency": 0.05, "options": {"body_bytes": 8192}}'

prints its URL as JSON; then each line of input is a command: `counts` (and forget them), `change N`, `held ADDRESS`.
With `"remember": true` it answers from memory what it was asked before. With `"beside": [20]` there is another mailbox,
beside0@example.com, of so many messages in its Inbox; all have one password.
"""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.endpoint import Endpoint

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Account
    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.requestlog import Request

ADDRESS, PASSWORD = "anna@example.com", "secret"


class Remembering(Endpoint):
    """Make each answer once: only for mailboxes that do not change.

    A server on another machine takes no processor's time and no caches from its client; one that works beside it does.
    """

    def __init__(self, exchange: Exchange, **options: Any) -> None:  # noqa: ANN401
        """Take what every endpoint takes."""
        super().__init__(exchange, **options)
        self._answers: dict[bytes, Answer] = {}

    def _work(self, raw: bytes, account: Account, record: Request) -> Answer:
        if raw not in self._answers:
            self._answers[raw] = super()._work(raw, account, record)
        return self._answers[raw]


def main() -> None:
    """Serve until the input ends."""
    asked = json.loads(sys.argv[1])
    exchange = Exchange(seed=1)
    mailbox = exchange.add_mailbox(ADDRESS, password=PASSWORD)
    inbox, count = mailbox.folder("inbox"), asked.get("folders", 1)
    others = [folder for folder in mailbox.folders() if folder not in {inbox, inbox.parent} and folder.search is None]
    folders = [inbox, *others][:count]
    folders += [mailbox.add_folder(f"Inbox/F{number}") for number in range(len(folders), count)]
    for folder in folders:
        folder.fill(asked["items"] // len(folders), **asked.get("options", {}))
    for number, items in enumerate(asked.get("beside", ())):
        other = exchange.add_mailbox(f"beside{number}@example.com", password=PASSWORD)
        other.folder("inbox").fill(items, **asked.get("options", {}))
    gc.freeze()  # or each full collection would stop the server for as long as it takes to go through all mail
    kind = Remembering if asked.get("remember") else Endpoint
    with serve(exchange, latency=asked.get("latency", 0.0), endpoint=kind) as server:
        print(json.dumps({"ews_url": server.url, "username": ADDRESS, "password": PASSWORD}), flush=True)
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "counts":
                print(json.dumps(server.counts), flush=True)
                server.reset_requests()
            elif command == "change":
                for item in folders[0].items()[: int(argument)]:
                    item.update(Subject="changed")
                print("{}", flush=True)
            else:
                held = exchange.mailboxes[argument].folders()
                print(json.dumps({"items": sum(folder.contents.total for folder in held)}), flush=True)


if __name__ == "__main__":
    main()
