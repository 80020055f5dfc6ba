"""A worker of a cluster is killed in the middle of a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client as Dask

from serving_jobs.bounded import until
from serving_jobs.faults.scene import LONG, PATIENCE, Scene, Tally
from serving_jobs.laws import Law
from serving_jobs.process import ONE_THREAD
from verisim.serving import free_port

SECONDS = 60.0
"""For a worker to come."""

WORKERS = 2

SCHEDULER = "VERISIM_SCHEDULER"
"""The variable that names a scheduler to the server."""


@dataclass
class Cluster:
    """A scheduler and its workers, as processes.

    Args:
        folder: Of their files and logs.
        address: Of the scheduler.
        started: All processes, also those that were killed.
    """

    folder: Path
    address: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `dask` with some words."""
        with (self.folder / "dask.log").open("ab") as lines:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                env=os.environ | ONE_THREAD,
                cwd=self.folder,
                stdout=lines,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def add_worker(self) -> None:
        """One more; without a nanny, so that a kill is the end of it."""
        self.start(
            *("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            *("--host", "127.0.0.1", "--local-directory", str(self.folder)),
        )

    def end(self) -> None:
        """Kill all."""
        for process in self.started:
            process.kill()
        for process in self.started:
            process.wait()


def worker_killed(scene: Scene) -> Law:
    """SIGKILL of the worker that does the job; another must do it."""
    tally = Tally(f"SIGKILL of a Dask worker ×{scene.times}", "it did a job")
    draw = scene.draw()
    with (
        _cluster(scene.folder / "dask") as cluster,
        _asking(cluster.address) as dask,
        scene.server("cluster", environment={SCHEDULER: cluster.address}) as server,
    ):
        server.start()
        client = server.client()
        for _ in range(scene.times):
            until(lambda: len(_pids(dask)), lambda there: there >= WORKERS, SECONDS, 0.1)
            job = scene.hand_in(client, LONG)
            client.reached(job.id, draw.uniform(3, 90), PATIENCE)
            tally.check(_kill_busy(dask, cluster), "killed at work", "no worker was at work")
            cluster.add_worker()
            ended = client.ended(job.id, PATIENCE)
            good, wrong = "done by another worker", f"{ended.state} {ended.trouble}"
            tally.check(ended.state == "done", good, wrong)
            tally.check(scene.right(client, job.id, LONG), "result right", "result lost or wrong")
        server.stop()
    return tally.law()


def _asking(address: str) -> Dask:
    return Dask(address, set_as_default=False)  # type: ignore[no-untyped-call]


def _pids(dask: Dask) -> dict[str, int]:
    """Process of each worker, by address."""
    found: dict[str, int] = dask.run(os.getpid)
    return found


def _processing(dask: Dask) -> dict[str, tuple[str, ...]]:
    """Tasks of each worker, by address."""
    found: dict[str, tuple[str, ...]] = dask.processing()  # type: ignore[no-untyped-call]
    return found


def _kill_busy(dask: Dask, cluster: Cluster) -> bool:
    busy = [address for address, tasks in _processing(dask).items() if tasks]
    pids = _pids(dask)
    for process in cluster.started:
        if process.pid in [pids.get(address) for address in busy]:
            process.kill()
            process.wait()
            return True
    return False


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    folder.mkdir()
    port = free_port()
    cluster = Cluster(folder, f"tcp://127.0.0.1:{port}")
    try:
        cluster.start(
            *("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        )
        for _ in range(WORKERS):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.end()
