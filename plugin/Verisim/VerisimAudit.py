"""Ask a Verisim server whether synthetic volumes are copies."""

from __future__ import annotations

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from VerisimLib.panels.audit import AuditPanel
from VerisimLib.shell import PanelTest, PanelWidget


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


class VerisimAuditWidget(PanelWidget):
    """Lends the panel its place."""

    kind = AuditPanel


class VerisimAuditTest(PanelTest):
    """Of the panel, without a server."""
