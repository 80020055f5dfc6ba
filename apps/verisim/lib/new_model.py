"""`POST /train/new_model`: plans and trains a model that does not exist yet."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.others.generic import device_list

from lib.devices import chosen_device
from lib.label_names import stored_names, told_names
from lib.labelled import labelled_cases
from lib.models import Models
from lib.train_stats import TrainStats, read_stats
from lib.training_run import recorded
from verisim.dataset import Dataset, split_by_subject
from verisim.errors import BadInput, Conflict, heard_warnings
from verisim.fingerprint import fingerprint_of
from verisim.jobs.trained import new_model_answer, training_of
from verisim.planning import make_plan
from verisim.training.candidates import chosen
from verisim.training.kinds import NetworkKind
from verisim.training.options import Mirrored, NewModelOptions, Part

TRAINER = "new_model"
"""Its name among the trainers; the underscore keeps it apart from every model's."""


class NewModel(TrainTask):
    """Learns from final labels, and writes version 1 of a new model.

    Args:
        models: Whose names are taken.
        folder: Receives the model.
    """

    def __init__(self, models: Models, folder: Path) -> None:
        super().__init__("Plans and trains a new model on the final labels; give it a name")
        self._models = models
        self._folder = folder
        self._run = folder / "training" / TRAINER

    def info(self) -> dict[str, Any]:
        """Description, defaults, and the bounds of each option."""
        return {**super().info(), "bounds": NewModelOptions.bounds()}

    def config(self) -> dict[str, Any]:
        """The options with their defaults; a list is a choice, its first entry the default."""
        return {
            **NewModelOptions().model_dump(),
            "network": list(get_args(NetworkKind)),
            "plan": ["auto"],
            "fold": list(get_args(Part)),
            "mirror": list(get_args(Mirrored)),
            "device": device_list(),
        }

    def stats(self) -> dict[str, Any]:
        """How far the running training is, or what the latest came to."""
        return read_stats(self._run)

    def check(self, request: Mapping[str, Any], datastore: Datastore) -> None:
        """Refuse at once what would fail as soon as the job has started.

        Raises:
            BadInput: An option is out of bounds, or the name cannot name a model.
            Conflict: A model has this name.
            Unavailable: This machine has no such device.
            BadDataset: Too few labelled cases, or labels that contradict each other.
        """
        options = NewModelOptions.asked_for(request)
        self._check_name(options.name)
        chosen_device(options.device)
        cases = labelled_cases(datastore, options.subject_pattern, options.fewest_subjects)
        told_names(datastore, cases, options.labels)

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Plan, train, write the model, and tell how good it is.

        Raises:
            BadInput: An option is out of bounds, or the name cannot name a model.
            Conflict: A model has this name.
            BadDataset: Labels that are too few, that contradict each other or their images.
        """
        started = time.monotonic()
        options = NewModelOptions.asked_for(request)
        stats = TrainStats(self._run)
        return recorded(stats, lambda: self._answer(options, datastore, stats, started))

    def _answer(
        self, options: NewModelOptions, datastore: Datastore, stats: TrainStats, started: float
    ) -> dict[str, Any]:
        self._check_name(options.name)
        with heard_warnings() as warnings:
            dataset = new_dataset(datastore, options)
            plan = make_plan(fingerprint_of(dataset, "all", stats))
            plan.write(self._run / "plan.toml")
            device = chosen_device(options.device)
            candidate, schedule = chosen(options, plan, dataset, device, started)
            stats.planned(schedule, options.networks)
            train = training_of(options, candidate.card, dataset, schedule, device)
            card = train(self._run, self._folder, stats)
        return {**new_model_answer(card, options, schedule, dataset), "warnings": warnings}

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise BadInput(
                f"{name!r} cannot name a model." if name else "The new model has no name.",
                "Give name: lower-case letters, digits and dashes, e.g. liver-ct.",
            )
        if self._models.taken(name):
            raise Conflict(
                f"There is a model named {name!r} already.",
                f"Choose another name, or fine-tune it with POST /train/{name}.",
            )


def new_dataset(datastore: Datastore, options: NewModelOptions) -> Dataset:
    """The cases with a final label, split by subject, for a model that does not exist yet.

    With `fold: all` the split is that of the first fold.

    Raises:
        BadDataset: Too few cases or subjects, or labels that contradict each other.
    """
    cases = labelled_cases(datastore, options.subject_pattern, options.fewest_subjects)
    dataset = Dataset(
        name=datastore.name(),
        cases=cases,
        channels=(options.channel,),
        labels=told_names(datastore, cases, options.labels) or stored_names(cases),
        licence="unknown",
        splits=split_by_subject(cases, options.seed, options.val_split),
    )
    if options.fold == "none":
        return dataset
    fold = dataset.folds(within="all")[0 if options.fold == "all" else int(options.fold)]
    sides = {"train": fold.training, "val": fold.validation}
    splits = {side: frozenset(case.name for case in cases) for side, cases in sides.items()}
    return replace(dataset, splits=splits)
