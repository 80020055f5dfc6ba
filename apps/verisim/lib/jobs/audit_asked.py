"""An audit that a client wants: of cases that a job made, against data sets of the server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from lib.datasets import names_in
from lib.devices import chosen_device
from lib.doors.who import Role, User
from lib.jobs.asking import parsed
from verisim.audit.collecting import check_apart
from verisim.audit.folder_audit import Source
from verisim.audit.folders import cases_in
from verisim.audit.strata_groups import check_enough
from verisim.dataset import Dataset
from verisim.errors import BadInput, NotFound
from verisim.jobs.asked import Asked
from verisim.jobs.auditing import AuditRequest, dataset_of, keep_sets


def audit_asked(app: MONAILabelApp, given: dict[str, Any], user: User, key: str) -> Asked:
    """An audit, checked as far as it can be without reading an image.

    Raises:
        VerisimError: It could not be done; the class says why.
    """
    asked = parsed(AuditRequest, given)
    folder: Path | None = app.options.datasets
    if asked.model:
        card = app.models.card(asked.model)
        if card.kind != "synthesis":
            raise BadInput(f"{card.title} makes no cases.", "Name the generator, or leave it out.")
    training, held_out = (
        dataset_of(_source(folder, name, asked.subject_pattern))
        for name in (asked.training, asked.held_out)
    )
    _check(training, held_out, asked.stand_in)
    synthetic = _synthetic(app, asked, folder, user)
    device = chosen_device(asked.device)
    request = {**asked.model_dump(mode="json"), "device": device}
    fill = partial(keep_sets, training, held_out, synthetic)
    return Asked("audit", user.name, device, request, key, fill)


def _check(training: Dataset, held_out: Dataset, stand_in: bool) -> None:
    subjects = [[case.subject for case in one.cases] for one in (training, held_out)]
    everybody = sorted({*subjects[0], *subjects[1]})
    # people are named so: the answer tells of numbers
    numbered = {subject: f"number {k}" for k, subject in enumerate(everybody, start=1)}
    known, others = ([numbered[subject] for subject in listed] for listed in subjects)
    check_apart({"training": known, "held out": others})
    check_enough(len({*others, *(known if stand_in else ())}))


def _source(folder: Path | None, said: str, pattern: str = "") -> Source:
    """A data set of the server by its name, with a split if one is named."""
    names = names_in(folder)
    name, _, split = said.partition(":")
    if folder is None or name not in names:
        raise NotFound(
            f"The server has no data set {name!r}.",
            f"Choose one of: {', '.join(names)}."
            if names
            else "Start the server with --conf datasets FOLDER, which holds folders of cases.",
        )
    return Source(folder / name, split or "all", pattern)


def _synthetic(app: MONAILabelApp, asked: AuditRequest, folder: Path | None, user: User) -> Path:
    """`cases.zip` of a job of the user, or a folder among the data sets."""
    if bool(asked.synthesis) == bool(asked.synthetic):
        raise BadInput(
            "Name either synthesis, the id of a job, or synthetic, a folder of the data sets.",
            "POST /jobs/synthesize makes cases and answers with the id.",
        )
    if asked.synthetic:
        path = _source(folder, asked.synthetic).folder
        cases_in(path)
        return path
    job = app.desk.look(asked.synthesis).job
    if job.kind != "synthesize" or (job.user != user.name and user.role < Role.ADMIN):
        raise NotFound("There is no such synthesis.", "GET /jobs lists your jobs.")
    found: Path = app.desk.result(job.id, "cases.zip")
    return found
