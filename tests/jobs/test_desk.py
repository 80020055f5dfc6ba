"""Jobs from the request to the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.jobs.desks import Held, a_desk, ask, ended
from verisim.errors import Busy, Conflict, NotFound, Unavailable
from verisim.jobs.asked import Room
from verisim.jobs.desk import Desk
from verisim.jobs.job import State
from verisim.jobs.watch import Watch


def test_a_job_is_done_and_its_file_fetched(tmp_path: Path) -> None:
    kind = Held()
    kind.go.set()
    with a_desk(tmp_path, kind) as desk:
        job = ended(desk, desk.submit(ask("text")))
        assert job.state == State.DONE
        assert job.answer == {"name": "text"}
        assert job.files == ("text.txt",)
        assert desk.result(job.id, "text.txt").read_text() == "text"
        assert desk.look(job.id).standing.percent == 100


def test_a_failed_job_tells_why_and_leaves_no_file(tmp_path: Path) -> None:
    kind = Held()
    kind.go.set()
    with a_desk(tmp_path, kind) as desk:
        job = ended(desk, desk.submit(ask(fails=True)))
        assert job.state == State.FAILED
        assert job.trouble is not None
        assert (job.trouble.code, job.trouble.remedy) == ("bad_input", "Make it better.")
        assert not list((tmp_path / "jobs" / job.id).rglob("*.txt"))
        with pytest.raises(Conflict):
            desk.result(job.id, "text.txt")


def test_a_waiting_job_is_cancelled_at_once_and_never_begun(tmp_path: Path) -> None:
    kind = Held()
    with a_desk(tmp_path, kind) as desk:
        first, second = desk.submit(ask("first")), desk.submit(ask("second"))
        kind.begun.acquire()
        assert desk.look(second.id).position == 1
        assert desk.cancel(second.id).state == State.CANCELLED
        kind.go.set()
        ended(desk, first)
        assert kind.seen == ["first"]


def test_a_running_job_is_cancelled_at_its_next_step_and_the_next_one_begins(
    tmp_path: Path,
) -> None:
    kind = Held()
    with a_desk(tmp_path, kind) as desk:
        first, _ = desk.submit(ask("first")), desk.submit(ask("second"))
        kind.begun.acquire()
        desk.cancel(first.id)
        assert ended(desk, first).state == State.CANCELLED
        kind.begun.acquire()
        assert kind.seen == ["first", "second"]
        assert not list((tmp_path / "jobs" / first.id).glob("unfinished"))


def test_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    kind = Held()
    with a_desk(tmp_path, kind) as desk:
        first = desk.submit(ask("a", key="k"))
        assert desk.submit(ask("a", key="k")).id == first.id
        assert desk.submit(ask("a", user="bert", key="k")).id != first.id
        with pytest.raises(Conflict):
            desk.submit(ask("b", key="k"))
        with pytest.raises(Conflict):
            desk.submit(ask("a", key="k", fill=lambda folder: _write(folder / "x")))


def test_nothing_of_a_forgotten_job_is_left(tmp_path: Path) -> None:
    kind = Held()
    with a_desk(tmp_path, kind) as desk:
        secret = "Mustermann^Erika"
        job = desk.submit(ask(secret, fill=lambda folder: _write(folder / "x", secret)))
        kind.begun.acquire()
        desk.forget(job.id)
        with pytest.raises(NotFound):
            desk.look(job.id)
        assert not (tmp_path / "jobs" / job.id).exists()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_what_was_kept_long_enough_is_forgotten(tmp_path: Path) -> None:
    kind = Held()
    kind.go.set()
    with a_desk(tmp_path, kind, keep_seconds=-1) as desk:
        job = ended(desk, desk.submit(ask()))
        desk.sweep()
        with pytest.raises(NotFound):
            desk.look(job.id)
        assert not (tmp_path / "jobs" / job.id).exists()


def test_long_work_lets_brief_work_go_first(tmp_path: Path) -> None:
    long, brief = Held("long", brief=False), Held("brief")
    brief.go.set()
    with a_desk(tmp_path, long, brief) as desk:
        training = desk.submit(ask("training", kind="long"))
        long.begun.acquire()
        click = desk.submit(ask("click", user="bert", kind="brief"))
        assert ended(desk, click).state == State.DONE
        assert desk.look(training.id).job.state == State.RUNNING
        assert desk.at_once("bert", "cpu", lambda: 7, patience=20) == 7


def test_a_second_desk_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with a_desk(tmp_path, Held()), pytest.raises(Conflict, match="Another server"):
        a_desk(tmp_path, Held()).__enter__()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with a_desk(tmp_path, Held()) as desk, pytest.raises(NotFound, match="held"):
        desk.submit(ask(kind="nonsense"))


@contextmanager
def busy(desk: Desk) -> Iterator[None]:
    """The processor is at work while the block runs."""
    started, go = threading.Event(), threading.Event()

    def long_work() -> bool:
        started.set()
        return go.wait()

    holder = threading.Thread(target=desk.at_once, args=("anna", "cpu", long_work, 30))
    holder.start()
    started.wait()
    try:
        yield
    finally:
        go.set()
        holder.join()


def test_a_device_that_stays_busy_is_reported(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk, busy(desk), pytest.raises(Unavailable, match="was busy"):
        desk.at_once("bert", "cpu", lambda: None, 0.01)


def test_work_beyond_the_places_is_refused_at_once(tmp_path: Path) -> None:
    room = Room(jobs=1, of_user=1, at_once=1)
    refused = pytest.raises(Unavailable, match="Too many")
    with a_desk(tmp_path, room=room) as desk, busy(desk), refused:
        desk.at_once("bert", "cpu", lambda: None, 30)


def test_work_that_has_begun_may_take_longer_than_the_patience(tmp_path: Path) -> None:
    pause = threading.Event()
    with a_desk(tmp_path) as desk:
        assert desk.at_once("anna", "cpu", lambda: pause.wait(0.1) or "answer", 0.01) == "answer"


def test_too_many_jobs_are_refused_but_a_repeated_key_is_answered(tmp_path: Path) -> None:
    kind = Held()
    with a_desk(tmp_path, kind, room=Room(jobs=3, of_user=2, at_once=1)) as desk:
        first = desk.submit(ask(key="k"))
        desk.submit(ask())
        with pytest.raises(Busy, match="You have 2"):
            desk.submit(ask())
        assert desk.submit(ask(key="k")).id == first.id
        desk.submit(ask(user="bert"))
        with pytest.raises(Busy, match="3 jobs"):
            desk.submit(ask(user="cleo"))


def test_a_cancelled_job_is_not_parked() -> None:
    watch = Watch()
    watch.stop()
    watch.stop(park=True)
    assert not watch.parked


def test_what_runs_is_told_without_the_disk_and_percent_stays_after_the_end(
    tmp_path: Path,
) -> None:
    kind = Held()
    with a_desk(tmp_path, kind) as desk:
        job = desk.submit(ask())
        kind.begun.acquire()
        seen = desk.glance(job.id)
        assert seen is not None
        assert seen.job.state in {State.QUEUED, State.RUNNING}
        desk.cancel(job.id)
        assert ended(desk, job).state == State.CANCELLED
        assert desk.glance(job.id) is None
        assert desk.look(job.id).standing.percent == desk.look(job.id).job.percent


def _write(path: Path, text: str = "") -> None:
    path.write_text(text)
