"""Lend a mailbox and its server, and tables to keep what a tap writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange, serve
from tests.conformance.support import Client
from tests.elements import XSD
from tests.trouble import ANNA
from tests.warehouses import JSONLines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server


@pytest.fixture
def anna() -> Mailbox:
    return Exchange(seed=5).add_mailbox(ANNA, password="secret")


@pytest.fixture
def inbox(anna: Mailbox) -> Folder:
    return anna.folder("inbox")


@pytest.fixture
def server(inbox: Folder) -> Iterator[Server]:
    """The server that has the Inbox, whichever a file of tests lends."""
    with serve(inbox.store.exchange, xsd=XSD if XSD.is_dir() else None) as served:
        yield served


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A bare client that reads strictly."""
    with Client(server) as asking:
        yield asking


@pytest.fixture(scope="session")
def _tables_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JSONLines]:
    made = JSONLines(tmp_path_factory.mktemp("tables"))
    yield made
    made.close()


@pytest.fixture
def tables(_tables_of_all: JSONLines, tmp_path: Path) -> JSONLines:
    """Empty tables; making them takes half a second, emptying them next to nothing."""
    _tables_of_all.clear(tmp_path)
    return _tables_of_all
