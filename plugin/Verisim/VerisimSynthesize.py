"""Make synthetic volumes with a Verisim server."""

from __future__ import annotations

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from VerisimLib.panels.synthesize import SynthesizePanel
from VerisimLib.shell import PanelTest, PanelWidget


class VerisimSynthesize(ScriptedLoadableModule):
    """The module's card."""

    def __init__(self, parent: object) -> None:
        super().__init__(parent)
        parent.title = _("Synthesize")
        parent.categories = ["Verisim"]
        parent.contributors = ["The Verisim contributors"]
        parent.helpText = _("Makes volumes that belong to nobody, with their outlines.")
        parent.acknowledgementText = _("Licence: Apache 2.0.")


class VerisimSynthesizeWidget(PanelWidget):
    """Lends the panel its place."""

    kind = SynthesizePanel


class VerisimSynthesizeTest(PanelTest):
    """Of the panel, without a server."""
