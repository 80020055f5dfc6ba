"""From cases and a card without weights to a card with weights."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from verisim.card import ModelCard, TrainingRecord, write_model
from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset, WrongChannels
from verisim.patches import predict
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import Augmentation, seeded
from verisim.training.batches import Batches, Example
from verisim.training.loop import Loop, Schedule, Trained
from verisim.training.losses import dice_cross_entropy, soft_dice


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

    def __call__(self, run_folder: Path, model_folder: Path, progress: Progress = SILENT) -> ModelCard:
        """Train, and write the best weights with their card.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.
        """
        run_folder.mkdir(parents=True, exist_ok=True)
        training = self._examples(self.train_split, progress)
        trained = self._train(training, run_folder, progress)
        card = replace(
            self.card,
            training=self._record(training, trained),
            figures={f"dice.{self.validation_split}": round(trained.score, 4)},
        )
        return write_model(card, trained.weights, model_folder)

    def score(self, network: nn.Module, examples: Iterable[Example]) -> float:
        """Mean Dice over validation cases."""
        network.eval()
        scores = [
            soft_dice(
                torch.tensor(predict(network, e.image, self.card.patch_size, device=self.device)),
                torch.tensor(e.label.astype(np.int64)),
            )
            for e in examples
        ]
        return float(torch.stack(scores).mean())

    def start(self) -> nn.Module:
        """The network as training begins: from the card's weights, or from the seed."""
        with seeded(self.schedule.seed):
            network = self.card.build(deep_supervision=True)
        if self.card.sha256:
            network.load_state_dict(self.card.load().state_dict())
        return network.to(self.device)

    def _train(self, training: list[Example], folder: Path, progress: Progress) -> Trained:
        validation = self._examples(self.validation_split, progress)
        batches = Batches(
            training,
            self.card.patch_size,
            self.schedule.batch_size,
            Augmentation(self.card.patch_size),
            self.schedule.seed,
        )
        loop = Loop(self.start(), dice_cross_entropy(), self.schedule, folder)
        return loop.run(batches, lambda network: self._validate(network, validation), progress)

    def _validate(self, network: nn.Module, examples: list[Example]) -> float:
        """Score the full-resolution logits only."""
        finest = nn.Sequential(network, _Finest())
        return self.score(finest, examples)

    def _examples(self, split: str, progress: Progress) -> list[Example]:
        cases = self.dataset.split(split)
        examples = []
        for k, case in enumerate(cases):
            progress.advance(k, len(cases), f"reading {split}")
            examples.append(self._example(case))
        return examples

    def _example(self, case: Case) -> Example:
        volume = case.volume()
        if volume.channels != len(self.card.channels):
            raise WrongChannels(
                f"The case {case.name} has {volume.channels} channels, "
                f"{self.card.title} wants {len(self.card.channels)}.",
                "Train a model of its own for this data set.",
            )
        label = case.label_map(self.card.labels)
        if not label.shares_grid(volume):
            raise BadDataset(
                f"Image {volume.spatial_shape} and label {label.spatial_shape} of {case.name} "
                "do not lie on the same voxels.",
                "Resample the label to the image.",
            )
        image = self.card.preprocessing(volume)
        return Example(image.array, label.resampled_like(image).array)

    def _record(self, training: list[Example], trained: Trained) -> TrainingRecord:
        spacing = self.card.preprocessing.spacing_mm
        extents = np.multiply([e.label.shape for e in training], spacing)
        low, high = extents.min(axis=0), extents.max(axis=0)
        return TrainingRecord(
            data=self.dataset.name,
            licence=self.dataset.licence,
            split=self.train_split,
            cases=len(training),
            seed=self.schedule.seed,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            iterations=self.schedule.iterations,
            batch_size=self.schedule.batch_size,
            seconds=round(trained.seconds, 1),
            device=platform.processor() or platform.machine()
            if self.device == "cpu"
            else torch.cuda.get_device_name(self.device),
            extent_mm=((low[0], low[1], low[2]), (high[0], high[1], high[2])),
            initialized_from=self.card.title if self.card.sha256 else "",
        )


class _Finest(nn.Module):
    """Of logits at several resolutions, the finest."""

    def forward(self, logits: list[torch.Tensor]) -> torch.Tensor:
        return logits[0] if isinstance(logits, list) else logits
