"""The box of clicks: each one mends the segmentation, and the last one can be taken back."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from VerisimLib.background import Job
from VerisimLib.nrrd import Grid, unpacked
from VerisimLib.panels.panel import Panel, fill
from VerisimLib.panels.results import Results
from VerisimLib.questions import Refinement
from VerisimLib.scene import nodes, points, segments, volumes


class Clicks:
    """Points in the views, and what they do to the result.

    Args:
        ui: Widgets of the panel.
        panel: Reaches the server.
        results: What they mend.
    """

    def __init__(self, ui: object, panel: Panel, results: Results) -> None:
        self.ui, self.panel, self.results = ui, panel, results
        self._watched: list[tuple[slicer.vtkMRMLMarkupsFiducialNode, int]] = []
        self._order: list[str] = []
        self.waiting = False
        ui.belongs.connect("toggled(bool)", self._belongs)
        ui.notBelongs.connect("toggled(bool)", self._not_belongs)
        ui.undoClick.connect("clicked()", self.undo)
        ui.clearClicks.connect("clicked()", self.clear)

    def refresh(self) -> None:
        """Allow what can be done now."""
        result = self.results.result
        info = self.panel.info
        able = result is not None and bool(result.answer.upload) and info is not None
        fill(self.ui.clickLabel, [one.name for one in result.answer.model.labels] if able else [])
        count = len(points.clicks())
        self.ui.belongs.setEnabled(able)
        self.ui.notBelongs.setEnabled(able)
        self.ui.undoClick.setEnabled(bool(able and self._order))
        self.ui.clearClicks.setEnabled(bool(able and count))
        if not self.panel.work.busy and self.waiting:
            self._refine()

    def stop(self) -> None:
        """Clicks in the views look around again."""
        self.ui.belongs.checked = False
        self.ui.notBelongs.checked = False
        points.stop_placing()

    def cleanup(self) -> None:
        """No observer stays."""
        for node, tag in self._watched:
            nodes.unwatch(node, tag)
        self._watched = []

    def undo(self) -> None:
        """Take the last click back."""
        while self._order:
            node = nodes.by_id(self._order.pop())
            if node is not None and points.undo(node):
                self._refine()
                return

    def clear(self) -> None:
        """Take all clicks back."""
        self._order = []
        points.clear()
        self._refine()

    def _belongs(self, pressed: bool) -> None:
        self._place(points.BELONGS, pressed, self.ui.notBelongs)

    def _not_belongs(self, pressed: bool) -> None:
        self._place(points.NOT, pressed, self.ui.belongs)

    def _place(self, role: str, pressed: bool, other: qt.QPushButton) -> None:
        """The next clicks in a view are points of this role."""
        if not pressed:
            if not other.checked:
                points.stop_placing()
            return
        other.checked = False
        label = self.ui.clickLabel.currentText
        name = _("{label} belongs") if role == points.BELONGS else _("{label} does not belong")
        node = points.list_of(role, label, name.format(label=label))
        if all(node is not known for known, _tag in self._watched):
            tag = nodes.watch(node, node.PointPositionDefinedEvent, self._placed)
            self._watched.append((node, tag))
        points.place_in(node)

    def _placed(self, node: slicer.vtkMRMLMarkupsFiducialNode, _event: str) -> None:
        self._order.append(nodes.id_of(node))
        points.place_in(node)  # the next click is a point again
        self._refine()

    def _refine(self) -> None:
        """Ask the server for the result with all clicks; at once, or when it is free."""
        result = self.results.result
        if result is None:
            return
        if self.panel.work.busy:
            self.waiting = True
            return
        self.waiting = False
        answer, given = result.answer, points.clicks()
        asked = Refinement(answer.model.name, answer.upload, answer.settings, given)

        def ask(job: Job) -> Grid:
            return unpacked(self.panel.server(job).refine(asked))

        self.panel.work.begin(ask, lambda grid: self._show(grid, len(given)))

    def _show(self, grid: Grid, count: int) -> None:
        results = self.results
        node, question = results.segmentation, results.result.question
        if not nodes.there(node):
            self.panel.work.say(_("The segmentation is gone."))
            return
        volumes.check_answer(grid, question)
        segments.filled(node, grid.array, results.result.answer.model.labels, question)
        segments.show_surfaces(node)
        said = _("{count} click(s) are followed.").format(count=count)
        self.ui.clickAbout.text = said
        self.panel.work.say(said)
