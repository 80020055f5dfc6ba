"""The server as a process: started on a folder of images, stopped with everything it started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from verisim.errors import Unavailable

APP = Path(__file__).parents[2] / "apps" / "verisim"
"""The app in a checkout."""

PACKAGED_APP = Path(__file__).parent / "app"
"""The app in an installed wheel."""

STOP_SECONDS = 15
"""What a server needs, beside its running requests, to put everything away."""


@dataclass(frozen=True)
class Service:
    """A MONAI Label server to be started.

    Args:
        studies: Folder of images, or the URL of a DICOMweb server.
        app: Folder of the app; MONAI Label writes logs into it.
        models: Folder of the person's own models.
        host: Address to listen on.
        port: Port to listen on.
        max_upload_mb: Larger uploads are refused.
        origins: Addresses of web pages, beside the server's own, that may talk to it.
        log_format: `json`, `text`, or `auto`: text on a terminal, JSON elsewhere.
        drain_seconds: How long running requests may go on when the server is stopped.
        keys: File of the keys that open the server; None if there is none.
        jobs: Folder of the jobs, which one server at a time may use; None for one in `app`.
        further: Names and values of settings that have no field here.
    """

    studies: str
    app: Path
    models: Path
    host: str = "127.0.0.1"
    port: int = 8000
    max_upload_mb: int = 2048
    origins: tuple[str, ...] = ()
    log_format: str = "auto"
    drain_seconds: int = 20
    keys: Path | None = None
    jobs: Path | None = None
    further: tuple[tuple[str, str], ...] = ()

    @property
    def program(self) -> str:
        """The module that is run."""
        return "lib.watch.start"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{self.host}:{self.port}"

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Name and value of what the app reads."""
        return (
            ("models", str(self.models)),
            ("max_upload_mb", str(self.max_upload_mb)),
            ("origins", ",".join(self.origins)),
            ("log_format", self.log_format),
            ("drain_seconds", str(self.drain_seconds)),
            ("keys", str(self.keys or "")),
            ("jobs", str(self.jobs or "")),
            *self.further,
        )

    def start(
        self, output: IO[bytes] | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start the process.

        Args:
            output: Receives what the server prints; None for this process's own output.
            environment: Variables that it has beside those of this process.
        """
        # -P: a folder named lib where the person happens to stand is not the app's
        command = [sys.executable, "-P", "-m", self.program, "start_server"]
        command += ["--app", str(self.app), "--studies", self.studies]
        command += ["--host", self.host, "--port", str(self.port)]
        for name, value in self.settings:
            command += ["--conf", name, value]
        return subprocess.Popen(
            command,
            env=self._environment() | dict(environment or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def _environment(self) -> dict[str, str]:
        """This process's environment; what the person set there stands."""
        # waiting threads must not burn the cores that another process could use
        defaults = {"OMP_WAIT_POLICY": "PASSIVE"}
        # jobs of the server start programs by name, so this environment's come first
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        modules = os.pathsep.join(filter(None, (str(self.app), os.environ.get("PYTHONPATH"))))
        return defaults | os.environ | {"PATH": path, "PYTHONPATH": modules}


def prepare_app(workspace: Path) -> Path:
    """Copy the app into a folder that MONAI Label may write to."""
    shutil.rmtree(workspace / "lib", ignore_errors=True)  # files of an older version
    shutil.copytree(
        APP if APP.is_dir() else PACKAGED_APP,
        workspace,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", "model", "logs", "bin", "kept-jobs"),
    )
    return workspace


@contextmanager
def running(service: Service, log: Path, seconds: float = 120) -> Iterator[psutil.Process]:
    """A server that answers; stopped when the block ends.

    Args:
        service: What to start.
        log: Receives what the server prints.
        seconds: How long it may take to start.

    Raises:
        Unavailable: It did not start; the message ends with what it printed last.
    """
    with log.open("wb") as lines:
        process = service.start(lines)
    try:
        _wait(f"{service.url}/info/", process, log, seconds)
        yield psutil.Process(process.pid)
    finally:
        stop(process.pid, service.drain_seconds)
        process.wait()


def stop(process: int, drain_seconds: float) -> None:
    """End a server and the trainings it started, so that nothing is left running.

    Args:
        process: Of the server. It is asked first and alone: it ends what it started.
        drain_seconds: How long its running requests may go on.
    """
    try:
        server = psutil.Process(process)
        family = [server, *server.children(recursive=True)]
        server.terminate()
    except psutil.NoSuchProcess:
        return
    psutil.wait_procs([server], timeout=drain_seconds + STOP_SECONDS)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return  # it asks for a key
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
        else:
            return
    raise Unavailable(
        f"The server did not start within {seconds:g} s. It printed last:\n"
        f"{log.read_text(errors='replace')[-3000:]}",
        "Run `verisim doctor`.",
    )
