"""StyleGAN for cases: latent vectors to images with their label maps (Karras 2019, 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from verisim.errors import BadCard, BadInput
from verisim.networks.boxes import Boxes
from verisim.networks.equalized import (
    TINY,
    Linear,
    Noise,
    StyledConvolution,
    activated,
    enlarged,
)
from verisim.networks.unet import Triple, UNet, check_stages, divisor_of
from verisim.seeds import check_seed

MAPPING_PACE = 0.01
"""How fast the mapping network learns beside the rest (Karras 2019, appendix C)."""

FARTHEST = 2.0
"""Styles twice as far from their mean as any that was learned make no cases."""

MEMORY = 0.998
"""Share of the past in the mean style."""


@dataclass(frozen=True)
class Latents:
    """How cases come out of latent vectors.

    Args:
        truncation: How far styles go from their mean: 1 as learned, less for cases that are more
            usual and more alike (Karras 2019, appendix B).
        seed: Decides the vectors: the same seed gives the same cases.

    Raises:
        BadInput: Numbers that are no such numbers.
    """

    truncation: float = 1.0
    seed: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not (isfinite(self.truncation) and 0 < self.truncation <= FARTHEST):
            raise BadInput(
                f"Styles cannot be truncated by {self.truncation:g}.",
                f"Say a number above 0, at most {FARTHEST:g}; 1 is what the model learned.",
            )
        check_seed(self.seed)


@dataclass(frozen=True)
class StyleGan:
    """What makes one StyleGAN different from another.

    Args:
        features: Feature maps of each stage, finest first.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        coarsest: Voxels of the coarsest stage, where every case begins as the same constant.
        latent: Numbers of a latent vector and of a style.
        mapping: Layers from a latent vector to a style.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    coarsest: Triple
    latent: int = 128
    mapping: int = 4

    @classmethod
    def like(cls, unet: UNet, patch: Triple) -> StyleGan:
        """As many stages, of the same sizes, as a U-Net for such patches."""
        x, y, z = (side // d for side, d in zip(patch, unet.divisor, strict=True))
        return cls(unet.features, unet.strides, unet.kernel_sizes, (x, y, z))

    def __post_init__(self) -> None:
        check_stages("generator", self.features, self.strides, self.kernel_sizes)
        if min(self.latent, self.mapping, *self.coarsest) < 1:
            raise BadCard(
                "A StyleGAN needs a latent vector, a mapping network and a first grid.",
                "Write numbers above 0 for latent, mapping and coarsest.",
            )

    @property
    def divisor(self) -> Triple:
        """The patch is this, times the coarsest stage."""
        return divisor_of(self.strides)

    @property
    def patch(self) -> Triple:
        """Voxels of what it makes."""
        x, y, z = (n * side for n, side in zip(self.coarsest, self.divisor, strict=True))
        return x, y, z

    def build(self, channels: int, classes: int) -> StyleGenerator:
        """The network for images of so many channels and label maps of so many classes."""
        return StyleGenerator(self, channels, classes)


class Mapping(nn.Module):
    """Latent vectors to styles."""

    def __init__(self, latent: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Linear(latent, latent, pace=MAPPING_PACE) for _ in range(layers)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Styles (B, L)."""
        told = latent * (latent.square().mean(dim=1, keepdim=True) + TINY).rsqrt()
        for layer in self.layers:
            told = activated(layer(told))
        return told


class StyleStage(nn.Module):
    """Two styled convolutions on a grid, and what they add to the case.

    Args:
        plan: Of the whole.
        k: Which stage, 0 is the finest.
        made: Channels of the case.
    """

    def __init__(self, plan: StyleGan, k: int, made: int) -> None:
        super().__init__()
        before = plan.features[min(k + 1, len(plan.features) - 1)]
        width, kernel = plan.features[k], plan.kernel_sizes[k]
        self.first = StyledConvolution(before, width, kernel, plan.latent)
        self.second = StyledConvolution(width, width, kernel, plan.latent)
        self.noises = nn.ModuleList(Noise() for _ in range(2))
        self.case = StyledConvolution(width, made, (1, 1, 1), plan.latent, demodulated=False)

    def forward(
        self, features: Tensor, style: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        features = activated(self.noises[0](self.first(features, style), generator))
        features = activated(self.noises[1](self.second(features, style), generator))
        return features, self.case(features, style)


class StyleGenerator(Boxes):
    """Latent vectors to images with their label maps.

    Args:
        plan: Its shape.
        channels: C of the image.
        classes: K of the label map, background included.
    """

    def __init__(self, plan: StyleGan, channels: int, classes: int) -> None:
        super().__init__()
        self.plan, self.channels, self.classes = plan, channels, classes
        self.mapping = Mapping(plan.latent, plan.mapping)
        self.constant = nn.Parameter(torch.randn(1, plan.features[-1], *plan.coarsest))
        self.stages = nn.ModuleList(
            StyleStage(plan, k, channels + classes) for k in range(len(plan.features))
        )
        self.register_buffer("mean_style", torch.zeros(plan.latent))

    def styles(self, latent: Tensor, truncation: float = 1.0) -> Tensor:
        """Styles (B, L) of latent vectors (B, L)."""
        found: Tensor = self.mapping(latent)
        mean = self.get_buffer("mean_style")
        if self.training:
            with torch.no_grad():
                mean.lerp_(found.float().mean(dim=0), 1 - MEMORY)
        return found if truncation == 1 else mean + truncation * (found - mean)

    def forward(self, style: Tensor, generator: torch.Generator) -> Tensor:
        """Cases of some styles.

        Args:
            style: (B, L).
            generator: Of the noise that differs from voxel to voxel.

        Returns:
            (B, C + K, X, Y, Z): the image, and masks of -1 outside to 1 inside.
        """
        features = self.constant.expand(len(style), -1, -1, -1, -1)
        case: Tensor | None = None
        for k in reversed(range(len(self.stages))):
            if case is not None:
                step = self.plan.strides[k + 1]
                features, case = enlarged(features, step), enlarged(case, step)
            features, added = self.stages[k](features, style, generator)
            case = added.float() if case is None else case + added.float()
        assert case is not None, "there is a stage"
        masks = 2 * case[:, self.channels :].softmax(dim=1) - 1
        return torch.cat([case[:, : self.channels], masks], dim=1)
