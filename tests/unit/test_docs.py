"""README, meltano.yml and the other texts say what the code does."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from benchmarks import report
from tap_exchange import resources
from tap_exchange.settings import OPTIONS
from tap_exchange.settings_rules import NEEDS
from tap_exchange.tap import TapExchange

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
# Put together here, so that this file does not hold them.
UNWANTED = ["TO" + "DO", "FIX" + "ME", "/wo" + "rk/", "/tmp" + "/plan", "/ro" + "ot/", "lorem" + " ipsum"]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def extractor() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return project["plugins"]["extractors"][0]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("name", ["README.md", "meltano.yml"])
def test_the_generated_parts_equal_the_code(name: str) -> None:
    file = ROOT / name
    assert file.read_text(encoding="utf-8") == generator().rendered(file), "run `make docs`"


@pytest.mark.parametrize(("kind", "mark"), [("results", "figures"), ("results-full", "full figures")])
def test_the_figures_of_the_docs_are_those_that_were_measured(kind: str, mark: str) -> None:
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    results = json.loads((ROOT / f"benchmarks/{kind}.json").read_text(encoding="utf-8"))
    assert text == report.written(text, results, mark)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_no_text_has_a_place_left_to_fill(file: Path) -> None:
    assert re.findall(r"\{[a-z_]+\}", file.read_text(encoding="utf-8")) == []


def test_every_setting_stands_in_the_readme_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README.split("<!-- settings: begin -->")[1], re.MULTILINE)
    assert rows == [option.name for option in OPTIONS]


def test_every_stream_stands_in_the_readme_once() -> None:
    table = README.split("<!-- streams: begin -->")[1].split("<!-- streams: end -->")[0]
    assert sorted(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)) == sorted(resources.schema_names())


def test_every_way_to_sign_in_is_explained() -> None:
    table = README.split("| `auth_type` |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)) == set(NEEDS)


def test_every_command_of_the_texts_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for text in TEXTS:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{text.name} names {named - targets}"


def test_every_link_of_the_texts_leads_somewhere() -> None:
    for text in TEXTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", text.read_text(encoding="utf-8")):
            if not link.startswith(("http://", "https://", "#", "mailto:")):
                path, _, anchor = link.partition("#")
                target = (text.parent / path).resolve()
                assert target.exists(), f"{text.name} links to {link}"
                assert not anchor or anchor in anchors(target), f"{text.name} links to {link}"


def anchors(text: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_meltano_knows_every_setting_and_which_are_secret() -> None:
    settings = {one["name"]: one for one in extractor()["settings"]}
    about = deepcopy(TapExchange.config_jsonschema)
    TapExchange.append_builtin_config(about)
    assert set(settings) == set(about["properties"])
    secret = {option.name for option in OPTIONS if option.secret}
    assert {name for name, one in settings.items() if one.get("sensitive")} == secret
    assert {"password", "client_secret", "refresh_token"} <= secret


def test_meltano_is_told_the_taps_capabilities() -> None:
    assert set(extractor()["capabilities"]) == {capability.value for capability in TapExchange.capabilities}


@pytest.mark.parametrize("stream", resources.schema_names())
def test_meltano_selects_what_is_selected_by_default(stream: str) -> None:
    rules = extractor()["select"]
    assert rules[0] == "*.*"
    patterns = [rule.removeprefix("!") for rule in rules[1:]]
    properties = resources.schema(stream)["properties"]
    deselected = {name for name in properties if any(fnmatchcase(f"{stream}.{name}", one) for one in patterns)}
    if resources.schema(stream).get("x-selected-by-default") is False:
        assert deselected == set(properties)
        return
    off = {name for name, about in properties.items() if about.get("x-selected-by-default") is False}
    assert deselected == off - {"mime_content"}  # the setting include_mime decides about it


def test_no_text_holds_what_nobody_should_read() -> None:
    for file in tracked_files():
        if file.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".sql"} or file.name == "Makefile":
            text = file.read_text(encoding="utf-8")
            found = [word for word in UNWANTED if word in text]
            assert not found, f"{file.relative_to(ROOT)} holds {found}"
