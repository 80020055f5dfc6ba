"""A server that is told to stop: what runs may end, and nothing is left running."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
import requests

from tests.apps.running import a_tiny_model
from tests.apps.watched import PATIENT, Watched, watched
from verisim.serving import free_port

SLOW = '''

import pathlib
import time as _time

from lib.watch.shutdown import on_shutdown as _on_shutdown, stopping as _stopping

_quick = write_answer


def write_answer(*given):
    """The same, but slow."""
    pathlib.Path(__file__).with_name("begun.txt").touch()
    _time.sleep(SECONDS)
    return _quick(*given)


def _park():
    pathlib.Path(__file__).with_name("parked.txt").write_text(str(_stopping()))


_on_shutdown(_park)
'''


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def slowed(app: Path, seconds: float) -> None:
    """Let every inference take some seconds more, and add a hook."""
    with (app / "lib" / "infer.py").open("a") as source:
        source.write(SLOW.replace("SECONDS", str(seconds)))


def refuses_connections(server: Watched) -> bool:
    try:
        server.send("GET", "/health/live")
    except requests.ConnectionError:
        return True
    return False


@pytest.mark.parametrize(("drain_seconds", "answered"), [(60, True), (1, False)])
def test_a_running_request_may_end_within_the_time_to_drain(
    tmp_path: Path, drain_seconds: int, answered: bool
) -> None:
    slow = partial(slowed, seconds=4 if answered else 600)
    with watched(tmp_path, prepare=slow, drain_seconds=drain_seconds) as server:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.send, "POST", f"/infer/tiny?image={PATIENT}&output=json")
            until((tmp_path / "app" / "lib" / "begun.txt").exists)
            server.process.terminate()
            until(lambda: refuses_connections(server))
            assert asked.result().status_code == (200 if answered else 503)
            assert answered or asked.result().json()["code"] == "unavailable"
        until(lambda: not server.process.is_running() or server.process.status() == "zombie")
        assert (tmp_path / "app" / "lib" / "parked.txt").read_text() == "True"
        messages = [line["message"] for line in server.lines()]
        assert f"Stopping: running requests have {drain_seconds} s to end" in messages


def test_verisim_serve_passes_the_stop_on_and_waits(tmp_path: Path) -> None:
    for name in ("studies", "models"):
        (tmp_path / name).mkdir()
    a_tiny_model(tmp_path / "models")
    port = free_port()
    command = [sys.executable, "-m", "verisim.cli", "serve", "--port", str(port)]
    for name in ("studies", "models", "workspace"):
        command += [f"--{name}", str(tmp_path / name)]
    with (tmp_path / "log").open("wb") as log:
        program = subprocess.Popen(
            [*command, "--log-format", "json"], stderr=log, stdout=subprocess.DEVNULL
        )
    server = f"http://127.0.0.1:{port}"
    until(lambda: answers(f"{server}/health"), 120)
    (child,) = psutil.Process(program.pid).children()
    program.terminate()
    assert program.wait(30) == 0
    assert not child.is_running()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["message"].startswith("Finished server process")


def answers(address: str) -> bool:
    """Whether somebody listens."""
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False
