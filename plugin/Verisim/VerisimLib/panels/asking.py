"""Asking a server for a segmentation, and what a model found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slicer.i18n import tr as _

from VerisimLib.answers import Job as Told
from VerisimLib.answers import Model
from VerisimLib.background import Job
from VerisimLib.nrrd import Grid, unpacked
from VerisimLib.panels.panel import told
from VerisimLib.questions import Question
from VerisimLib.server import Server


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model found.

    Args:
        model: Which one.
        grids: By the names of the job's files, without their suffix.
        told: The job's own words; empty for a plain server.
        upload: Id of the volume on the server, for clicks.
        settings: All that was asked.
    """

    model: Model
    grids: Mapping[str, Grid]
    told: Mapping[str, Any] = field(default_factory=dict)
    upload: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label_map(self) -> Grid:
        """The label map."""
        return self.grids["label"]


def asked(
    server: Server, model: Model, settings: Mapping[str, Any], content: bytes, job: Job
) -> Answer:
    """Ask Verisim: upload once, a job, its files."""
    show = told(job)
    upload = server.upload(content, "volume.nrrd", show)
    outputs = ("label", "uncertainty", *(["samples"] if model.samples else []))
    ended = server.wait(server.segment(Question(model.name, settings, outputs), upload), show)
    grids = _grids(server, ended, job)
    return Answer(model, grids, ended.answer, upload, settings)


def asked_plainly(
    server: Server, model: Model, settings: Mapping[str, Any], content: bytes, job: Job
) -> Answer:
    """Ask a plain MONAI Label server, which knows neither jobs nor uploads."""
    told(job)(0, _("The server works; a plain one tells no progress."))
    found = unpacked(server.infer(Question(model.name, settings), content))
    return Answer(model, {"label": found}, settings=settings)


def _grids(server: Server, ended: Told, job: Job) -> dict[str, Grid]:
    files = [one for one in ended.files if one.name.endswith(".nrrd")]
    return {one.name[: -len(".nrrd")]: unpacked(server.fetch(one.url, told(job))) for one in files}
