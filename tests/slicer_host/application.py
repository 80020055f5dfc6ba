"""The object `slicer.app`."""

from __future__ import annotations

import sys
from pathlib import Path

import slicer
import vtk

from tests.slicer_host import guards, pythonqt
from tests.slicer_host.scene import World
from tests.slicer_host.storage import FileTraffic

qt = pythonqt.install()


class Application:
    """What `slicer.util` and plugins ask of `slicer.app`.

    Args:
        world: The scene and its logics.
        folder: For settings and temporary files.
    """

    applicationName = "Slicer"
    applicationVersion = "5.12.4 (test host)"
    majorVersion = 5
    minorVersion = 12

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.temporaryPath = str(folder)
        self.slicerHome = str(folder)
        self._files = FileTraffic()
        self._layout_manager: object = None
        self._settings = qt.QSettings(str(folder / "Slicer.ini"), qt.QSettings.IniFormat)
        self._heartbeat = guards.Heartbeat(pythonqt.intervals_ms)
        self.paused = 0
        self.connected: list[tuple[str, object]] = []

    @property
    def mrmlScene(self) -> slicer.vtkMRMLScene:
        """The one scene."""
        return self.world.scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        """Knows selection, interaction and the logics of views and modules."""
        return self.world.application_logic

    def coreIOManager(self) -> FileTraffic:
        """Reads and writes files."""
        return self._files

    ioManager = coreIOManager

    def layoutManager(self) -> object:
        """The views, or None without a main window."""
        return self._layout_manager

    def setLayoutManager(self, manager: object) -> None:
        """Used by the host only."""
        self._layout_manager = manager

    def processEvents(self) -> None:
        """One turn of the event loop; a job without a heartbeat is noticed here."""
        qt.QApplication.processEvents()
        self._heartbeat.look()

    def testingEnabled(self) -> bool:
        """Message boxes only log."""
        return True

    def topLevelWidgets(self) -> list[object]:
        """All windows."""
        return qt.QApplication.topLevelWidgets()

    def settings(self) -> object:
        """A QSettings in the temporary folder."""
        return self._settings

    userSettings = settings

    def moduleManager(self) -> None:
        """The host has none."""

    def translate(self, _context: str, text: str) -> str:
        """The text itself."""
        return text

    def setOverrideCursor(self, cursor: object) -> None:
        """As in Qt."""
        qt.QApplication.setOverrideCursor(qt.QCursor(cursor))

    def restoreOverrideCursor(self) -> None:
        """As in Qt."""
        qt.QApplication.restoreOverrideCursor()

    def clipboard(self) -> object:
        """As in Qt."""
        return qt.QApplication.clipboard()

    def pauseRender(self) -> None:
        """Counted, so that a test can see it balanced."""
        self.paused += 1

    def resumeRender(self) -> None:
        """The other half of `pauseRender`."""
        self.paused -= 1

    def setRenderPaused(self, pause: bool) -> None:
        """One or the other."""
        self.paused += 1 if pause else -1

    def connect(self, signal: str, slot: object) -> bool:
        """Remembered; `startupCompleted()` is sent by the host."""
        known = signal in ("startupCompleted()", "lastWindowClosed()", "aboutToQuit()")
        if not known:
            guards.report(f"connect: the application has no signal {signal}")
        self.connected.append((signal, slot))
        return known

    def disconnect(self, signal: str, slot: object) -> bool:
        """Forgets a connection."""
        found = (signal, slot) in self.connected
        self.connected = [c for c in self.connected if c != (signal, slot)]
        return found

    def send(self, signal: str) -> None:
        """Used by the host only: calls what was connected."""
        for known, slot in list(self.connected):
            if known == signal and callable(slot):
                slot()

    def restart(self) -> None:
        """Never in a test."""
        raise AssertionError("the plugin asked Slicer to restart")


def running() -> object:
    """The one QApplication of the process."""
    return qt.QApplication.instance() or qt.QApplication(sys.argv[:1])


def collection(items: list[vtk.vtkObject]) -> vtk.vtkCollection:
    """As `slicer.app.layoutManager().mrmlSliceLogics()` returns them."""
    gathered = vtk.vtkCollection()
    for item in items:
        gathered.AddItem(item)
    return gathered
