"""Worse copies of a volume: what a model expects of itself must fall as they get worse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import zoom

from verisim.volume import Array, Volume

NOISE = (0.5, 1.0, 2.0)
"""Standard deviations of the noise, in those of the volume."""

COARSER = (2, 4)
"""Factors by which the resolution falls."""

MISSING = (0.25, 0.5)
"""Shares of the slices that are missing."""


def degraded(volume: Volume, missing: bool = True, seed: int = 0) -> Iterator[tuple[str, Volume]]:
    """Copies of a volume on its own voxels, each with what was done to it.

    Args:
        volume: (X, Y, Z) or (C, X, Y, Z).
        missing: Whether to leave slices out, too: then what is missing cannot be found.
        seed: Of the noise.
    """
    generator = np.random.default_rng(seed)
    deviation = float(volume.array.std())
    for amount in NOISE:
        noise = generator.normal(0, amount * deviation, volume.array.shape)
        yield f"noise {amount:g}", volume.new((volume.array + noise).astype(np.float32))
    for factor in COARSER:
        yield f"resolution /{factor}", volume.new(_coarser(volume.array, factor))
    for share in MISSING if missing else ():
        array = volume.array.copy()
        array[..., : round(share * array.shape[-1])] = array.min()
        yield f"{share:.0%} missing", volume.new(array)


def _coarser(array: Array, factor: int) -> Array:
    """Fewer voxels, brought back to as many as before."""
    shape = np.array(array.shape[-3:])
    channels = array.reshape(-1, *shape)
    small = [zoom(one, np.maximum(shape // factor, 1) / shape, order=1) for one in channels]
    back = [zoom(one, shape / np.array(one.shape), order=1) for one in small]
    coarse: Array = np.stack(back).astype(np.float32).reshape(array.shape)
    return coarse
