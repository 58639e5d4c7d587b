"""What is answered without the SDK: the same answers as the SDK's, without importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tap_exchange import quick
from tap_exchange.tap import TapExchange

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("config", [{}, {"tombstones": True}, {"include_mime": True, "username": "anna@example.com"}])
def test_the_catalog_is_the_one_that_the_sdk_makes(config: dict[str, object]) -> None:
    made = TapExchange(config=config, validate_config=False, setup_mapper=False).catalog_json_text
    assert quick.catalog(config) == json.loads(made)
    assert [*quick.catalog(config)["streams"]] == json.loads(made)["streams"]


def test_the_version_is_told_in_the_sdks_words(capsys: pytest.CaptureFixture[str]) -> None:
    TapExchange.print_version()
    assert quick.answer(["--version"]) == capsys.readouterr().out.strip()


def test_files_are_merged_in_their_order(tmp_path: Path) -> None:
    for number, value in enumerate((True, False)):
        (tmp_path / f"{number}.json").write_text(json.dumps({"tombstones": value}), encoding="utf-8")
    first, second = str(tmp_path / "0.json"), str(tmp_path / "1.json")
    with_tombstones = quick.answer(["--discover", "--config", first])
    assert with_tombstones is not None
    assert "_sdc_deleted_at" in with_tombstones
    assert quick.answer(["--config", first, "--config", second, "--discover"]) == quick.answer(["--discover"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--about"],
        ["--discover", "--config", "ENV"],
        ["--discover", "--config"],
        ["--discover", "--config", "no such file"],
        ["--discover", "--catalog", "catalog.json"],
        ["--test"],
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_sdk(arguments: list[str]) -> None:
    assert quick.answer(arguments) is None


def test_settings_of_the_environment_are_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_EXCHANGE_TOMBSTONES", "true")
    assert quick.answer(["--discover"]) is None
    command = [sys.executable, "-m", "tap_exchange", "--discover"]
    assert "_sdc_deleted_at" in subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize("text", ["[]", "{", '{"extended_properties": "?"}'])
def test_what_is_wrong_is_left_to_the_sdk_to_tell(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert quick.answer(["--discover", "--config", str(tmp_path / "config.json")]) is None


@pytest.mark.parametrize("arguments", [["--version"], ["--discover"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    program = (
        f"import sys; sys.argv[1:] = {arguments!r}\n"
        "from tap_exchange.quick import main; main()\n"
        "print(sorted({'singer_sdk', 'exchangelib', 'requests', 'aiohttp'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout
