"""The tap runs from a wheel, in an environment that holds nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.messages import Messages

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / ".uv/pins.txt"


def uv(*command: str | Path) -> None:
    program = ROOT / ".uv/bin/uv"
    found = str(program) if program.exists() else shutil.which("uv")
    assert found, "run `make test`: it brings uv"
    pins = {"UV_CONSTRAINT": ".uv/pins.txt"} if PINS.exists() else {}
    env = {**os.environ, **pins, "UV_COMPILE_BYTECODE": "0"}
    done = subprocess.run(
        [found, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    uv("pip", "install", "--quiet", "--python", folder / "bin/python", wheel)
    return folder


def run(environment: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": os.environ["PATH"], "HOME": str(environment), "LANG": "C.UTF-8"}
    command = [environment / "bin/tap-exchange", *args]
    return subprocess.run(command, cwd=environment, env=env, capture_output=True, timeout=120, check=False)


def test_the_wheel_holds_the_schemas_and_the_views_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    schemas = {path.name for path in (ROOT / "schemas").glob("*.json")}
    views = {path.name for path in (ROOT / "views").glob("*.sql")}
    assert {name.split("/")[-1] for name in names if name.startswith("tap_exchange/_schemas/")} >= schemas
    assert {name.split("/")[-1] for name in names if name.startswith("tap_exchange/_views/")} >= views
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap_exchange"}


def test_about_and_discover_work_from_the_wheel(environment: Path) -> None:
    about = run(environment, "--about", "--format=json")
    assert about.returncode == 0, about.stderr.decode()
    assert json.loads(about.stdout)["name"] == "tap-exchange"
    catalog = json.loads(run(environment, "--discover").stdout)
    assert {entry["tap_stream_id"] for entry in catalog["streams"]} >= {"messages", "folders", "sync_runs"}


def test_a_run_from_the_wheel_needs_the_extra_for_the_embedded_exchange(wheel: Path, environment: Path) -> None:
    config = environment / "config.json"
    config.write_text(json.dumps({"ews_url": "demo://"}))

    without = run(environment, "--config", str(config))
    assert without.returncode != 0
    assert b"pip install 'tap-exchange[demo]'" in without.stderr
    assert b"Traceback" not in without.stderr

    uv("pip", "install", "--quiet", "--python", environment / "bin/python", f"{wheel}[demo]")
    done = run(environment, "--config", str(config))
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    messages = Messages().take_all(done.stdout.splitlines())
    assert messages.of("messages")
    assert messages.of("sync_runs")[-1]["outcome"] == "finished"
