"""`tap-exchange-demo`: serve the example world from the command line."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEPT_REQUESTS = 100
"""Nobody looks at the log of a server that runs for days."""
EPILOG = """\
Every mailbox signs in with its address and the password that is printed. The world is the same each
time for the same --seed, --items and --mailboxes, so a sync state kept from an earlier run goes on
working. Stop with Ctrl-C.

example:
  tap-exchange-demo --port 8025 --items 10000 &
  export TAP_EXCHANGE_EWS_URL=http://127.0.0.1:8025/EWS/Exchange.asmx
  export TAP_EXCHANGE_USERNAME=anna@example.com TAP_EXCHANGE_PASSWORD=secret
  tap-exchange --test
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line's parser."""
    built = argparse.ArgumentParser(
        prog="tap-exchange-demo",
        description="Serve mailboxes with invented content over Exchange Web Services, on this machine only.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    built.add_argument("--port", type=_port, default=0, help="port to listen at (default: a free one)")
    built.add_argument(
        "--host", choices=LOOPBACK, default=LOOPBACK[0], help="loopback address to listen at (default: 127.0.0.1)"
    )
    built.add_argument(
        "--items", type=_count, default=0, help="messages in each Inbox beside the example's own (default: 0)"
    )
    built.add_argument("--mailboxes", type=_count, default=1, help="how many mailboxes (default: 1)")
    built.add_argument(
        "--latency", type=float, default=0.0, help="seconds that each answer takes at least (default: 0)"
    )
    built.add_argument("--seed", type=int, default=0, help="another seed, another world (default: 0)")
    built.add_argument("--no-compression", action="store_true", help="never compress answers")
    built.add_argument("--xsd", metavar="FOLDER", help="check requests with the messages.xsd of this folder")
    return built


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError("must be between 0 and 65535")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the process is asked to end; give the exit code."""
    options = parser().parse_args(arguments)
    try:
        from tap_exchange.demo.exchange import Exchange  # noqa: PLC0415 - --help works without the extra
        from tap_exchange.demo.server import serve  # noqa: PLC0415

        exchange = Exchange.example(items=options.items, seed=options.seed, mailboxes=max(1, options.mailboxes))
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is missing; install the demo with: pip install 'tap-exchange[demo]'")
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        with serve(exchange, options.port, host=options.host, latency=options.latency, xsd=options.xsd) as server:
            server.endpoint.compress = not options.no_compression
            server.endpoint.log.keep = KEPT_REQUESTS
            accounts = list(exchange.accounts.values())
            print(f"EWS URL:   {server.url}")  # noqa: T201 - what the command is for
            print(f"user name: {', '.join(account.username for account in accounts)}")  # noqa: T201
            print(f"password:  {accounts[0].password}", flush=True)  # noqa: T201
            stop.wait()
    except (OSError, ValueError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(f"tap-exchange-demo: {message}", file=sys.stderr)  # noqa: T201 - what a command line does
    return 1


if __name__ == "__main__":
    sys.exit(main())
