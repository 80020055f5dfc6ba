"""The same box of the patient with more or fewer voxels, by nnU-Net's rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from verisim.volume import Array

ANISOTROPIC = 3.0
"""Slices this much farther apart than the voxels within them are not blended (Isensee 2021)."""


def slice_axis(*spacings_mm: Sequence[float]) -> int | None:
    """The axis along which voxels are taken from the nearest slice instead of blended.

    It is the single coarsest axis of the first spacing that is anisotropic; None if none is.

    Args:
        spacings_mm: Where the voxels come from, then where they go to.
    """
    for spacing in spacings_mm:
        if max(spacing) / min(spacing) > ANISOTROPIC:
            coarsest = [axis for axis, mm in enumerate(spacing) if mm == max(spacing)]
            return coarsest[0] if len(coarsest) == 1 else None
    return None


def resample(array: Array, shape: Sequence[int], order: int, slices: int | None = None) -> Array:
    """One channel over the same box with another number of voxels.

    Args:
        array: (X, Y, Z) float32.
        shape: The new (X, Y, Z).
        order: Of the spline: 1 linear, 3 cubic; cubic values stay within those of the array.
        slices: Axis along which the nearest slice is taken, see `slice_axis`.
    """
    if tuple(shape) == array.shape:
        return array
    if slices is None:
        return _clipped(_spline(array, shape, order), array, None, order)
    within = list(shape)
    within[slices] = array.shape[slices]
    blended = _clipped(_spline(array, within, order), array, slices, order)
    return np.take(blended, nearest(array.shape[slices], shape[slices]), axis=slices)


def rows(block: Array, first: int, whole: int, wanted: range, total: int) -> Array:
    """Some rows of a linear resampling along the first axis, from a block of the rows.

    Args:
        block: (n, …), the rows `first`, `first` + 1, … of the array.
        first: Index of the block's first row.
        whole: How many rows the array has.
        wanted: Which rows of the result.
        total: How many rows the result has.
    """
    low, high, weight = neighbours(whole, total)
    index = np.arange(wanted.start, wanted.stop)
    share = weight[index].astype(np.float32).reshape(-1, *(1,) * (block.ndim - 1))
    below, above = block[low[index] - first], block[high[index] - first]
    blended: Array = below + share * (above - below)
    return blended


def neighbours(whole: int, total: int) -> tuple[Array, Array, Array]:
    """For each of `total` rows over the box of `whole` rows: the rows around it, and its place.

    Returns:
        Index of the row below and above, and how far towards the one above, 0..1.
    """
    place = np.clip((np.arange(total) + 0.5) * whole / total - 0.5, 0, whole - 1)
    low = np.floor(place).astype(int)
    return low, np.minimum(low + 1, whole - 1), place - low


def nearest(whole: int, total: int) -> Array:
    """For each of `total` rows over the box of `whole` rows the nearest of these."""
    place = (np.arange(total) + 0.5) * whole / total - 0.5
    # halves go up, as in scipy's map_coordinates, which nnU-Net calls
    index: Array = np.clip(np.floor(place + 0.5).astype(int), 0, whole - 1)
    return index


def _spline(array: Array, shape: Sequence[int], order: int) -> Array:
    ratio = np.divide(array.shape, shape)
    sampled: Array = ndimage.affine_transform(
        array, ratio, ratio / 2 - 0.5, tuple(shape), np.float32, order, mode="nearest"
    )
    return sampled


def _clipped(sampled: Array, source: Array, slices: int | None, order: int) -> Array:
    """A cubic spline overshoots; slice by slice where slices are not blended."""
    if order < 2:
        return sampled
    axes = None if slices is None else tuple(axis for axis in range(3) if axis != slices)
    low, high = source.min(axis=axes, keepdims=True), source.max(axis=axes, keepdims=True)
    return np.clip(sampled, low, high)
