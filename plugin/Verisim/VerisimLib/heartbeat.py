"""The timer that lets threads breathe while Slicer's event loop idles."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt

from VerisimLib.background import Job
from VerisimLib.collector import cycles

BEAT_MS = 20
BREATH_S = 0.004
"""Slicer keeps Python's lock while it waits for events; a slot that sleeps hands it over."""
PARTING_S = 1.0
"""For a thread whose panel goes."""

_lingering: list[Heartbeat] = []
"""Of panels that are gone, whose threads are not: the main thread must be the last to let go."""


class Heartbeat:
    """Follows one job at a time on the main thread.

    Args:
        progress: Hears the job at every beat while it runs.
        ended: Hears it once when it has ended, also if it was cancelled. Widgets and nodes may
            be touched in both.
    """

    def __init__(self, progress: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        self._progress, self._ended = progress, ended
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(BEAT_MS)
        self._timer.connect("timeout()", self._beat)

    @property
    def job(self) -> Job | None:
        """The one that runs."""
        return self._job

    def follow(self, job: Job) -> None:
        """Starts a job and ticks until it ends.

        Raises:
            RuntimeError: Another one still runs.
        """
        if self._job is not None:
            raise RuntimeError("one job at a time")
        cycles.begin(job)
        try:
            self._job = job.start()
        except RuntimeError:  # the system gives no thread
            cycles.beat()
            raise
        self._timer.start()

    def cancel(self) -> None:
        """The job is unwanted; `ended` hears it at the next beat; its thread ends soon."""
        if self._job is not None:
            self._job.cancel()

    def stop(self) -> None:
        """For the end of a panel: cancels, hears no more, waits a moment for the thread."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)
        for unwanted in self._leaving:
            unwanted.join(PARTING_S)
        self._tidy()
        if self._leaving and self not in _lingering:
            _lingering.append(self)

    def _beat(self) -> None:
        time.sleep(BREATH_S)
        job = self._job
        if job is not None and (job.finished or job.cancelled):
            self._job = None
            if job.finished:
                job.join(PARTING_S)
            self._leaving.append(job)  # a cancelled one still has a word to say to the server
            self._tidy()
            self._ended(job)
        else:
            self._tidy()
            if job is not None:
                self._progress(job)

    def _tidy(self) -> None:
        """Forget threads that have ended; stop ticking when none is left."""
        self._leaving = [unwanted for unwanted in self._leaving if unwanted.alive]
        cycles.beat()
        if self._job is None and not self._leaving:
            self._timer.stop()
            if self in _lingering:
                _lingering.remove(self)
