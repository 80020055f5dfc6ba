"""Desks with kinds of work that a test can hold and let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verisim.errors import BadInput
from verisim.jobs.asked import AMPLE, Asked, Room
from verisim.jobs.attempt import Attempt
from verisim.jobs.desk import Desk
from verisim.jobs.folders import JobFolders
from verisim.jobs.job import Job
from verisim.jobs.kind import Here, Kind, Task
from verisim.jobs.records import Records
from verisim.jobs.turns import Turns
from verisim.progress import Progress

PATIENCE = 20.0


@dataclass
class Held:
    """Work of ten steps that waits before each until the test lets it go.

    Args:
        name: Of the kind.
        brief: Whether long work lets it go first.
        seen: What was begun, in this order.
        go: Lets the steps go on.
        begun: Released once for every start.
    """

    name: str = "held"
    brief: bool = True
    seen: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do the steps, and leave one file."""
        self.seen.append(str(task.request.get("name", "")))
        self.begun.release()
        for step in range(10):
            progress.advance(step, 10, "Holding.")
            while not self.go.wait(0.01):
                progress.advance(step, 10, "Holding.")
        if task.request.get("fails"):
            raise BadInput("It is bad.", "Make it better.")
        (task.results / "text.txt").write_text(str(task.request.get("name", "")))
        return {"name": task.request.get("name", "")}


@contextmanager
def a_desk(
    folder: Path, *kinds: Kind, keep_seconds: float = 3600, room: Room = AMPLE
) -> Iterator[Desk]:
    """A desk with one worker thread for each device."""
    records = Records(folder, keep_seconds)
    attempt = Attempt(records, JobFolders(folder / "jobs"), Here())
    desk = Desk(kinds, attempt, Turns(lambda device: ThreadPoolExecutor(1)), room)
    try:
        yield desk
    finally:
        for kind in kinds:
            if isinstance(kind, Held):
                kind.go.set()
        desk.close(PATIENCE)


def ask(
    name: str = "a",
    user: str = "anna",
    kind: str = "held",
    key: str = "",
    fill: Callable[[Path], None] = lambda folder: None,
    fails: bool = False,
) -> Asked:
    """A request for held work."""
    return Asked(kind, user, "cpu", {"name": name, "fails": fails}, key, fill)


def ended(desk: Desk, job: Job) -> Job:
    """The job when it has ended."""
    return until(lambda: desk.look(job.id).job, lambda found: found.state.ended)


def until(look: Callable[[], Job], good: Callable[[Job], bool]) -> Job:
    """The job when it is as the test waits for."""
    end = time.monotonic() + PATIENCE
    while not good(found := look()):
        assert time.monotonic() < end, f"still {found}"
        time.sleep(0.005)
    return found
