"""The timer that follows a job."""

from __future__ import annotations

import threading
import time

import pytest

from tests.slicer_host import guards, pythonqt
from tests.slicer_host.acting import measured_gaps, pause, settle
from VerisimLib.background import Cancelled, Job
from VerisimLib.heartbeat import Heartbeat

JOB_S = 0.3


def counted(job: Job) -> str:
    for step in range(30):
        job.advance(step, 30)
        time.sleep(JOB_S / 30)
    return "done"


pytestmark = pytest.mark.usefixtures("host_without_views")


def test_a_job_is_followed_to_its_end() -> None:
    steps: list[int] = []
    ended: list[str] = []
    threads: set[threading.Thread] = set()

    def end(job: Job) -> None:
        threads.add(threading.current_thread())
        ended.append(job.result())

    heartbeat = Heartbeat(lambda job: steps.append(job.step.done), end)
    with measured_gaps() as gaps:
        heartbeat.follow(Job(counted))
        settle(lambda: bool(ended))
    assert ended == ["done"]
    assert len(set(steps)) > 5
    assert threads == {threading.main_thread()}
    assert gaps.longest_ms < 50
    assert heartbeat.job is None
    assert pythonqt.intervals_ms() == []


def test_the_timer_is_quick_enough_for_slicer() -> None:
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    heartbeat.follow(Job(counted))
    assert min(pythonqt.intervals_ms()) <= 20
    heartbeat.stop()


def test_one_job_at_a_time() -> None:
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    heartbeat.follow(Job(counted))
    with pytest.raises(RuntimeError):
        heartbeat.follow(Job(counted))
    heartbeat.stop()


def test_cancelling_is_heard_when_the_thread_has_stopped() -> None:
    ended: list[Job] = []
    heartbeat = Heartbeat(lambda job: None, ended.append)
    heartbeat.follow(Job(counted))
    pause(0.05)
    heartbeat.cancel()
    settle(lambda: bool(ended))
    with pytest.raises(Cancelled):
        ended[0].result()


def test_stopping_is_silent_and_leaves_no_thread() -> None:
    heard: list[Job] = []
    heartbeat = Heartbeat(heard.append, heard.append)
    heartbeat.follow(Job(counted))
    heartbeat.stop()
    assert guards.running_jobs() == []
    pause(0.05)
    assert heard == []


def test_a_job_without_a_heartbeat_is_noticed() -> None:
    job = Job(counted).start()
    pause(JOB_S + 0.1)
    job.join(2)
    assert "runs without a timer" in guards.expected("runs without a timer")
