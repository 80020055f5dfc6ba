"""To the network's world: one callable, kept in the card, for training and inference alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator
from scipy import ndimage

from verisim.errors import TooLarge, UnsupportedVolume, WrongChannels
from verisim.free_memory import available_bytes
from verisim.normalization import Z_SCORE, Mask, Normalization
from verisim.resampling import resample, slice_axis
from verisim.volume import Array, Volume, millimetres

BYTES_PER_VOXEL = 24
"""Memory that segmentation needs per voxel: input, copies, label map (measured: 22)."""


def _named(said: object) -> object:
    """Cards of the first models say "z-score" for every channel."""
    return ({"kind": said},) if isinstance(said, str) else said


@dataclass(frozen=True)
class Preprocessing:
    """Turn, crop, normalize and resample a volume so that the network finds what it learned from.

    Args:
        orientation: Where the axes shall point; empty to leave them as they are stored.
        spacing_mm: Voxel size the network expects; 0 leaves an axis as it is.
        normalization: One for each channel, or one for all.
        crop: Whether to cut away the border where every channel is zero.
        order: Of the spline that resamples intensities: 1 linear, 3 cubic.
    """

    orientation: str = "RAS"
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    normalization: Annotated[tuple[Normalization, ...], BeforeValidator(_named)] = (Z_SCORE,)
    crop: bool = False
    order: int = 1

    def __call__(self, volume: Volume) -> Volume:
        """The volume as (C, X, Y, Z) float32 in the network's orientation and spacing.

        Raises:
            UnsupportedVolume: The volume holds NaN or infinite voxels, or a channel is constant.
            TooLarge: The resampled volume would not fit into memory.
        """
        turned = volume.reoriented(self.orientation or volume.orientation)
        self._check_fits(turned)
        floats = _single_precision(turned)
        cropped = floats.cropped(nonzero_box(floats)) if self.crop else floats
        return self._resampled(self._normalized(cropped))

    def box(self, turned: Volume) -> tuple[slice, slice, slice]:
        """The part of a turned volume that the network sees."""
        return nonzero_box(turned) if self.crop else whole_box(turned)

    def spacing_of(self, volume: Volume) -> tuple[float, float, float]:
        """The voxel size that a volume is resampled to, with its own where none is prescribed."""
        x, y, z = (
            wanted or own for wanted, own in zip(self.spacing_mm, volume.spacing_mm, strict=True)
        )
        return x, y, z

    def _normalized(self, volume: Volume) -> Volume:
        steps = self.normalization
        if len(steps) == 1:
            steps = steps * volume.channels
        if len(steps) != volume.channels:
            raise WrongChannels(
                f"The volume has {volume.channels} channel(s), the model wants {len(steps)}.",
                "Send the channels that the model was trained on, in this order.",
            )
        mask = _nonzero(volume.array) if any(step.masked for step in steps) else None
        channels = enumerate(zip(steps, volume.array, strict=True))
        return volume.new(
            np.stack([step(channel, mask, number) for number, (step, channel) in channels])
        )

    def _resampled(self, volume: Volume) -> Volume:
        spacing = self.spacing_of(volume)
        affine, shape = volume.grid_at(spacing)
        slices = slice_axis(volume.spacing_mm, spacing)
        channels = [resample(channel, shape, self.order, slices) for channel in volume.array]
        return volume.new(np.stack(channels), affine)

    def _check_fits(self, turned: Volume) -> None:
        voxels = float(np.prod(np.divide(turned.extent_mm, self.spacing_of(turned))))
        needed = max(voxels, float(np.prod(turned.spatial_shape))) * BYTES_PER_VOXEL
        free = available_bytes()
        if needed > free:
            raise TooLarge(
                f"The volume of {millimetres(turned.extent_mm)} mm has {voxels:.3g} voxels at "
                f"{self.spacing_mm} mm and would need {needed / 2**30:.1f} GiB; "
                f"{free / 2**30:.1f} GiB are free.",
                "Crop it to the anatomy of interest, or check the spacing in its header.",
            )


def nonzero_box(volume: Volume) -> tuple[slice, slice, slice]:
    """The smallest box around all that is not zero in some channel; everything if all is zero."""
    array = volume.array if volume.array.ndim == 4 else volume.array[np.newaxis]
    seen = np.any(array != 0, axis=0)
    found = ndimage.find_objects(seen.view(np.int8), 1)
    x, y, z = found[0] if found and found[0] else whole_box(volume)
    return x, y, z


def whole_box(volume: Volume) -> tuple[slice, slice, slice]:
    """All voxels."""
    x, y, z = (slice(0, n) for n in volume.spatial_shape)
    return x, y, z


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


def _single_precision(volume: Volume) -> Volume:
    channels = volume.array if volume.array.ndim == 4 else volume.array[np.newaxis]
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        floats = volume.new(channels.astype(np.float32))
    check_finite(floats.array)
    return floats


def _nonzero(array: Array) -> Mask:
    """Where some channel is not zero, without holes."""
    filled: Mask = ndimage.binary_fill_holes(np.any(array != 0, axis=0))
    return filled
