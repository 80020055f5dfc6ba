"""Training as a job: a model that there is learns on, or a new one is planned and trained."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from verisim.card import ModelCard, read_card, write_card
from verisim.dataset import Dataset
from verisim.errors import Conflict
from verisim.files.atomic import make_folder, replacing
from verisim.fingerprint import fingerprint_of
from verisim.installed import SHIPPED_MODELS, find_card, newest_paths
from verisim.jobs.kind import Task
from verisim.jobs.snapshot import kept_dataset
from verisim.jobs.trained import improvement_answer, new_model_answer, training_of
from verisim.planning import Plan, make_plan
from verisim.planning.plans import read_plan
from verisim.progress import Progress
from verisim.training.budget import read_planned, write_planned
from verisim.training.candidates import candidates, chosen, planned_for
from verisim.training.fit import Fit
from verisim.training.options import NewModelOptions, TrainingOptions

NEW_MODEL = "new_model"
"""What `model` is in a request for a new one."""

MODEL = "model"
"""Folder among the results in which a model waits until the server takes it."""

STAGES = {"looking": (0, 3), "reading": (3, 6), "answering": (97, 99)}
"""Percent of the stages by the first word of what they say; the others are steps of training."""

STEPS = (6, 97)


@dataclass(frozen=True)
class Training:
    """Learns from the data set among the inputs (see `verisim.jobs.snapshot`).

    It leaves `report.json` and the curves; the model itself is taken into the models folder of
    the server when all else is done.

    Args:
        folders: Of the models.
        receives: The one that new models and versions go into.
    """

    folders: tuple[Path, ...] = (SHIPPED_MODELS,)
    receives: Path = SHIPPED_MODELS
    name: str = field(default="train", init=False)
    brief: bool = field(default=False, init=False)

    def models(self, request: Mapping[str, Any]) -> tuple[ModelCard, ...]:
        """The model that learns on; none if it is a new one.

        Raises:
            NotFound: It is not there.
        """
        name = str(request["model"])
        return () if name == NEW_MODEL else (find_card(name, *self.folders),)

    def with_models_in(self, folder: Path) -> Training:
        """The same, with the models of one folder alone."""
        return replace(self, folders=(folder,))

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Train; see `Kind`. What an earlier attempt left in `task.scratch` is continued."""
        dataset = kept_dataset(task.inputs)
        watched = _Staged(progress)
        # warnings are not caught: Python hears them for all threads, also those of other people
        with sparing_a_core():
            if task.request["model"] == NEW_MODEL:
                answer = self._new(task, dataset, watched)
            else:
                answer = self._tuned(task, dataset, watched)
        (task.results / "report.json").write_text(json.dumps(answer, indent=2))
        for path in sorted(task.scratch.rglob("curves.csv")):
            name = "-".join(path.relative_to(task.scratch).parts)
            shutil.copyfile(path, task.results / name)
        return answer

    def settle(self, task: Task, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the model into the models folder of the server; see `Settling`."""
        waiting = task.results / MODEL
        if waiting.is_dir():
            (path,) = waiting.glob("*.toml")
            card = taken_in(replace(read_card(path), folder=waiting), self.receives)
            answer = {**answer, "version": card.version}
            shutil.rmtree(waiting)
        return answer

    def _tuned(self, task: Task, dataset: Dataset, progress: Progress) -> dict[str, Any]:
        (card,) = self.models(task.request)
        options = TrainingOptions.asked_for(task.request["options"])
        fit = Fit(card, dataset, options.schedule(card), device=task.device)
        improvement = fit.improve(task.scratch / "run", task.results / MODEL, progress)
        return improvement_answer(improvement, dataset)

    def _new(self, task: Task, dataset: Dataset, progress: Progress) -> dict[str, Any]:
        started = time.monotonic()
        options = NewModelOptions.asked_for(task.request["options"])
        run = task.scratch / "run"
        make_folder(run)
        plan = _plan(dataset, run / "plan.toml", progress)
        card, schedule = self._chosen(options, plan, dataset, task, started)
        train = training_of(options, card, dataset, schedule, task.device)
        trained = train(run, task.results / MODEL, progress)
        return new_model_answer(trained, options, schedule, dataset)

    def _chosen(
        self, options: NewModelOptions, plan: Plan, dataset: Dataset, task: Task, started: float
    ) -> tuple[ModelCard, Any]:
        """Network and schedule; those that were fitted into some minutes stay as they were."""
        if not options.minutes:
            candidate, schedule = chosen(options, plan, dataset, task.device, started)
            return candidate.card, schedule
        planned = read_planned(task.scratch)
        if planned is None:
            planned = planned_for(options, plan, dataset, task.device, started)
            write_planned(planned, task.scratch)
        return candidates(options, plan)[planned.lighter].card, planned.schedule


def taken_in(card: ModelCard, folder: Path) -> ModelCard:
    """Take a trained model into a folder of models; the card last, so it is complete when seen.

    A version that came meanwhile stays: the model becomes the one after it.

    Args:
        card: In the folder where it was trained.
        folder: Receives it.

    Raises:
        Conflict: A new model's name was given to another one meanwhile.
        StorageFailed: The disk refused.
    """
    make_folder(folder)
    newest = newest_paths((folder,)).get(card.name)
    placed = replace(card, folder=folder)
    if newest is not None:
        there = read_card(newest)
        if there.sha256 == card.sha256:  # taken in before the server ended
            return there
        if card.version == 1:
            raise Conflict(
                f"A model named {card.name!r} has come meanwhile.", "Train again, with a new name."
            )
        placed = replace(placed, version=max(card.version, there.version + 1))
    with replacing(placed.weights_path) as temporary:
        shutil.copyfile(card.weights_path, temporary)
    return write_card(placed)


@contextmanager
def sparing_a_core() -> Iterator[None]:
    """Leaves one processor core to the server, so that it keeps answering."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, (os.cpu_count() or 1) - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Staged:
    """The stages of a training as parts of the whole: each counts its own steps from 0."""

    whole: Progress
    reached: float = 0.0

    def advance(self, done: int, total: int, message: str = "") -> None:
        start, stop = STAGES.get(message.split(" ")[0], STEPS)
        share = start + (stop - start) * min(done, total) / max(total, 1)
        self.reached = max(self.reached, share)
        self.whole.advance(round(1e6 * self.reached), 100_000_000, message.strip())


def _plan(dataset: Dataset, path: Path, progress: Progress) -> Plan:
    """Made at the first attempt, and the same at every further one."""
    if path.is_file():
        return read_plan(path)
    plan = make_plan(fingerprint_of(dataset, "all", _Looking(progress)))
    plan.write(path)
    return plan


@dataclass(frozen=True)
class _Looking:
    """Says how many cases were looked at instead of their names: people are named so."""

    whole: Progress

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.whole.advance(done, total, f"looking at case {min(done + 1, total)} of {total}")
