"""The box of the server's own cases: the next one to label, submitting, training."""

from __future__ import annotations

import re
from typing import Any

import slicer
from slicer.i18n import tr as _

from VerisimLib.answers import Info, NextCase
from VerisimLib.background import Job
from VerisimLib.cases import study
from VerisimLib.nrrd import Grid, packed
from VerisimLib.panels.panel import Panel, fill, show_chart, told
from VerisimLib.panels.results import Results
from VerisimLib.scene import nodes, overlay, segments, studies, synthetic, tables, volumes


class Studies:
    """Cases that lie on the server, and models that learn from them.

    Args:
        ui: Widgets of the panel.
        panel: Whose volume it is; reaches the server.
        results: What is submitted.
    """

    def __init__(self, ui: object, panel: Panel, results: Results) -> None:
        self.ui, self.panel, self.results = ui, panel, results
        self.chart: slicer.vtkMRMLPlotChartNode | None = None
        self.drawn = 0
        ui.nextCase.connect("clicked()", self.next_case)
        ui.submit.connect("clicked()", self.submit)
        ui.train.connect("clicked()", self.train)

    def refresh(self) -> None:
        """Allow what can be done now."""
        info, busy = self.panel.info, self.panel.work.busy
        ours = info is not None and info.verisim
        fill(self.ui.strategy, list(info.strategies) if info else [])
        fill(self.ui.trainer, [one for one in info.trainers if one != "new_model"] if ours else [])
        self.ui.nextCase.setEnabled(bool(not busy and info and info.strategies))
        self.ui.train.setEnabled(bool(not busy and ours and info.trainers))
        self.ui.submit.setEnabled(bool(not busy and info and self._may_leave))

    @property
    def _may_leave(self) -> bool:
        """Whether there is a result, and the volume that it is of is somebody's."""
        result = self.results.result
        volume = nodes.by_id(result.question.volume) if result is not None else None
        return volume is not None and not synthetic.is_synthetic(volume)

    def next_case(self) -> None:
        """Load the case that is best labelled next."""
        strategy = self.ui.strategy.currentText

        def ask(job: Job) -> tuple[NextCase, Grid | None]:
            server = self.panel.server(job)
            case = server.next_case(strategy)
            content = server.fetch(case.url, told(job)) if case.url else b""
            return case, study(content) if content else None

        self.panel.work.begin(ask, self._loaded)

    def _loaded(self, found: tuple[NextCase, Grid | None]) -> None:
        case, grid = found
        if grid is None:
            self.ui.caseAbout.text = _("All cases of the server have a final label.")
            return
        volume = volumes.added(grid, case.id)
        studies.keep(volume, case.id)
        overlay.show_alone(nodes.id_of(volume))
        self.ui.volume.setCurrentNode(volume)
        self.ui.caseAbout.text = _("Case {id} is loaded.").format(id=case.id)

    def submit(self) -> None:
        """Keep the segmentation as the final label of its case."""
        self.panel.work.attempt(self._submit)

    def _submit(self) -> None:
        result, node = self.results.result, self.results.segmentation
        question, labels = result.question, result.answer.model.labels
        volume = nodes.by_id(question.volume)
        known, name = studies.case_of(volume), studies.name_of(volume)
        array = segments.values(node, labels, question)
        label = Grid(array, question.grid.affine)
        about = [
            {"name": one.name, "idx": one.value, "color": list(one.color or (0.5, 0.5, 0.5))}
            for one in labels
        ]

        def send(job: Job) -> str:
            server = self.panel.server(job)
            if not known:
                told(job)(10, _("Sending the image"))
                server.add_image(name, packed(question.grid))
            told(job)(60, _("Sending the label"))
            server.save_label(name, packed(label), about)
            return name

        self.panel.work.begin(send, lambda id_: self._kept(volume, id_))

    def _kept(self, volume: slicer.vtkMRMLScalarVolumeNode, case: str) -> None:
        studies.keep(volume, case)
        self.panel.work.say(
            _("Kept on the server as the final label of {case}.").format(case=case)
        )

    def train(self) -> None:
        """Start a training on the final labels, and watch its loss."""
        name, epochs = self.ui.trainer.currentText, int(self.ui.epochs.value)
        points: list[tuple[float, float]] = []

        def ask(job: Job) -> tuple[dict[str, Any], Info]:
            server, show = self.panel.server(job), told(job)

            def heard(percent: float, message: str) -> None:
                points.extend((percent, loss) for loss in losses(message))
                show(percent, message)

            ended = server.wait(server.train(name, {"max_epochs": epochs}), heard)
            return dict(ended.answer), server.info()

        self.chart, self.drawn = None, 0
        self.panel.work.begin(ask, self._trained, lambda: self._draw(points))

    def _draw(self, points: list[tuple[float, float]]) -> None:
        """The loss so far, if there is more of it than is drawn."""
        known = list(points)
        if len(known) > 1 and len(known) != self.drawn:
            self.drawn = len(known)
            xs, ys = zip(*known)
            self.chart = tables.curve("loss", xs, ys, self.chart)
            show_chart(self.ui.curve, self.chart, "VerisimTraining")

    def _trained(self, found: tuple[dict[str, Any], Info]) -> None:
        answer, info = found
        self.panel.connected(self.panel.address, info)  # a new version is used from now on
        self.panel.work.say(str(answer.get("message") or _("The training has ended.")))


def losses(message: str) -> list[float]:
    """The loss that a training tells."""
    return [float(found) for found in re.findall(r"loss ([0-9.]+[0-9])", message)]
