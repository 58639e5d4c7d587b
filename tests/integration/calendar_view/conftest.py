"""Lend a calendar on a day that the test says: mostly ten days before the clocks of Europe change."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tests.calendars import ANNA, Calendars, into
from tests.elements import XSD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.warehouses import Warehouses

TODAY = date(2026, 3, 19)


@pytest.fixture
def kept(warehouses: Warehouses, tmp_path: Path) -> Iterator[Calendars]:
    warehouse = warehouses["duckdb"]
    warehouse.clear(tmp_path)
    exchange = Exchange(seed=5)
    exchange.clock = lambda: datetime(2026, 3, 1, tzinfo=timezone.utc)
    anna = exchange.add_mailbox(ANNA, password="secret")
    with serve(exchange, xsd=XSD if XSD.is_dir() else None) as server:
        yield Calendars(anna, server, partial(into, warehouse), warehouse.live, TODAY)
