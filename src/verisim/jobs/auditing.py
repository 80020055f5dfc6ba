"""An audit of synthetic cases as a job, and the gate behind it."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.folders import cases_in
from verisim.audit.gallery import closest_pairs
from verisim.audit.nameless import nameless
from verisim.audit.page import write_page
from verisim.audit.release import release
from verisim.audit.report import AuditReport
from verisim.audit.side_by_side import write_pairs
from verisim.audit.verdicts import Policy
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.jobs.kind import Task
from verisim.jobs.packing import pack
from verisim.jobs.snapshot import keep_dataset, kept_dataset
from verisim.jobs.training import sparing_a_core
from verisim.progress import Progress

TRAINING, HELD_OUT, SYNTHETIC = "training", "held_out", "synthetic"
"""Folders among the inputs."""


class AuditRequest(BaseModel, frozen=True, extra="forbid"):
    """What may be asked of an audit.

    Args:
        training: Data set of the server, DATASET or DATASET:SPLIT: all that the generator
            learned from.
        held_out: Likewise, cases of 19 other patients or more of the same source.
        synthesis: Id of the job that made the cases.
        synthetic: Instead of it a folder of cases among the server's data sets.
        model: The generator, if its losses shall be tested, too.
        level: Nominal share of false alarms.
        plants: Copies of each kind that are planted.
        seed: Decides every random choice.
        stand_in: Let training patients stand in for held-out ones that are few.
        images: Show the closest pairs, training images among them, on the page, and leave them
            as volumes.
        subject_pattern: Regular expression on the names of real cases; its first group is the
            patient.
        device: auto, cpu, cuda:0, …
    """

    training: str = Field(min_length=1, max_length=200)
    held_out: str = Field(min_length=1, max_length=200)
    synthesis: str = Field("", max_length=64)
    synthetic: str = Field("", max_length=200)
    model: str = Field("", max_length=200)
    level: float = Field(0.05, gt=0, lt=1, allow_inf_nan=False)
    plants: int = Field(12, ge=1, le=500)
    seed: int = Field(0, ge=0, lt=2**31)
    stand_in: bool = False
    images: bool = False
    subject_pattern: str = Field("", max_length=200)
    device: str = Field("auto", max_length=40)


@dataclass(frozen=True)
class KeptSource(Source):
    """Cases that were kept beside the job, under file names that tell of nobody."""

    @cached_property
    def _dataset(self) -> Dataset:
        return kept_dataset(self.folder)

    @property
    def name(self) -> str:
        """As the server calls the set."""
        return self._dataset.name

    def cases(self) -> tuple[Case, ...]:
        """What was kept."""
        return self._dataset.cases


@dataclass(frozen=True)
class NamedSource(Source):
    """Synthetic cases in a folder whose own name says nothing.

    Args:
        title: What the set is called.
    """

    title: str = "synthetic"

    @property
    def name(self) -> str:
        """For tables."""
        return self.title


@dataclass(frozen=True)
class Auditing:
    """Audits the synthetic cases among the inputs.

    It leaves `report.html`; `report.json`, with names of training cases; and `released.zip`, the
    cases that passed, unless the set is blocked; and `pairs.zip`, the closest pairs as volumes, if
    images are wanted. Scores that an earlier attempt found are kept.

    Args:
        folders: Of the models; workers on other machines need the same.
    """

    folders: tuple[Path, ...] = (SHIPPED_MODELS,)
    name: str = field(default="audit", init=False)
    brief: bool = field(default=False, init=False)

    def models(self, request: Mapping[str, Any]) -> tuple[ModelCard, ...]:
        """The generator, if its losses are to be tested.

        Raises:
            NotFound: It is not there.
        """
        name = str(request["model"])
        return (find_card(name, *self.folders),) if name else ()

    def with_models_in(self, folder: Path) -> Auditing:
        """The same, with the models of one folder alone."""
        return replace(self, folders=(folder,))

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Audit them; see `Kind`."""
        started = time.perf_counter()
        asked = AuditRequest.model_validate(dict(task.request))
        audit = FolderAudit(
            training=KeptSource(task.inputs / TRAINING),
            held_out=KeptSource(task.inputs / HELD_OUT),
            synthetic=NamedSource(task.inputs / SYNTHETIC, title=_title(asked)),
            policy=Policy(level=asked.level, plants=asked.plants),
            seed=asked.seed,
            generator=next(iter(self.models(task.request)), None),
            device=task.device,
            work=task.scratch / "work",
            stand_in=asked.stand_in,
        )
        with sparing_a_core():
            found = audit(progress)
        shown = (found.report, found.training, found.synthetic)
        write_page(task.results, found.report, closest_pairs(*shown) if asked.images else ())
        found.report.write(task.results)
        if asked.images:
            folder = task.scratch / "pairs"
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that ended here
            write_pairs(folder, found)
            pack(folder, task.results / "pairs.zip")
        released = _let_out(found.report, task)
        return {**_told(found.report), "released": released, "seconds": _seconds(started)}


def keep_sets(training: Dataset, held_out: Dataset, synthetic: Path, folder: Path) -> None:
    """Keep what a job audits in its empty folder.

    Args:
        training: All that the generator learned from.
        held_out: Cases of other patients.
        synthetic: `cases.zip` of a job, or a folder.
        folder: Of the inputs.
    """
    for name, dataset in ((TRAINING, training), (HELD_OUT, held_out)):
        (folder / name).mkdir()
        keep_dataset(dataset, folder / name)
    packed = folder / SYNTHETIC
    if synthetic.is_file():
        with zipfile.ZipFile(synthetic) as content:
            content.extractall(packed)
    else:
        _copy(synthetic, packed)


def dataset_of(source: Source) -> Dataset:
    """The cases of a source; an audit needs no more of a data set."""
    return Dataset(source.name, source.cases(), (), {}, "", {})


def _copy(source: Path, target: Path) -> None:
    """The files of the cases of a folder, and their records, at another place."""
    kept = {file for case in cases_in(source) for file in (*case.images, case.label) if file}
    kept |= {source / "dataset.json", *(source / "provenance").glob("*.json")}
    for path in sorted(kept):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, copy)
        elif path.is_file():
            shutil.copyfile(path, copy)


def _title(asked: AuditRequest) -> str:
    return asked.synthetic or f"synthesis {asked.synthesis[:8]}"


def _let_out(report: AuditReport, task: Task) -> int:
    """Pack what passed; returns how many cases."""
    if report.word == "block" or len(report.flagged) == len(report.cases):
        return 0
    folder = task.scratch / "released"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that ended here
    released = release(task.results, task.inputs / SYNTHETIC, folder)
    pack(folder, task.results / "released.zip")
    return len(released.cases)


def _told(report: AuditReport) -> dict[str, Any]:
    told = nameless(report)
    return {
        "verdict": told.word,
        "sentence": told.sentence,
        "reasons": list(told.reasons),
        "cases": len(told.cases),
        "flagged": [case.name for case in told.flagged],
        "blind_spots": list(told.blind_spots),
    }


def _seconds(started: float) -> float:
    return round(time.perf_counter() - started, 3)
