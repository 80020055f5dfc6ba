"""`verisim serve`: the real server, and what keeps it from starting."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.cli.conftest import COMMAND, ROOT, Command, environment, listing
from verisim.serving import free_port

START_SECONDS = 120


@dataclass(frozen=True)
class Served:
    """`verisim serve` in its own process.

    Args:
        process: The command, whose child is the server.
        port: Where the server listens.
        log: What the command printed on standard error.
    """

    process: subprocess.Popen[str]
    port: int
    log: Path


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """The command running on a copy of the sample studies."""
    studies = shutil.copytree(ROOT / "sample-data" / "studies", folder / "studies")
    port = free_port()
    command = [*COMMAND, "serve", "--studies", studies, "--port", str(port), "--json"]
    command += ["--workspace", folder / "app", "--models", folder / "models"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        ) as process,
    ):
        try:
            yield Served(process, port, folder / "log")
        finally:
            process.kill()


def test_the_server_answers_and_a_kill_leaves_nothing_running(tmp_path: Path) -> None:
    with served(tmp_path) as started:
        assert started.process.stdout is not None
        facts = json.loads(started.process.stdout.readline())
        assert facts["url"] == f"http://127.0.0.1:{started.port}"
        info = answer(started, f"{facts['url']}/info/")
        assert "hippocampus-unet" in info["models"]
        family = psutil.Process(started.process.pid).children(recursive=True)
        assert family
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(60) == 0
        assert started.process.stdout.read() == ""  # the server's lines go to standard error
    assert not [member for member in family if member.is_running()]
    with socket.create_server(("127.0.0.1", started.port)):
        assert "Uvicorn" in started.log.read_text()


def answer(started: Served, url: str) -> dict[str, object]:
    """What the server says, as soon as it says something."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and started.process.poll() is None:
        try:
            facts: dict[str, object] = requests.get(url, timeout=30).json()
        except requests.ConnectionError:
            time.sleep(0.2)  # it is still loading
        else:
            return facts
    raise AssertionError(started.log.read_text()[-3000:])


@pytest.fixture
def serve(verisim: Command, tmp_path: Path) -> Command:
    """The command in this process, for what it refuses before it starts anything."""
    (tmp_path / "images").mkdir()

    def run(*arguments: object) -> object:
        places = ("--workspace", tmp_path / "app", "--models", tmp_path / "models")
        return verisim("serve", "--studies", tmp_path / "images", *places, *arguments, "--json")

    return run


def test_a_port_in_use_is_named_before_anything_starts(serve: Command, tmp_path: Path) -> None:
    before = listing(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = serve("--port", port)
    assert run.code == 2
    assert run.facts["error"]["code"] == "conflict"
    assert f"listens on port {port}" in run.facts["error"]["message"]
    assert "--port" in run.facts["error"]["remedy"]
    assert listing(tmp_path) == before


@pytest.mark.parametrize("host", ["203.0.113.7", "not a host"])
def test_an_address_of_another_machine_is_refused(serve: Command, host: str) -> None:
    run = serve("--host", host)
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_input"
    assert host in run.facts["error"]["message"]


@pytest.mark.parametrize("conf", ["pacs_modalities", "=MR"])
def test_a_further_setting_without_name_or_value_is_refused(serve: Command, conf: str) -> None:
    run = serve("--conf", conf)
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_input"
    assert "NAME=VALUE" in run.facts["error"]["remedy"]


def test_a_missing_folder_of_studies_is_named(serve: Command) -> None:
    run = serve("--studies", "no-such-folder")
    assert run.facts["error"]["code"] == "not_found"
    assert "no-such-folder" in run.facts["error"]["message"]


def test_a_workspace_that_cannot_be_written_is_named(serve: Command) -> None:
    run = serve("--workspace", Path(sys.executable) / "app")
    assert run.facts["error"]["code"] == "storage_failed"
    assert "--workspace" in run.facts["error"]["remedy"]


def test_without_monai_label_the_remedy_is_to_install_it(
    serve: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "monailabel" else true(name)
    )
    run = serve()
    assert run.facts["error"]["code"] == "unavailable"
    assert "verisim[label]" in run.facts["error"]["remedy"]


def test_other_machines_are_let_in_only_with_keys(
    serve: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(tmp_path)
    run = serve("--host", "0.0.0.0")
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_input"
    assert "no keys" in run.facts["error"]["message"]
    assert "verisim key" in run.facts["error"]["remedy"]
    monkeypatch.setenv("MONAI_LABEL_AUTH_ENABLE", "false")
    assert serve("--host", "0.0.0.0").code == 2
    assert listing(tmp_path) == before


HASH = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"anna reader {HASH}\nanna admin {HASH[:-1]}1", "'anna' twice"),
        (f"anna boss {HASH}", "no role 'boss'"),
        ("anna reader", "line 1"),
        ("", "no key"),
    ],
)
def test_keys_that_are_wrong_keep_the_server_from_starting(
    serve: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "keys.txt").write_text(text)
    run = serve("--keys", tmp_path / "keys.txt")
    assert run.code == 2
    assert said in run.facts["error"]["message"]
    if text:
        monkeypatch.setenv("VERISIM_API_KEYS", text)
        assert said in serve().facts["error"]["message"]


def test_keys_and_the_authentication_of_monai_label_exclude_each_other(
    serve: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONAI_LABEL_AUTH_ENABLE", "true")
    monkeypatch.setenv("VERISIM_API_KEYS", f"anna reader {HASH}")
    assert "MONAI_LABEL_AUTH_ENABLE" in serve().facts["error"]["message"]
