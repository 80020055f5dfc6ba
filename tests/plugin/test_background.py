"""One call off the main thread."""

from __future__ import annotations

import threading
import time

import pytest

from tests.slicer_host.guards import JOB_THREAD
from VerisimLib.background import Cancelled, Job, Step


def test_a_job_gives_what_its_call_returns() -> None:
    job = Job(lambda job: 6 * 7).start()
    assert job.join(2)
    assert job.finished
    assert job.result() == 42


def test_a_job_raises_what_its_call_raised() -> None:
    job = Job(lambda job: 1 // 0).start()
    assert job.join(2)
    with pytest.raises(ZeroDivisionError):
        job.result()


def test_a_job_runs_in_a_thread_that_the_host_knows_by_name() -> None:
    job = Job(lambda job: threading.current_thread()).start()
    job.join(2)
    assert job.result().name.startswith(JOB_THREAD)
    assert job.result().daemon


def test_progress_is_the_latest_step() -> None:
    job = Job(lambda job: job.advance(1, 4, "sending")).start()
    job.join(2)
    assert job.step == Step(1, 4, "sending")


@pytest.mark.parametrize(
    ("step", "percent"), [(Step(1, 3), 33), (Step(5, 4), 100), (Step(), None)]
)
def test_percent(step: Step, percent: int | None) -> None:
    assert step.percent == percent


def endless(job: Job) -> None:
    while True:
        job.advance(0)
        time.sleep(0.001)


def test_a_cancelled_job_ends_at_its_next_step() -> None:
    job = Job(endless).start()
    assert not job.finished
    job.cancel()
    assert job.join(2)
    with pytest.raises(Cancelled):
        job.result()


def test_what_a_cancelled_call_still_returned_counts_for_nothing() -> None:
    go = threading.Event()
    job = Job(lambda job: go.wait(2)).start()
    job.cancel()
    go.set()
    job.join(2)
    with pytest.raises(Cancelled):
        job.result()


def test_cancelling_closes_what_the_call_waits_for_once() -> None:
    closed = threading.Event()
    calls = []

    def stop() -> None:
        calls.append(1)
        closed.set()

    def work(job: Job) -> bool:
        job.when_cancelled(stop)
        return closed.wait(5)

    job = Job(work).start()
    job.cancel()
    job.cancel()
    assert job.join(2)
    assert calls == [1]


def test_a_finished_job_is_not_cancelled_any_more() -> None:
    job = Job(lambda job: 1).start()
    job.join(2)
    job.cancel()
    assert job.result() == 1
