"""Lend the fixtures that several files of tests use; keep a slow machine from failing random tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.observer", "tests.postgres", "tests.warehouses"]

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("tests")
