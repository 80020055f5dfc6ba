"""How often a U-Net may halve each axis, and how wide its kernels are (Isensee 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from verisim.networks.unet import Triple

SHORTEST_SIDE = 4
"""Voxels that the coarsest stage keeps along each axis."""

SIMILAR = 2
"""Spacings within this factor count as equal: then an axis is halved, and its kernels are 3."""

Sizes = tuple[float, float, float]
"""Millimetres or voxels along X, Y, Z."""


@dataclass(frozen=True)
class Topology:
    """Strides and kernels of every stage, and the patch that they fit.

    Args:
        strides: Voxel step of each stage, finest first; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        patch_size: The size asked for, rounded up so that every stage divides it.
    """

    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    patch_size: Triple

    @property
    def stages(self) -> int:
        """Resolutions."""
        return len(self.strides)

    @property
    def divisor(self) -> Triple:
        """A patch is a multiple of this along each axis."""
        x, y, z = (prod(axis) for axis in zip(*self.strides, strict=True))
        return x, y, z


def topology_for(spacing_mm: Sizes, size: Sizes, axes: tuple[int, ...]) -> Topology:
    """Halve the axes that are long and fine enough until none is left.

    Args:
        spacing_mm: Voxel size that the network sees.
        size: Voxels of the patch to be.
        axes: Those the network looks along: three, or the two of a slice.
    """
    spacing, left = list(spacing_mm), list(size)
    wide: set[int] = set()
    strides: list[Triple] = [(1, 1, 1)]
    kernels: list[Triple] = []
    while halved := _halved(spacing, left, axes):
        finest = min(spacing[axis] for axis in axes)
        wide |= {axis for axis in axes if spacing[axis] / finest < SIMILAR}
        kernels.append(_triple(wide, 3))
        strides.append(_triple(halved, 2))
        for axis in halved:
            spacing[axis] *= 2
            left[axis] = ceil(left[axis] / 2)
    kernels.append(_triple(set(axes), 3))
    return Topology(tuple(strides), tuple(kernels), _padded(size, strides))


def _halved(spacing: list[float], left: list[float], axes: tuple[int, ...]) -> set[int]:
    """The axes that the next stage halves; a single one only if it is long."""
    long = [axis for axis in axes if left[axis] >= 2 * SHORTEST_SIDE]
    finest = min((spacing[axis] for axis in long), default=0.0)
    near = {axis for axis in long if spacing[axis] / finest < SIMILAR}
    if len(near) == 1 and left[next(iter(near))] < 3 * SHORTEST_SIDE:
        return set()
    return near


def _padded(size: Sizes, strides: list[Triple]) -> Triple:
    units = [prod(axis) for axis in zip(*strides, strict=True)]
    x, y, z = (ceil(side / unit) * unit for side, unit in zip(size, units, strict=True))
    return x, y, z


def _triple(axes: set[int], value: int) -> Triple:
    x, y, z = (value if axis in axes else 1 for axis in range(3))
    return x, y, z
