"""From a folder of images and labels to a served model: the page's own commands, in its order."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.cli.conftest import environment
from tests.test_docs import ROOT, blocks
from verisim.serving import free_port

START_SECONDS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def commands() -> list[str]:
    """Every line of the page's console blocks."""
    shown = "\n".join(blocks(ROOT / "docs" / "train.md", "console"))
    return [line for line in shown.split("\n") if line]


def words(command: str) -> list[str]:
    """The command as this Python runs it."""
    program, *arguments = command.split()
    known = {"verisim": [sys.executable, "-m", "verisim.cli"]}
    return [*known.get(program, [program]), *arguments]


def models_of(port: int, server: subprocess.Popen[str]) -> dict[str, object]:
    """What a starting server offers, as soon as it answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            answer = requests.get(f"http://127.0.0.1:{port}/info/", timeout=20)
            return dict(answer.json()["models"])
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError(f"No answer within {START_SECONDS} s, exit code {server.poll()}.")


def test_the_page_leads_from_a_folder_to_a_served_model(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample-data", tmp_path / "sample-data")
    *before, serve = commands()
    assert serve.startswith("verisim serve ")
    for command in before:
        done = subprocess.run(
            words(command),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (tmp_path / "trial-label.nii.gz").is_file()
    port = free_port()
    own = ["--port", str(port), "--workspace", str(tmp_path / "app")]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*words(serve), *own],
            cwd=tmp_path,
            env=environment(),
            stdout=log,
            stderr=log,
            text=True,
        ) as server,
    ):
        try:
            assert "trial" in models_of(port, server)
        finally:
            server.terminate()
