"""Many users of one server at once, and what each of them saw."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from serving_jobs.client import Client, Job
from serving_jobs.fairness import Stay
from serving_jobs.material import voxel_hash

PAUSE = 0.2
"""Between two questions of one user."""

TWICE = 0.2
"""Share of the jobs that are handed in twice, at the same moment or one after the other."""


@dataclass(frozen=True)
class Wish:
    """A job that somebody will hand in.

    Args:
        volume: File to segment; None for a training.
        model: Its name, of a new one for a training.
        extension: Of the label map.
    """

    volume: Path | None
    model: str
    extension: str = ""

    def handed_in(self, client: Client, key: str) -> Job:
        """The job."""
        if self.volume is None:
            return client.train(key, **training(self.model))
        return client.segment(
            self.volume, key, model=self.model, device="cpu", result_extension=self.extension
        )


def training(name: str, epochs: int = 2, iterations: int = 4) -> dict[str, object]:
    """What to ask for to train a new model for seconds."""
    return {
        "model": "new_model",
        "name": name,
        "labels": "anterior, posterior",
        "channel": "MRI",
        "max_epochs": epochs,
        "iterations_per_epoch": iterations,
        "device": "cpu",
    }


@dataclass
class Visitor:
    """A user and what came of the wishes.

    Args:
        name: Of the user.
        client: Asks the server.
        visits: Which visit it is; begins the idempotency keys.
        jobs: Their latest standing, by id.
        wishes: By id of the job.
        doubles: How often a job was handed in twice.
        apart: How often that gave two jobs.
        answers: Hash of each result, by id.
        faults: What went wrong, in words.
    """

    name: str
    client: Client
    visits: str = "first"
    jobs: dict[str, Job] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)
    doubles: int = 0
    apart: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def stays(self) -> list[Stay]:
        """Of the jobs that had a turn and are over."""
        return [
            Stay(self.name, *(job.time_of(what) for what in ("submitted", "started", "ended")))
            for job in self.jobs.values()
            if job.told.get("started") and job.told.get("ended")
        ]

    def visit(self, wishes: Sequence[Wish], seed: int) -> None:
        """Hand everything in, ask after it until it is over, fetch the results."""
        draw = random.Random(seed)
        for k, wish in enumerate(wishes):
            self._hand_in(wish, f"{self.visits}-{k}", draw)
        waiting = list(self.jobs)
        while waiting:
            job = self.client.look(waiting[0])
            self.jobs[job.id] = job
            waiting = waiting[1:] + ([] if job.over else waiting[:1])
            if job.over:
                self._fetch(job)
            time.sleep(PAUSE)

    def _hand_in(self, wish: Wish, key: str, draw: random.Random) -> None:
        job = wish.handed_in(self.client, key)
        if draw.random() < TWICE:
            self.doubles += 1
            self.apart += self._again(wish, key, draw) != {job.id}
        self.jobs[job.id], self.wishes[job.id] = job, wish

    def _again(self, wish: Wish, key: str, draw: random.Random) -> set[str]:
        """Ids of the job when it is handed in again, once or twice at the same moment."""
        clients = [Client(self.client.url, self.client.key) for _ in range(draw.choice((1, 2)))]
        with ThreadPoolExecutor(len(clients)) as pool:
            found = pool.map(lambda client: wish.handed_in(client, key).id, clients)
            return set(found)

    def _fetch(self, job: Job) -> None:
        wish = self.wishes[job.id]
        if job.state != "done":
            self.faults.append(f"{wish.model}: {job.state} {job.trouble}")
        elif wish.volume is not None:
            content = self.client.result(job.id, f"label{wish.extension}")
            self.answers[job.id] = voxel_hash(content, wish.extension)


def visit_all(visitors: Sequence[Visitor], wishes: Sequence[Sequence[Wish]], seed: int) -> None:
    """All at once, each in a thread; the first error of one is raised when all have ended."""
    with ThreadPoolExecutor(len(visitors)) as pool:
        futures = [
            pool.submit(visitor.visit, mine, seed + k)
            for k, (visitor, mine) in enumerate(zip(visitors, wishes, strict=True))
        ]
    for future in futures:
        future.result()


def different_answers(visitors: Sequence[Visitor]) -> int:
    """How many wishes for the same got more than one answer."""
    found: dict[Wish, set[str]] = {}
    for visitor in visitors:
        for job_id, answer in visitor.answers.items():
            found.setdefault(visitor.wishes[job_id], set()).add(answer)
    return sum(len(answers) > 1 for answers in found.values())
