"""What a verb must offer to be done as a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from verisim.progress import Progress


@dataclass(frozen=True)
class Task:
    """One attempt at a job.

    Args:
        request: What was asked, checked already.
        device: Where to compute.
        inputs: Folder of the files that came with it.
        results: Empty folder for the files that it leaves.
        scratch: Folder that a next attempt finds as this one left it.
    """

    request: Mapping[str, Any]
    device: str
    inputs: Path
    results: Path
    scratch: Path


class Kind(Protocol):
    """A verb: segment, train, …

    It is sent to other machines whole, so it must be possible to pickle it.
    """

    @property
    def name(self) -> str:
        """The verb."""

    @property
    def brief(self) -> bool:
        """Whether it takes seconds, so that long work lets it go first between two steps."""

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do it, leave files in `task.results`, and return the answer as JSON.

        Raises:
            Cancelled: Progress said so; what `task.scratch` holds is where to go on.
            VerisimError: It cannot be done.
        """


@runtime_checkable
class Settling(Protocol):
    """A verb whose last act is for the server itself, such as offering a model from now on."""

    def settle(self, task: Task, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do it, in the server's process and folders, and return the answer.

        It may be done twice: the server may end before the record says so.

        Raises:
            VerisimError: It cannot be done.
        """


class Runner(Protocol):
    """Where the work of a job is done: in this process, or on a cluster."""

    @property
    def places(self) -> int:
        """How many jobs a device does at once."""

    def run(self, kind: Kind, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do it and return the answer; the files are in `task.results` then."""

    def close(self) -> None:
        """Let go of what it holds."""


class Here:
    """Work done in this process, one job at a time on each device."""

    places = 1

    def run(self, kind: Kind, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do it."""
        return kind.run(task, progress)

    def close(self) -> None:
        """Nothing is held."""
