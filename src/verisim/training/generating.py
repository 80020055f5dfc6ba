"""What a generator of cases is trained for: to clean label maps, and images beside them."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from verisim.diffusion import Generation, Preconditioned
from verisim.errors import BadCard
from verisim.networks.case_diffusion import CaseDenoiser, CaseGenerator
from verisim.precision import reduced_precision
from verisim.training.batches import Batch

OF_IMAGES, OF_LABELS, OF_BOTH = 0.0, 1.0, 0.5
"""Mean of ln σ in training. Where a large part lies is decided while there is much noise: what
shines through is averaged over all its voxels, of which a volume has more than a picture."""

USUAL = 20 * 28 * 20
"""Voxels of the grid of label maps for which that mean was found."""

SPREAD = 1.2
"""Standard deviation of ln σ (Karras 2022, table 1)."""

DROPPED = 0.1
"""Share of the cases whose image is learned without its label map (Ho and Salimans 2022)."""


@dataclass(frozen=True)
class Generating:
    """Squared error of cleaned cases, weighted so that all noise counts alike (Karras 2022).

    Args:
        generation: Its schedule of noise.
        seed: With the number of the step it decides noise.
    """

    generation: Generation
    seed: int

    def __call__(self, network: torch.nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        if not isinstance(network, CaseGenerator):
            raise BadCard("Only generators learn to make cases.", "Train it to segment.")
        device = next(network.parameters()).device
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        image, inside = batch.image.to(device), batch.inside.to(device)
        masks = one_hot(batch.label.to(device), network.classes)
        if network.labels is None:
            both = torch.cat([image, 2 * masks - 1], dim=1)
            return self._error(network.image, both, inside, inside, OF_BOTH, generator)
        coarse, within = coarser(2 * masks - 1, network), coarser(inside, network)
        kept = (torch.rand(len(image), generator=generator) >= DROPPED).to(image)
        known, place = network.told(masks * inside * kept[:, None, None, None, None], inside)
        with reduced_precision(device):
            clean = network.encoded(image, inside)
        mean = OF_LABELS + coarseness(coarse)
        of_labels = self._error(network.labels, coarse, within, within, mean, generator)
        return of_labels + self._error(network.image, clean, known, place, OF_IMAGES, generator)

    def _error(
        self,
        network: CaseDenoiser,
        clean: Tensor,
        known: Tensor,
        inside: Tensor,
        mean: float,
        generator: torch.Generator,
    ) -> Tensor:
        """λ(σ) |D(x + σ ε; σ) - x|², averaged over what is inside (Karras 2022, eq. 2 and 8)."""
        logs = mean + SPREAD * torch.randn(len(clean), generator=generator)
        sigma = logs.exp().to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        schedule = self.generation.noise
        denoiser = Preconditioned(network, schedule)
        spread = sigma[:, None, None, None, None]
        # beyond the volume there is neither data nor noise
        noisy = (clean + spread * noise) * inside
        with reduced_precision(clean.device):
            cleaned = denoiser(noisy, schedule.time(sigma), known)
        weight = (sigma**2 + 1) / sigma**2
        errors = ((cleaned - clean) ** 2 * inside).flatten(1).sum(1)
        voxels = inside.flatten(1).sum(1).clamp(min=1) * clean.shape[1]
        return (weight * errors / voxels).mean()


def coarseness(masks: Tensor) -> float:
    """How much larger ln σ must be on a finer grid than usual for as much to shine through.

    Over n times as many voxels of the same smooth thing, √n times the noise averages out
    (Hoogeboom 2023, section 2.1).
    """
    return max(0.0, 0.5 * log(masks[0, 0].numel() / USUAL))


def coarser(masks: Tensor, network: CaseGenerator) -> Tensor:
    """Means (B, K, x, y, z) over the blocks of the grid on which label maps are made."""
    return functional.avg_pool3d(masks, network.plan.coarse)


def one_hot(label: Tensor, classes: int) -> Tensor:
    """Labels (B, 1, X, Y, Z) as masks (B, K, X, Y, Z) of 0 and 1."""
    return functional.one_hot(label[:, 0].long(), classes).movedim(-1, 1).float()
