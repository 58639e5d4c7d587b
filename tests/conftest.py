"""Lend the fixtures that several files of tests use."""

from __future__ import annotations

pytest_plugins = ["tests.postgres", "tests.warehouses"]
