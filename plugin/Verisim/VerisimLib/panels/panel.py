"""What the three panels share: the connection on top, the work at the foot."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

from VerisimLib import repeat
from VerisimLib.answers import Info, Model
from VerisimLib.background import Job
from VerisimLib.client import Address, Client, Wires
from VerisimLib.panels.choices import Choices
from VerisimLib.panels.connection import ConnectionBox
from VerisimLib.panels.work import Work
from VerisimLib.scene import tables
from VerisimLib.server import Server

WIDEST_PX = 150
"""Of a column; longer words lose their middle: names of cases differ at their ends."""

Reach = Callable[[Address, Job], Server]
"""From an address, and the job that asks, to a server."""


def reach(address: Address, job: Job) -> Server:
    """The real one, over HTTP; who cancels the job need not wait for the server's answer."""
    wires = Wires()
    job.when_cancelled(wires.cut)
    return Server(Client(address, lambda: job.cancelled, wires=wires))


class Panel:
    """A column of boxes.

    Args:
        module: The module's widget; gives files of `Resources`.
        layout: The column to fill.
        reach: How a server is reached.
    """

    UI = ""
    """File of its boxes."""

    def __init__(
        self, module: ScriptedLoadableModuleWidget, layout: qt.QLayout, reach: Reach = reach
    ) -> None:
        self._reach = reach
        self.info: Info | None = None
        self.address = Address("")
        self.connection = ConnectionBox(
            module.resourcePath("UI/Connection.ui"), self._greet, self.connected
        )
        self.work = Work(module.resourcePath("UI/Work.ui"), self.refresh)
        self.widget = slicer.util.loadUI(module.resourcePath(f"UI/{self.UI}.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.connection.widget, self.widget, self.work.widget):
            layout.addWidget(widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.choices = self.kept()
        self.set_up()
        self.choices.put()
        self.refresh()

    def kept(self) -> Choices:
        """What is kept with the scene; for the panels."""
        raise NotImplementedError

    def set_up(self) -> None:
        """Connect the widgets; for the panels."""

    def refresh(self) -> None:
        """Allow what can be done now; for the panels."""

    def connected(self, address: Address, info: Info) -> None:
        """Called when a server has answered."""
        self.address, self.info = address, info
        self.refresh()

    def server(self, job: Job) -> Server:
        """The server, as the work of a job sees it."""
        return self._reach(self.address, job)

    def enter(self) -> None:
        """Called when the user comes to the panel."""
        self.refresh()

    def exit(self) -> None:
        """Called when the user leaves the panel; for the panels."""

    def scene_closes(self) -> None:
        """Called before all nodes go: what runs is no longer wanted."""
        self.work.cancel()

    def scene_closed(self) -> None:
        """Called when the scene is empty: what was chosen beside the nodes is kept anew."""
        self.choices.keep()
        self.refresh()

    def scene_loaded(self) -> None:
        """Called when a scene has come: what was chosen in it is chosen again."""
        self.choices.put()
        self.refresh()

    def cleanup(self) -> None:
        """Called before the panel goes: no timer, thread or observer stays."""
        self.connection.cleanup()
        self.work.stop()

    def copy(self, origin: dict[str, object]) -> None:
        """Put the command that repeats a result into the clipboard."""
        text = repeat.command(origin)
        qt.QApplication.clipboard().setText(text)
        self.work.say(_("Copied: {text}").format(text=text) if text else _("Nothing to repeat."))

    def _greet(self, address: str, key: str, job: Job) -> Info:
        return self._reach(Address(address, key), job).info()


def told(job: Job) -> Callable[[float, str], None]:
    """How far work is, for the strip at the foot.

    The work asks the client itself whether it was cancelled: here nothing is raised, since the
    server's job must be ended first.
    """

    def show(percent: float, message: str) -> None:
        if not job.cancelled:
            job.advance(round(10 * percent), 1000, message)

    return show


def fill(combo: qt.QComboBox, names: list[str]) -> None:
    """Offer other names; the chosen one stays if it is still among them."""
    chosen = combo.currentText
    if [combo.itemText(k) for k in range(combo.count)] == names:
        return
    waiting = combo.blockSignals(True)
    combo.clear()
    combo.addItems(names)
    combo.setCurrentIndex(names.index(chosen) if chosen in names else min(0, len(names) - 1))
    combo.blockSignals(waiting)


def named(models: tuple[Model, ...], name: str) -> Model | None:
    """The model of a name."""
    return next((model for model in models if model.name == name), None)


def show_chart(plot: slicer.qMRMLPlotView, chart: slicer.vtkMRMLPlotChartNode, name: str) -> None:
    """Draw a chart in a panel.

    Args:
        plot: Where.
        chart: What.
        name: Of the view node, one for each plot.
    """
    plot.setMRMLPlotViewNode(tables.view_for(name, chart))


def show_table(view: slicer.qMRMLTableView, node: slicer.vtkMRMLTableNode) -> None:
    """Show a table, its columns as wide as their words.

    Args:
        view: Where.
        node: What.
    """
    view.setMRMLTableNode(node)
    view.resizeColumnsToContents()
    for column in range(view.model().columnCount()):
        view.setColumnWidth(column, min(view.columnWidth(column), WIDEST_PX))
    view.resizeRowsToContents()


def hint_whole_words(view: slicer.qMRMLTableView) -> None:
    """Words that a table cannot show whole are told when the mouse rests on them."""

    def hint(index: qt.QModelIndex) -> None:
        view.viewport().toolTip = str(index.data())

    view.setMouseTracking(True)
    view.connect("entered(QModelIndex)", hint)
