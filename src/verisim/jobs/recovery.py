"""What an earlier process left undone."""

from __future__ import annotations

import time
from collections.abc import Collection

from verisim.jobs.folders import JobFolders
from verisim.jobs.job import Job, State, Trouble
from verisim.jobs.records import Records

MOST_INTERRUPTIONS = 12
"""A job under which the server ended so often is given up: it may be the reason."""

INTERRUPTED = Trouble(
    code="interrupted",
    message=f"The server ended {MOST_INTERRUPTIONS} times while it worked on this.",
    remedy="Look into its log before you ask again: the job may need more memory than there is.",
)
LOST = Trouble(
    code="interrupted",
    message="The inputs of the job are gone, or the server does not know its kind any more.",
    remedy="Hand it in again.",
)


def recover(records: Records, folders: JobFolders, kinds: Collection[str]) -> list[Job]:
    """The jobs that are to be done, in their order; records of the others say what became of them.

    What was interrupted often comes last: it may be the reason.

    Args:
        records: Of the earlier process.
        folders: With what it left there; folders of no record are removed.
        kinds: What can be done.
    """
    unfinished = records.unfinished()
    folders.remove_others(records.known())
    found = [_recovered(job, records, folders, kinds) for job in unfinished]
    return sorted((job for job in found if not job.state.ended), key=lambda job: job.interruptions)


def _recovered(job: Job, records: Records, folders: JobFolders, kinds: Collection[str]) -> Job:
    answer = folders.finished(job.id)
    if answer is not None:  # the process ended between the files and the record
        files = folders.names(job.id)
        done = job.now(state=State.DONE, ended=time.time(), answer=answer, files=files)
        return records.put(done)
    if job.kind not in kinds or not folders.inputs(job.id).is_dir():
        return records.put(job.now(state=State.FAILED, ended=time.time(), trouble=LOST))
    if job.state != State.RUNNING:
        return job
    again = job.now(state=State.QUEUED, started=None, interruptions=job.interruptions + 1)
    if again.interruptions >= MOST_INTERRUPTIONS:
        again = again.now(state=State.FAILED, ended=time.time(), trouble=INTERRUPTED)
    return records.put(again)
