"""Layers whose weights are all of variance 1 and scaled as they are used (Karras 2018).

So every layer learns at the same speed, however many inputs it has. Activations are leaky ReLU
times √2, which keeps their variance (Karras 2020, appendix B).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.unet import Triple

SLOPE = 0.2
"""Of the leaky ReLU below 0."""

TINY = 1e-8
"""Keeps roots and quotients finite."""


def activated(features: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return functional.leaky_relu(features, SLOPE) * sqrt(2)


class Linear(nn.Module):
    """A matrix.

    Args:
        before: Inputs.
        after: Outputs.
        bias: What the bias begins at.
        pace: How fast it learns beside the rest of the network.
    """

    def __init__(self, before: int, after: int, bias: float = 0.0, pace: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / pace)
        self.bias = nn.Parameter(torch.full((after,), bias / pace))
        self.gain, self.pace = pace / sqrt(before), pace

    def forward(self, features: Tensor) -> Tensor:
        return functional.linear(features, self.weight * self.gain, self.bias * self.pace)


class Convolution(nn.Module):
    """A convolution that keeps the shape.

    Args:
        before: Feature maps that it sees.
        after: Feature maps that it makes.
        kernel: Odd along each axis.
    """

    def __init__(self, before: int, after: int, kernel: Triple) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, *kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.gain = 1 / sqrt(before * prod(kernel))
        self.padding = padding_of(kernel)

    def forward(self, features: Tensor) -> Tensor:
        return convolved(features, self.weight * self.gain, self.bias, self.padding)


class StyledConvolution(nn.Module):
    """A convolution whose inputs a style makes stronger or weaker, each case's own.

    Its outputs are divided by the standard deviation that they are expected to have, so that a
    style changes what is seen and not how much of it (weight demodulation; Karras 2020, eq. 1
    to 3). Scaling inputs and outputs is the same as scaling the weights, and needs no weights of
    each case's own.

    Args:
        before: Feature maps that it sees.
        after: Feature maps that it makes.
        kernel: Odd along each axis.
        latent: Numbers of a style.
        demodulated: Whether outputs are divided by their deviation.
    """

    def __init__(
        self, before: int, after: int, kernel: Triple, latent: int, demodulated: bool = True
    ) -> None:
        super().__init__()
        self.style = Linear(latent, before, bias=1.0)
        self.weight = nn.Parameter(torch.randn(after, before, *kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.gain = 1 / sqrt(before * prod(kernel))
        self.padding = padding_of(kernel)
        self.demodulated = demodulated

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Features (B, before, X, Y, Z) and styles (B, L) to (B, after, X, Y, Z)."""
        weight, scales = self.weight * self.gain, self.style(style)
        made = convolved(features * _spread(scales), weight, None, self.padding)
        if self.demodulated:
            squares = weight.square().sum(dim=(2, 3, 4))
            expected = functional.linear(scales.float().square(), squares.float())
            made = made * _spread((expected + TINY).rsqrt())
        return made + _spread(self.bias[None])


class Noise(nn.Module):
    """What differs from voxel to voxel by chance, as strong as was learned (Karras 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """Features (B, C, X, Y, Z) with the same noise on all their maps."""
        shape = (len(features), 1, *features.shape[2:])
        drawn = torch.randn(shape, generator=generator, device=generator.device)
        return features + self.strength * drawn.to(features.device)


def enlarged(features: Tensor, step: Sequence[int]) -> Tensor:
    """Features (B, C, x, y, z) on a finer grid, interpolated."""
    if max(step) == 1:
        return features
    scale = [float(side) for side in step]
    return functional.interpolate(features, scale_factor=scale, mode="trilinear")


def convolved(features: Tensor, weight: Tensor, bias: Tensor | None, padding: Triple) -> Tensor:
    """A convolution; of slices in two dimensions, which takes half the time.

    Args:
        features: (B, C, X, Y, Z).
        weight: (D, C, x, y, z).
        bias: (D,).
        padding: Along each axis.
    """
    if features.shape[-1] > 1 or weight.shape[-1] > 1:
        return functional.conv3d(features, weight, bias, padding=padding)
    flat = functional.conv2d(features[..., 0], weight[..., 0], bias, padding=padding[:2])
    return flat[..., None]


def padding_of(kernel: Triple) -> Triple:
    """What keeps the shape."""
    x, y, z = (side // 2 for side in kernel)
    return x, y, z


def _spread(scales: Tensor) -> Tensor:
    return scales[:, :, None, None, None]
