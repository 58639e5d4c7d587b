"""What a catalog may say, and what the engine is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.streams.discovery import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_exchange.streams.stream import ExchangeStream


class CatalogError(Exception):
    """The given catalog cannot be followed; nothing was read or written."""


def check_catalog(named: Iterable[str], streams: Mapping[str, ExchangeStream]) -> None:
    """Refuse a catalog with unknown streams, or without what the views need; raises CatalogError."""
    unknown = sorted(set(named) - streams.keys())
    if unknown:
        raise CatalogError(
            f"The catalog names streams that tap-exchange does not have: {', '.join(unknown)}. "
            "Make a new one with --discover."
        )
    missing = [name for name in REQUIRED if not streams[name].selected]
    if missing:
        raise CatalogError(
            f"The catalog leaves out {', '.join(missing)}, without which the tables cannot be kept true. "
            "Make a new one with --discover and keep these streams."
        )
    for name, stream in streams.items():
        if stream.selected:
            absent = [column for column in stream.automatic_columns() if not stream.selects(column)]
            if absent:
                raise CatalogError(
                    f"The catalog leaves out columns of {name} that the views need: {', '.join(absent)}. "
                    "Make a new one with --discover and keep columns of inclusion automatic."
                )
