"""The timer that lets threads breathe while Slicer's event loop idles."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt

from VerisimLib.background import Job

BEAT_MS = 20
BREATH_S = 0.004
"""Slicer keeps Python's lock while it waits for events; a slot that sleeps hands it over."""
PARTING_S = 1.0
"""For a thread whose panel goes."""


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
        self._job = job.start()
        self._timer.start()

    def cancel(self) -> None:
        """The job is unwanted; `ended` hears it at the next beat; its thread ends soon."""
        if self._job is not None:
            self._job.cancel()

    def stop(self) -> None:
        """For the end of a panel: cancels, hears no more, waits a moment for the thread."""
        self._timer.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)
        for unwanted in self._leaving:
            unwanted.join(PARTING_S)

    def _beat(self) -> None:
        time.sleep(BREATH_S)
        job = self._job
        # a cancelled thread still has a word to say to the server
        self._leaving = [unwanted for unwanted in self._leaving if not unwanted.finished]
        if job is None:
            self._rest()
        elif job.finished or job.cancelled:
            self._job = None
            self._leaving += [] if job.finished else [job]
            self._rest()
            self._ended(job)
        else:
            self._progress(job)

    def _rest(self) -> None:
        """Stop ticking when no thread is left."""
        if not self._leaving:
            self._timer.stop()
