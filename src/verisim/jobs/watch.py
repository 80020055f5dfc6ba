"""How far a running job is, how long it will take, and whether it is still wanted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from verisim.errors import Cancelled

MOST_SEEN = 4096
"""Steps that are remembered; beyond that every other one is forgotten."""


@dataclass(frozen=True)
class Standing:
    """How far a job is.

    Args:
        percent: By real steps, 0..100; never falls.
        message: What it does.
        seconds_left: From the measured time of its latest steps; None before two of them.
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
        self._seen: deque[tuple[float, float]] = deque()
        self._started: float | None = None
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
            park: It is to go on when the server starts again; what was cancelled is not.
        """
        if park and self._stopped.is_set():
            return
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
        """Hear of a step; of none at all while it waits for a machine.

        Raises:
            Cancelled: `stop` was called.
        """
        self.check()
        if total <= 0:  # such time tells nothing about the pace
            self._standing = replace(self._standing, message=message)
            return
        share = min(1.0, done / total)
        share = max(share, self._standing.percent / 100)
        now = time.monotonic() - self._away
        self._standing = Standing(100 * share, message, self._left(share, now))
        before = time.monotonic()
        self._between()
        self._away += time.monotonic() - before

    def _left(self, share: float, now: float) -> float | None:
        """By the pace of the latest half of the time: stages of a work differ in theirs."""
        if self._started is None:
            self._started = now
        seen = self._seen
        if not seen or share > seen[-1][0]:
            seen.append((share, now))
        middle = (self._started + now) / 2
        while len(seen) > 2 and seen[1][1] <= middle:
            seen.popleft()
        if len(seen) > MOST_SEEN:
            self._seen = deque(list(seen)[::2])
        first, since = seen[0]
        return (now - since) * (1 - share) / (share - first) if share > first else None
