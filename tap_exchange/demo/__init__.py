"""The embedded Exchange: mailboxes with a change log behind a real HTTP and SOAP endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Exchange
    from tap_exchange.demo.server import serve

__all__ = ["Exchange", "serve", "start"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names of __all__
    """Import late: what only the demo needs is an extra."""
    if name == "Exchange":
        from tap_exchange.demo.exchange import Exchange  # noqa: PLC0415

        return Exchange
    if name == "serve":
        from tap_exchange.demo.server import serve  # noqa: PLC0415

        return serve
    raise AttributeError(name)


def start(items: int | None = None, seed: int = 0) -> tuple[str, str, str]:
    """Start the example world inside this process; give its URL, user name and password.

    The server ends with the process. The world is the same in each process, so a state kept from an
    earlier one goes on working.

    Raises:
        ModuleNotFoundError: when the packages of the extra `demo` are not installed.
    """
    from tap_exchange.demo.embedded import start_embedded  # noqa: PLC0415

    return start_embedded(items, seed)
