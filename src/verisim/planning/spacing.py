"""The voxel size that every case is resampled to, and the size of the data there."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from verisim.fingerprint import Fingerprint
from verisim.planning.topology import Sizes

ANISOTROPIC = 3
"""An axis is coarse when its voxels are this many times longer than all others, and fewer."""

COARSE_PERCENTILE = 10
"""Of a coarse axis' spacings: interpolating between far slices invents what was not seen."""

MARGIN_MM = 1e-5
"""By which a coarse axis stays coarser than the others."""


@dataclass(frozen=True)
class Grid:
    """The median volume at the target spacing.

    Args:
        spacing_mm: Target voxel size.
        shape: Median voxels of the cases there; halves may occur.
        slice_axis: The axis across slices: of one voxel if there is such, else the coarsest.
        flat: Whether a network for slices looks at it, which does not look along `slice_axis`.
    """

    spacing_mm: Sizes
    shape: Sizes
    slice_axis: int
    flat: bool = False

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes that the network looks along."""
        return tuple(axis for axis in range(3) if not (self.flat and axis == self.slice_axis))

    @property
    def voxels(self) -> float:
        """Of the median volume."""
        return prod(sorted(self.shape))

    @property
    def has_depth(self) -> bool:
        """Whether there is more than one slice."""
        return self.shape[self.slice_axis] != 1


def target_grid(fingerprint: Fingerprint) -> Grid:
    """The median spacing, but the 10th percentile along a coarse axis (Isensee 2021)."""
    target = target_spacing(fingerprint)
    resampled = np.round(fingerprint.spacings_mm / target * fingerprint.shapes)
    shape = np.median(resampled, axis=0)
    return Grid(_sizes(target), _sizes(shape), _slice_axis(target, shape))


def target_spacing(fingerprint: Fingerprint) -> npt.NDArray[np.float64]:
    """Millimetres per voxel along X, Y, Z, (3,)."""
    target: npt.NDArray[np.float64] = np.percentile(fingerprint.spacings_mm, 50, axis=0)
    coarse = coarse_axis(fingerprint)
    if coarse is not None:
        spacing = float(np.percentile(fingerprint.spacings_mm[:, coarse], COARSE_PERCENTILE))
        others = float(np.delete(target, coarse).max())
        target[coarse] = spacing if spacing >= others else others + MARGIN_MM
    return target


def coarse_axis(fingerprint: Fingerprint) -> int | None:
    """The axis whose voxels are > 3 times longer than the others' and > 3 times fewer."""
    spacing = np.percentile(fingerprint.spacings_mm, 50, axis=0)
    shape = np.percentile(fingerprint.shapes, 50, axis=0)
    axis = _last_largest(spacing)
    longer = spacing[axis] > ANISOTROPIC * np.delete(spacing, axis).max()
    fewer = shape[axis] * ANISOTROPIC < np.delete(shape, axis).min()
    return axis if longer and fewer else None


def _slice_axis(spacing: npt.NDArray[np.float64], shape: npt.NDArray[np.float64]) -> int:
    single = np.flatnonzero(shape == 1)
    return int(single[-1]) if single.size else _last_largest(spacing)


def _last_largest(values: npt.NDArray[np.float64]) -> int:
    """Of equal axes the last: nnU-Net counts Z, Y, X, and takes the first."""
    return 2 - int(np.argmax(values[::-1]))


def _sizes(values: npt.NDArray[np.float64]) -> Sizes:
    x, y, z = (float(value) for value in values)
    return x, y, z
