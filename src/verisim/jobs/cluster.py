"""Jobs on the machines of a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from verisim.errors import Unavailable
from verisim.jobs.conversation import PATIENCE, Conversation, Patience
from verisim.jobs.kind import Kind, Task
from verisim.jobs.scheduler import Scheduler
from verisim.progress import Progress

FEWEST_PLACES = 2
"""A desk with one place lets brief work go first in the thread of the long one. Here that thread
only listens, and the worker would not be free for it: brief work waits for a worker instead."""

COUNT_SECONDS = 5.0
"""How often workers are counted: they come and go while the server runs."""


class Cluster:
    """Work done by the workers of a Dask cluster, wherever they are.

    Files, models and results travel; machines share no disk.

    Args:
        address: Of the scheduler, e.g. `tcp://10.0.0.1:8786`.
        patience: How long is waited.

    Raises:
        Unavailable: Dask is not installed, or the scheduler does not answer.
    """

    def __init__(self, address: str, patience: Patience = PATIENCE) -> None:
        self._scheduler = Scheduler(address)
        self._patience = patience
        self._closed = threading.Event()

    @property
    def places(self) -> int:
        """How many jobs the workers that there are now do at once."""
        try:
            found = sum(place.slots for place in self._scheduler.places())
        except Unavailable:  # whoever hands in a job will be told
            found = 0
        return max(FEWEST_PLACES, found)

    def follow(self, changed: Callable[[int], None]) -> None:
        """Tell from now on how many jobs the workers do at once, whenever that has changed."""
        words = changed, self.places
        threading.Thread(
            target=self._count, args=words, name="cluster-places", daemon=True
        ).start()

    def _count(self, changed: Callable[[int], None], before: int) -> None:
        while not self._closed.wait(COUNT_SECONDS):
            if (now := self.places) != before:
                changed(now)
                before = now

    def run(self, kind: Kind, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Do it on a worker and fetch the results.

        Raises:
            Cancelled: Progress said so, and the worker has stopped.
            Unavailable: There is no worker, or the scheduler went away.
            VerisimError: Two workers died under it.
            Exception: Whatever the work raised.
        """
        return Conversation(self._scheduler, kind, task, progress, self._patience).run()

    def close(self) -> None:
        """Hang up; jobs that run end on their own."""
        self._closed.set()
        self._scheduler.close()
