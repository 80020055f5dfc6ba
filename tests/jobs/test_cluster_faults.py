"""Workers that are killed, schedulers that go away, servers that are never heard again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.clusters import (
    ROOT,
    Heard,
    Machines,
    Stepping,
    a_task,
    begun,
    eventually,
    let_go,
    machines,
)
from tests.jobs.desks import ask, ended
from verisim.errors import Unavailable, VerisimError
from verisim.jobs import cluster as counting
from verisim.jobs.attempt import Attempt
from verisim.jobs.cluster import Cluster
from verisim.jobs.conversation import Patience
from verisim.jobs.desk import Desk
from verisim.jobs.folders import JobFolders
from verisim.jobs.job import State
from verisim.jobs.kind import Task
from verisim.jobs.records import Records
from verisim.jobs.turns import Turns

pytestmark = pytest.mark.slow


@pytest.fixture
def some(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler, without workers yet."""
    with machines(tmp_path / "machines") as found:
        yield found


@pytest.fixture
def cluster(some: Machines) -> Iterator[Cluster]:
    """The runner of a server."""
    found = Cluster(some.address, Patience(save_seconds=0.1))
    yield found
    found.close()


def test_a_job_whose_worker_is_killed_is_done_by_another(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    task, heard = a_task(tmp_path / "job"), Heard()
    first = some.worker()
    with _running(cluster, Stepping(tmp_path), task, heard) as job:
        begun(tmp_path)
        os.kill(first.pid, signal.SIGKILL)
        some.worker()
        let_go(tmp_path)
        assert job.result(60)["pid"] == some.workers[1].pid
    assert (task.results / "volume.bin").read_bytes() == bytes(range(256)) * 1000
    assert (0, 0, "The worker died; it is tried again.") in heard.steps


def test_what_a_killed_worker_left_goes_when_the_next_starts(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    first = some.worker()
    with _running(cluster, Stepping(tmp_path), a_task(tmp_path / "job"), Heard()) as job:
        begun(tmp_path)
        assert len(some.left()) == 1
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        some.worker()
        let_go(tmp_path)
        job.result(60)
    eventually(lambda: not some.left(), some.left)


def test_a_worker_with_a_nanny_is_started_again_and_does_the_job(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    some.worker("--nanny")
    with _running(cluster, Stepping(tmp_path), a_task(tmp_path / "job"), Heard()) as job:
        first = begun(tmp_path)
        os.kill(first, signal.SIGKILL)
        second = begun(tmp_path, but=(first,))
        let_go(tmp_path)
        assert job.result(60)["pid"] == second


def test_a_job_under_which_two_workers_die_fails_and_names_them(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    task = a_task(tmp_path / "job")
    with _running(cluster, Stepping(tmp_path), task, Heard()) as job:
        for _ in range(2):
            some.worker()
            before = tuple(worker.pid for worker in some.workers[:-1])
            os.kill(begun(tmp_path, but=before), signal.SIGKILL)
        with pytest.raises(VerisimError, match=r"The workers at tcp://.* and tcp://.* died"):
            job.result(60)
    assert not list(task.results.iterdir())


@pytest.mark.parametrize("allowed", ["0", "9"])
def test_the_scheduler_has_no_say_in_how_often_a_job_is_tried(
    allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", allowed)
    with machines(tmp_path / "machines") as some:
        cluster = Cluster(some.address)
        test_a_job_whose_worker_is_killed_is_done_by_another(some, cluster, tmp_path)
        cluster.close()


def test_long_work_goes_on_from_what_came_back(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    task, kind = a_task(tmp_path / "job"), Stepping(tmp_path, brief=False)
    first = some.worker()
    with _running(cluster, kind, task, Heard()) as job:
        count = task.scratch / "count.txt"
        eventually(lambda: count.exists() and count.read_text() == "5")
        os.kill(first.pid, signal.SIGKILL)
        some.worker()
        let_go(tmp_path)
        assert job.result(60)["before"] == 5


def test_a_scheduler_that_goes_away_is_named_and_found_again(tmp_path: Path) -> None:
    with machines(tmp_path / "first") as some:
        some.worker()
        cluster = Cluster(some.address)
        with _running(cluster, Stepping(tmp_path), a_task(tmp_path / "job"), Heard()) as job:
            begun(tmp_path)
            os.kill(some.scheduler.pid, signal.SIGKILL)
            with pytest.raises(Unavailable, match="went away"):
                job.result(60)
        with pytest.raises(Unavailable, match="does not answer"):
            cluster.run(Stepping(tmp_path), a_task(tmp_path / "next"), Heard())
        assert cluster.places >= 1
        port = some.address.rsplit(":", 1)[1]
        with machines(tmp_path / "second", port) as again:
            again.worker()
            let_go(tmp_path, "later")
            task = a_task(tmp_path / "later", job="later")
            assert cluster.run(Stepping(tmp_path), task, Heard())
        cluster.close()


def test_a_job_whose_server_was_killed_stops_and_leaves_no_file(
    some: Machines, tmp_path: Path
) -> None:
    some.worker()
    program = f"""
        from pathlib import Path
        from tests.jobs.clusters import *
        from verisim.jobs.cluster import Cluster
        from verisim.jobs.conversation import Patience
        folder = Path({str(tmp_path)!r})
        cluster = Cluster({some.address!r}, Patience(lease_seconds=15))
        cluster.run(Stepping(folder), a_task(folder / "job"), Heard())
    """
    words = [sys.executable, "-c", textwrap.dedent(program)]
    server = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    begun(tmp_path)
    assert some.left()
    server.kill()
    server.wait()
    eventually(lambda: not some.left(), some.left)


def test_a_worker_of_another_version_is_named(some: Machines, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent("""
            from importlib import metadata
            true = metadata.version
            metadata.version = lambda name: "0.0.7" if name == "verisim" else true(name)
        """)
    )
    some.worker(PYTHONPATH=f"{tmp_path}:{ROOT}")
    cluster = Cluster(some.address)
    with pytest.raises(Unavailable, match=r"has Verisim 0\.0\.7, this server") as caught:
        cluster.run(Stepping(tmp_path), a_task(tmp_path / "job"), Heard())
    assert "Install verisim==" in caught.value.remedy
    cluster.close()


def test_a_desk_with_two_workers_does_two_jobs_at_once_and_cancels_one(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    some.worker()
    some.worker()
    records = Records(tmp_path / "ledger", 3600)
    attempt = Attempt(records, JobFolders(tmp_path / "ledger" / "jobs"), cluster)
    turns = Turns(lambda device: ThreadPoolExecutor(2), places=cluster.places)
    desk = Desk([Stepping(tmp_path)], attempt, turns)
    try:
        jobs = [desk.submit(ask(kind="stepping", name=name)) for name in ("a", "b")]
        first = begun(tmp_path)
        begun(tmp_path, but=(first,))
        desk.cancel(jobs[0].id)
        assert ended(desk, jobs[0]).state == State.CANCELLED
        let_go(tmp_path)
        done = ended(desk, jobs[1])
        assert done.state == State.DONE, done
        assert desk.look(jobs[1].id).standing.percent == 100
    finally:
        desk.close(20)
    eventually(lambda: not some.left(), some.left)


def test_workers_that_come_and_go_are_counted(
    some: Machines, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "COUNT_SECONDS", 0.05)
    told: list[int] = []
    cluster.follow(told.append)
    for _ in range(2):  # as many as are counted where there are none
        some.worker()
    third = some.worker()
    eventually(lambda: told == [3], lambda: told)
    os.kill(third.pid, signal.SIGKILL)
    eventually(lambda: told == [3, 2], lambda: told)


def test_two_servers_share_one_worker(some: Machines, cluster: Cluster, tmp_path: Path) -> None:
    some.worker()
    other, heard = Cluster(some.address), Heard()
    with _running(cluster, Stepping(tmp_path), a_task(tmp_path / "a", job="a"), Heard()) as first:
        begun(tmp_path, "a")
        task = a_task(tmp_path / "b", job="b")
        with _running(other, Stepping(tmp_path), task, heard) as second:
            eventually(lambda: (0, 0, "Waits for a free worker.") in heard.steps)
            let_go(tmp_path, "a")
            let_go(tmp_path, "b")
            assert first.result(60)["pid"] == second.result(60)["pid"]
    other.close()


def test_a_worker_that_only_says_it_has_a_gpu_is_named(
    some: Machines, cluster: Cluster, tmp_path: Path
) -> None:
    some.worker("--resources", "GPU=1", CUDA_VISIBLE_DEVICES="")
    let_go(tmp_path)
    with pytest.raises(Unavailable, match="torch sees no GPU there"):
        cluster.run(Stepping(tmp_path), a_task(tmp_path / "gpu", "cuda:0"), Heard())
    answer = cluster.run(Stepping(tmp_path), a_task(tmp_path / "cpu"), Heard())
    assert answer["device"] == "cpu"


class _running:
    """A job in a thread of its own, which is let go after the block."""

    def __init__(self, cluster: Cluster, kind: Stepping, task: Task, heard: Heard) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._heard = heard
        self._job: Future[Any] = self._threads.submit(cluster.run, kind, task, heard)

    def __enter__(self) -> Future[Any]:
        """The job."""
        return self._job

    def __exit__(self, *error: object) -> None:
        """Nothing is left running."""
        self._heard.stop = True
        self._threads.shutdown()
