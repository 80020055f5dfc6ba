"""What a network is trained for: to name voxels, or to clean noisy masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.card import ModelCard
from verisim.diffusion import Generation, Sampling, target_of
from verisim.errors import BadCard
from verisim.networks.mask_sampler import MaskSampler, clean_mask
from verisim.networks.stylegan import Latents
from verisim.precision import reduced_precision
from verisim.training.batches import Batch
from verisim.training.competing import Competing
from verisim.training.generating import Generating, one_hot
from verisim.training.losses import dice_cross_entropy

FROM_NOISE = 0.5
"""Share of the steps at the latest time, where every sampling begins: only the image tells then,
while at earlier times the mask shines through, and little is left to learn of the image."""

RECYCLED = 0.5
"""Share of the other steps whose noisy mask is made of the network's own answer (Fu 2023)."""

DISPLACED = 3
"""Voxels, at most and along each axis, by which the rest of the masks are displaced: what shines
through may be wrong, as the start from another model's answer may be, and the image decides."""


class Objective(Protocol):
    """The loss of one step."""

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """A number to make smaller.

        Args:
            network: In training.
            batch: On any device.
            step: Which step of the training this is: it decides all random choices.
        """


@dataclass(frozen=True)
class Naming:
    """Logits of an image beside its labels.

    Args:
        loss: Of logits, or of a list of them at falling resolutions, and labels.
    """

    loss: nn.Module

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        device = _device(network)
        with reduced_precision(device):
            logits = network(batch.image.to(device))
        loss: Tensor = self.loss(logits, batch.label.to(device))
        return loss


@dataclass(frozen=True)
class Cleaning:
    """A mask in noise, which is to be cleaned in view of the image.

    A network that predicts the data learns by Dice and cross-entropy of its logits. Half of its
    steps begin where sampling begins, at noise alone. Of the other noisy masks half are made of
    its own answer to pure noise instead of the truth: while it samples it never sees the truth
    either (recycling; Fu 2023, section 2.3). The rest are the truth, displaced. A network that
    predicts noise or velocity learns by their squared error (Ho 2020, eq. 14), as in MedSegDiff.

    Args:
        sampling: Schedule and parameterization.
        loss: Of logits and labels.
        seed: With the number of the step it decides times and noise.
    """

    sampling: Sampling
    loss: nn.Module
    seed: int

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        if not isinstance(network, MaskSampler):
            raise BadCard("Only MedSegDiff learns to clean masks.", "Train it as a U-Net.")
        device = _device(network)
        image, label = batch.image.to(device), batch.label.to(device)
        truth = 2 * one_hot(label, network.denoiser.classes) - 1
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        times = torch.rand(len(image), generator=generator).to(device)
        noise = torch.randn(truth.shape, generator=generator).to(device)
        from_noise, recycled = torch.rand(2, generator=generator).tolist()
        clean = truth
        if self.sampling.parameterization == "data":
            if from_noise < FROM_NOISE:
                times = torch.full_like(times, self.sampling.noise.latest)
                clean = torch.zeros_like(truth)  # nothing of it shines through
            elif recycled < RECYCLED:
                other = torch.randn(truth.shape, generator=generator).to(device)
                clean = self._recycled(network, image, other)
            else:
                clean = _displaced(truth, generator)
        noisy = self.sampling.noise.noised(clean, noise, times)
        with reduced_precision(device):
            predicted = network.denoiser(noisy, times, image)
        return self._loss(predicted.float(), truth, label, noise, times)

    def _recycled(self, network: MaskSampler, image: Tensor, noise: Tensor) -> Tensor:
        """The network's own mask, from noise alone."""
        schedule = self.sampling.noise
        latest = torch.full((len(image),), schedule.latest, device=image.device)
        start = noise * schedule.sigma(latest[0])
        with torch.no_grad(), reduced_precision(image.device):
            predicted = network.denoiser(start, latest, image).float()
        return clean_mask(predicted, start, latest, self.sampling)

    def _loss(
        self, predicted: Tensor, truth: Tensor, label: Tensor, noise: Tensor, times: Tensor
    ) -> Tensor:
        if self.sampling.parameterization == "data":
            loss: Tensor = self.loss(predicted, label)
            return loss
        wanted = target_of(
            truth, noise, times, self.sampling.noise, self.sampling.parameterization
        )
        return functional.mse_loss(predicted, wanted)


def objective_of(card: ModelCard, seed: int) -> Objective:
    """What the network of a card is trained for."""
    if isinstance(card.generation, Latents):
        return Competing(seed)
    if isinstance(card.generation, Generation):
        return Generating(card.generation, seed)
    if card.sampling:
        return Cleaning(card.sampling, dice_cross_entropy(), seed)
    return Naming(dice_cross_entropy())


def _displaced(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Each of the masks (B, K, X, Y, Z) somewhere near."""
    shifts = torch.randint(-DISPLACED, DISPLACED + 1, (len(masks), 3), generator=generator)
    pairs = zip(masks, shifts.tolist(), strict=True)
    return torch.stack([mask.roll(shift, dims=(1, 2, 3)) for mask, shift in pairs])


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
