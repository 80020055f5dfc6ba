"""The box in which a user names the server and tries it."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from VerisimLib.background import Job
from VerisimLib.heartbeat import Heartbeat
from VerisimLib.parameters import Servers, read, tidy_address, written

SERVERS, KEY = "Verisim/servers", "Verisim/key/"
"""Names in the settings of the application: nothing of it is kept in the scene."""

Greeting = Callable[[str, str, Job], str]
"""Address, key, job → the sentence to show; raises what the user should read."""


class ConnectionBox:
    """Address, key, test and recent servers.

    Args:
        ui_path: `Connection.ui`.
        greet: Asks the server who it is; called off the main thread.
        connected: Hears address and key each time a test has succeeded.
    """

    def __init__(
        self, ui_path: str, greet: Greeting, connected: Callable[[str, str], None] | None = None
    ) -> None:
        self._greet, self._connected = greet, connected
        self._heartbeat = Heartbeat(progress=self._waits, ended=self._ended)
        self._asked = ("", "")
        self.widget = slicer.util.loadUI(ui_path)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.ui.apiKey.setEchoMode(qt.QLineEdit.Password)
        self._fill(self._servers())
        self.ui.testButton.connect("clicked()", self.test)
        self.ui.address.connect("returnPressed()", self.test)
        self.ui.recentServers.connect("activated(int)", self._chosen)

    @property
    def address(self) -> str:
        """Of the server, tidied."""
        return tidy_address(self.ui.address.text)

    @property
    def key(self) -> str:
        """The user's key, or nothing."""
        return self.ui.apiKey.text.strip()

    def test(self) -> None:
        """Asks the server who it is; the answer is shown below."""
        if self._heartbeat.job is not None:
            return
        if not self.address:
            self._say(_("Name a server, for example http://127.0.0.1:8000."))
            return
        address, key = self._asked = (self.address, self.key)
        self._allow(False)
        self._heartbeat.follow(Job(lambda job: self._greet(address, key, job)))

    def cleanup(self) -> None:
        """Before the box goes."""
        self._heartbeat.stop()

    def _waits(self, _job: Job) -> None:
        self._say(_("Asking the server …"))

    def _ended(self, job: Job) -> None:
        self._allow(True)
        try:
            self._say(job.result())
        except Exception as error:  # whatever it is, the user reads it here
            self._say(str(error))
            return
        self._remember(*self._asked)
        if self._connected is not None:
            self._connected(*self._asked)

    def _remember(self, address: str, key: str) -> None:
        settings = slicer.app.userSettings()
        servers = self._servers().with_latest(address)
        settings.setValue(SERVERS, written(servers))
        settings.setValue(KEY + address, key)
        self._fill(servers)

    def _servers(self) -> Servers:
        return read(Servers, str(slicer.app.userSettings().value(SERVERS) or ""))

    def _fill(self, servers: Servers) -> None:
        self.ui.recentServers.clear()
        self.ui.recentServers.addItems(list(servers.recent))
        self._show(servers.recent[0])

    def _chosen(self, index: int) -> None:
        self._show(self.ui.recentServers.itemText(index))

    def _show(self, address: str) -> None:
        self.ui.address.text = address
        self.ui.apiKey.text = str(slicer.app.userSettings().value(KEY + address) or "")

    def _allow(self, allowed: bool) -> None:
        for widget in (self.ui.testButton, self.ui.address, self.ui.apiKey, self.ui.recentServers):
            widget.setEnabled(allowed)

    def _say(self, text: str) -> None:
        self.ui.status.text = text
