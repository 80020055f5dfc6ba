"""Simultaneous truth and performance level estimation (Warfield 2004), for several labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from verisim.volume import Array, LabelMap


def staple(label_maps: Sequence[LabelMap], undecided: LabelMap) -> LabelMap:
    """The label map that explains best what raters, each with errors of its own, have drawn.

    Args:
        label_maps: One a rater, on the same voxels.
        undecided: Decides the voxels for which two labels are as likely, and all of them where
            no rater found anything or there is only one.
    """
    found = np.stack([one.array for one in label_maps]) if label_maps else np.zeros(0)
    if len(found) < 2 or not found.any():
        return undecided
    box = _around(found.any(axis=0))
    array = undecided.array.copy()
    fused = _fused(found[(slice(None), *box)], len(undecided.labels) + 1)
    array[box] = np.where(fused > len(undecided.labels), array[box], fused)
    return undecided.new(array)


def _fused(found: Array, undecided: int) -> Array:
    images = [sitk.GetImageFromArray(one.astype(np.uint16)) for one in found]
    fused: Array = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, undecided))
    return fused


def _around(mask: Array) -> tuple[slice, slice, slice]:
    """The box of a mask and a voxel around it: far away all raters agree on the background, and
    would be thought better than they are."""
    edges = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    x, y, z = (slice(max(0, int(e[0]) - 1), int(e[-1]) + 2) for e in edges)
    return x, y, z
