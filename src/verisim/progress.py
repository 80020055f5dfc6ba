"""Progress of long work: how far it is, and whether the caller still wants it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Whoever watches a long computation."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear that `done` of `total` steps are finished.

        Raises:
            Cancelled: The caller asked to stop.
        """


@dataclass(frozen=True)
class Part:
    """The progress of one of several works, as a part of the progress of all.

    Args:
        whole: Hears of all.
        index: Which this is, from 0.
        count: How many there are.
        name: What each is called, e.g. "model".
    """

    whole: Progress
    index: int
    count: int
    name: str

    def advance(self, done: int, total: int, message: str = "") -> None:
        """See `Progress`."""
        said = f"{self.name} {self.index + 1} of {self.count}, {message} {done}/{total}"
        self.whole.advance(self.index * total + done, self.count * total, said)


@dataclass(frozen=True)
class Together:
    """The progress of a few of several works that are done at once.

    Args:
        whole: Hears of all.
        first: The first of them, from 0.
        size: How many are done at once.
        count: How many there are in all.
    """

    whole: Progress
    first: int
    size: int
    count: int

    def advance(self, done: int, total: int, message: str = "") -> None:
        """See `Progress`."""
        self.whole.advance(self.first * total + self.size * done, self.count * total, message)


@dataclass(frozen=True)
class Share:
    """The progress of one part of a work, between two percentages of the whole.

    Args:
        whole: Hears of all.
        start: Percent at its beginning.
        stop: Percent at its end.
    """

    whole: Progress
    start: int
    stop: int

    def advance(self, done: int, total: int, message: str = "") -> None:
        """See `Progress`."""
        steps = max(total, 1)
        share = self.start * steps + (self.stop - self.start) * min(done, steps)
        self.whole.advance(share, 100 * steps, message)


class Silent:
    """Progress that nobody watches."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Do nothing."""


SILENT = Silent()
"""The default watcher."""


class Clock:
    """Wall time of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        """Ends a stage."""
        now = time.perf_counter()
        self.laps[name] = round(now - self._since, 4)
        self._since = now
