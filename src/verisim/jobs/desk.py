"""Where jobs are handed in, asked after, cancelled and fetched."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from verisim.errors import Conflict, NotFound, StorageFailed, Unavailable
from verisim.jobs.asked import AMPLE, Asked, Room, Seen, record_of, same
from verisim.jobs.attempt import Attempt
from verisim.jobs.job import Job, State
from verisim.jobs.kind import Kind
from verisim.jobs.recovery import recover
from verisim.jobs.turns import Ticket, Turns, about_to_stop, was_busy
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
        room: How much may wait.
        own_turns: Those of the work without a record, where jobs are done on other machines.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        attempt: Attempt,
        turns: Turns,
        room: Room = AMPLE,
        own_turns: Turns | None = None,
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._attempt = attempt
        self._records = attempt.records
        self._folders = attempt.folders
        self._turns = turns
        self._own_turns = own_turns or turns
        self._room = room
        self._places = threading.BoundedSemaphore(room.at_once)
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
            Busy: Too many jobs wait.
            StorageFailed: The disk refused.
            Unavailable: The server is about to stop.
        """
        self._check(asked)
        inputs = self._folders.stage(asked.id, asked.fill)
        wanted = record_of(asked, inputs)
        try:
            job = self._records.add(wanted)
        except StorageFailed:
            self._folders.remove(asked.id)
            raise
        if job.id != asked.id:
            self._folders.remove(asked.id)
            return same(job, wanted)
        with suppress(Unavailable):  # about to stop: the next process does it
            self._enter(job)
        return job

    def look(self, job_id: str) -> Seen:
        """A job as it stands.

        Raises:
            NotFound: There is none of that id, or it has been forgotten.
        """
        found = self.glance(job_id)
        return found or Seen(*_over(self._known(job_id)))

    def glance(self, job_id: str) -> Seen | None:
        """The same from memory alone, in no time; None for a job that has ended, or never was."""
        # the watch before the record: whoever has no watch any more has an ended record
        with self._lock:
            watch, ticket = self._watches.get(job_id), self._tickets.get(job_id)
        job = self._records.alive(job_id)
        if job is None or job.state.ended:
            return None
        standing = watch.standing if watch else Standing()
        return Seen(job, standing, self._position(ticket))

    def latest(self, user: str | None, limit: int = 100) -> list[Seen]:
        """The newest jobs of a user, or of everybody."""
        found = self._records.latest(user, limit)
        return [self.glance(job.id) or Seen(*_over(job)) for job in found]

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

    def preview(self, job_id: str) -> bytes:
        """The newest picture of how a job comes on.

        Raises:
            NotFound: There is no such job, or nothing is drawn of it yet.
        """
        self._known(job_id)
        found = self._folders.preview(job_id)
        if found is None:
            raise NotFound("The job has no picture yet.", "Ask again while it runs.")
        return found

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
            Unavailable: Too many wait already, or its turn did not come in time.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable(f"Too many requests wait for {device}.", "Try again in a minute.")
        try:
            return self._awaited(user, device, work, patience)
        finally:
            self._places.release()

    def _awaited(
        self, user: str, device: str, work: Callable[[], Answer], patience: float
    ) -> Answer:
        ticket = Ticket(user, device, work, patience=patience)
        future: Future[Answer] = self._own_turns.enter(ticket)
        done, _ = wait([future], patience)
        if done or not self._own_turns.leave(ticket):  # its turn has come: wait for the end
            return future.result()
        raise was_busy(device, patience)

    def waiting(self) -> dict[str, int]:
        """How many wait, by device."""
        return self._turns.lengths()

    def close(self, drain_seconds: float) -> None:
        """Stop: brief work that runs may end, all other is parked for the next process."""
        self._closed.set()
        with self._lock:
            running = [ticket.future for ticket in self._tickets.values()]
        for turns in {self._turns, self._own_turns}:
            turns.close(wait=False)
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

    def _check(self, asked: Asked) -> None:
        if asked.kind not in self._kinds:
            raise NotFound(
                f"There are no jobs of kind {asked.kind!r}.",
                f"Choose one of: {', '.join(self._kinds)}.",
            )
        if self._closed.is_set():
            raise about_to_stop()
        if asked.key and self._records.with_key(asked.user, asked.key):
            return  # nothing new
        with self._lock:
            users = [ticket.user for ticket in self._tickets.values()]
        self._room.check(users, asked.user)

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


def _over(job: Job) -> tuple[Job, Standing]:
    """A job that has ended, and how far it came."""
    if job.state == State.DONE:
        return job, Standing(100.0, "Done.", 0.0)
    return job, Standing(job.percent)
