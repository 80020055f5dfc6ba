"""The same box of the patient with more or fewer voxels, by nnU-Net's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

import numpy as np
from scipy import ndimage

from verisim.volume import Array

ANISOTROPIC = 3.0
"""Slices this much farther apart than the voxels within them are not blended (Isensee 2021)."""

VOXELS_AT_ONCE = 2**22
"""Rows are resampled by as many voxels: 16 MiB in single precision."""


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
    return np.take(blended, _nearest(array.shape[slices], shape[slices]), axis=slices)


def linear_by_row(
    blocks: Iterable[Array], whole: int, shape: Sequence[int], slices: int | None = None
) -> Iterator[Array]:
    """A linear resampling over the same box, of an array that arrives in blocks of rows.

    Args:
        blocks: (K, n, Y, Z), the next n rows of all.
        whole: How many rows they are together.
        shape: The new (X, Y, Z).
        slices: Axis along which the nearest slice is taken, see `slice_axis`.

    Yields:
        The next rows of the result, (K, m, *shape[1:]), each as soon as it can be made.
    """
    low, high, share = _neighbours(whole, shape[0], slices == 0)
    held: Array | None = None
    first = made = 0  # index of the first row that is held, and of the first one still to make
    for block in blocks:
        for piece in _pieces(block, shape):
            across = _linear(_linear(piece, 2, shape[1], slices == 1), 3, shape[2], slices == 2)
            held = across if held is None else np.concatenate([held, across], 1)
            ready = int(np.searchsorted(high, first + held.shape[1]))
            if ready > made:
                wanted = slice(made, ready)
                yield _blend(held, low[wanted] - first, high[wanted] - first, share[wanted], 1)
                made = ready
                needed = int(low[made]) if made < shape[0] else whole
                drop = min(needed - first, held.shape[1])
                held, first = held[:, drop:], first + drop


def _pieces(block: Array, shape: Sequence[int]) -> Iterator[Array]:
    """A block in fewer rows at a time, so that what is made of them stays small."""
    voxels = block.shape[0] * max(prod(block.shape[2:]), prod(shape[1:]))
    count = max(1, VOXELS_AT_ONCE // voxels)
    return (block[:, k : k + count] for k in range(0, block.shape[1], count))


def _linear(array: Array, axis: int, total: int, nearest: bool) -> Array:
    """`total` voxels along one axis, over the same box."""
    if array.shape[axis] == total:
        return array
    return _blend(array, *_neighbours(array.shape[axis], total, nearest), axis)


def _blend(array: Array, low: Array, high: Array, share: Array, axis: int) -> Array:
    below = np.take(array, low, axis)
    if not share.any():
        return below
    weight = share.astype(np.float32).reshape(-1, *(1,) * (array.ndim - axis - 1))
    below += weight * (np.take(array, high, axis) - below)
    return below


def _neighbours(whole: int, total: int, nearest: bool) -> tuple[Array, Array, Array]:
    """For each of `total` voxels over the box of `whole`: the two around it.

    Returns:
        Index of the one below and of the one above, and how far towards that it lies, 0..1.
    """
    if nearest:
        index = _nearest(whole, total)
        return index, index, np.zeros(total)
    place = np.clip((np.arange(total) + 0.5) * whole / total - 0.5, 0, whole - 1)
    low = np.floor(place).astype(int)
    return low, np.minimum(low + 1, whole - 1), place - low


def _nearest(whole: int, total: int) -> Array:
    """For each of `total` voxels over the box of `whole` the nearest of these."""
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
