"""What a process leaves is taken up by the next."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.jobs.desks import Held, a_desk, ask, ended, until
from verisim.jobs.job import Job, State
from verisim.jobs.ledger import Ledger
from verisim.jobs.recovery import MOST_INTERRUPTIONS


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, Job, Job]:
    """The folder of a process that was killed while one job ran and one waited."""
    kind = Held()
    with a_desk(tmp_path / "alive", kind) as desk:
        running, waiting = desk.submit(ask("running")), desk.submit(ask("waiting"))
        kind.begun.acquire()
        until(lambda: desk.look(running.id).job, lambda job: job.state == State.RUNNING)
        shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    return tmp_path / "killed", running, waiting


def test_interrupted_and_waiting_jobs_are_done(killed: tuple[Path, Job, Job]) -> None:
    folder, running, waiting = killed
    kind = Held()
    kind.go.set()
    with a_desk(folder, kind) as desk:
        assert ended(desk, running).state == State.DONE
        assert ended(desk, waiting).state == State.DONE
        assert desk.look(running.id).job.interruptions == 1
        assert desk.look(waiting.id).job.interruptions == 0
    assert kind.seen == ["waiting", "running"]


def test_results_without_a_record_are_found(killed: tuple[Path, Job, Job]) -> None:
    folder, running, _ = killed
    results = folder / "jobs" / running.id / "unfinished"
    (results / "text.txt").write_text("whole")
    (results / "answer.json").write_text('{"name": "running"}')
    results.rename(results.with_name("results"))
    kind = Held()
    kind.go.set()
    with a_desk(folder, kind) as desk:
        found = desk.look(running.id).job
        assert (found.state, found.files) == (State.DONE, ("text.txt",))
        assert found.answer == {"name": "running"}


def test_a_job_under_which_every_server_ends_is_given_up(killed: tuple[Path, Job, Job]) -> None:
    folder, running, _ = killed
    ledger = Ledger(folder)
    job = ledger.get(running.id)
    assert job is not None
    ledger.put(job.now(interruptions=MOST_INTERRUPTIONS - 1))
    ledger.close()
    with a_desk(folder, Held()) as desk:
        found = desk.look(running.id).job
        assert found.state == State.FAILED
        assert found.trouble is not None
        assert found.trouble.code == "interrupted"


def test_a_stopped_desk_parks_what_runs(tmp_path: Path) -> None:
    training = Held("long", brief=False)
    with a_desk(tmp_path, training) as desk:
        job = desk.submit(ask(kind="long"))
        training.begun.acquire()
        desk.close(drain_seconds=20)
    again = Held("long", brief=False)
    again.go.set()
    with a_desk(tmp_path, again) as desk:
        done = ended(desk, job)
        assert (done.state, done.interruptions) == (State.DONE, 0)


def test_folders_without_a_record_are_removed(tmp_path: Path) -> None:
    (tmp_path / "jobs" / ".staged-x").mkdir(parents=True)
    (tmp_path / "jobs" / "y" / "results").mkdir(parents=True)
    with a_desk(tmp_path, Held()):
        assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize("killed_at_once", [True, False])
def test_a_clock_set_forward_between_two_processes_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at_once: bool
) -> None:
    kind = Held()
    kind.go.set()
    with a_desk(tmp_path / "first", kind, keep_seconds=2 * 3600) as desk:
        job = ended(desk, desk.submit(ask()))
        shutil.copytree(tmp_path / "first", tmp_path / "killed")
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + 30 * 86400)
    folder = tmp_path / ("killed" if killed_at_once else "first")
    with a_desk(folder, kind, keep_seconds=2 * 3600) as desk:
        desk.sweep()
        assert desk.look(job.id).job.state == State.DONE
        assert desk.result(job.id, "text.txt").is_file()
