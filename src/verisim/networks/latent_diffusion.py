"""Diffusion of what an autoencoder makes of images: for volumes too large to be made by voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import ClassVar

import torch
from pydantic import ConfigDict
from torch import Tensor
from torch.nn import functional

from verisim.errors import BadCard
from verisim.networks.attributes import Attribute, check_attributes
from verisim.networks.autoencoder import Autoencoder
from verisim.networks.case_diffusion import (
    CaseDenoiser,
    CaseDiffusion,
    CaseGenerator,
    CasePlan,
)
from verisim.networks.timed import Stages
from verisim.networks.unet import Triple, check_stages

FINER = 2
"""Stages that only the autoencoder has: the grid of the latent numbers is the one after."""

FEWEST_STAGES = FINER + 2
"""Of the plan: diffusion needs two of its own."""

REACH = 5
"""Blocks: nothing that is decoded depends on what is farther away."""

TILE = 24
"""Blocks along each side of what is decoded at once, where the whole is larger than that."""

Place = tuple[slice, slice, slice]


@dataclass(frozen=True)
class LatentDiffusion(CasePlan):
    """What makes one latent diffusion model of cases different from another (Rombach 2022).

    The two finest stages are those of the autoencoder. Diffusion knows only the stages from the
    third on. Label maps are made on the grid of the second stage, as by `CaseDiffusion`.

    Args:
        features: Feature maps of each stage, finest first; four stages at least.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        latents: Numbers for each voxel of the third stage.
        attributes: What may be asked of a case beside its labels.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    latents: int = 4
    attributes: tuple[Attribute, ...] = ()

    @classmethod
    def like(cls, other: Stages) -> LatentDiffusion:
        """As many stages, of the same sizes, as another network."""
        return cls(other.features, other.strides, other.kernel_sizes)

    def __post_init__(self) -> None:
        check_stages("generator", self.features, self.strides, self.kernel_sizes)
        if len(self.features) < FEWEST_STAGES or self.latents < 1:
            raise BadCard(
                f"Latent diffusion cannot have {len(self.features)} stages and {self.latents} "
                "latent numbers.",
                f"Give it {FEWEST_STAGES} stages at least and a latent number; small volumes need "
                "no autoencoder: --network diffusion.",
            )
        check_attributes(self.attributes)

    @property
    def autoencoding(self) -> CaseDiffusion:
        """The stages of the autoencoder."""
        most = FINER + 1
        return CaseDiffusion(self.features[:most], self.strides[:most], self.kernel_sizes[:most])

    @property
    def diffusing(self) -> CaseDiffusion:
        """The stages of both diffusions, on the grid of the latent numbers."""
        strides = ((1, 1, 1), *self.strides[FINER + 1 :])
        features, kernels = self.features[FINER:], self.kernel_sizes[FINER:]
        return CaseDiffusion(features, strides, kernels, attributes=self.attributes)

    def build(self, channels: int, classes: int) -> LatentGenerator:
        """The networks for images of so many channels and label maps of so many classes."""
        return LatentGenerator(self, channels, classes)


class Folded(CaseDenoiser):
    """A denoiser that sees a fine grid as a coarser one: the voxels of a block are channels.

    Args:
        plan: Its shape on the coarser grid.
        made: Channels that it cleans on the fine one.
        known: Channels of the condition there.
        step: Voxels of a block along each axis.
    """

    def __init__(self, plan: CaseDiffusion, made: int, known: int, step: Triple) -> None:
        super().__init__(plan, made * prod(step), known * prod(step))
        self.made, self.known, self.step = made, known, step

    def predicted(self, noisy: Tensor, seen: Tensor, told: Tensor) -> Tensor:
        """See `CaseDenoiser`."""
        folded, known = (fold(one, self.step) for one in (noisy, seen))
        return unfold(super().predicted(folded, known, told), self.step)


class LatentGenerator(CaseGenerator):
    """The networks of one latent diffusion model.

    Args:
        plan: Their shape.
        channels: C of the image.
        classes: K of the label map, background included.
    """

    shown_every = 4

    def __init__(self, plan: LatentDiffusion, channels: int, classes: int) -> None:
        inner, step = plan.diffusing, plan.strides[FINER]
        labels = Folded(inner, classes, 1, step)
        image = CaseDenoiser(inner, plan.latents, classes + 1)
        super().__init__(plan, channels, classes, labels, image)
        self.autoencoder = Autoencoder(plan.autoencoding, channels, classes, plan.latents)

    def told(self, masks: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """See `CaseGenerator`: the shares of each class in the blocks of the latent numbers."""
        known = functional.avg_pool3d(torch.cat([masks, inside], dim=1), self.autoencoder.step)
        return known, self.autoencoder.blocks(inside)

    @torch.no_grad()
    def encoded(self, image: Tensor, inside: Tensor) -> Tensor:
        """See `CaseGenerator`: the means of the latent numbers, of deviation 1."""
        mean, _ = self.autoencoder.encode(image, inside)
        return self.autoencoder.scaled(mean) * self.autoencoder.blocks(inside)

    @torch.no_grad()
    def decoded(self, clean: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
        """See `CaseGenerator`; a large image is decoded in parts, which makes no difference."""
        latents = self.autoencoder.unscaled(clean) * self.autoencoder.blocks(inside)
        image = inside.new_empty((len(inside), self.channels, *inside.shape[2:]))
        for wide, core, place in tiles(latents.shape[2:], self.autoencoder.step):
            fine = _box(
                slice(n * one.start, n * one.stop)
                for one, n in zip(wide, self.autoencoder.step, strict=True)
            )
            told, box = masks[(..., *fine)], inside[(..., *fine)]
            part = self.autoencoder.decode(latents[(..., *wide)], told, box)
            image[(..., *place)] = part[(..., *core)]
        return image


def tiles(blocks: torch.Size, step: Triple) -> Iterator[tuple[Place, Place, Place]]:
    """Parts of a grid of blocks that together are the whole.

    Args:
        blocks: Along each axis.
        step: Voxels of a block along each axis.

    Yields:
        The blocks that a part depends on; its voxels among those of these blocks; its voxels
        among all.
    """
    for starts in product(*(range(0, n, TILE) for n in blocks)):
        stops = [min(n, start + TILE) for start, n in zip(starts, blocks, strict=True)]
        lows = [max(0, start - REACH) for start in starts]
        highs = [min(n, stop + REACH) for stop, n in zip(stops, blocks, strict=True)]
        ends = list(zip(starts, stops, lows, step, strict=True))
        yield (
            _box(slice(low, high) for low, high in zip(lows, highs, strict=True)),
            _box(slice((a - low) * n, (b - low) * n) for a, b, low, n in ends),
            _box(slice(a * n, b * n) for a, b, _, n in ends),
        )


def fold(fine: Tensor, step: Triple) -> Tensor:
    """The voxels of each block as channels: (B, C, X, Y, Z) to (B, C·n, x, y, z)."""
    size, channels, *sides = fine.shape
    x, y, z = (side // n for side, n in zip(sides, step, strict=True))
    a, b, c = step
    blocks = fine.reshape(size, channels, x, a, y, b, z, c)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(size, channels * a * b * c, x, y, z)


def unfold(folded: Tensor, step: Triple) -> Tensor:
    """Channels as the voxels of each block again: (B, C·n, x, y, z) to (B, C, X, Y, Z)."""
    size, channels, x, y, z = folded.shape
    a, b, c = step
    blocks = folded.reshape(size, channels // (a * b * c), a, b, c, x, y, z)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(size, -1, x * a, y * b, z * c)


def _box(sides: Iterator[slice]) -> Place:
    x, y, z = sides
    return x, y, z
