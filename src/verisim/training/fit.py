"""From cases and a card without weights to a card with weights."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from verisim.card import ModelCard, TrainingRecord, write_model
from verisim.dataset import Case, Dataset
from verisim.errors import WrongChannels
from verisim.files.atomic import make_folder
from verisim.networks.weights import fill, weights_of
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import Augmentation, seeded
from verisim.training.batches import Batches, Example
from verisim.training.loop import Loop, Schedule, Trained
from verisim.training.losses import dice_cross_entropy
from verisim.training.validation import validate

Extent = tuple[float, float, float]


@dataclass(frozen=True)
class Improvement:
    """What a fine-tuning came to.

    Args:
        card: The version to use from now on: the new one, or the present one if that is better.
        before: Mean validation Dice of the present version.
        after: Mean validation Dice of the fine-tuned weights, on the same cases.
    """

    card: ModelCard
    before: float
    after: float

    @property
    def improved(self) -> bool:
        """Whether a new version was written."""
        return self.after >= self.before


@dataclass(frozen=True)
class Fit:
    """One training of one model on one data set.

    Args:
        card: What to train; its weights, if it has any, are the start.
        dataset: Where to learn from.
        schedule: How long and how fast.
        train_split: Cases to learn from.
        validation_split: Cases that choose the best weights.
        device: Where to compute.
    """

    card: ModelCard
    dataset: Dataset
    schedule: Schedule
    train_split: str = "train"
    validation_split: str = "val"
    device: str = "cpu"

    def __call__(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train, and write the best weights with their card.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.
        """
        training, validation = self._read(progress)
        trained = self._train(training, validation, run_folder, progress)
        card = self._described(training, validation, trained)
        return write_model(card, trained.weights, model_folder)

    def improve(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> Improvement:
        """Fine-tune the card's weights, and write the next version unless it is worse.

        Both versions are measured on the same validation cases; the present one's files stay.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the next version.
            progress: Hears of every step.
        """
        training, validation = self._read(progress)
        before = self._score(self.card.load().to(self.device), validation)
        trained = self._train(training, validation, run_folder, progress)
        if trained.score < before:
            return Improvement(self.card, before, trained.score)
        described = self._described(training, validation, trained)
        following = replace(described, version=self.card.version + 1)
        card = write_model(following, trained.weights, model_folder)
        return Improvement(card, before, trained.score)

    def start(self) -> nn.Module:
        """The network as training begins: from the card's weights, or from the seed."""
        with seeded(self.schedule.seed):
            network = self.card.build(deep_supervision=True)
        if self.card.sha256:
            fill(network, weights_of(self.card.load()))
        return network.to(self.device)

    def _read(self, progress: Progress) -> tuple[list[Example], list[Example]]:
        splits = self.train_split, self.validation_split
        training, validation = (self._examples(split, progress) for split in splits)
        return training, validation

    def _train(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        folder: Path,
        progress: Progress,
    ) -> Trained:
        make_folder(folder)
        batches = Batches(
            training,
            self.card.patch_size,
            self.schedule.batch_size,
            Augmentation(self.card.patch_size),
            self.schedule.seed,
        )
        loop = Loop(self.start(), dice_cross_entropy(), self.schedule, folder)
        return loop.run(batches, lambda network: self._validate(network, validation), progress)

    def _described(
        self, training: Sequence[Example], validation: Sequence[Example], trained: Trained
    ) -> ModelCard:
        """The card with what the training added to it."""
        network = self.card.build()
        fill(network, trained.weights)
        seen = validate(network.to(self.device), self.card, validation, self.device)
        return replace(
            self.card,
            training=self._record(training, trained),
            figures=seen.figures(self.validation_split),
            seconds_per_volume=round(seen.seconds, 2),
        )

    def _score(self, network: nn.Module, examples: Sequence[Example]) -> float:
        return validate(network, self.card, examples, self.device).mean_dice

    def _validate(self, network: nn.Module, examples: Sequence[Example]) -> float:
        """Score the full-resolution logits only."""
        return self._score(nn.Sequential(network, _Finest()), examples)

    def _examples(self, split: str, progress: Progress) -> list[Example]:
        cases = self.dataset.split(split)
        examples = []
        for k, case in enumerate(cases):
            progress.advance(k, len(cases), f"reading {split}")
            examples.append(self._example(case))
        return examples

    def _example(self, case: Case) -> Example:
        volume, label = case.pair(self.card.labels)
        if volume.channels != len(self.card.channels):
            raise WrongChannels(
                f"The case {case.name} has {volume.channels} channels, "
                f"{self.card.title} wants {len(self.card.channels)}.",
                "Train a model of its own for this data set.",
            )
        image = self.card.preprocessing(volume)
        return Example(image.array, label.resampled_like(image).array)

    def _record(self, training: Sequence[Example], trained: Trained) -> TrainingRecord:
        low, high = self._extent_mm(training)
        return TrainingRecord(
            data=self.dataset.name,
            licence=self.dataset.licence,
            split=self.train_split,
            cases=len(training),
            seed=self.schedule.seed,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            iterations=self.schedule.iterations,
            batch_size=self.schedule.batch_size,
            seconds=round(trained.seconds, 3),
            device=self._device_name(),
            extent_mm=(low, high),
            initialized_from=self.card.title if self.card.sha256 else "",
        )

    def _device_name(self) -> str:
        if self.device != "cpu":
            return torch.cuda.get_device_name(self.device)
        processor = platform.processor() or platform.machine()
        return f"{processor}, {torch.get_num_threads()} thread(s)"

    def _extent_mm(self, training: Sequence[Example]) -> tuple[Extent, Extent]:
        """Smallest and largest box, those that the card's weights learned from included."""
        spacing = self.card.preprocessing.spacing_mm
        extents = [np.multiply(e.label.shape, spacing) for e in training]
        if self.card.sha256 and self.card.training is not None:
            extents.extend(np.array(extent) for extent in self.card.training.extent_mm)
        lx, ly, lz = (float(side) for side in np.min(extents, axis=0))
        hx, hy, hz = (float(side) for side in np.max(extents, axis=0))
        return (lx, ly, lz), (hx, hy, hz)


class _Finest(nn.Module):
    """Of logits at several resolutions, the finest."""

    def forward(self, logits: list[torch.Tensor]) -> torch.Tensor:
        return logits[0] if isinstance(logits, list) else logits
