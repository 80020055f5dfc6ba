"""What is known of one job."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in {State.DONE, State.FAILED, State.CANCELLED}


class Trouble(BaseModel):
    """Why a job failed, in the words of the error that a person would have met at once."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    remedy: str = ""


class Job(BaseModel):
    """The record of one job; times are seconds since 1970.

    Args:
        id: Random, so that nobody guesses another's.
        kind: The verb: segment, train, …
        user: Who asked.
        device: Where it computes.
        request: What was asked, as JSON.
        key: Idempotency key of the client, if it sent one.
        fingerprint: Hash of request and inputs: the same key may not mean something else.
        state: Where it stands.
        submitted: When it came.
        started: When its latest attempt began.
        ended: When it was over.
        percent: How far it came, for one that ended before it was done.
        interruptions: How often a server or a worker ended under it.
        answer: What it came to, as JSON.
        files: Names of its result files.
        trouble: Why it failed.
        kept_until: When it is forgotten, by the ledger's own clock.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    user: str
    device: str
    request: dict[str, Any] = {}
    key: str = ""
    fingerprint: str = ""
    state: State = State.QUEUED
    submitted: float = 0.0
    started: float | None = None
    ended: float | None = None
    percent: float = 0.0
    interruptions: int = 0
    answer: dict[str, Any] = {}
    files: tuple[str, ...] = ()
    trouble: Trouble | None = None
    kept_until: float | None = None

    def now(self, **changes: object) -> Job:
        """The record with some fields changed."""
        return self.model_copy(update=changes)

    @property
    def model(self) -> str:
        """Of the model it uses, if it uses one."""
        return str(self.request.get("model", ""))
