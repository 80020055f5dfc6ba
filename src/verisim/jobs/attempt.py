"""One attempt at a job: from its turn to its end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from verisim.errors import Cancelled, VerisimError
from verisim.jobs.folders import JobFolders
from verisim.jobs.job import Job, State, Trouble
from verisim.jobs.kind import Kind, Runner, Settling, Task
from verisim.jobs.records import Records
from verisim.jobs.watch import Watch

logger = logging.getLogger(__name__)

INTERNAL = Trouble(
    code="internal", message="The job failed.", remedy="Look for the job's id in the server's log."
)
MEMORY = Trouble(
    code="too_large",
    message="That does not fit into the memory.",
    remedy="Send a smaller volume, or ask for another device.",
)


@dataclass(frozen=True)
class Attempt:
    """What an attempt needs.

    Args:
        records: Where the job's record is kept.
        folders: Where its files lie.
        runner: Where the work is done.
    """

    records: Records
    folders: JobFolders
    runner: Runner

    def __call__(self, job: Job, kind: Kind, watch: Watch) -> Job:
        """Do the work; the record says what came of it, whatever that is."""
        running = self.records.put(job.now(state=State.RUNNING, started=time.time()))
        try:
            watch.check()
            ended = self._done(running, kind, watch)
        except Cancelled:
            ended = self._stopped(running, watch)
        except VerisimError as error:
            ended = self._failed(running, trouble_of(error))
        except MemoryError:
            ended = self._failed(running, MEMORY)
        except Exception as error:
            logger.exception("Job %s failed", job.id)
            ended = self._failed(running, INTERNAL.model_copy(update={"message": _told(error)}))
        if ended.state != State.DONE:
            ended = ended.now(percent=watch.standing.percent)
        return self.records.put(ended)

    def _done(self, job: Job, kind: Kind, watch: Watch) -> Job:
        folders = self.folders
        results = folders.unfinished(job.id)
        inputs, scratch = folders.inputs(job.id), folders.scratch(job.id)
        scratch.mkdir(exist_ok=True)
        task = Task(job.request, job.device, inputs, results, scratch)
        answer = self.runner.run(kind, task, watch)
        watch.check()  # the last step may have been over before it heard of it
        if isinstance(kind, Settling):
            answer = kind.settle(task, answer)
        files = folders.finish(job.id, answer)
        return job.now(state=State.DONE, ended=time.time(), answer=dict(answer), files=files)

    def _stopped(self, job: Job, watch: Watch) -> Job:
        if watch.parked:
            return job.now(state=State.QUEUED, started=None)
        self.folders.clear_attempt(job.id)
        return job.now(state=State.CANCELLED, ended=time.time())

    def _failed(self, job: Job, trouble: Trouble) -> Job:
        self.folders.clear_attempt(job.id)
        return job.now(state=State.FAILED, ended=time.time(), trouble=trouble)


def trouble_of(error: VerisimError) -> Trouble:
    """An error as a record keeps it."""
    return Trouble(code=error.code, message=error.message, remedy=error.remedy)


def _told(error: Exception) -> str:
    return f"The job failed ({type(error).__name__})."
