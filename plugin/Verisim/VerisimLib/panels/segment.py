"""The panel that segments: one click, the result beside its volume, and where it is unsure."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from VerisimLib import repeat
from VerisimLib.answers import Model
from VerisimLib.background import Job
from VerisimLib.nrrd import packed
from VerisimLib.panels.asking import Answer, asked, asked_plainly
from VerisimLib.panels.choices import Choices
from VerisimLib.panels.clicks import Clicks
from VerisimLib.panels.panel import Panel, fill, named
from VerisimLib.panels.results import Result, Results
from VerisimLib.panels.studies import Studies
from VerisimLib.parameters import SegmentChoices
from VerisimLib.scene import nodes, volumes
from VerisimLib.state import answer_text, model_text, segment_block

CHANNELS = 4
"""That a panel has room for."""


class SegmentPanel(Panel):
    """See the module."""

    UI = "Segment"

    def kept(self) -> Choices:
        """Models, numbers and volumes."""
        names = ("volume", *(f"channel{k}" for k in range(2, CHANNELS + 1)))
        return Choices("VerisimSegment", self.ui, SegmentChoices, names)

    def set_up(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        self.results = Results(ui, self)
        self.clicks = Clicks(ui, self, self.results)
        self.studies = Studies(ui, self, self.results)
        ui.segmentButton.connect("clicked()", self.segment)
        ui.model.connect("currentIndexChanged(int)", self._refreshed)
        for box in (ui.volume, *self._channel_boxes):
            box.connect("currentNodeChanged(vtkMRMLNode*)", self._refreshed)

    @property
    def model(self) -> Model | None:
        """The chosen one."""
        return named(self._models, self.ui.model.currentText)

    @property
    def chosen(self) -> list[slicer.vtkMRMLScalarVolumeNode]:
        """One volume for each channel of the model; None where none is chosen."""
        count = len(self.model.channels) if self.model else 1
        boxes = (self.ui.volume, *self._channel_boxes)[:count]
        return [box.currentNode() for box in boxes]

    def segment(self) -> None:
        """Ask the chosen model, and the one beside it, about the chosen volume."""
        self.work.attempt(self._segment)

    def _segment(self) -> None:
        self.choices.keep()
        question, models = volumes.sent(self.chosen), [self.model]
        other = named(self._models, self.ui.other.currentText)
        models += [other] if other is not None else []
        settings = [self._settings(model) for model in models]
        plain = self.info is not None and not self.info.verisim
        names = [nodes.name_of(volume) for volume in self.chosen]

        def ask(job: Job) -> list[Answer]:
            server, content = self.server(job), packed(question.grid)
            return [
                (asked_plainly if plain else asked)(server, model, given, content, job)
                for model, given in zip(models, settings)
            ]

        self.work.begin(ask, lambda answers: self._show(question, answers, names))

    def _show(self, question: volumes.Sent, answers: list[Answer], names: list[str]) -> None:
        if nodes.by_id(question.volume) is None:
            self.work.say(_("The volume is gone, so the result is not shown."))
            return
        for answer in answers:
            for grid in answer.grids.values():
                volumes.check_answer(grid, question)
        origins = [self._origin(answer, names) for answer in answers]
        self.results.show(Result(question, tuple(answers), tuple(origins)))
        self.work.say(answer_text(answers[0].model, answers[0].told))
        self.refresh()

    def refresh(self) -> None:
        """Allow what can be done now."""
        fill(self.ui.model, [model.name for model in self._models])
        fill(self.ui.other, [_("none"), *(model.name for model in self._models)])
        self.choices.grant()
        model = self.model
        self.ui.modelAbout.text = model_text(model)
        for k, box in enumerate(self._channel_boxes, start=1):
            needed = model is not None and len(model.channels) > k
            box.setVisible(needed)
            label = getattr(self.ui, f"channel{k + 1}Label")
            label.setVisible(needed)
            label.text = f"{model.channels[k]}:" if needed else ""
        for widget in (self.ui.samples, self.ui.samplesLabel, self.ui.seed, self.ui.seedLabel):
            widget.setVisible(model is not None and model.samples)
        names = [nodes.name_of(volume) for volume in self.chosen]
        reason = segment_block(self.info, self.work.busy, model, names)
        self.ui.segmentButton.setEnabled(not reason)
        self.ui.segmentButton.toolTip = reason or _("Sends the volume and shows what is found.")
        for part in (self.results, self.clicks, self.studies):
            part.refresh()

    def scene_closed(self) -> None:
        """All nodes are gone."""
        self.results.forget()
        super().scene_closed()

    def exit(self) -> None:
        """The person leaves the panel."""
        self.clicks.stop()

    def cleanup(self) -> None:
        """Before the panel goes."""
        self.clicks.cleanup()
        super().cleanup()

    @property
    def _models(self) -> tuple[Model, ...]:
        return self.info.of_kind("segmentation") if self.info is not None else ()

    @property
    def _channel_boxes(self) -> list[slicer.qMRMLNodeComboBox]:
        return [getattr(self.ui, f"channel{k}") for k in range(2, CHANNELS + 1)]

    def _settings(self, model: Model) -> dict[str, Any]:
        if not model.samples:
            return {}
        return {"samples": self.ui.samples.value, "seed": self.ui.seed.value}

    def _origin(self, answer: Answer, names: list[str]) -> dict[str, Any]:
        model, version = answer.model, self.info.version if self.info else ""
        return repeat.origin(
            "segment",
            model.name,
            model.version,
            answer.settings,
            version,
            volume=names[0],
            channels=names[1:],
            sha256=answer.upload,
        )

    def _refreshed(self, _what: object = None) -> None:
        self.refresh()
