"""A learned filter of frequencies, for whatever size a patch has."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable
from torch.nn import functional

VOXELS_AT_ONCE = 2**21
"""Channels are transformed together up to so many voxels."""


class FFParser(nn.Module):
    """MedSegDiff's feature-frequency parser: m' = F⁻¹[A ⊗ F[m]] (Wu 2022, eq. 6 and 7).

    The attentive map A is kept on a small grid of frequencies and interpolated to those of the
    patch, so it is defined for every size. It begins as 1, which changes nothing.

    Args:
        channels: Feature maps, each with a map of its own.
        grid: Frequencies kept along each axis of space.
    """

    def __init__(self, channels: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.real = nn.Parameter(torch.ones(1, channels, *grid))
        self.imaginary = nn.Parameter(torch.zeros(1, channels, *grid))

    def forward(self, features: Tensor, attentive: Tensor | None = None) -> Tensor:
        """Filter features.

        Args:
            features: (B, C, X, Y[, Z]), of any size.
            attentive: What `map_for` said of that size, if it was asked before.
        """
        attentive = self.map_for(features.shape[2:]) if attentive is None else attentive
        # transforms are exact enough in single precision only
        with torch.autocast(features.device.type, enabled=False):
            # in the layout that they are fast in
            exact = features.contiguous().float()
            filtered: Tensor = (
                _Filtering.apply(exact, attentive)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
                if torch.is_grad_enabled()
                else _filtered(exact, attentive)
            )
        return filtered.to(features, memory_format=_layout(features))

    def map_for(self, size: Sequence[int]) -> Tensor:
        """A for features of a size (X, Y[, Z])."""
        *whole, last = size
        return self.attentive_map((*whole, last // 2 + 1))

    def attentive_map(self, shape: Sequence[int]) -> Tensor:
        """A at the frequencies of a spectrum: (1, C, *shape), as `rfftn` orders them."""
        mode = "bilinear" if len(shape) == 2 else "trilinear"
        real, imaginary = (
            functional.interpolate(part, size=tuple(shape), mode=mode, align_corners=True)
            for part in (self.real, self.imaginary)
        )
        # kept with the lowest frequency in the middle, so that neighbours are neighbours
        full = tuple(range(2, 2 + len(shape) - 1))
        shifted: Tensor = torch.fft.ifftshift(torch.complex(real, imaginary), dim=full)
        return shifted


class _Filtering(torch.autograd.Function):
    """F⁻¹[A ⊗ F[m]], whose gradients take two transforms of real numbers.

    torch's own take three of complex numbers, which was a quarter of a training step.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, attentive: Tensor) -> Tensor:
        spectrum = spectrum_of(features)
        ctx.save_for_backward(spectrum, attentive)
        return space_of(spectrum * attentive, features.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, Tensor]:
        spectrum, attentive = list(ctx.saved_tensors)
        told = spectrum_of(gradient)
        of_features = space_of(told * attentive.conj(), gradient.shape)
        of_map = (told * spectrum.conj()).sum(dim=0, keepdim=True)
        # all but the first frequency, and the last of an even number, stand for two
        last = gradient.shape[-1]
        of_map[..., 1 : (last + 1) // 2] *= 2
        return of_features, of_map


def _filtered(features: Tensor, attentive: Tensor) -> Tensor:
    """F⁻¹[A ⊗ F[m]], a few channels at a time: of large patches these stay in the cache."""
    found = torch.empty_like(features)
    count = max(1, VOXELS_AT_ONCE // (len(features) * prod(features.shape[2:])))
    chunks = (torch.split(one, count, dim=1) for one in (features, attentive, found))
    for some, weights, place in zip(*chunks, strict=True):
        place.copy_(space_of(spectrum_of(some) * weights, some.shape))
    return found


def _layout(features: Tensor) -> torch.memory_format:
    last = features.ndim == 5 and not features.is_contiguous()
    return torch.channels_last_3d if last else torch.contiguous_format


def spectrum_of(features: Tensor) -> Tensor:
    """Half of the frequencies of real features (B, C, X, Y[, Z]): the rest repeats them."""
    axes = tuple(range(2, features.ndim))
    spectrum: Tensor = torch.fft.rfftn(features, dim=axes, norm="ortho")
    return spectrum


def space_of(spectrum: Tensor, shape: Sequence[int]) -> Tensor:
    """The real features, of a shape (B, C, X, Y[, Z]), that have this spectrum."""
    axes = tuple(range(2, len(shape)))
    features: Tensor = torch.fft.irfftn(spectrum, s=tuple(shape[2:]), dim=axes, norm="ortho")
    return features
