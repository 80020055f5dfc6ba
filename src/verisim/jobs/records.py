"""Job records as they stand now, and on the disk as soon as the disk takes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from verisim.errors import StorageFailed
from verisim.jobs.clock import Clock
from verisim.jobs.job import Job
from verisim.jobs.ledger import Ledger

logger = logging.getLogger(__name__)


class Records:
    """The ledger, what it could not take yet, and in memory all that has not ended.

    Whoever asks after a job that waits or runs never waits for the disk.

    Args:
        folder: Of the ledger.
        keep_seconds: How long ended jobs are kept.
        ended: Hears of every job that ends.
    """

    def __init__(
        self, folder: Path, keep_seconds: float, ended: Callable[[Job], None] = lambda job: None
    ) -> None:
        self._ledger = Ledger(folder)
        self._clock = Clock(self._ledger.last_seen())
        self._keep_seconds = keep_seconds
        self._ended = ended
        self._unwritten: dict[str, Job] = {}
        self._alive: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._note_time()

    def add(self, job: Job) -> Job:
        """A new record, or the one that this user's key stands for.

        Raises:
            StorageFailed: The disk refused; there is no such job then.
        """
        added = self._ledger.add(job)
        if added.id == job.id:
            with self._lock:
                self._alive[job.id] = job
        return added

    def put(self, job: Job) -> Job:
        """Keep what became of a job, on the disk now or as soon as it can be."""
        if job.state.ended:
            job = job.now(kept_until=self._clock.now() + self._keep_seconds)
        with self._lock:
            self._unwritten[job.id] = job
            self._alive[job.id] = job
        self.write()
        if job.state.ended:
            with self._lock:
                self._alive.pop(job.id, None)
            self._tell(job)
        return job

    def write(self) -> None:
        """Try to write what the disk refused so far."""
        with self._writing:
            with self._lock:
                unwritten = list(self._unwritten.values())
            for job in unwritten:
                self._write(job)

    def get(self, job_id: str) -> Job | None:
        """The record of an id."""
        return self.alive(job_id) or self._ledger.get(job_id)

    def alive(self, job_id: str) -> Job | None:
        """The record of an id as far as memory knows it; the disk is not asked."""
        with self._lock:
            return self._unwritten.get(job_id) or self._alive.get(job_id)

    def with_key(self, user: str, key: str) -> Job | None:
        """The record that a user's idempotency key stands for."""
        return self._newest(self._ledger.with_key(user, key))

    def latest(self, user: str | None, limit: int) -> list[Job]:
        """The newest records, of one user or of all."""
        found = self._ledger.all(limit) if user is None else self._ledger.of_user(user, limit)
        return [self._newest(job) or job for job in found]

    def unfinished(self) -> list[Job]:
        """What waits or runs, oldest first."""
        found = self._ledger.unfinished()
        with self._lock:
            self._alive.update({job.id: job for job in found})
        return found

    def known(self) -> set[str]:
        """Every id."""
        return self._ledger.ids()

    def expired(self) -> list[Job]:
        """What has been kept long enough; notes the time for the next process."""
        now = self._clock.now()
        self._ledger.see(now)
        return self._ledger.expired(now)

    def remove(self, job_id: str) -> None:
        """Forget a record."""
        with self._lock:
            self._unwritten.pop(job_id, None)
            self._alive.pop(job_id, None)
        self._ledger.remove(job_id)

    def close(self) -> None:
        """Let go of the ledger."""
        self.write()
        self._note_time()
        self._ledger.close()

    def _note_time(self) -> None:
        """For the next process, whose clock on the wall may be set otherwise."""
        try:
            self._ledger.see(self._clock.now())
        except StorageFailed as error:
            logger.error("The time is not noted: %s", error.message)

    def _write(self, job: Job) -> None:
        try:
            self._ledger.put(job)
        except StorageFailed as error:
            logger.error("Job %s is kept in memory: %s", job.id, error.message)
            return
        with self._lock:
            if self._unwritten.get(job.id) is job:
                del self._unwritten[job.id]

    def _tell(self, job: Job) -> None:
        try:
            self._ended(job)
        except Exception:
            logger.exception("Job %s has ended, and who wanted to hear of it failed", job.id)

    def _newest(self, job: Job | None) -> Job | None:
        return None if job is None else self.alive(job.id) or job
