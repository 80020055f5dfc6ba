"""The box that shows a result: volumes, uncertainty, samples, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from VerisimLib.answers import Label
from VerisimLib.nrrd import Grid
from VerisimLib.panels.asking import Answer
from VerisimLib.panels.panel import Panel, hint_whole_words, show_table
from VerisimLib.scene import (
    nodes,
    origin,
    overlay,
    segments,
    sequences,
    synthetic,
    tables,
    volumes,
)

DIFFERENCE = (Label("differs", 1, (0.95, 0.1, 0.6)),)


@dataclass(frozen=True, eq=False)
class Result:
    """What one or two models found about one volume.

    Args:
        question: What was asked.
        answers: One for each model.
        origins: Where each comes from.
    """

    question: volumes.Sent
    answers: tuple[Answer, ...]
    origins: tuple[Mapping[str, Any], ...]

    @property
    def answer(self) -> Answer:
        """Of the first model."""
        return self.answers[0]


class Results:
    """Shows the latest result.

    Args:
        ui: Widgets of the panel.
        panel: Whose result it is.
    """

    def __init__(self, ui: object, panel: Panel) -> None:
        self.ui, self.panel = ui, panel
        self.forget()
        ui.leastCertain.connect("clicked()", self.go)
        ui.showUncertainty.connect("toggled(bool)", self._overlay)
        ui.opacity.connect("valueChanged(double)", self._overlay)
        ui.sample.connect("valueChanged(int)", self._scrub)
        ui.copyCommand.connect("clicked()", self._copy)
        hint_whole_words(ui.volumes)

    def forget(self) -> None:
        """There is no result any more."""
        self.result: Result | None = None
        self.segmentation: slicer.vtkMRMLSegmentationNode | None = None
        self.map: slicer.vtkMRMLScalarVolumeNode | None = None
        self.browser: slicer.vtkMRMLSequenceBrowserNode | None = None

    def show(self, result: Result) -> None:
        """Put a result into the scene, beside its volume."""
        self.forget()
        self.result, question = result, result.question
        overlay.show_alone(question.volume)
        for answer, came in zip(result.answers, result.origins):
            node = segments.added(
                answer.label_map, answer.model.labels, self._name(answer), question
            )
            origin.keep(node, came)
            self.segmentation = self.segmentation or node
        segments.show_surfaces(self.segmentation)
        self._show_map(result.answer)
        self._show_samples(result.answer)
        if len(result.answers) > 1:
            self._show_difference(result)
        self._tell(result)

    def go(self) -> None:
        """Move the views to where the model is least sure."""
        if self.map is not None and self.result is not None:
            voxel = overlay.least_certain(self.result.answer.grids["uncertainty"].array)
            overlay.go_to(self.map, voxel)

    def refresh(self) -> None:
        """Allow what can be done now."""
        there = self.result is not None and self.segmentation is not None
        sure = self.map is not None
        for widget in (self.ui.leastCertain, self.ui.showUncertainty, self.ui.opacity):
            widget.setEnabled(sure)
        self.ui.sample.setVisible(self.browser is not None)
        self.ui.sampleLabel.setVisible(self.browser is not None)
        self.ui.copyCommand.setEnabled(there)

    def _show_map(self, answer: Answer) -> None:
        grid = answer.grids.get("uncertainty")
        if grid is not None and self.result is not None:
            name = f"{self._name(answer)} uncertainty"
            self.map = overlay.laid_over(grid, name, self.result.question)
            origin.keep(self.map, self.result.origins[0])
            self.ui.showUncertainty.checked = True
            self._overlay()

    def _show_samples(self, answer: Answer) -> None:
        names = sorted(
            (name for name in answer.grids if name.startswith("sample-")),
            key=lambda name: int(name.split("-")[1]),
        )
        if len(names) > 1 and self.result is not None:
            grids = [answer.grids[name] for name in names]
            name = f"{self._name(answer)} sample"
            self.browser = sequences.scrubbed(
                grids, answer.model.labels, name, self.result.question
            )
            self.ui.sample.maximum = len(grids)

    def _show_difference(self, result: Result) -> None:
        first, second = (answer.label_map for answer in result.answers)
        differs = Grid((first.array != second.array).astype(np.uint8), first.affine)
        name = _("{one} and {other} differ").format(
            one=result.answers[0].model.name, other=result.answers[1].model.name
        )
        segments.added(differs, DIFFERENCE, name, result.question)

    def _tell(self, result: Result) -> None:
        rows = [
            (answer.model.name, name, float(ml))
            for answer in result.answers
            for name, ml in (answer.told.get("volumes_ml") or {}).items()
        ]
        node = tables.table("Verisim volumes", ("model", "structure", "volume (ml)"), rows)
        show_table(self.ui.volumes, node)
        certainty = result.answer.told.get("certainty")
        said = _("{name}: the model is {percent} % sure of it.")
        named = nodes.name_of(self.segmentation)
        self.ui.outcome.text = (
            said.format(name=named, percent=round(100 * certainty)) if certainty else named
        )

    def _name(self, answer: Answer) -> str:
        volume = nodes.by_id(self.result.question.volume)
        return f"{synthetic.marked(volume)} {answer.model.name}"

    def _overlay(self, _value: object = None) -> None:
        if self.map is not None and self.result is not None:
            shown = nodes.id_of(self.map) if self.ui.showUncertainty.checked else ""
            overlay.show_over(shown, self.result.question.volume, float(self.ui.opacity.value))

    def _scrub(self, number: int) -> None:
        if self.browser is not None:
            sequences.choose(self.browser, number)

    def _copy(self) -> None:
        self.panel.copy(origin.of(self.segmentation))
