"""The box in which a user names the server and tries it."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from VerisimLib.answers import Info
from VerisimLib.background import Job
from VerisimLib.client import Address
from VerisimLib.heartbeat import Heartbeat
from VerisimLib.parameters import Servers, read, tidy_address, written
from VerisimLib.problems import Problem

SERVERS, KEY = "Verisim/servers", "Verisim/key/"
"""Names in the settings of the application: nothing of it is kept in the scene."""

Greeting = Callable[[str, str, Job], Info]
"""Address, key, job → what the server is; raises what the user should read."""


class ConnectionBox:
    """Address, key, test and recent servers.

    Args:
        ui_path: `Connection.ui`.
        greet: Asks the server who it is; called off the main thread.
        connected: Hears the address, and what the server is, when a test has succeeded.
    """

    def __init__(
        self, ui_path: str, greet: Greeting, connected: Callable[[Address, Info], None]
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
            info = job.result()
        except Problem as problem:
            self._say(str(problem))
            return
        self._say(said(info))
        self._remember(*self._asked)
        self._connected(Address(*self._asked), info)

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


def said(info: Info) -> str:
    """What a person reads about a server that answered."""
    count = len(info.models)
    if info.verisim:
        return _("Connected to Verisim {version}: {count} models.").format(
            version=info.version, count=count
        )
    return _(
        "Connected to {name}, a plain MONAI Label server with {count} models: it can segment, "
        "and nothing else."
    ).format(name=info.name, count=count)
