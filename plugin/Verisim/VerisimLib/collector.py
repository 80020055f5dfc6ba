"""Keeps Python's collector of cycles out of the threads of jobs.

It runs in whichever thread happens to allocate, and frees what it finds there: a node or a widget
among it would be destroyed off the main thread, which VTK and Qt do not survive.
"""

from __future__ import annotations

import gc

from VerisimLib.background import Job

YOUNG = 1
"""Generation: a full collection would stop the window for too long."""


class MainThreadOnly:
    """While a job's thread lives, cycles are collected by `beat` alone."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._was_on = False

    def begin(self, job: Job) -> None:
        """Before the job starts, on the main thread."""
        if not self._jobs:
            self._was_on = gc.isenabled()
            gc.disable()
        self._jobs.append(job)

    def beat(self) -> None:
        """Now and then, on the main thread: collects, and after the last thread's end lets go."""
        if not self._jobs:
            return
        gc.collect(YOUNG)  # also resets the count that would start a collection at once
        self._jobs = [job for job in self._jobs if job.alive]
        if not self._jobs and self._was_on:
            gc.enable()


cycles = MainThreadOnly()
"""One for all panels: the collector is the whole application's."""
