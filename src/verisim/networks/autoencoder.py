"""Images as a few numbers on a coarse grid, and back (Rombach 2022, Pinaya 2022)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.layers import Convolution, FirstConvolution, Head, Upsampling
from verisim.networks.timed import Stages
from verisim.networks.unet import Triple, divisor_of

QUIETEST, LOUDEST = -12.0, 4.0
"""Bounds of the logarithm of a latent number's variance."""


class Residual(nn.Module):
    """What two convolutions add to what they see.

    There is no normalization: its statistics would differ between a part and the whole, and a
    large volume could not be decoded in parts.
    """

    def __init__(self, width: int, kernel: Triple) -> None:
        super().__init__()
        padding = _padding(kernel)
        self.first = Convolution(width, width, kernel, padding=padding)
        self.second = Convolution(width, width, kernel, padding=padding)
        nn.init.zeros_(self.second.weight)  # it begins by adding nothing (Zhang 2019, Fixup)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]  # there is one

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, width, X, Y, Z) to as many."""
        seen = functional.leaky_relu(self.first(functional.leaky_relu(features)))
        added: Tensor = self.second(seen)
        return features + added


class Autoencoder(nn.Module):
    """Images as latent numbers, a few for each block of voxels.

    The decoder is told the label map, voxel by voxel: borders need not go through the latent
    numbers. Nothing that it makes depends on what is farther than `REACH`.

    Args:
        plan: Its stages, finest first; the last is the grid of the latent numbers.
        channels: C of the image.
        classes: K of the label map.
        latents: L, numbers for each block.
    """

    def __init__(self, plan: Stages, channels: int, classes: int, latents: int) -> None:
        super().__init__()
        self.step = divisor_of(plan.strides)
        self.classes, self.latents = classes, latents
        features, kernels, strides = plan.features, plan.kernel_sizes, plan.strides
        finest = kernels[0]
        self.seeing = FirstConvolution(channels + 1, features[0], finest, padding=_padding(finest))
        self.down = nn.ModuleList(
            nn.Sequential(
                Convolution(before, width, kernel, stride, _padding(kernel)),
                Residual(width, kernel),
            )
            for (before, width), kernel, stride in zip(
                pairwise(features), kernels[1:], strides[1:], strict=True
            )
        )
        self.naming = Head(nn.Conv3d(features[-1], 2 * latents, kernel_size=1))
        coarsest = kernels[-1]
        self.reading = Convolution(latents, features[-1], coarsest, padding=_padding(coarsest))
        self.up = nn.ModuleList(
            nn.Sequential(Residual(width, kernel), Upsampling(width, finer, stride, stride))
            for (finer, width), kernel, stride in zip(
                pairwise(features), kernels[1:], strides[1:], strict=True
            )
        )
        joined = features[0] + classes + 1
        self.joining = Convolution(joined, features[0], finest, padding=_padding(finest))
        self.drawing = Residual(features[0], finest)
        self.head = Head(nn.Conv3d(features[0], channels, kernel_size=1))
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("deviation", torch.ones(latents))

    def encode(self, image: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latent numbers, (B, L, x, y, z) each.

        Args:
            image: (B, C, X, Y, Z), a multiple of `step` along each axis.
            inside: 1 where the volume is, (B, 1, X, Y, Z).
        """
        features = self.seeing(torch.cat([image * inside, inside], dim=1))
        for stage in self.down:
            features = stage(functional.leaky_relu(features))
        mean, spread = self.naming(functional.leaky_relu(features)).chunk(2, dim=1)
        return mean, spread.clamp(QUIETEST, LOUDEST)

    def decode(self, latents: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
        """The image (B, C, X, Y, Z) of latent numbers.

        Args:
            latents: (B, L, x, y, z).
            masks: The label map, (B, K, X, Y, Z) of 0 and 1.
            inside: 1 where the volume is, (B, 1, X, Y, Z).
        """
        features = self.reading(latents)
        for stage in reversed(self.up):
            features = stage(features)
        told = torch.cat([functional.leaky_relu(features), masks * inside, inside], dim=1)
        drawn: Tensor = self.head(functional.leaky_relu(self.drawing(self.joining(told))))
        return drawn * inside

    def blocks(self, inside: Tensor) -> Tensor:
        """1 where a block has a voxel of the volume, (B, 1, x, y, z)."""
        return functional.max_pool3d(inside, self.step)

    def scale(self, seen: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Give each of the latent numbers mean 0 and deviation 1 (Rombach 2022, section G).

        Args:
            seen: Latent numbers (B, L, x, y, z), and where there are any, (B, 1, x, y, z).
        """
        count, total, squares = 0.0, torch.zeros(()), torch.zeros(())
        for latents, within in seen:
            kept = latents.double() * within
            count += float(within.sum())
            total = total + kept.sum(dim=(0, 2, 3, 4)).cpu()
            squares = squares + kept.square().sum(dim=(0, 2, 3, 4)).cpu()
        mean = total / count
        deviation = (squares / count - mean**2).clamp(min=1e-12).sqrt()
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("deviation").copy_(deviation)

    def scaled(self, latents: Tensor) -> Tensor:
        """Latent numbers as diffusion makes them, of mean 0 and deviation 1."""
        return (latents - self._of("mean")) / self._of("deviation")

    def unscaled(self, latents: Tensor) -> Tensor:
        """Latent numbers as the decoder reads them."""
        return latents * self._of("deviation") + self._of("mean")

    def _of(self, name: str) -> Tensor:
        return self.get_buffer(name)[:, None, None, None]


def _padding(kernel: Triple) -> Triple:
    return kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
