"""One network of cases, what it learns from and what chooses its best weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from verisim.card import ModelCard
from verisim.networks.boxes import Boxes
from verisim.networks.case_diffusion import CaseGenerator
from verisim.networks.stylegan import StyleGenerator
from verisim.networks.weights import fill, weights_of
from verisim.precision import laid_out
from verisim.training.augmentation import seeded
from verisim.training.budget import Pace, Work, fitting
from verisim.training.case_batches import CaseBatches
from verisim.training.closeness import closeness
from verisim.training.competing import Adversaries
from verisim.training.distilling import Distilling, distilling_of
from verisim.training.examples import Example
from verisim.training.loop import Loop
from verisim.training.objectives import Objective, objective_of
from verisim.training.schedule import Schedule
from verisim.training.told import NOTHING, Told, continued, knowing

LOOKS = 16
"""Batches of validation cases that are cleaned to see how good a generator is."""

MEASURED = 5
"""Steps that are timed to plan how many fit into some minutes."""

SAVING = 0.5
"""Seconds to write a checkpoint."""

SCORE_SEED = 1_000
"""The noise on validation cases is always the same."""


@dataclass(frozen=True)
class Learning:
    """One network, what it learns from and what chooses its best weights.

    Args:
        card: The model; its weights, if it has any, are the start.
        learned_from: Cases that teach.
        chosen_on: Cases that choose.
        schedule: How long and how fast.
        device: Where to compute.
        told: What is told of the cases.
        teacher: What is distilled, if `card` is that of a student.
    """

    card: ModelCard
    learned_from: Sequence[Example]
    chosen_on: Sequence[Example]
    schedule: Schedule
    device: str = "cpu"
    told: Told = NOTHING
    teacher: ModelCard | None = None

    @property
    def knowing(self) -> ModelCard:
        """The card with the attributes that may be asked for afterwards: a student's stay."""
        return self.card if self.teacher else knowing(self.card, self.told.attributes)

    @cached_property
    def _distilling(self) -> Distilling | None:
        """What a student learns; its teacher is loaded once."""
        if self.teacher is None:
            return None
        return distilling_of(self.teacher, self.card, self.device, self.schedule.seed)

    def objective(self, seed: int) -> Objective:
        """What is learned, with noise of a seed."""
        if self._distilling is None:
            return objective_of(self.card, seed)
        return replace(self._distilling, seed=seed)

    def loop(self, folder: Path) -> Loop:
        """The loop at its beginning."""
        objective = self.objective(self.schedule.seed)
        return Loop(self.start(), objective, self.schedule, folder)

    def start(self) -> nn.Module:
        """The network as training begins: from the card's weights, or from the seed."""
        with seeded(self.schedule.seed):
            network = self.knowing.build()
        begun = self.teacher or self.card
        if begun.sha256 and isinstance(network, CaseGenerator):
            continued(begun, network)
        elif self.card.sha256:
            fill(network, weights_of(self.card.load()))
        assert isinstance(network, Boxes), "the card makes cases"
        network.remember([example.label.shape for example in self.learned_from])
        if isinstance(network, StyleGenerator):
            with seeded(self.schedule.seed):
                network = Adversaries.of(network)
        return laid_out(network.to(self.device), self.device)

    def batches(self) -> CaseBatches:
        """Slightly changed cases that teach."""
        return self._batches(self.learned_from, self.schedule.seed, changed=True)

    def score(self, network: nn.Module) -> float:
        """Minus the loss on validation cases, or the distance to them; always the same noise."""
        objective = self.objective(SCORE_SEED)
        batches = self._batches(self.chosen_on, SCORE_SEED, changed=False)
        network.eval()
        if isinstance(network, Adversaries):
            return closeness(network, batches, LOOKS, SCORE_SEED)
        with torch.inference_mode():
            losses = [objective(network, batches(k), k).item() for k in range(LOOKS)]
        return -sum(losses) / len(losses)

    def in_time(self, minutes: float, started: float) -> Schedule:
        """The schedule that ends in time; measures some steps.

        Args:
            minutes: All that there is.
            started: `time.monotonic()` when they began.
        """
        with tempfile.TemporaryDirectory() as folder:
            loop, batches = self.loop(Path(folder)), self.batches()
            loop.step(batches(0))
            begun = time.monotonic()
            for k in range(MEASURED):
                loop.step(batches(1 + k))
            step = (time.monotonic() - begun) / MEASURED
            begun = time.monotonic()
            self.score(loop.network)
            look = time.monotonic() - begun
        left = 60 * minutes - (time.monotonic() - started)
        return fitting(Pace(0.0, step, 0.0, look + SAVING), Work((), ()), self.schedule, left)

    def _batches(self, examples: Sequence[Example], seed: int, changed: bool) -> CaseBatches:
        card = self.card
        size, axes = self.schedule.batch_size, card.mirrored_axes
        return CaseBatches(
            examples, size, card.patch_size, card.classes, axes, seed, changed, self.told
        )
