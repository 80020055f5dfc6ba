"""Dask, which is an optional extra, and what is used of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from verisim.errors import Unavailable


@cache
def dask() -> ModuleType:
    """The package `distributed`, loaded when a cluster is asked for.

    Raises:
        Unavailable: It is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError as error:
        raise Unavailable(
            "Several machines need Dask, which is not installed here.",
            "Install it with `pip install verisim[cluster]`.",
        ) from error


class DaskWorker(Protocol):
    """The process that works."""

    address: str
    local_directory: str

    def log_event(self, topic: str, msg: Mapping[str, object]) -> None:
        """Tell all who listen."""


class Future(Protocol):
    """What becomes of a task."""

    status: str

    def exception(self) -> BaseException:
        """Why it failed."""

    def cancel(self, force: bool) -> None:
        """Forget it."""

    def add_done_callback(self, hear: Callable[[Future], None]) -> None:
        """Hear of its end."""


class Client(Protocol):
    """The line to a scheduler."""

    status: str

    def submit(self, work: Callable[..., object], *words: object, **options: object) -> Future:
        """Let a worker do something."""

    def run(
        self, question: Callable[..., object], *words: object, workers: Sequence[str]
    ) -> dict[str, Any]:
        """Call a function on workers at once, whatever they do."""

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        """What the scheduler knows of its workers."""

    def processing(self) -> Mapping[str, Sequence[object]]:
        """The keys of the tasks that each worker was given."""

    def subscribe_topic(
        self, topic: str, hear: Callable[[tuple[float, Mapping[str, Any]]], None]
    ) -> None:
        """Hear what is told."""

    def close(self, timeout: float) -> None:
        """Hang up."""
