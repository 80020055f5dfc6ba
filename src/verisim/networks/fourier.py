"""A learned filter of frequencies, for whatever size a patch has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


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

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, X, Y[, Z]), of any size."""
        axes = tuple(range(2, features.ndim))
        # transforms are exact enough in single precision only
        with torch.autocast(features.device.type, enabled=False):
            spectrum = torch.fft.rfftn(features.float(), dim=axes, norm="ortho")
            weighted = spectrum * self.attentive_map(spectrum.shape[2:])
            filtered: Tensor = torch.fft.irfftn(
                weighted, s=features.shape[2:], dim=axes, norm="ortho"
            )
        return filtered.to(features.dtype)

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
