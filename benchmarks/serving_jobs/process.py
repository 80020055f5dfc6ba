"""Server processes on folders that outlive them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import requests

from serving_jobs.bounded import TimeIsUp, until
from serving_jobs.client import Client
from verisim.serving import Service, free_port, prepare_app, stop

START_SECONDS = 120.0

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Label maps are then the same at every run."""


class NotServing(Exception):
    """A server that should answer does not."""


@dataclass
class Server:
    """A server that can be killed and started again on the same folders.

    Args:
        folder: Of everything it writes.
        service: How it is started.
        environment: Variables that it has beside this process's.
        process: The one that runs, or ran last.
        starts: How often it was started.
    """

    folder: Path
    service: Service
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.service.url

    @property
    def jobs(self) -> Path:
        """Its folder of job records and files."""
        return self.service.jobs or self.folder / "jobs"

    @property
    def temporary(self) -> Path:
        """Where it makes its temporary files."""
        return self.folder / "temporary"

    @property
    def log(self) -> Path:
        """What it printed, all processes after each other."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it without waiting."""
        with self.log.open("ab") as lines:
            self.process = self.service.start(lines, self._environment())
        self.starts += 1

    def wait(self) -> None:
        """Until it answers.

        Raises:
            NotServing: It ended, or it does not in time.
        """
        try:
            until(self._answers, bool, START_SECONDS, pause=0.1)
        except TimeIsUp as late:
            raise NotServing(f"The server does not start:\n{self.printed()}") from late

    def seen(self) -> psutil.Process:
        """The process, to be measured."""
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def kill(self) -> None:
        """SIGKILL, and whatever it had started too."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = [*self.seen().children(recursive=True)]
            self.process.kill()
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            stop(self.process.pid, self.service.drain_seconds)
            self.process.wait()

    def client(self, key: str = "") -> Client:
        """Somebody who asks it."""
        return Client(self.url, key)

    def printed(self, characters: int = 600) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:]

    def files(self) -> set[str]:
        """What lies in its folders of jobs and of temporary files; its database aside."""
        found = [*self.jobs.rglob("*"), *self.temporary.rglob("*")]
        return {
            str(path.relative_to(self.folder))
            for path in found
            if not path.name.startswith(("jobs.sqlite3", "jobs.lock"))
        }

    def _environment(self) -> dict[str, str]:
        own = {"TMPDIR": str(self.temporary), "MONAI_LABEL_SESSION_PATH": str(self.folder / "s")}
        return ONE_THREAD | own | dict(self.environment)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            code = self.process.returncode
            raise NotServing(f"The server ended with {code}:\n{self.printed()}")
        try:
            requests.get(f"{self.url}/info/", timeout=5)
        except requests.RequestException:
            return False
        return True


@contextmanager
def prepared(folder: Path, **wishes: object) -> Iterator[Server]:
    """A server that is not started yet; when the block ends no process of it is left.

    Args:
        folder: Empty; receives all that it writes.
        wishes: Further arguments of `Service`, and `environment`.
    """
    for name in ("studies", "models", "jobs", "temporary"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    environment = wishes.pop("environment", {})
    assert isinstance(environment, dict)
    service = Service(
        str(folder / "studies"), prepare_app(folder / "app"), folder / "models", port=free_port()
    )
    service = replace(service, **{"jobs": folder / "jobs", **wishes})  # type: ignore[arg-type]
    server = Server(folder, service, environment)
    try:
        yield server
    finally:
        server.kill()
