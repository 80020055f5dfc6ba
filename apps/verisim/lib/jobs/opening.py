"""The desk of this server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lib.doors.who import LOCAL
from lib.jobs.labels import StoredLabels
from lib.loaded import LoadedModels
from lib.models import Models
from lib.options import Options
from lib.watch import metrics
from lib.watch.context import carried, user_name
from lib.watch.shutdown import on_shutdown
from verisim.jobs.asked import Room
from verisim.jobs.attempt import Attempt
from verisim.jobs.auditing import Auditing
from verisim.jobs.cluster import Cluster
from verisim.jobs.desk import Desk
from verisim.jobs.folders import JobFolders
from verisim.jobs.job import Job
from verisim.jobs.kind import Here, Runner
from verisim.jobs.records import Records
from verisim.jobs.segmenting import Segmenting
from verisim.jobs.synthesizing import Synthesizing
from verisim.jobs.training import Training
from verisim.jobs.turns import Turns

SCHEDULER = "VERISIM_SCHEDULER"
"""Names the address of a Dask scheduler, if jobs are to be done by its workers."""

Answer = TypeVar("Answer")


class AtOnce:
    """Work that a request waits for, in the same fair turns as the jobs.

    Args:
        desk: Of this server; None in a process of MONAI Label's own, which has a device alone.
        patience: Seconds until a request that waits is told to come back.
    """

    def __init__(self, desk: Desk | None, patience: float) -> None:
        self._desk = desk
        self._patience = patience

    def run(self, device: str, work: Callable[[], Answer]) -> Answer:
        """Do some work on a device when its turn has come.

        Raises:
            Unavailable: Too many wait already, or the turn did not come in time.
        """
        if self._desk is None:
            return work()
        user = user_name() or LOCAL.name
        return self._desk.at_once(user, device, carried(work), self._patience)


def open_desk(
    options: Options, models: Models, loaded: LoadedModels, labels: StoredLabels
) -> Desk | None:
    """The desk, with what an earlier process left undone; None outside of the server's process.

    Raises:
        Conflict: Another server uses the folder of jobs.
        StorageFailed: The folder cannot be used.
    """
    if "monailabel.app" not in sys.modules:  # a process of one of MONAI Label's own jobs
        return None
    records = Records(options.jobs, 3600.0 * options.keep_hours, _ended)
    runner = _runner()
    attempt = Attempt(records, JobFolders(options.jobs / "jobs"), runner)
    own = _turns(1, 1)
    turns = own
    if isinstance(runner, Cluster):
        turns = _turns(runner.places, options.max_jobs)
        runner.follow(turns.resize)
    room = Room(options.max_jobs, options.max_jobs_each, options.max_waiting)
    segmenting = Segmenting(models.folders, loaded, labels)
    training = Training(models.folders, options.models)
    made = (Synthesizing(models.folders), Auditing(models.folders))
    kinds = (segmenting, training, *made)
    desk = Desk(kinds, attempt, turns, room, own)
    # both of its waits together last no longer than all hooks may
    on_shutdown(lambda: desk.close(options.drain_seconds / 2))
    return desk


def _runner() -> Runner:
    address = os.environ.get(SCHEDULER, "")
    return Cluster(address) if address else Here()


def _turns(places: int, most: int) -> Turns:
    def workers(device: str) -> ThreadPoolExecutor:
        # where work is done here, always the same thread: its memory is used again, and stays
        return ThreadPoolExecutor(most, thread_name_prefix=device)

    return Turns(workers, places, metrics.queue_length)


def _ended(job: Job) -> None:
    seconds = (job.ended or 0.0) - job.started if job.started else 0.0
    metrics.job_ended(job.kind, job.model, str(job.state), max(0.0, seconds))
