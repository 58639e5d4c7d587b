"""Meltano runs the tap as meltano.yml tells it to, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pipeline import MELTANO

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project folder of its own, which shares the plugins that `make test` has installed."""
    folder = tmp_path_factory.mktemp("meltano")
    shutil.copy(ROOT / "meltano.yml", folder)
    return folder


def meltano(project: Path, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    assert MELTANO.exists(), "run `make test`: it brings Meltano"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_", "MELTANO_"))}
    env |= {
        "MELTANO_SYS_DIR_ROOT": str(ROOT / ".meltano"),
        "MELTANO_DATABASE_URI": f"sqlite:///{project}/meltano.db",
        "MELTANO_AUTO_INSTALL": "false",
        "MELTANO_ENVIRONMENT": "demo",
        # Whatever went out into the world would end here.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        **settings,
    }
    return subprocess.run(
        [MELTANO, *args], cwd=project, env=env, capture_output=True, text=True, timeout=150, check=False
    )


def test_the_connection_is_proved_by_config_test(project: Path) -> None:
    done = meltano(project, "config", "test", "tap-exchange")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is valid" in done.stdout + done.stderr


def test_a_wrong_password_fails_config_test_in_one_line(project: Path) -> None:
    refused = {"TAP_EXCHANGE_EWS_URL": "http://127.0.0.1:9/EWS/Exchange.asmx"}
    done = meltano(
        project, "config", "test", "tap-exchange",
        TAP_EXCHANGE_USERNAME="anna@example.com", TAP_EXCHANGE_PASSWORD="wrong", **refused,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "wrong" not in (done.stdout + done.stderr).replace("went wrong", "")


def test_two_runs_to_files_the_second_with_the_state_of_the_first(project: Path) -> None:
    output = project / "output"
    for _ in range(2):
        done = meltano(project, "run", "tap-exchange", "target-jsonl", TARGET_JSONL_DESTINATION_PATH=str(output))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    files = sorted(output.glob("sync_runs-*.jsonl"))
    assert len(files) == 2  # a line that a kill cut short has nothing behind it
    runs = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    first, second = (run for run in runs if run["outcome"] == "finished")
    assert first["items_loaded"] > 0
    assert second["items_loaded"] == 0
    assert second["resumed_from"] == first["as_of"]
    assert first["feed_id"] == second["feed_id"]


def test_meltano_leaves_its_project_file_as_it_is(project: Path) -> None:
    text = (project / "meltano.yml").read_text()
    assert text == (ROOT / "meltano.yml").read_text()
    done = meltano(project, "config", "set", "target-jsonl", "custom_name", "mail")
    assert done.returncode == 0, done.stderr
    changed = (project / "meltano.yml").read_text()
    assert [line for line in changed.splitlines() if line not in text.splitlines()] != []
    assert [line for line in text.splitlines() if line not in changed.splitlines()] == []
