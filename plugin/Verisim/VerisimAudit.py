"""Ask a Verisim server whether synthetic volumes are copies."""

from __future__ import annotations

import sys

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from VerisimLib.panels.audit import AuditPanel


class VerisimAudit(ScriptedLoadableModule):
    """The module's card."""

    def __init__(self, parent: object) -> None:
        super().__init__(parent)
        parent.title = _("Audit")
        parent.categories = ["Verisim"]
        parent.contributors = ["The Verisim contributors"]
        parent.helpText = _(
            "Tells whether synthetic volumes copy patients, and releases those that do not."
        )
        parent.acknowledgementText = _("Licence: Apache 2.0.")


class VerisimAuditWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Lends the panel its place, and tells it when the scene goes."""

    def __init__(self, parent: object | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.panel = None

    def setup(self) -> None:
        """Fills the panel."""
        super().setup()
        self.panel = AuditPanel(self, self.layout)
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
        """Slicer reloads this file only: what it imports goes, too."""
        for name in [name for name in sys.modules if name.startswith("VerisimLib")]:
            del sys.modules[name]
        super().onReload()


class VerisimAuditTest(ScriptedLoadableModuleTest):
    """What Slicer's own test run can see without a server."""

    def runTest(self) -> None:
        """Called by Slicer."""
        self.test_the_panel_opens_and_closes_with_the_scene()

    def test_the_panel_opens_and_closes_with_the_scene(self) -> None:
        """The panel is ready, and still is after the scene was closed."""
        widget = slicer.util.getModuleWidget("VerisimAudit")
        self.assertTrue(widget.panel.connection.ui.testButton.enabled)
        slicer.mrmlScene.Clear(0)
        self.assertTrue(widget.panel.connection.ui.testButton.enabled)
