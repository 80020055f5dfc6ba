"""Jobs on real workers of Dask: the same answers, progress, cancelling."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.jobs.clusters import (
    Heard,
    Machines,
    Stepping,
    Unknown,
    a_task,
    begun,
    eventually,
    let_go,
    machines,
)
from verisim.errors import BadInput, Cancelled, Unavailable
from verisim.jobs.cluster import Cluster
from verisim.jobs.conversation import Patience
from verisim.jobs.dask import dask
from verisim.jobs.kind import Here


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two workers."""
    with machines(tmp_path_factory.mktemp("two")) as found:
        found.worker()
        found.worker()
        yield found


@pytest.fixture
def cluster(two: Machines) -> Iterator[Cluster]:
    """The runner of a server."""
    found = Cluster(two.address)
    yield found
    found.close()
    eventually(lambda: not two.left(), two.left)


def test_it_leaves_the_same_files_and_answer_as_here(cluster: Cluster, tmp_path: Path) -> None:
    kind = Stepping(tmp_path)
    let_go(tmp_path)
    here, there = a_task(tmp_path / "here"), a_task(tmp_path / "there")
    expected = Here().run(kind, here, Heard())
    answer = cluster.run(kind, there, Heard())
    assert {**answer, "pid": 0} == {**expected, "pid": 0}
    assert answer["pid"] != expected["pid"]
    assert _content(there.results) == _content(here.results) == _content(here.inputs)
    assert {path.name for path in there.results.parent.iterdir()} == {
        "inputs",
        "results",
        "scratch",
    }


def test_steps_are_heard_in_their_order_and_in_the_thread_that_waits(
    cluster: Cluster, tmp_path: Path
) -> None:
    let_go(tmp_path)
    threads = set()

    class Where(Heard):
        def advance(self, done: int, total: int, message: str = "") -> None:
            threads.add(threading.get_ident())
            super().advance(done, total, message)

    heard = Where()
    cluster.run(Stepping(tmp_path), a_task(tmp_path / "job"), heard)
    done = [step[0] for step in heard.steps]
    assert done == sorted(done)
    assert done[0] == 0 < done[-1]
    assert threads == {threading.get_ident()}


def test_two_workers_do_two_jobs_at_once(cluster: Cluster, tmp_path: Path) -> None:
    kind = Stepping(tmp_path)
    assert cluster.places == 2
    with ThreadPoolExecutor(2) as threads:
        jobs = [
            threads.submit(cluster.run, kind, a_task(tmp_path / name, job=name), Heard())
            for name in ("a", "b")
        ]
        pids = {begun(tmp_path, "a"), begun(tmp_path, "b")}
        assert len(pids) == 2
        let_go(tmp_path, "a")
        let_go(tmp_path, "b")
        assert {job.result()["pid"] for job in jobs} == pids


def test_a_cancelled_job_has_stopped_and_left_no_file(
    cluster: Cluster, two: Machines, tmp_path: Path
) -> None:
    heard, task = Heard(), a_task(tmp_path / "job")
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(cluster.run, Stepping(tmp_path), task, heard)
        begun(tmp_path)
        heard.stop = True
        with pytest.raises(Cancelled, match="It was stopped"):
            job.result(20)
    assert not two.left()
    assert not list(task.results.iterdir())
    let_go(tmp_path, "next")
    assert cluster.run(Stepping(tmp_path), a_task(tmp_path / "next", job="next"), Heard())


def test_the_scratch_of_cancelled_long_work_comes_back_and_is_taken_up(
    cluster: Cluster, tmp_path: Path
) -> None:
    heard, task, kind = Heard(), a_task(tmp_path / "job"), Stepping(tmp_path, brief=False)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(cluster.run, kind, task, heard)
        eventually(lambda: any(step[2] == "Holding." for step in heard.steps))
        heard.stop = True
        with pytest.raises(Cancelled):
            job.result(20)
    assert (task.scratch / "count.txt").read_text() == "5"
    let_go(tmp_path)
    assert cluster.run(kind, task, Heard())["before"] == 5


def test_a_waiting_job_is_cancelled_before_it_begins(cluster: Cluster, tmp_path: Path) -> None:
    kind, heard = Stepping(tmp_path), Heard()
    with ThreadPoolExecutor(3) as threads:
        jobs = [
            threads.submit(cluster.run, kind, a_task(tmp_path / name, job=name), Heard())
            for name in ("a", "b")
        ]
        begun(tmp_path, "a")
        begun(tmp_path, "b")
        waiting = threads.submit(cluster.run, kind, a_task(tmp_path / "c", job="c"), heard)
        eventually(lambda: (0, 0, "Waits for a free worker.") in heard.steps)
        heard.stop = True
        with pytest.raises(Cancelled):
            waiting.result(20)
        let_go(tmp_path, "a")
        let_go(tmp_path, "b")
        assert all(job.result() for job in jobs)
    assert not list(tmp_path.glob("begun-c-*"))


def test_an_error_of_ours_arrives_with_its_remedy(cluster: Cluster, tmp_path: Path) -> None:
    let_go(tmp_path)
    with pytest.raises(BadInput) as caught:
        cluster.run(Stepping(tmp_path), a_task(tmp_path / "job", error="bad"), Heard())
    error = caught.value
    assert (error.code, error.message, error.remedy) == ("bad_input", "It is bad.", "Mend it.")


def test_an_error_of_others_arrives_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    let_go(tmp_path)
    with pytest.raises(Unknown, match="odd"):
        cluster.run(Stepping(tmp_path), a_task(tmp_path / "job", error="other"), Heard())


def test_a_job_for_a_gpu_waits_for_a_worker_with_one(two: Machines, tmp_path: Path) -> None:
    heard, cluster = Heard(), Cluster(two.address, Patience(place_seconds=1))
    with pytest.raises(Unavailable, match="no worker with a GPU"):
        cluster.run(Stepping(tmp_path), a_task(tmp_path / "job", "cuda:0"), heard)
    assert heard.steps[0] == (0, 0, "Waits for a worker with a GPU.")
    cluster.close()


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unavailable, match=r"tcp://127\.0\.0\.1:9 does not answer"):
        Cluster("tcp://127.0.0.1:9")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dask.cache_clear()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Unavailable) as caught:
        Cluster("tcp://127.0.0.1:9")
    assert "verisim[cluster]" in caught.value.remedy


def _content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
