"""The real server with the shipped models, as a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv" / "bin" / "verisim"
SAMPLE = ROOT / "sample-data" / "studies" / "synthetic_001.nii.gz"
START_SECONDS = 90


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Args:
        address: Where.
        folder: Studies and data sets are here.
        process: Itself.
    """

    address: str
    folder: Path
    process: subprocess.Popen[bytes]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Running]:
    """Start it with one unlabelled case, and end it.

    Args:
        folder: Empty.
        options: Further ones of `verisim serve`.
    """
    studies = folder / "studies"
    studies.mkdir(parents=True)
    shutil.copy(SAMPLE, studies / SAMPLE.name)
    # without it the server would not learn from a synthetic case
    shutil.copytree(SAMPLE.parent / "certificates", studies / "certificates")
    port = _free_port()
    words = ["serve", "--studies", studies, "--workspace", folder / "server", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("QT_QPA_PLATFORM", None)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, *map(str, words), *options], env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, folder / "log.txt")
        yield Running(address, folder, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            if requests.get(f"{address}/health/ready", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
