"""What the three modules share with Slicer: a panel's place, and a test of it without a server."""

from __future__ import annotations

import sys

import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from VerisimLib.panels.panel import Panel


class PanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Lends a panel its place, and tells it when the scene goes."""

    kind: type[Panel]
    """Of the module."""

    def __init__(self, parent: object | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.panel: Panel | None = None

    def setup(self) -> None:
        """Fills the panel."""
        super().setup()
        self.panel = self.kind(self, self.layout)
        self.layout.addStretch(1)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)

    def cleanup(self) -> None:
        """Nothing stays behind."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """The user comes."""
        self.panel.enter()

    def exit(self) -> None:
        """The user leaves."""
        self.panel.exit()

    def onSceneStartClose(self, caller: object, event: str) -> None:
        """All nodes will go."""
        self.panel.scene_closes()

    def onSceneEndClose(self, caller: object, event: str) -> None:
        """All nodes are gone."""
        self.panel.scene_closed()

    def onSceneEndImport(self, caller: object, event: str) -> None:
        """A scene has come."""
        self.panel.scene_loaded()

    def onReload(self) -> None:
        """Slicer reloads the module's file only: what it imports goes, too."""
        for name in [name for name in sys.modules if name.startswith("VerisimLib")]:
            del sys.modules[name]
        super().onReload()


class PanelTest(ScriptedLoadableModuleTest):
    """What Slicer's own test run can see without a server."""

    def runTest(self) -> None:
        """Called by Slicer."""
        self.test_the_panel_opens_and_closes_with_the_scene()

    def test_the_panel_opens_and_closes_with_the_scene(self) -> None:
        """The panel is ready, and still is after the scene was closed."""
        widget = slicer.util.getModuleWidget(type(self).__name__[: -len("Test")])
        self.assertTrue(widget.panel.connection.ui.testButton.enabled)
        slicer.mrmlScene.Clear(0)
        self.assertTrue(widget.panel.connection.ui.testButton.enabled)
