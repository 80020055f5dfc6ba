"""Latent diffusion in two trainings: an autoencoder of images, then diffusion of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from verisim.card import ModelCard
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.networks.autoencoder import Autoencoder
from verisim.networks.latent_diffusion import LatentDiffusion, LatentGenerator
from verisim.networks.weights import fill, weights_of
from verisim.precision import reduced_precision
from verisim.progress import Progress
from verisim.training.budget import Planned, read_planned, write_planned
from verisim.training.encoding import Encoding
from verisim.training.generator_fit import GeneratorFit
from verisim.training.learning import Learning
from verisim.training.loop import Trained
from verisim.training.objectives import Objective
from verisim.training.schedule import Schedule
from verisim.training.stages import Stage

ENCODING = 0.4
"""Share of the minutes, or of the steps, in which the autoencoder learns."""

SCALED = 32
"""Batches of which the mean and the deviation of the latent numbers are measured."""

STAGES = ("autoencoder", "diffusion")
"""Folders of both trainings, in the folder of the run."""


@dataclass(frozen=True)
class LatentFit(GeneratorFit):
    """One training of a latent diffusion model; a run that was stopped goes on in either half.

    A model that is trained further keeps its autoencoder, and a student that of its teacher:
    what diffusion learned is in its numbers.
    """

    def _learned(
        self, learning: Learning, run_folder: Path, started: float, progress: Progress
    ) -> tuple[Trained, Schedule]:
        """See `GeneratorFit`."""
        minutes, before = self.minutes or 0.0, 0.0
        card, teaching, held_out = learning.card, learning.learned_from, learning.chosen_on
        diffusing = LearningOnLatents(
            card, teaching, held_out, self.schedule, self.device, learning.told, self.teacher
        )
        if not (card.sha256 or self.teacher):
            shorter = _shorter(self.schedule)
            encoding = LearningToEncode(card, teaching, held_out, shorter, self.device)
            first = Stage(progress, 0, len(STAGES), STAGES[0])
            encoder, _ = _run(encoding, run_folder / STAGES[0], ENCODING * minutes, started, first)
            diffusing = replace(diffusing, autoencoder=encoding.scaled(encoder.weights))
            before, progress = encoder.seconds, Stage(progress, 1, len(STAGES), STAGES[1])
        trained, schedule = _run(diffusing, run_folder / STAGES[1], minutes, started, progress)
        return replace(trained, seconds=before + trained.seconds), schedule


@dataclass(frozen=True)
class LearningToEncode(Learning):
    """The first training: of the autoencoder alone."""

    def objective(self, seed: int) -> Objective:
        """See `Learning`."""
        return Encoding(seed)

    def start(self) -> nn.Module:
        """See `Learning`."""
        return _of(super().start()).autoencoder

    def scaled(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Weights of an autoencoder whose latent numbers have mean 0 and deviation 1."""
        network = self.start()
        assert isinstance(network, Autoencoder), "the first training is of one"
        fill(network, weights)
        batches = self._batches(self.learned_from, self.schedule.seed, changed=False)
        device = torch.device(self.device)
        with torch.inference_mode(), reduced_precision(device):
            network.scale(
                (network.encode(batch.image.to(device), inside)[0], network.blocks(inside))
                for batch in map(batches, range(SCALED))
                for inside in [batch.inside.to(device)]
            )
        return weights_of(network)


@dataclass(frozen=True)
class LearningOnLatents(Learning):
    """The second training: of diffusion, while the autoencoder is held.

    Args:
        autoencoder: Its weights; empty: those of the card, or of the teacher.
    """

    autoencoder: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    def start(self) -> nn.Module:
        """See `Learning`."""
        network = _of(super().start())
        if self.autoencoder:
            fill(network.autoencoder, self.autoencoder)
        network.autoencoder.requires_grad_(False)
        return network


def fit_of(card: ModelCard) -> type[GeneratorFit]:
    """How a generator is trained: most in one training, latent diffusion in two."""
    return LatentFit if isinstance(card.network, LatentDiffusion) else GeneratorFit


def _run(
    learning: Learning, folder: Path, minutes: float, started: float, progress: Progress
) -> tuple[Trained, Schedule]:
    """One of both trainings in its own folder; planned once, so that it goes on as it began."""
    make_folder(folder)
    clear_unfinished(folder)
    if minutes:
        planned = read_planned(folder)
        if planned is None:
            planned = Planned(minutes, False, "", learning.in_time(minutes, started))
            write_planned(planned, folder)
        learning = replace(learning, schedule=planned.schedule)
    loop = learning.loop(folder)
    return loop.run(learning.batches(), learning.score, progress), learning.schedule


def _shorter(schedule: Schedule) -> Schedule:
    """The autoencoder's share of the steps."""
    steps = max(1, round(ENCODING * schedule.iterations))
    return replace(schedule, iterations=steps, validate_every=min(schedule.validate_every, steps))


def _of(network: nn.Module) -> LatentGenerator:
    assert isinstance(network, LatentGenerator), "the card is one of latent diffusion"
    return network
