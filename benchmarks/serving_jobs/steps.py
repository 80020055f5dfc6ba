"""One job watched from its start to its end: its steps, its percent, its time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from serving_jobs.bounded import TimeIsUp
from serving_jobs.client import Client, Job

LOOK = 0.01
"""Between two looks, seconds."""


@dataclass(frozen=True)
class Look:
    """What was told at a moment.

    Args:
        at: Seconds on the clock on the wall, when the answer came.
        percent: How far it was.
        left: Seconds it would still take; None if it did not say.
    """

    at: float
    percent: float
    left: float | None


@dataclass(frozen=True)
class Course:
    """All looks at a job that has ended.

    Args:
        looks: In their order, from its start on.
        job: Its last standing.
    """

    looks: Sequence[Look]
    job: Job

    @property
    def seconds(self) -> float:
        """From start to end."""
        return self.job.time_of("ended") - self.job.time_of("started")

    @property
    def rises(self) -> bool:
        """Whether the percent never fell."""
        percents = [look.percent for look in self.looks]
        return all(a <= b for a, b in pairwise(percents))

    @property
    def steps(self) -> list[float]:
        """Seconds between two changes of the percent, its start and its end included."""
        changes = [self.job.time_of("started")]
        percent = 0.0
        for look in self.looks:
            if look.percent > percent:
                changes.append(look.at)
                percent = look.percent
        changes.append(self.job.time_of("ended"))
        return [b - a for a, b in pairwise(changes)]

    def forecast(self) -> tuple[float, float]:
        """What was said first after half of the time, and what then really remained.

        Raises:
            ValueError: Nothing was said.
        """
        middle = self.job.time_of("started") + self.seconds / 2
        for look in self.looks:
            if look.at >= middle and look.left is not None:
                return look.left, self.job.time_of("ended") - look.at
        raise ValueError("Nothing was said after half of the time.")


def watched(client: Client, job_id: str, seconds: float, pause: float = LOOK) -> Course:
    """Look at a job until it is over.

    Raises:
        TimeIsUp: It takes longer than `seconds`.
    """
    looks, end = [], time.monotonic() + seconds
    while not (job := client.look(job_id)).over:
        if job.state == "running":
            looks.append(Look(time.time(), job.percent, job.seconds_left))
        if time.monotonic() > end:
            raise TimeIsUp(f"{job_id} is {job.state} after {seconds:g} s.")
        time.sleep(pause)
    return Course(looks, job)
