"""The panel that synthesizes: new cases that are nobody's, seen before they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from VerisimLib import repeat
from VerisimLib.answers import Label, Model
from VerisimLib.background import Job
from VerisimLib.cases import MadeCase, made_cases
from VerisimLib.nrrd import packed
from VerisimLib.panels.choices import Choices
from VerisimLib.panels.panel import Panel, fill, named, told
from VerisimLib.panels.thumbnails import Thumbnails
from VerisimLib.parameters import SynthesizeChoices
from VerisimLib.scene import conditions, nodes, origin, overlay, synthetic
from VerisimLib.state import estimate_text, made_text, make_block, model_text

ATTRIBUTES = 3
"""That a panel has room for."""

ANY = "any"


@dataclass(frozen=True, eq=False)
class Batch:
    """Cases of one job.

    Args:
        job: Its id: an audit asks for it.
        cases: What was made.
        warnings: What the server says about them.
    """

    job: str
    cases: tuple[MadeCase, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Asked:
    """What was asked for.

    Args:
        model: Who makes the cases.
        settings: By name, such as count, seed and steps.
        drawn: Name of the segmentation that they show; empty: none was drawn.
        labels: What the values of their label maps mean.
    """

    model: Model
    settings: dict[str, Any]
    drawn: str
    labels: Sequence[Label]


class SynthesizePanel(Panel):
    """See the module."""

    UI = "Synthesize"

    def kept(self) -> Choices:
        """Model, numbers and the drawing."""
        return Choices("VerisimSynthesize", self.ui, SynthesizeChoices, ("condition",))

    def set_up(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        self.thumbnails = Thumbnails(ui.thumbnails)
        self._preview = b""
        ui.makeButton.connect("clicked()", self.make)
        ui.model.connect("currentIndexChanged(int)", self._refreshed)
        ui.condition.connect("currentNodeChanged(vtkMRMLNode*)", self._refreshed)
        ui.count.connect("valueChanged(int)", self._refreshed)
        ui.steps.connect("valueChanged(int)", self._refreshed)
        ui.thumbnails.connect("currentRowChanged(int)", self.look)
        ui.accept.connect("clicked()", self.accept)
        ui.reject.connect("clicked()", self.reject)
        ui.copyCommand.connect("clicked()", lambda: self.copy(origin.of(self.chosen)))

    @property
    def model(self) -> Model | None:
        """The chosen one."""
        return named(self._models, self.ui.model.currentText)

    @property
    def chosen(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The case that is looked at."""
        return nodes.by_id(self.thumbnails.chosen)

    def make(self) -> None:
        """Ask the chosen model for cases."""
        self.work.attempt(self._make)

    def _make(self) -> None:
        self.choices.keep()
        drawn, model = self.ui.condition.currentNode(), self.model
        labels = conditions.meanings(drawn, model.labels)
        asked = Asked(model, self._settings(), nodes.name_of(drawn), labels)
        grids = [conditions.label_map(drawn, labels)] if drawn is not None else []
        self._preview = b""

        def ask(job: Job) -> Batch:
            server, show = self.server(job), told(job)
            maps = [packed(grid) for grid in grids]
            id_ = server.synthesize(asked.model.name, asked.settings, maps)

            def heard(percent: float, message: str) -> None:
                self._preview = server.preview(id_) or self._preview
                show(percent, message)

            ended = server.wait(id_, heard)
            content = server.fetch(ended.file("cases.zip").url, show)
            warnings = tuple(str(one) for one in ended.answer.get("warnings") or ())
            return Batch(id_, made_cases(content), warnings)

        self.work.begin(ask, lambda batch: self._show(batch, asked), self._watch)

    def _watch(self) -> None:
        """The case in the making."""
        if self._preview:
            self.thumbnails.preview(self._preview)

    def _show(self, batch: Batch, asked: Asked) -> None:
        self.thumbnails.forget_preview()
        version, model = self.info.version if self.info else "", asked.model
        more = {"job": batch.job, "labels": asked.drawn}
        for case in batch.cases:
            node = synthetic.shown(case, asked.labels, batch.job)
            came = repeat.origin(
                "synthesize", model.name, model.version, asked.settings, version, **more
            )
            origin.keep(node, came)
            self.thumbnails.add(nodes.id_of(node), case)
        self.ui.notice.text = made_text(len(batch.cases), batch.warnings)
        self.thumbnails.choose_last(len(batch.cases))

    def look(self, _row: int = -1) -> None:
        """Show the chosen case in the views."""
        if self.chosen is not None:
            overlay.show_alone(nodes.id_of(self.chosen))
            synthetic.show_only(self.chosen)
        self.refresh()

    def accept(self) -> None:
        """Mark the case as worth keeping."""
        if self.chosen is not None:
            synthetic.accept(self.chosen)
            self.thumbnails.mark(nodes.id_of(self.chosen))
            self.work.say(_("Kept. It may leave only after an audit (module Audit)."))

    def reject(self) -> None:
        """Take the case out of the scene."""
        if self.chosen is not None:
            node = self.chosen
            self.thumbnails.remove(nodes.id_of(node))
            synthetic.reject(node)
            self.look()

    def refresh(self) -> None:
        """Allow what can be done now."""
        ui, model = self.ui, self.model
        fill(ui.model, [one.name for one in self._models])
        self.choices.grant()
        model = self.model
        ui.modelAbout.text = model_text(model)
        ui.estimate.text = estimate_text(model, int(ui.count.value), int(ui.steps.value))
        drawn = ui.condition.currentNode() is not None
        ui.steps.setEnabled(bool(model is not None and "steps" in model.settings))
        self._offer_attributes(model)
        self.choices.grant()  # attributes are offered by the model
        reason = make_block(self.info, self.work.busy, model, drawn)
        ui.makeButton.setEnabled(not reason)
        ui.makeButton.toolTip = reason or _("Asks the server for new cases that are nobody's.")
        for button in (ui.accept, ui.reject, ui.copyCommand):
            button.setEnabled(self.chosen is not None)

    def scene_closed(self) -> None:
        """All nodes are gone."""
        self.thumbnails.clear()
        super().scene_closed()

    @property
    def _models(self) -> tuple[Model, ...]:
        return self.info.of_kind("others") if self.info is not None else ()

    def _offer_attributes(self, model: Model | None) -> None:
        known = model.attributes if model is not None else ()
        for k in range(ATTRIBUTES):
            combo = getattr(self.ui, f"attribute{k + 1}")
            label = getattr(self.ui, f"attribute{k + 1}Label")
            for widget in (combo, label):
                widget.setVisible(k < len(known))
            if k < len(known):
                label.text = f"{known[k][0]}:"
                fill(combo, [ANY, *known[k][1]])

    def _settings(self) -> dict[str, Any]:
        ui = self.ui
        settings: dict[str, Any] = {"count": int(ui.count.value), "seed": int(ui.seed.value)}
        if int(ui.steps.value) and "steps" in self.model.settings:
            settings["steps"] = int(ui.steps.value)
        wished = {
            name: combo.currentText
            for k, (name, _values) in enumerate(self.model.attributes[:ATTRIBUTES], start=1)
            for combo in [getattr(ui, f"attribute{k}")]
            if combo.currentText != ANY
        }
        return {**settings, "attributes": wished} if wished else settings

    def _refreshed(self, _what: object = None) -> None:
        self.refresh()
