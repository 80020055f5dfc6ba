"""The box in which a user names the server and tries it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

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

ONLY_THE_USER = 0o600
_typed: dict[str, str] = {}
"""Address → key, until Slicer ends, for all three panels."""

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
        servers = self._servers().with_latest(address)
        self._settings.setValue(SERVERS, written(servers))
        _typed[address] = key
        if key and self.ui.rememberKey.checked:
            self._settings.setValue(kept_as(address), key)
            self._restrict()
        else:
            self._settings.remove(kept_as(address))
        self._fill(servers)

    def _restrict(self) -> None:
        """The key lies there in plain text."""
        self._settings.sync()
        path = Path(str(self._settings.fileName()))
        if path.is_file():
            path.chmod(ONLY_THE_USER)

    @property
    def _settings(self) -> qt.QSettings:
        return slicer.app.userSettings()

    def _servers(self) -> Servers:
        return read(Servers, str(self._settings.value(SERVERS) or ""))

    def _fill(self, servers: Servers) -> None:
        self.ui.recentServers.clear()
        self.ui.recentServers.addItems(list(servers.recent))
        self._show(servers.recent[0])

    def _chosen(self, index: int) -> None:
        self._show(self.ui.recentServers.itemText(index))

    def _show(self, address: str) -> None:
        self.ui.address.text = address
        kept = str(self._settings.value(kept_as(address)) or "")
        self.ui.apiKey.text = _typed.get(address, kept)
        self.ui.rememberKey.checked = bool(kept)

    def _allow(self, allowed: bool) -> None:
        for name in ("testButton", "address", "apiKey", "rememberKey", "recentServers"):
            getattr(self.ui, name).setEnabled(allowed)

    def _say(self, text: str) -> None:
        self.ui.status.text = text


def kept_as(address: str) -> str:
    """Where the key of a server lies in the settings, which take a slash for a group."""
    return KEY + quote(address, safe="")


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
