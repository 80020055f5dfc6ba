"""Where jobs are handed in, asked after, cancelled and fetched."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from verisim.errors import Conflict, NotFound, StorageFailed, Unavailable
from verisim.jobs.asked import Asked, Seen, record_of, same
from verisim.jobs.attempt import Attempt
from verisim.jobs.job import Job, State
from verisim.jobs.kind import Kind
from verisim.jobs.recovery import recover
from verisim.jobs.turns import Ticket, Turns, about_to_stop
from verisim.jobs.watch import Standing, Watch

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

SWEEP_SECONDS = 30.0


class Desk:
    """All jobs of a server.

    Args:
        kinds: What can be asked for.
        attempt: How a job is done; knows records and folders.
        turns: Whose turn it is.
    """

    def __init__(self, kinds: Sequence[Kind], attempt: Attempt, turns: Turns) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._attempt = attempt
        self._records = attempt.records
        self._folders = attempt.folders
        self._turns = turns
        self._watches: dict[str, Watch] = {}
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        for job in recover(self._records, self._folders, set(self._kinds)):
            self._enter(job)
        self._sweeper = threading.Thread(target=self._sweep, name="job-sweeper", daemon=True)
        self._sweeper.start()

    def submit(self, asked: Asked) -> Job:
        """Take a job in; returns its record, or that of an earlier one with the same key.

        Raises:
            NotFound: There is no such kind.
            Conflict: The key stands for another request already.
            StorageFailed: The disk refused.
            Unavailable: The server is about to stop.
        """
        self._check(asked.kind)
        job_id = secrets.token_urlsafe(16).replace("-", "a").replace("_", "b")
        inputs = self._folders.stage(job_id, asked.fill)
        try:
            job = self._records.add(record_of(asked, job_id, inputs))
        except StorageFailed:
            self._folders.remove(job_id)
            raise
        if job.id != job_id:
            self._folders.remove(job_id)
            return same(job, record_of(asked, job_id, inputs))
        self._enter(job)
        return job

    def look(self, job_id: str) -> Seen:
        """A job as it stands.

        Raises:
            NotFound: There is none of that id, or it has been forgotten.
        """
        job = self._known(job_id)
        with self._lock:
            watch, ticket = self._watches.get(job_id), self._tickets.get(job_id)
        if job.state == State.DONE:
            return Seen(job, Standing(100.0, "Done.", 0.0))
        standing = watch.standing if watch else Standing()
        return Seen(job, standing, self._position(ticket))

    def latest(self, user: str | None, limit: int = 100) -> list[Seen]:
        """The newest jobs of a user, or of everybody."""
        return [self.look(job.id) for job in self._records.latest(user, limit)]

    def cancel(self, job_id: str) -> Job:
        """End a job: at once if it waits, at its next step if it runs; an ended one stays.

        Raises:
            NotFound: There is none of that id.
        """
        job = self._known(job_id)
        with self._lock:
            ticket, watch = self._tickets.get(job_id), self._watches.get(job_id)
        if ticket is None or watch is None:
            return self._known(job_id)
        watch.stop()
        if self._turns.leave(ticket):
            self._forget(job_id)
            return self._records.put(job.now(state=State.CANCELLED, ended=time.time()))
        return self._known(job_id)

    def result(self, job_id: str, name: str) -> Path:
        """One result file.

        Raises:
            NotFound: There is no such job or file.
            Conflict: The job is not done.
        """
        job = self._known(job_id)
        if job.state != State.DONE:
            raise Conflict(f"The job is {job.state}.", "Its results are there when it is done.")
        if name not in job.files:
            raise NotFound(
                f"The job has no result {name!r}.", f"Choose one of: {', '.join(job.files)}."
            )
        return self._folders.result(job_id, name)

    def forget(self, job_id: str) -> None:
        """Cancel a job and delete its inputs, results and record.

        Raises:
            NotFound: There is none of that id.
        """
        self.cancel(job_id)
        with self._lock:
            ticket = self._tickets.get(job_id)
        if ticket is not None:  # it ends at its next step; nothing of it may come back then
            wait([ticket.future])
        self._records.remove(job_id)
        self._folders.remove(job_id)

    def at_once(
        self, user: str, device: str, work: Callable[[], Answer], patience: float
    ) -> Answer:
        """Do brief work without a record when its turn has come, and wait for it.

        Raises:
            Unavailable: Its turn did not come in time.
        """
        ticket = Ticket(user, device, work)
        future: Future[Answer] = self._turns.enter(ticket)
        done, _ = wait([future], patience)
        if done or not self._turns.leave(ticket):  # its turn has come: wait for the end
            return future.result()
        raise Unavailable(
            f"{device} was busy with other requests for {patience:g} s.",
            "Try again later, or ask for another device.",
        )

    def waiting(self) -> dict[str, int]:
        """How many wait, by device."""
        return self._turns.lengths()

    def close(self, drain_seconds: float) -> None:
        """Stop: brief work that runs may end, all other is parked for the next process."""
        self._closed.set()
        with self._lock:
            running = [ticket.future for ticket in self._tickets.values()]
        self._turns.close(wait=False)
        self._park(brief=False)
        wait(running, drain_seconds)
        self._park(brief=True)
        wait(running, drain_seconds)
        self._attempt.runner.close()
        self._records.close()

    def _park(self, brief: bool) -> None:
        with self._lock:
            watches = dict(self._watches)
        for job_id, watch in watches.items():
            job = self._records.get(job_id)
            if job is not None and (brief or not self._kinds[job.kind].brief):
                watch.stop(park=True)

    def _check(self, kind: str) -> None:
        if kind not in self._kinds:
            raise NotFound(
                f"There are no jobs of kind {kind!r}.", f"Choose one of: {', '.join(self._kinds)}."
            )
        if self._closed.is_set():
            raise about_to_stop()

    def _known(self, job_id: str) -> Job:
        job = self._records.get(job_id)
        if job is None:
            raise NotFound(
                "There is no such job, or it was kept long enough.", "GET /jobs lists yours."
            )
        return job

    def _enter(self, job: Job) -> None:
        kind = self._kinds[job.kind]
        # with several places the others go on anyway
        gives_way = not kind.brief and self._attempt.runner.places == 1
        watch = Watch(partial(self._turns.give_way, job.device)) if gives_way else Watch()
        ticket = Ticket(job.user, job.device, partial(self._do, job, watch), kind.brief)
        with self._lock:
            self._tickets[job.id], self._watches[job.id] = ticket, watch
        self._turns.enter(ticket)

    def _do(self, job: Job, watch: Watch) -> None:
        try:
            self._attempt(job, self._kinds[job.kind], watch)
        finally:
            self._forget(job.id)

    def _forget(self, job_id: str) -> None:
        with self._lock:
            self._tickets.pop(job_id, None)
            self._watches.pop(job_id, None)

    def _position(self, ticket: Ticket | None) -> int | None:
        order = self._turns.order(ticket.device) if ticket is not None else []
        return order.index(ticket) + 1 if ticket in order else None

    def _sweep(self) -> None:
        while not self._closed.wait(SWEEP_SECONDS):
            self.sweep()

    def sweep(self) -> None:
        """Write what the disk refused, and forget what was kept long enough."""
        self._records.write()
        try:
            for job in self._records.expired():
                self._records.remove(job.id)
                self._folders.remove(job.id)
        except StorageFailed as error:
            logger.error("Old jobs cannot be removed: %s", error.message)
