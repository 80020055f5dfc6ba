"""What the three panels share."""

from __future__ import annotations

import qt
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

from VerisimLib.panels.connection import ConnectionBox, Greeting


class Panel:
    """A column of boxes with the connection on top.

    Args:
        module: The module's widget; gives files of `Resources`.
        layout: The column to fill.
        greet: Asks a server who it is.
    """

    def __init__(
        self, module: ScriptedLoadableModuleWidget, layout: qt.QLayout, greet: Greeting
    ) -> None:
        self.connection = ConnectionBox(
            module.resourcePath("UI/Connection.ui"), greet, self.connected
        )
        layout.addWidget(self.connection.widget)

    def connected(self, address: str, key: str) -> None:
        """Called when a server has answered; for the panels."""

    def enter(self) -> None:
        """Called when the user comes to the panel; for the panels."""

    def exit(self) -> None:
        """Called when the user leaves the panel; for the panels."""

    def scene_closes(self) -> None:
        """Called before all nodes go: what runs is no longer wanted; for the panels."""

    def scene_closed(self) -> None:
        """Called when the scene is empty; for the panels."""

    def cleanup(self) -> None:
        """Called before the panel goes: no timer, thread or observer stays."""
        self.connection.cleanup()
