"""A server process watched from outside: memory, threads, open files."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import psutil

PAUSE = 0.2


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment.

    Args:
        threads: That run in it.
        open_files: Descriptors, sockets included.
        children: Processes that it started and that are still there.
    """

    threads: int
    open_files: int
    children: int


def held(process: psutil.Process) -> Held:
    """What a process holds now."""
    children = process.children(recursive=True)
    return Held(process.num_threads(), process.num_fds(), len(children))


@dataclass
class Memory:
    """Resident memory, looked at from a thread while the block runs.

    Args:
        process: The server.
        seen: Megabytes, one every `PAUSE` seconds.
    """

    process: psutil.Process
    seen: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Memory:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                self.seen.append(self.process.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                return


def at_rest(process: psutil.Process, seconds: float = 3.0) -> float:
    """Resident megabytes of a process that nobody asks for anything: the median of some looks."""
    end, seen = time.monotonic() + seconds, []
    while time.monotonic() < end:
        seen.append(process.memory_info().rss / 2**20)
        time.sleep(PAUSE)
    return median(seen)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent do not exceed.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("There are no values.")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]
