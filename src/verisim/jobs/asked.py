"""What somebody wants done, and how it stands."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verisim.errors import Busy, Conflict
from verisim.jobs.job import Job
from verisim.jobs.watch import Standing


@dataclass(frozen=True)
class Asked:
    """What somebody wants done.

    Args:
        kind: The verb.
        user: Who asks.
        device: Where to compute.
        request: As JSON, checked already.
        key: The client's idempotency key, if any.
        fill: Writes the inputs into an empty folder.
        id: Of the job, if it becomes a new one.
    """

    kind: str
    user: str
    device: str
    request: Mapping[str, Any]
    key: str = ""
    fill: Callable[[Path], None] = lambda folder: None
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True)
class Seen:
    """A job as it stands.

    Args:
        job: Its record.
        standing: How far it is.
        position: How many jobs of its device come before it, counting itself; None when it does
            not wait.
    """

    job: Job
    standing: Standing
    position: int | None = None


@dataclass(frozen=True)
class Room:
    """How much may wait.

    Args:
        jobs: Jobs that have not ended.
        of_user: Of these, jobs of one user.
        at_once: Work without a record.
    """

    jobs: int
    of_user: int
    at_once: int

    def check(self, users: Sequence[str], user: str) -> None:
        """Ask whether there is room for one more job.

        Args:
            users: Of each job that has not ended.
            user: Whose job it is.

        Raises:
            Busy: There is not.
        """
        if users.count(user) >= self.of_user:
            raise Busy(
                f"You have {self.of_user} jobs that have not ended.",
                "Wait until one has ended, or cancel one.",
            )
        if len(users) >= self.jobs:
            raise Busy(f"{self.jobs} jobs have not ended.", "Try again in a minute.")


AMPLE = Room(10_000, 10_000, 1_000)
"""For whom nothing was agreed."""


def record_of(asked: Asked, inputs: str) -> Job:
    """The record of a new job; `inputs` is the hash of its inputs."""
    request = dict(asked.request)
    meaning = json.dumps([asked.kind, asked.device, request, inputs], sort_keys=True)
    return Job(
        id=asked.id,
        kind=asked.kind,
        user=asked.user,
        device=asked.device,
        request=request,
        key=asked.key,
        fingerprint=hashlib.sha256(meaning.encode()).hexdigest(),
        submitted=time.time(),
    )


def same(earlier: Job, asked: Job) -> Job:
    """The earlier job of a key.

    Raises:
        Conflict: It meant something else.
    """
    if earlier.fingerprint != asked.fingerprint:
        raise Conflict(
            "This idempotency key stands for another request already.",
            "Send a new key with a new request.",
        )
    return earlier
