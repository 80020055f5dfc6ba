"""Starts the host: a new scene, a window with a panel and views, a module in the panel."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from pathlib import Path

import slicer

from tests.slicer_host import (
    ctk,
    editor,
    guards,
    markups,
    nodes,
    plots,
    pythonqt,
    sample_data,
    scripted,
    tables,
    ui_files,
)
from tests.slicer_host.application import Application, running
from tests.slicer_host.layout import LayoutManager
from tests.slicer_host.scene import begin

qt = pythonqt.install()
PANEL_PX, HEIGHT_PX = 420, 760

LEFT_OVER = "vtkMRMLLabelMapVolumeNode"
"""Nodes that a plugin makes on the way and takes away again."""


@dataclass
class Host:
    """A running stand-in of the application.

    Args:
        app: `slicer.app`.
        window: The main window; a picture of it shows panel and views.
        panel: What the module fills.
    """

    app: Application
    window: object
    panel: object
    module: scripted.ScriptedLoadableModuleWidget | None = None

    @property
    def layout(self) -> LayoutManager | None:
        """The views."""
        return self.app.layoutManager()

    def load(self, path: Path) -> scripted.ScriptedLoadableModuleWidget:
        """Loads a module into the panel and shows it.

        Args:
            path: The module's file.
        """
        self.module = scripted.load(path, self.panel)
        self.panel.setMRMLScene(slicer.mrmlScene)
        self.module.enter()
        self.app.send("startupCompleted()")
        self.app.processEvents()
        return self.module

    def close(self) -> None:
        """What Slicer does when it ends: the panel's cleanup, then the window."""
        if self.module is not None:
            self.module.exit()
            self.module.cleanup()
            self.module = None
        self.window.close()
        self.app.processEvents()

    def left_over(self) -> list[str]:
        """What should not be there when a test ends."""
        scene = slicer.mrmlScene
        count = scene.GetNumberOfNodesByClass(LEFT_OVER)
        names = [scene.GetNthNodeByClass(i, LEFT_OVER).GetName() for i in range(count)]
        quick = [ms for ms in pythonqt.intervals_ms() if ms <= guards.LONGEST_BEAT_MS]
        return [
            *guards.problems,
            *(f"label map left in the scene: {name}" for name in names),
            *(f"thread left: {name}" for name in guards.running_jobs()),
            *(f"timer of {ms} ms left" for ms in quick if not guards.running_jobs()),
        ]


def start(folder: Path, views: bool = True) -> Host:
    """A new scene in a new window.

    Args:
        folder: For temporary files and settings.
        views: Whether there are slice views and one of space; a Slicer without main window
            has none, and `slicer.app.layoutManager()` is None then.
    """
    application = running()
    application.setStyle("Fusion")
    publish()
    guards.problems.clear()
    guards.watch_exceptions()
    ui_files.watch_qt()
    world = begin(folder)
    slicer.app = Application(world, folder)
    window = qt.QMainWindow()
    window.objectName = "qSlicerMainWindow"
    middle = qt.QSplitter()
    window.setCentralWidget(middle)
    panel, scroll = scripted.qSlicerScriptedLoadableModuleWidget(), qt.QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(panel)
    middle.addWidget(scroll)
    if views:
        place = qt.QWidget()
        slicer.app.setLayoutManager(LayoutManager(world, place))
        middle.addWidget(place)
    middle.setSizes([PANEL_PX, 2 * PANEL_PX])
    window.resize(3 * PANEL_PX if views else PANEL_PX, HEIGHT_PX)
    window.show()
    slicer.app.processEvents()
    return Host(slicer.app, window, panel)


def publish() -> None:
    """Makes `qt`, `ctk`, the stand-ins and the bases importable as in Slicer, once."""
    if "ctk" in sys.modules:
        return
    published = types.ModuleType("ctk", ctk.__doc__)
    for module in (ctk, nodes, tables, markups, plots, editor):
        ui_files.available(module)
    for name, kind in ui_files.STAND_INS.items():
        setattr(published if name.startswith("ctk") else slicer, name, kind)
    sys.modules["ctk"] = published
    sys.modules["SampleData"] = sample_data.module()
    qt.QUiLoader = ui_files.UiLoader
    scripted.publish()
