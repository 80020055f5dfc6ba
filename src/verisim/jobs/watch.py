"""How far a running job is, how long it will take, and whether it is still wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from verisim.errors import Cancelled


@dataclass(frozen=True)
class Standing:
    """How far a job is.

    Args:
        percent: By real steps, 0..100; never falls.
        message: What it does.
        seconds_left: From the measured time of its steps; None before two of them.
    """

    percent: float = 0.0
    message: str = ""
    seconds_left: float | None = None


class Watch:
    """The progress of one attempt.

    Args:
        between: Called between two steps, e.g. to let brief work go first; its time does not
            count.
    """

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        self._between = between
        self._stopped = threading.Event()
        self._parked = False
        self._standing = Standing()
        self._first: tuple[float, float] | None = None
        self._away = 0.0

    @property
    def standing(self) -> Standing:
        """How far it is now."""
        return self._standing

    @property
    def stopped(self) -> threading.Event:
        """Set when the work is not wanted any more."""
        return self._stopped

    @property
    def parked(self) -> bool:
        """Whether it was stopped only to go on in the next process."""
        return self._parked

    def stop(self, park: bool = False) -> None:
        """Ask the work to end at its next step.

        Args:
            park: It is to go on when the server starts again.
        """
        self._parked = park
        self._stopped.set()

    def check(self) -> None:
        """Stop here if the work is not wanted any more.

        Raises:
            Cancelled: `stop` was called.
        """
        if self._stopped.is_set():
            raise Cancelled("The job was cancelled.", "Ask again if it was a mistake.")

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step.

        Raises:
            Cancelled: `stop` was called.
        """
        self.check()
        share = min(1.0, done / total) if total > 0 else 0.0
        self._standing = self._seen(max(share, self._standing.percent / 100), message)
        before = time.monotonic()
        self._between()
        self._away += time.monotonic() - before

    def _seen(self, share: float, message: str) -> Standing:
        now = time.monotonic() - self._away
        if self._first is None:
            self._first = (share, now)
        first, since = self._first
        left = (now - since) * (1 - share) / (share - first) if share > first else None
        return Standing(100 * share, message, left)
