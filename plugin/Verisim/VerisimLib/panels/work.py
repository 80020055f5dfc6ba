"""The strip at the foot of every panel: what runs, how far it is, and the button that ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import slicer
from slicer.i18n import tr as _

from VerisimLib.background import Cancelled, Job
from VerisimLib.heartbeat import Heartbeat
from VerisimLib.problems import Problem, Stopped

Result = TypeVar("Result")

PERMILLE = 10
"""Of the progress bar for each percent."""


class Work:
    """Runs one task of a panel at a time.

    Args:
        ui_path: `Work.ui`.
        changed: Hears that something began or ended.
    """

    def __init__(self, ui_path: str, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._done: Callable[[Result], None] | None = None
        self._watched: Callable[[], None] | None = None
        self._heartbeat = Heartbeat(progress=self._moves, ended=self._ended)
        self.widget = slicer.util.loadUI(ui_path)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.ui.cancelButton.connect("clicked()", self.cancel)

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._heartbeat.job is not None

    def begin(
        self,
        call: Callable[[Job], Result],
        done: Callable[[Result], None],
        watched: Callable[[], None] | None = None,
    ) -> None:
        """Start a task unless one runs.

        Args:
            call: Runs in a thread: no widget and no node may be touched.
            done: Hears its result on the main thread.
            watched: Called again and again on the main thread while it runs.
        """
        if self.busy:
            return
        self._done, self._watched = done, watched
        self._heartbeat.follow(Job(call))
        self.say(_("Working …"))
        self.ui.cancelButton.setEnabled(True)
        self._changed()

    def cancel(self) -> None:
        """End what runs; the scene stays as it is."""
        self._heartbeat.cancel()

    def stop(self) -> None:
        """Before the panel goes."""
        self._heartbeat.stop()

    def say(self, text: str) -> None:
        """Show a sentence."""
        self.ui.message.text = text

    def attempt(self, action: Callable[[], None]) -> bool:
        """Do something at once; what goes wrong is said. Whether it went well."""
        try:
            action()
        except Problem as problem:
            self.say(str(problem))
            return False
        return True

    def _moves(self, job: Job) -> None:
        if self._watched is not None:
            self._watched()
        if job.step.message:
            self.say(job.step.message)
        self.ui.progress.value = int(PERMILLE * (job.step.percent or 0))

    def _ended(self, job: Job) -> None:
        done, self._done, self._watched = self._done, None, None
        self.ui.progress.value = 0
        self.ui.cancelButton.setEnabled(False)
        self.say("")
        try:
            result = job.result()
            if done is not None:
                done(result)
        except (Cancelled, Stopped):
            self.say(_("Cancelled; nothing was changed."))
        except Problem as problem:
            self.say(str(problem))
        except Exception as error:  # of our own making: the person must at least know
            self.say(_("Something unforeseen happened: {error}").format(error=error))
            raise
        finally:
            self._changed()
