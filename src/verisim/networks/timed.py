"""Blocks of a network that is told a time: how much noise there is in what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.layers import Convolution, FirstConvolution, InstanceNorm, Upsampling
from verisim.networks.unet import Triple

TIME_CHANNELS = 128
"""Numbers that tell a time to every block."""


class Stages(Protocol):
    """The shape of an encoder and its decoder."""

    @property
    def features(self) -> tuple[int, ...]:
        """Feature maps of each stage, finest first."""

    @property
    def strides(self) -> tuple[Triple, ...]:
        """Voxel step of each stage."""

    @property
    def kernel_sizes(self) -> tuple[Triple, ...]:
        """Convolution kernel of each stage."""


class Time(nn.Module):
    """A time as waves of many lengths, then as whatever the blocks need (Ho 2020, appendix B)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        steps = torch.arange(width // 2) / (width // 2)
        self.register_buffer("lengths", torch.exp(-log(10_000) * steps), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        # times from 0 to 1 are told as the steps 0 to 1000 of the paper
        waves = 1000 * t.float()[:, None] * self.get_buffer("lengths")
        told: Tensor = self.layers(torch.cat([waves.sin(), waves.cos()], dim=1))
        return told


class Block(nn.Module):
    """Convolution, normalization and activation, twice; the time scales and shifts (FiLM)."""

    def __init__(
        self,
        before: int,
        width: int,
        kernel: Triple,
        stride: Triple,
        time: bool,
        seeing: bool = False,
    ) -> None:
        super().__init__()
        convolution = FirstConvolution if seeing else Convolution
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.first = convolution(before, width, kernel, stride, padding)
        self.second = Convolution(width, width, kernel, padding=padding)
        self.norms = nn.ModuleList(InstanceNorm(width, affine=True) for _ in range(2))
        self.film = nn.Linear(TIME_CHANNELS, 2 * width) if time else None

    def forward(self, features: Tensor, told: Tensor | None) -> Tensor:
        timed: tuple[Tensor, ...] = ()
        if self.film is not None and told is not None:
            timed = self.film(told).chunk(2, dim=1)
        features = self.norms[0](self.first(features), *timed)
        features = self.norms[1](self.second(functional.leaky_relu(features, inplace=True)))
        return functional.leaky_relu(features, inplace=True)


class Encoder(nn.Module):
    """A block at each stage."""

    def __init__(self, plan: Stages, channels: int, time: bool) -> None:
        super().__init__()
        widths = (channels, *plan.features)
        self.stages = nn.ModuleList(
            Block(before, width, kernel, stride, time, seeing=k == 0)
            for k, ((before, width), kernel, stride) in enumerate(
                zip(pairwise(widths), plan.kernel_sizes, plan.strides, strict=True)
            )
        )


class Decoder(nn.Module):
    """Back to the finest stage, each time with what the encoder saw there."""

    def __init__(self, plan: Stages) -> None:
        super().__init__()
        self.upsamplings = nn.ModuleList(
            Upsampling(coarse, fine, stride, stride)
            for (fine, coarse), stride in zip(
                pairwise(plan.features), plan.strides[1:], strict=True
            )
        )
        self.stages = nn.ModuleList(
            Block(2 * width, width, kernel, (1, 1, 1), time=True)
            for width, kernel in zip(plan.features[:-1], plan.kernel_sizes[:-1], strict=True)
        )

    def forward(self, skips: Sequence[Tensor], told: Tensor) -> Tensor:
        features = skips[-1]
        levels = zip(self.upsamplings, self.stages, skips[:-1], strict=True)
        for upsampling, stage, skip in reversed(list(levels)):
            features = stage(torch.cat([upsampling(features), skip], dim=1), told)
        return features
