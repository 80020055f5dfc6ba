"""The work of a job on a worker of a cluster."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from verisim.devices import choose
from verisim.errors import Cancelled, Unavailable
from verisim.jobs.dask import dask
from verisim.jobs.kind import Kind, Task
from verisim.jobs.models_along import UsesModels, keep, lay
from verisim.jobs.parcels import check, parcels_of
from verisim.jobs.visit import Order, Visit, a_visit, listed, versions
from verisim.memory import release

STEP_SECONDS = 0.1
"""Steps are told at most so often."""


def attempt(job: str, topic: str, lease: float) -> None:
    """Make one attempt, as a task of Dask.

    Args:
        job: The server's name for it.
        topic: Where the server listens.
        lease: A server that was not heard for so many seconds is gone.

    Raises:
        Cancelled: The server does not want it any more, or is gone.
        Exception: Whatever the work raised.
    """
    with a_visit(job, topic, lease, dask().get_worker()) as visit:
        visit.tell("begun", versions=versions())
        visit.wait(visit.ordered)
        if visit.order is not None:
            _work(visit, visit.order)


@dataclass
class Steps:
    """Progress that is sent to the server.

    Args:
        visit: The attempt.
        save_seconds: How often scratch goes back; None for never.
    """

    visit: Visit
    save_seconds: float | None
    _told: float = 0.0
    _saved: float = field(default_factory=time.monotonic)
    _content: frozenset[tuple[str, int, int]] = frozenset()

    def __post_init__(self) -> None:
        self._content = _content(self.visit.room("scratch"))

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step.

        Raises:
            Cancelled: The server does not want the work any more, or is gone.
        """
        self.visit.check()
        now = time.monotonic()
        if now - self._told >= STEP_SECONDS or done >= total:
            self._told = now
            self.visit.tell("step", done=int(done), total=int(total), message=message)
        if self.save_seconds is not None and now - self._saved >= self.save_seconds:
            self._save()

    def _save(self) -> None:
        """Offer a copy of scratch: between two steps it is whole."""
        self._saved = time.monotonic()
        content = _content(self.visit.room("scratch"))
        if content == self._content or not self.visit.saved.is_set():
            return
        copy = self.visit.room("saved")
        shutil.rmtree(copy)
        shutil.copytree(self.visit.room("scratch"), copy)
        self.visit.saved.clear()
        self.visit.tell("saved", rooms={"saved": listed(parcels_of(copy))})
        self._content = content


def _work(visit: Visit, order: Order) -> None:
    for room, parcels in order.sent.items():
        check(visit.room(room), parcels)
    kind: Kind = pickle.loads(order.kind)
    if isinstance(kind, UsesModels):
        kind = _with_models(kind, visit.room("models"), order)
    device = own_device(order.device)
    folders = (visit.room(name) for name in ("inputs", "results", "scratch"))
    try:
        answer = kind.run(Task(order.request, device, *folders), Steps(visit, order.save_seconds))
    except Cancelled:
        if order.save_seconds is not None:  # where a next attempt goes on
            _hand_over_scratch(visit)
        raise
    finally:
        release(device)
    (visit.room("answer") / "answer.json").write_text(json.dumps(dict(answer)))
    visit.hand_over("over", "answer", "results")


def own_device(asked: str) -> str:
    """The worker's device for what the server calls its own.

    Raises:
        Unavailable: A GPU is asked for, and this worker sees none.
    """
    if not asked.startswith("cuda"):
        return "cpu"
    try:
        return choose("cuda:0")
    except Unavailable as error:
        raise Unavailable(
            "The worker was started with a GPU resource, but torch sees no GPU there.",
            "Look at its driver with `verisim doctor`, or start it without `--resources GPU=1`.",
        ) from error


def _with_models(kind: UsesModels, folder: Path, order: Order) -> Kind:
    for weights in order.weights:
        if (folder / weights.name).exists():
            keep(weights, folder / weights.name)
        else:
            lay(weights, folder)
    return kind.with_models_in(folder)


def _hand_over_scratch(visit: Visit) -> None:
    visit.stopped.clear()
    visit.fetched.clear()
    visit.hand_over("stopped", "scratch")


def _content(folder: Path) -> frozenset[tuple[str, int, int]]:
    """What changes whenever a file of the folder is written."""
    stats = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return frozenset((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)
