"""What is a patient's own in an image: its texture, without brightness, contrast and shading.

Two patients of one kind share the coarse pattern of anatomy, so that plain correlation calls
them alike. In a band of finer detail, made equally strong everywhere, their correlation is near
zero, while a copy keeps it; gain, offset, gamma and bias fields change it little, and black and
white exchanged only its sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

REACH = 3.0
"""Deviations at which a Gaussian is cut off."""

FLOOR = 0.1
"""Detail weaker than this share of the image's own is not made as strong as the rest."""


@dataclass(frozen=True)
class Band:
    """Detail between two widths, in voxels, made equally strong everywhere.

    Args:
        fine: Deviation of the Gaussian that takes off noise; 0 for none.
        coarse: Of the one that takes off anatomy, and over which strength is measured.
    """

    fine: float = 0.5
    coarse: float = 1.5

    def __call__(self, images: Tensor) -> Tensor:
        """The texture of images (B, C, X, Y, Z), of root mean square about 1."""
        detail = smoothed(images, self.fine) - smoothed(images, self.coarse)
        strength = smoothed(detail.square(), self.coarse).clamp_min(0).sqrt()
        whole = detail.square().mean(dim=(2, 3, 4), keepdim=True).sqrt()
        return detail / (strength + FLOOR * whole + torch.finfo(detail.dtype).eps)


def smoothed(images: Tensor, sigma: float) -> Tensor:
    """Images (B, C, X, Y, Z) after a Gaussian; beyond the border lies its last voxel."""
    if sigma <= 0:
        return images
    reach = ceil(REACH * sigma)
    place = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    bell = torch.exp(-0.5 * (place / sigma).square())
    bell = bell / bell.sum()
    for axis in (2, 3, 4):
        if images.shape[axis] > 1:
            images = _along(images, bell, axis)
    return images


def window_mean(images: Tensor, sides: tuple[int, int, int]) -> Tensor:
    """Mean of every box of some sides within images (B, C, X, Y, Z), by running sums."""
    for axis, side in zip((2, 3, 4), sides, strict=True):
        if side > 1:
            sums = functional.pad(images.cumsum(axis), _before(axis))
            count = images.shape[axis] - side + 1
            images = (sums.narrow(axis, side, count) - sums.narrow(axis, 0, count)) / side
    return images


def pooled(images: Tensor, step: int) -> Tensor:
    """Means of blocks of `step` voxels a side; what is left over at the far end is dropped."""
    if step == 1:
        return images
    sides = [step if n >= step else 1 for n in images.shape[2:]]
    return functional.avg_pool3d(images, sides)


def step_for(shape: tuple[int, ...], most: int) -> int:
    """The smallest power of two by which a grid has at most so many voxels."""
    step = 1
    while prod(max(1, n // step) for n in shape) > most:
        step *= 2
    return step


def as_tensor(images: npt.NDArray[np.float32], device: str = "cpu") -> Tensor:
    """Images (B, C, X, Y, Z), copied from where they are mapped."""
    return torch.from_numpy(np.array(images, dtype=np.float32)).to(device)


def _along(images: Tensor, bell: Tensor, axis: int) -> Tensor:
    reach = len(bell) // 2
    count = images.shape[axis]
    index = torch.arange(-reach, count + reach, device=images.device).clamp(0, count - 1)
    wide = images.index_select(axis, index)
    # a sum of shifted images: as fast as a convolution, and the same on every device
    total = bell[0] * wide.narrow(axis, 0, count)
    for k in range(1, len(bell)):
        total = total.add_(wide.narrow(axis, k, count), alpha=float(bell[k]))
    return total


def _before(axis: int) -> tuple[int, ...]:
    """Padding by one voxel before an axis, as torch wants it: last axis first."""
    pads = [0, 0] * 3
    pads[2 * (4 - axis)] = 1
    return tuple(pads)
