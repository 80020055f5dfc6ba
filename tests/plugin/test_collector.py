"""Nothing of the main thread's is freed in the thread of a job."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from tests.slicer_host import guards
from tests.slicer_host.acting import pause, settle
from VerisimLib.background import Job
from VerisimLib.heartbeat import Heartbeat

pytestmark = pytest.mark.usefixtures("host_without_views")
MAIN = threading.main_thread().name


UNGUARDED = """
import threading, weakref
class Ring: pass
freed = []
for _ in range(20):
    ring = Ring()
    ring.itself = ring
    weakref.finalize(ring, lambda: freed.append(threading.current_thread().name))
del ring
allocate = lambda: [[k] for k in range(100_000)]
thread = threading.Thread(target=allocate, name="job")
thread.start()
thread.join()
print(*set(freed))
"""


class Ring:
    """A cycle, as a panel and its callbacks are; it tells in which thread it was freed."""

    def __init__(self, freed: list[str]) -> None:
        self.itself = self
        self.end = weakref.finalize(self, lambda: freed.append(threading.current_thread().name))


def allocating(job: Job) -> int:
    """Makes so many objects that the collector would run here again and again."""
    end, made = time.monotonic() + 0.3, 0
    while time.monotonic() < end:
        job.advance(made)
        made += len([[k] for k in range(2000)])
        time.sleep(0.001)
    return made


@pytest.fixture(autouse=True)
def _ready() -> Iterator[None]:
    gc.collect()
    assert gc.isenabled()
    yield
    settle(lambda: not guards.running_jobs())
    pause(0.05)
    assert gc.isenabled()


def rings(freed: list[str]) -> None:
    for _ in range(20):
        Ring(freed)


def test_without_a_guard_they_would_be_freed_in_the_thread() -> None:
    """So that the other tests say something; in a process without VTK, which would not survive."""
    said = subprocess.run(
        [sys.executable, "-c", UNGUARDED], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == ["job"]


def test_cycles_are_freed_in_the_main_thread_while_a_job_runs() -> None:
    freed: list[str] = []
    ended: list[int] = []
    heartbeat = Heartbeat(lambda job: rings(freed), lambda job: ended.append(job.result()))
    heartbeat.follow(Job(allocating))
    assert not gc.isenabled()
    settle(lambda: bool(ended))
    assert len(freed) > 20  # while it ran: they do not pile up
    assert set(freed) == {MAIN}
    assert gc.isenabled()


def test_no_full_collection_stops_the_window_while_a_job_runs() -> None:
    """It takes 60 to 120 ms beside Qt and VTK: the limit for the event loop is 50."""
    seen: set[tuple[int, str]] = set()
    kept: list[object] = []
    ended: list[Job] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and not gc.isenabled():
            seen.add((info["generation"], threading.current_thread().name))

    def busy(_job: Job) -> None:
        kept.extend([k] for k in range(5000))

    gc.callbacks.append(note)
    try:
        heartbeat = Heartbeat(busy, ended.append)
        heartbeat.follow(Job(allocating))
        settle(lambda: bool(ended))
    finally:
        gc.callbacks.remove(note)
    assert seen == {(1, MAIN)}


def test_the_collector_is_back_after_an_error() -> None:
    ended: list[Job] = []
    heartbeat = Heartbeat(lambda job: None, ended.append)
    heartbeat.follow(Job(lambda job: 1 // 0))
    settle(lambda: bool(ended))
    assert isinstance(ended[0].error, ZeroDivisionError)
    assert gc.isenabled()


def test_the_collector_is_back_after_a_cancelled_job_has_ended() -> None:
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    go = threading.Event()
    heartbeat.follow(Job(lambda job: go.wait(5)))
    heartbeat.cancel()
    pause(0.1)
    assert not gc.isenabled()  # its thread still lives
    go.set()
    settle(lambda: not guards.running_jobs())
    pause(0.05)
    assert gc.isenabled()


def test_the_last_of_two_jobs_gives_the_collector_back() -> None:
    go = threading.Event()
    first, second = (Heartbeat(lambda job: None, lambda job: None) for _ in range(2))
    first.follow(Job(lambda job: go.wait(5)))
    second.follow(Job(lambda job: 1))
    settle(lambda: second.job is None)
    assert not gc.isenabled()
    go.set()
    settle(lambda: first.job is None)
    assert gc.isenabled()


def test_who_has_turned_the_collector_off_finds_it_off() -> None:
    gc.disable()
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    heartbeat.follow(Job(lambda job: 1))
    settle(lambda: heartbeat.job is None)
    was = gc.isenabled()
    gc.enable()
    assert not was


def test_a_thread_that_outlives_its_panel_is_not_the_last_to_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call holds the panel: freed with the thread, it would take its widgets along."""
    monkeypatch.setattr("VerisimLib.heartbeat.PARTING_S", 0.05)
    freed: list[str] = []
    go = threading.Event()
    held = [Ring(freed)]
    held[0].itself = None
    call = lambda job, ring=held[0]: go.wait(5)  # noqa: E731
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    heartbeat.follow(Job(call))
    heartbeat.stop()
    del heartbeat, call
    held.clear()
    gc.collect()  # as another panel's beat might
    assert not gc.isenabled()
    go.set()
    settle(lambda: bool(freed))
    assert freed == [MAIN]


def test_without_a_thread_there_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    heartbeat = Heartbeat(lambda job: None, lambda job: None)
    with pytest.raises(RuntimeError):
        heartbeat.follow(Job(lambda job: 1))
    assert heartbeat.job is None
    assert gc.isenabled()
