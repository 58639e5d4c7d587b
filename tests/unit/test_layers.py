"""Data walks one way through the house, and imports never point back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.pipeline import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "tap_exchange"
FORBIDDEN = {
    "ews": ("sync", "streams", "engine", "tap", "singer_sdk"),
    "sync": ("streams", "engine", "tap", "singer_sdk", "lxml"),
    "streams": ("sync", "engine", "tap"),
    "demo": ("ews", "sync", "streams", "settings", "engine", "tap", "singer_sdk"),
}
"""What the modules of a part never import, of ours and of others."""


def imported(file: Path) -> set[str]:
    """Name what a module imports when it runs: of ours the part, of others the package."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    checked = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    unreal = {inner for node in checked for inner in ast.walk(node)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in unreal:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {name.removeprefix("tap_exchange.").partition(".")[0] for name in names}


@pytest.mark.parametrize("part", FORBIDDEN)
def test_no_part_imports_what_stands_before_it(part: str) -> None:
    files = sorted((PACKAGE / part).rglob("*.py"))
    assert files
    found = {str(file.relative_to(ROOT)): sorted(imported(file) & set(FORBIDDEN[part])) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_the_client_knows_nothing_of_the_embedded_exchange_but_its_start() -> None:
    users = {
        file for file in PACKAGE.rglob("*.py") if "demo" in imported(file) and PACKAGE / "demo" not in file.parents
    }
    assert users == {PACKAGE / "ews/connect.py"}
