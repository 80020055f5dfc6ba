"""What a generator of cases is trained for: to clean label maps, and images beside them."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from verisim.diffusion import Generation, Preconditioned
from verisim.errors import BadCard
from verisim.networks.attributes import beside
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
"""Share of the cases that are learned without label map and attributes, and share of those that
are learned without one of the attributes (Ho and Salimans 2022)."""


@dataclass(frozen=True)
class Lesson:
    """What one network of a generator is to clean.

    Args:
        network: The network.
        clean: Label maps of cases, or images as diffusion makes them, (B, made, X, Y, Z).
        known: The condition, (B, known, X, Y, Z).
        inside: 1 where the volume is, (B, 1, X, Y, Z).
        mean: Of ln σ in training.
    """

    network: CaseDenoiser
    clean: Tensor
    known: Tensor
    inside: Tensor
    mean: float


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
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        kept = None if network.labels is None else _kept((len(batch.image), 1), generator)
        told = _told(batch, network, kept, generator)
        lessons = lessons_of(network, batch, told, kept)
        return torch.stack([self._error(one, generator) for one in lessons]).sum()

    def _error(self, lesson: Lesson, generator: torch.Generator) -> Tensor:
        """λ(σ) |D(x + σ ε; σ) - x|², averaged over what is inside (Karras 2022, eq. 2 and 8)."""
        clean, inside = lesson.clean, lesson.inside
        logs = lesson.mean + SPREAD * torch.randn(len(clean), generator=generator)
        sigma = logs.exp().to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        schedule = self.generation.noise
        denoiser = Preconditioned(lesson.network, schedule)
        spread = sigma[:, None, None, None, None]
        # beyond the volume there is neither data nor noise
        noisy = (clean + spread * noise) * inside
        with reduced_precision(clean.device):
            cleaned = denoiser(noisy, schedule.time(sigma), lesson.known)
        weight = (sigma**2 + 1) / sigma**2
        return (weight * mean_square(cleaned - clean, inside)).mean()


def mean_square(error: Tensor, inside: Tensor) -> Tensor:
    """Of each case (B,), over its channels and the voxels of its volume."""
    errors = (error**2 * inside).flatten(1).sum(1)
    return errors / (inside.flatten(1).sum(1).clamp(min=1) * error.shape[1])


def lessons_of(
    network: CaseGenerator, batch: Batch, told: Tensor, kept: Tensor | None = None
) -> list[Lesson]:
    """What the networks of a generator are asked about some cases; label maps come first.

    Args:
        network: The generator.
        batch: On any device.
        told: What is told of each case, (B, A).
        kept: (B, 1), 0 where the image is made without its label map; None: with all of them.
    """
    device = next(network.parameters()).device
    image, inside = batch.image.to(device), batch.inside.to(device)
    masks = one_hot(batch.label.to(device), network.classes)
    if network.labels is None:
        both = torch.cat([image, 2 * masks - 1], dim=1)
        return [Lesson(network.image, both, beside(inside, told), inside, OF_BOTH)]
    coarse, within = coarser(2 * masks - 1, network), coarser(inside, network)
    shown = masks * inside
    if kept is not None:
        shown = shown * kept.to(image)[..., None, None, None]
    known, place = network.told(shown, inside)
    with reduced_precision(device):
        clean = network.encoded(image, inside)
    mean = OF_LABELS + coarseness(coarse)
    return [
        Lesson(network.labels, coarse, beside(within, told), within, mean),
        Lesson(network.image, clean, beside(known, told), place, OF_IMAGES),
    ]


def _kept(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """1 at what is told, 0 at what is dropped."""
    return (torch.rand(shape, generator=generator) >= DROPPED).float()


def _told(
    batch: Batch, network: CaseGenerator, kept: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Attributes (B, A) of which some are dropped: all of a case, as its label map, or single.

    So both are learned: a case of which nothing is known, and one of which a part is.

    Args:
        batch: With the attributes.
        network: Knows which channels are of one attribute.
        kept: (B, 1), 0 where the label map is dropped; None where there is none to drop.
        generator: Of the chances.
    """
    attributes = network.plan.attributes
    if not attributes:  # no chance is taken: a training without them is the same as ever
        return torch.zeros(len(batch.image), 0)
    cases = len(batch.image)
    told = torch.zeros(cases, network.plan.told) if batch.attributes is None else batch.attributes
    whole = _kept((cases, 1), generator) if kept is None else kept
    widths = torch.tensor([len(one.values) for one in attributes])
    single = _kept((cases, len(attributes)), generator).repeat_interleave(widths, dim=1)
    return told.cpu() * whole * single


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
