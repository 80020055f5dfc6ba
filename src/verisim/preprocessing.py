"""To the network's world: one callable, kept in the card, for training and inference alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil

from verisim.errors import TooLarge, UnsupportedVolume
from verisim.volume import Array, Volume, millimetres

BYTES_PER_VOXEL = 40
"""Memory that segmentation needs per voxel: input, probabilities, weights, copies (measured)."""


@dataclass(frozen=True)
class Preprocessing:
    """Turn, resample and normalize a volume so that the network finds what it was trained on.

    Args:
        orientation: Where the axes shall point.
        spacing_mm: Voxel size the network expects.
        normalization: "z-score": each channel to mean 0 and standard deviation 1 (Isensee 2021).
    """

    orientation: str = "RAS"
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    normalization: Literal["z-score", "none"] = "z-score"

    def __call__(self, volume: Volume) -> Volume:
        """The volume as (C, X, Y, Z) float32 in the network's orientation and spacing.

        Raises:
            UnsupportedVolume: The volume holds NaN or infinite voxels, or a channel is constant.
            TooLarge: The resampled volume would not fit into memory.
        """
        turned = volume.reoriented(self.orientation)
        self._check_fits(turned)
        channels = turned.array if turned.array.ndim == 4 else turned.array[np.newaxis]
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
            floats = turned.new(channels.astype(np.float32))
        check_finite(floats.array)
        resampled = floats.resampled(self.spacing_mm)
        return resampled.apply(_z_score) if self.normalization == "z-score" else resampled

    def _check_fits(self, turned: Volume) -> None:
        voxels = float(np.prod(np.divide(turned.extent_mm, self.spacing_mm)))
        needed = max(voxels, float(np.prod(turned.spatial_shape))) * BYTES_PER_VOXEL
        free = psutil.virtual_memory().available
        if needed > free:
            raise TooLarge(
                f"The volume of {millimetres(turned.extent_mm)} mm has {voxels:.3g} voxels at "
                f"{self.spacing_mm} mm and would need {needed / 2**30:.1f} GiB; "
                f"{free / 2**30:.1f} GiB are free.",
                "Crop it to the anatomy of interest, or check the spacing in its header.",
            )


def check_finite(array: Array) -> None:
    """Refuse NaN and infinite voxels.

    Raises:
        UnsupportedVolume: Names how many there are.
    """
    bad = int(array.size - np.isfinite(array).sum())
    if bad:
        raise UnsupportedVolume(
            f"{bad} of {array.size} voxels are NaN or infinite, or beyond 3.4e38.",
            "Replace them by a background value and send the volume again.",
        )


def _z_score(array: Array) -> Array:
    """Each channel to mean 0 and standard deviation 1."""
    _check_not_constant(array)
    mean = array.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    std = array.std(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    scored: Array = ((array - mean) / std).astype(np.float32)
    return scored


def _check_not_constant(array: Array) -> None:
    for number, channel in enumerate(array):
        if channel.min() == channel.max():
            raise UnsupportedVolume(
                f"Channel {number} has the value {channel.min():g} in every voxel: there is "
                "nothing to see.",
                "Send the volume itself; this may be an empty or masked-out copy.",
            )
