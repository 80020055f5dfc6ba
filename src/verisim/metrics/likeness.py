"""How alike images are: a generator of little variety repeats itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric

from verisim.errors import BadInput
from verisim.volume import Array

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, finest first (Wang 2003, section 3.2)."""

KERNEL = 5
"""Voxels of a window: volumes of one organ are small."""

DARKEST, BRIGHTEST = 0.5, 99.5
"""Percentiles that become 0 and 1."""


def likeness(one: Array, other: Array) -> float:
    """Structural similarity over several scales, 1 of the same image (Wang 2003, eq. 7).

    As many scales as the smaller side allows; images are brought to one brightness before.

    Args:
        one: (X, Y, Z); an axis of one voxel is left out.
        other: Of the same shape.

    Raises:
        BadInput: Of another shape, or smaller than a window.
    """
    if one.shape != other.shape:
        raise BadInput(
            f"Images of {one.shape} and {other.shape} voxels do not lie on each other.",
            "Cut both to the same box.",
        )
    first, second = (_unit(array) for array in (one, other))
    metric = MultiScaleSSIMMetric(
        first.ndim - 2, kernel_size=KERNEL, weights=_weights(first.shape[2:])
    )
    return float(metric(first, second))


def middle(array: Array, shape: Sequence[int]) -> Array:
    """The middle of an image (X, Y, Z), of some shape."""
    starts = [(n - side) // 2 for n, side in zip(array.shape, shape, strict=True)]
    box = [slice(start, start + side) for start, side in zip(starts, shape, strict=True)]
    return array[tuple(box)]


def _unit(array: Array) -> torch.Tensor:
    """(1, 1, …) from 0 to 1."""
    low, high = np.percentile(array, (DARKEST, BRIGHTEST))
    scaled = np.clip((array - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return torch.from_numpy(scaled.squeeze()[np.newaxis, np.newaxis])


def _weights(shape: Sequence[int]) -> list[float]:
    """Of as many scales as monai allows for the smallest side, adding up to 1."""
    for scales in range(len(WEIGHTS), 0, -1):
        # half as fine each time; monai asks for the other
        if min(shape) // max(2 ** (scales - 1), (scales - 1) ** 2) >= KERNEL:
            own = np.array(WEIGHTS[:scales])
            return [float(weight) for weight in own / own.sum()]
    raise BadInput(
        f"Images of {tuple(shape)} voxels are smaller than a window of {KERNEL}.",
        "Compare larger ones.",
    )
