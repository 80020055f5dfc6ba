"""One computation at a time on each device."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lib.watch import metrics
from lib.watch.context import carried
from verisim.errors import Unavailable

Answer = TypeVar("Answer")


class DeviceQueues:
    """A queue with one worker thread for each device.

    Whoever computes has the device and its memory alone, and since the thread is always the same
    one, its memory is used again instead of growing with every thread of the server.

    Args:
        busy_seconds: How long a computation may wait for its turn.
        max_waiting: Computations beyond this number are refused at once.
    """

    def __init__(self, busy_seconds: float, max_waiting: int) -> None:
        self._busy_seconds = busy_seconds
        self._places = threading.BoundedSemaphore(max_waiting)
        self._workers: dict[str, ThreadPoolExecutor] = {}
        self._present: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self, device: str, work: Callable[[], Answer]) -> Answer:
        """Do some work on a device when its turn has come.

        Raises:
            Unavailable: Too many wait already, or the turn did not come in time.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable(f"Too many requests wait for {device}.", "Try again in a minute.")
        self._count(device, 1)
        try:
            return self._awaited(self._worker(device).submit(carried(work)), device)
        finally:
            self._count(device, -1)
            self._places.release()

    def _count(self, device: str, change: int) -> None:
        with self._lock:
            self._present[device] += change
            metrics.queue_length(device, max(0, self._present[device] - 1))  # one has its turn

    def _worker(self, device: str) -> ThreadPoolExecutor:
        with self._lock:
            if device not in self._workers:
                self._workers[device] = ThreadPoolExecutor(1, thread_name_prefix=device)
            return self._workers[device]

    def _awaited(self, future: Future[Answer], device: str) -> Answer:
        try:
            return future.result(self._busy_seconds)
        except TimeoutError:
            if not future.cancel():  # its turn has come: wait for the end
                return future.result()
        raise Unavailable(
            f"{device} was busy with other requests for {self._busy_seconds:g} s.",
            "Try again later, or ask for another device.",
        )
