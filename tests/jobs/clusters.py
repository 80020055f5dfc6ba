"""Real schedulers and workers of Dask, each a process, and work that a test can hold there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verisim.errors import BadInput, Cancelled
from verisim.jobs.kind import Task
from verisim.progress import Progress

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


class Unknown(Exception):
    """An error that Verisim does not know."""


@dataclass(frozen=True)
class Stepping:
    """Work of ten steps that leaves its inputs as results; it waits before the sixth for `go`.

    Args:
        gate: Folder on this machine in which test and work meet.
        brief: Whether long work lets it go first.
        name: Of the kind.
    """

    gate: Path
    brief: bool = True
    name: str = "stepping"

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do the steps; scratch tells how many an earlier attempt made."""
        job = str(task.request.get("job", ""))
        count = task.scratch / "count.txt"
        before = int(count.read_text()) if count.exists() else 0
        (self.gate / f"begun-{job}-{os.getpid()}").write_text(str(task.results))
        for step in range(before, 10):
            while step == 5 and not (self.gate / f"go-{job}").exists():
                progress.advance(step, 10, "Holding.")
                time.sleep(0.01)
            progress.advance(step, 10, "Stepping.")
            count.write_text(str(step + 1))
            time.sleep(0.02)
        for path in (path for path in task.inputs.rglob("*") if path.is_file()):
            copy = task.results / path.relative_to(task.inputs)
            copy.parent.mkdir(exist_ok=True, parents=True)
            copy.write_bytes(path.read_bytes())
        if error := task.request.get("error"):
            raise {"bad": BadInput("It is bad.", "Mend it."), "other": Unknown("odd")}[error]
        return {"device": task.device, "before": before, "pid": os.getpid()}


@dataclass
class Heard:
    """Progress that remembers, and may ask to stop."""

    steps: list[tuple[int, int, str]] = field(default_factory=list)
    stop: bool = False

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step."""
        self.steps.append((done, total, message))
        if self.stop:
            raise Cancelled("It was stopped.", "Ask again.")


@dataclass(frozen=True)
class Machines:
    """A scheduler, and the workers that a test starts.

    Args:
        folder: Of their files and logs.
        address: Of the scheduler.
        scheduler: Its process.
        workers: Their processes.
    """

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it is known."""
        name = f"w{len(self.workers)}"
        words = ["worker", self.address, "--nthreads", "1", "--nworkers", "1", "--no-dashboard"]
        words += ["--local-directory", str(self.disk), "--name", name, *options]
        if "--nanny" not in options:
            words.append("--no-nanny")
        log = self.folder / f"{name}.log"
        process = _started(words, log, VERISIM_WEIGHTS=str(self.folder / "weights"), **variables)
        self.workers.append(process)
        eventually(lambda: "Registered to" in log.read_text(errors="replace"), log.read_text)
        return process

    @property
    def disk(self) -> Path:
        """Where workers keep what is temporary."""
        return self.folder / "disk"

    def left(self) -> list[Path]:
        """Folders of attempts that are on the disk of the workers."""
        workers = self.disk.glob("dask-scratch-space/worker-*")
        return [path for worker in workers for path in worker.glob("verisim-*")]


@contextmanager
def machines(folder: Path, port: str = "0") -> Iterator[Machines]:
    """A scheduler of its own; everything is ended after the block."""
    folder.mkdir(exist_ok=True)
    file = folder / "scheduler.json"
    words = ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    words += ["--scheduler-file", str(file)]
    process = _started(words, folder / "scheduler.log")
    found = None
    try:
        eventually(lambda: file.exists() and file.read_text().strip().endswith("}"))
        found = Machines(folder, json.loads(file.read_text())["address"], process)
        yield found
    finally:
        for one in [*(found.workers if found else []), process]:
            _end(one)


def eventually(
    good: Callable[[], object], told: Callable[[], object] = str, patience: float = PATIENCE
) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not good():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def begun(gate: Path, job: str = "", but: tuple[int, ...] = ()) -> int:
    """The process that works on a job, once it does."""
    pids: list[int] = []

    def look() -> bool:
        found = [int(path.name.split("-")[-1]) for path in gate.glob(f"begun-{job}-*")]
        pids[:] = [pid for pid in found if pid not in but]
        return bool(pids)

    eventually(look)
    return pids[0]


def let_go(gate: Path, job: str = "") -> None:
    """Let a job go on."""
    (gate / f"go-{job}").touch()


def a_task(folder: Path, device: str = "cpu", **request: object) -> Task:
    """A task with a file, one in a folder and an empty one."""
    inputs, results, scratch = (folder / name for name in ("inputs", "results", "scratch"))
    for made in (inputs / "deep", results, scratch):
        made.mkdir(parents=True)
    (inputs / "volume.bin").write_bytes(bytes(range(256)) * 1000)
    (inputs / "deep" / "more.txt").write_text("more")
    (inputs / "empty").touch()
    return Task(request, device, inputs, results, scratch)


def _started(words: list[str], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "dask", *words]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, **own}, start_new_session=True
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
