"""Progress of long work: how far it is, and whether the caller still wants it."""

from typing import Protocol


class Progress(Protocol):
    """Whoever watches a long computation."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear that `done` of `total` steps are finished.

        Raises:
            Cancelled: The caller asked to stop.
        """


class Silent:
    """Progress that nobody watches."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Do nothing."""


SILENT = Silent()
"""The default watcher."""
