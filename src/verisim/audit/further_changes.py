"""Further ways to hide a copy: no measure was made for them, a benchmark tries them.

As in `verisim.audit.changes`, lengths are voxels and intensities deviations of the image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.fft import dctn, idctn

from verisim.audit.changes import Change, Sample
from verisim.volume import Array

BLOCK = 8
"""Voxels a side of the blocks that are compressed."""


def speckle(deviation: float) -> Change:
    """Noise that is stronger where the image is brighter, as of ultrasound."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        grain = draw.standard_normal(own.image.shape) * deviation
        low = own.image.min(axis=(1, 2, 3), keepdims=True)
        return _with(own, (own.image - low) * (1 + grain))

    return change


def sharpened(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Detail finer than a Gaussian of one voxel, doubled."""
    widths = (0.0, 1.0, 1.0, 0.0 if own.flat else 1.0)
    smooth = ndimage.gaussian_filter(own.image, widths, mode="nearest")
    return _with(own, 2 * own.image - smooth)


def compressed(step: float) -> Change:
    """Cosine waves of blocks of 8 × 8 rounded, the finer the coarser, as JPEG does.

    Args:
        step: Of the slowest wave, in deviations of the image.
    """

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        x, y = own.image.shape[1:3]
        ends = [(0, 0), (0, -x % BLOCK), (0, -y % BLOCK), (0, 0)]
        blocks = _blocks(np.pad(own.image, ends, mode="edge"))
        waves = dctn(blocks, axes=(2, 4), norm="ortho")
        place = np.arange(BLOCK)
        coarse = 1 + place[:, None, None] + place[None, None, :]
        unit = step * own.image.std() * coarse[..., None]
        back = idctn(np.round(waves / unit) * unit, axes=(2, 4), norm="ortho")
        c, a, _, b, _, z = back.shape
        return _with(own, back.reshape(c, a * BLOCK, b * BLOCK, z)[:, :x, :y])

    return change


def posterized(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Eight greys."""
    low, high = _range(own, 0.0, 1.0)
    span = np.where(high > low, high - low, 1)
    return _with(own, np.round((own.image - low) / span * 7))


def windowed(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Seen through a narrow window: the darkest 30 % and the brightest 10 % are one grey each."""
    return _with(own, np.clip(own.image, *_range(own, 0.3, 0.9)))


def equalized(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Every grey equally frequent."""
    ranks = [np.argsort(np.argsort(one, axis=None, kind="stable")) for one in own.image]
    return _with(own, np.stack(ranks).reshape(own.image.shape) / own.image[0].size)


def erased(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Six boxes of a fifth of each side filled with somebody else."""
    image, others = own.image.copy(), _standard(other.image)
    image = _standard(image)
    sides = [max(1, n // 5) if n > 1 else 1 for n in image.shape[1:]]
    for _ in range(6):
        at = [int(draw.integers(n - s + 1)) for n, s in zip(image.shape[1:], sides, strict=True)]
        box = (slice(None), *(slice(a, a + s) for a, s in zip(at, sides, strict=True)))
        image[box] = others[box]
    return _with(own, image)


def half(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """One half of the case, the other half somebody else's."""
    axis = int(draw.integers(own.axes))
    n = own.image.shape[axis + 1]
    taken = np.arange(n) < n // 2
    if draw.integers(2):
        taken = ~taken
    chosen = taken.reshape([-1 if k == axis else 1 for k in range(3)])
    image = np.where(chosen, _standard(own.image), _standard(other.image))
    if own.mask is None or other.mask is None:
        return Sample(image, None)
    return Sample(image, np.where(chosen, own.mask, other.mask))


def rolled(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A third of the slices taken from one end and put at the other."""
    axis = 1 if own.flat else 3
    by = own.image.shape[axis] // 3 * int(draw.choice([-1, 1]))
    mask = None if own.mask is None else np.roll(own.mask, by, axis - 1)
    return Sample(np.roll(own.image, by, axis), mask)


def stretched(factor: float) -> Change:
    """Longer by a factor along one axis, shorter along the next."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        scale = np.ones(3)
        scale[draw.permutation(own.axes)[:2]] = 1 / factor, factor
        middle = (np.array(own.image.shape[1:]) - 1) / 2
        offset = middle - scale * middle

        def taken(array: Array, order: int) -> Array:
            moved: Array = ndimage.affine_transform(
                array, np.diag(scale), offset, order=order, mode="nearest"
            )
            return moved

        image = np.stack([taken(channel, 1) for channel in own.image]).astype(np.float32)
        return Sample(image, None if own.mask is None else taken(own.mask, 0))

    return change


def channels_exchanged(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Every channel in the place of the next."""
    return _with(own, np.roll(own.image, 1, axis=0))


def channel_inverted(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Black and white exchanged in one channel."""
    image = own.image.copy()
    k = int(draw.integers(len(image)))
    image[k] = -image[k]
    return _with(own, image)


def one_channel(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """One channel of the case, all others somebody else's; the label map is theirs."""
    image = _standard(other.image)
    k = int(draw.integers(len(image)))
    image[k] = _standard(own.image)[k]
    return Sample(image, other.mask)


def _blocks(image: Array) -> Array:
    """(C, X, Y, Z) as (C, X / 8, 8, Y / 8, 8, Z)."""
    c, x, y, z = image.shape
    return image.reshape(c, x // BLOCK, BLOCK, y // BLOCK, BLOCK, z)


def _range(own: Sample, low: float, high: float) -> tuple[Array, Array]:
    ends = np.quantile(own.image, (low, high), axis=(1, 2, 3), keepdims=True)
    return ends[0], ends[1]


def _standard(image: Array) -> Array:
    deviation = image.std(axis=(1, 2, 3), keepdims=True)
    centred = image - image.mean(axis=(1, 2, 3), keepdims=True)
    standard: Array = (centred / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return standard


def _with(sample: Sample, image: Array) -> Sample:
    return replace(sample, image=np.ascontiguousarray(image, dtype=np.float32))
