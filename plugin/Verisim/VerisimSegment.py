"""Segment volumes with a Verisim server."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from VerisimLib import samples
from VerisimLib.panels.segment import SegmentPanel
from VerisimLib.shell import PanelTest, PanelWidget


class VerisimSegment(ScriptedLoadableModule):
    """The module's card."""

    def __init__(self, parent: object) -> None:
        super().__init__(parent)
        parent.title = _("Segment")
        parent.categories = ["Verisim"]
        parent.contributors = ["The Verisim contributors"]
        parent.helpText = _(
            "Outlines structures, shows where the model is unsure, and corrects by clicks."
        )
        parent.acknowledgementText = _(
            "Licence: Apache 2.0; of the sample data, whose generator learned from the Medical "
            "Segmentation Decathlon: CC BY-SA 4.0."
        )
        resources = Path(__file__).parent / "Resources"
        slicer.app.connect("startupCompleted()", lambda: samples.offer(resources))


class VerisimSegmentWidget(PanelWidget):
    """Lends the panel its place."""

    kind = SegmentPanel


class VerisimSegmentTest(PanelTest):
    """Of the panel, without a server."""
