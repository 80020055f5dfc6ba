"""Fine-tuning: MONAI Label's `POST /train/{model}` learns from the labels that people approved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.others.generic import device_list

from lib.devices import chosen_device
from lib.labelled import labelled_dataset
from lib.models import Models
from lib.train_stats import TrainStats, read_stats
from lib.training_run import recorded
from verisim.jobs.trained import improvement_answer
from verisim.training.fit import Fit
from verisim.training.options import TrainingOptions


class FineTuning(TrainTask):
    """Learns from final labels; the new version replaces the present one unless it is worse.

    Args:
        name: Of the model.
        models: Where its newest version is found.
        folder: Receives new versions.
    """

    def __init__(self, name: str, models: Models, folder: Path) -> None:
        labels = ", ".join(models.card(name).labels)
        super().__init__(f"Fine-tunes {name} ({labels}) on the final labels")
        self._name = name
        self._models = models
        self._folder = folder
        self._run = folder / "training" / name

    def info(self) -> dict[str, Any]:
        """Description, defaults, and the bounds of each option."""
        return {**super().info(), "bounds": TrainingOptions.bounds()}

    def config(self) -> dict[str, Any]:
        """The options with their defaults; a list is a choice, its first entry the default."""
        return {**TrainingOptions().model_dump(), "device": device_list()}

    def stats(self) -> dict[str, Any]:
        """How far the running training is, or what the latest came to."""
        return read_stats(self._run)

    def check(self, request: Mapping[str, Any], datastore: Datastore) -> None:
        """Refuse at once what would fail as soon as the job has started.

        Raises:
            BadInput: An option is out of bounds.
            Unavailable: This machine has no such device.
            BadDataset: Too few labelled cases, or labels that mean something else to the model.
        """
        options = TrainingOptions.asked_for(request)
        chosen_device(options.device)
        labelled_dataset(datastore, self._models.card(self._name), options)

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, and tell which version is in use from now on.

        Raises:
            BadInput: An option is out of bounds.
            BadDataset: Too few labelled cases, or labels that the model does not know.
        """
        options = TrainingOptions.asked_for(request)
        stats = TrainStats(self._run, options.max_epochs, options.iterations_per_epoch)
        return recorded(stats, lambda: self._answer(options, datastore, stats))

    def _answer(
        self, options: TrainingOptions, datastore: Datastore, stats: TrainStats
    ) -> dict[str, Any]:
        card = self._models.card(self._name)
        dataset = labelled_dataset(datastore, card, options)
        device = chosen_device(options.device)
        fit = Fit(card, dataset, options.schedule(card), device=device)
        improvement = fit.improve(self._run, self._folder, stats)
        return improvement_answer(improvement, dataset)
