"""One network of a model, what it learns from and what chooses its best weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from verisim.card import ModelCard
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.memory import keep_freed
from verisim.networks.averaged import Average
from verisim.networks.mask_sampler import MaskSampler
from verisim.networks.weights import fill, weights_of
from verisim.precision import laid_out
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import Augmentation, seeded, slice_axis_of
from verisim.training.batches import Batches
from verisim.training.examples import Example
from verisim.training.loop import Loop, Trained
from verisim.training.objectives import objective_of
from verisim.training.schedule import Schedule
from verisim.training.validation import validate


@dataclass(frozen=True)
class Member:
    """One network of a model.

    Args:
        card: The model; its weights, if it has any, are the start.
        learned_from: Cases that teach.
        chosen_on: Cases that choose the best weights.
        schedule: How long and how fast.
        device: Where to compute.
        number: Which of the card's networks it is.
    """

    card: ModelCard
    learned_from: Sequence[Example]
    chosen_on: Sequence[Example]
    schedule: Schedule
    device: str = "cpu"
    number: int = 0

    def train(self, folder: Path, progress: Progress = SILENT) -> Trained:
        """Train to the end of the schedule; a run found in the folder is continued."""
        keep_freed()
        make_folder(folder)
        clear_unfinished(folder)
        return self.loop(folder).run(self.batches(), self.score, progress)

    def loop(self, folder: Path) -> Loop:
        """The loop at its beginning."""
        objective = objective_of(self.card, self.schedule.seed)
        return Loop(self.start(), objective, self.schedule, folder)

    def start(self) -> nn.Module:
        """The network as training begins: from the card's weights, or from the seed."""
        network = untrained(self.card, self.schedule.seed)
        if self.card.sha256:
            trained = self.card.load()
            own = trained.members[self.number] if isinstance(trained, Average) else trained
            fill(network, weights_of(own))
        return laid_out(network.to(self.device), self.device)

    def batches(self) -> Batches:
        """Augmented patches of the cases that teach."""
        augmentation = augmentation_of(self.card)
        return Batches(
            self.learned_from, self.schedule.batch_size, augmentation, self.schedule.seed
        )

    def score(self, network: nn.Module) -> float:
        """Mean validation Dice of the finest logits."""
        finest = nn.Sequential(_with_one_sample(network), _Finest())
        return validate(finest, self.card, self.chosen_on, self.device).mean_dice


def untrained(card: ModelCard, seed: int) -> nn.Module:
    """One network of a card, with logits at falling resolutions for its training."""
    with seeded(seed):
        return replace(card, members=1).build(deep_supervision=True)


def augmentation_of(card: ModelCard) -> Augmentation:
    """Random changes of the patches of a model."""
    slices = slice_axis_of(card.patch_size, card.preprocessing.spacing_mm)
    return Augmentation(card.patch_size, card.mirrored_axes, slices)


def _with_one_sample(network: nn.Module) -> nn.Module:
    """A diffusion model is looked at often while it learns: one sample tells how good it is."""
    if not isinstance(network, MaskSampler):
        return network
    return network.asked(replace(network.sampling, samples=1))


class _Finest(nn.Module):
    """Of logits at several resolutions, the finest."""

    def forward(self, logits: list[torch.Tensor]) -> torch.Tensor:
        return logits[0] if isinstance(logits, list) else logits
