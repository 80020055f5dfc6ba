"""A learned filter of frequencies, for whatever size a patch has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable
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
        *whole, last = features.shape[2:]
        # transforms are exact enough in single precision only
        with torch.autocast(features.device.type, enabled=False):
            attentive = self.attentive_map((*whole, last // 2 + 1))
            filtered: Tensor = _Filtering.apply(features.float(), attentive)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
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


class _Filtering(torch.autograd.Function):
    """F⁻¹[A ⊗ F[m]], whose gradients take two transforms of real numbers.

    torch's own take three of complex numbers, which was a quarter of a training step.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, attentive: Tensor) -> Tensor:
        spectrum = _spectrum(features)
        ctx.save_for_backward(spectrum, attentive)
        return _space(spectrum * attentive, features.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, Tensor]:
        spectrum, attentive = list(ctx.saved_tensors)
        told = _spectrum(gradient)
        of_features = _space(told * attentive.conj(), gradient.shape)
        of_map = (told * spectrum.conj()).sum(dim=0, keepdim=True)
        # all but the first frequency, and the last of an even number, stand for two
        last = gradient.shape[-1]
        of_map[..., 1 : (last + 1) // 2] *= 2
        return of_features, of_map


def _spectrum(features: Tensor) -> Tensor:
    axes = tuple(range(2, features.ndim))
    spectrum: Tensor = torch.fft.rfftn(features, dim=axes, norm="ortho")
    return spectrum


def _space(spectrum: Tensor, shape: Sequence[int]) -> Tensor:
    axes = tuple(range(2, len(shape)))
    features: Tensor = torch.fft.irfftn(spectrum, s=tuple(shape[2:]), dim=axes, norm="ortho")
    return features
