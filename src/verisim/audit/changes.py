"""Changes of a case that leave the patient recognizable: what copies are hidden by.

Lengths are voxels, intensities deviations of the image. A change that moves voxels moves the
label map along; slices (Z = 1) move within their plane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from verisim.volume import Array

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """One case.

    Args:
        image: (C, X, Y, Z).
        mask: Labels (X, Y, Z), if there are any.
    """

    image: Image
    mask: Mask | None = None

    @property
    def flat(self) -> bool:
        """Whether it is a slice."""
        return self.image.shape[-1] == 1

    @property
    def axes(self) -> int:
        """Along how many axes it extends."""
        return 2 if self.flat else 3


Change = Callable[[Sample, Sample, np.random.Generator], Sample]
"""Of a case; the second is a case of somebody else."""

ELASTIC_VOXELS = 1.0
"""Root mean square of a small elastic warp."""

ELASTIC_SMOOTH = 6.0
"""Voxels over which it changes."""


def unchanged(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """The case itself."""
    return own


def noise(deviation: float) -> Change:
    """Gaussian noise, relative to the image's own deviation."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        grain = draw.standard_normal(own.image.shape) * _deviation(own.image) * deviation
        return _with(own, own.image + grain)

    return change


def blur(sigma: float) -> Change:
    """A Gaussian blur."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        widths = (0.0, sigma, sigma, 0.0 if own.flat else sigma)
        return _with(own, ndimage.gaussian_filter(own.image, widths, mode="nearest"))

    return change


def gamma(exponent: float) -> Change:
    """A power of the intensities, smallest to 0 and largest to 1."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        return _with(own, _unit(own.image) ** exponent)

    return change


def curve(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A contrast curve that rises and falls again, as between kinds of MR sequence."""
    unit = _unit(own.image)
    return _with(own, np.sin(unit * np.pi * draw.uniform(1.1, 1.4)))


def inversion(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Black and white exchanged."""
    return _with(own, -own.image)


def bias_field(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A smooth gain between about 0.5 and 1.5, as of a receiving coil."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in own.image.shape[1:]), indexing="ij")
    slope = draw.standard_normal(own.axes)
    slope /= np.linalg.norm(slope)
    field = sum(share * place for share, place in zip(slope, grid, strict=False))
    return _with(own, _unit(own.image) * (1 + 0.5 * np.clip(field, -1, 1)))


def flip(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Mirrored along one axis."""
    axis = int(draw.integers(own.axes)) - 3
    mask = None if own.mask is None else np.flip(own.mask, axis)
    return Sample(np.flip(own.image, axis), mask)


def turn(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A quarter turn about one axis; what leaves the box is lost."""
    axis = 2 if own.flat else int(draw.integers(3))
    angle = np.zeros(3)
    angle[axis] = 90.0 * draw.choice([-1, 1])
    return moved(own, Rotation.from_euler("xyz", angle, degrees=True).as_matrix())


def shift(voxels: int) -> Change:
    """A shift along two of the axes."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        offset = np.zeros(3)
        offset[draw.permutation(own.axes)[:2]] = voxels * draw.choice([-1, 1], 2)
        return moved(own, np.eye(3), offset)

    return change


def rotation(degrees: float) -> Change:
    """A rotation about any axis through the middle; about the third for slices."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        axis = draw.standard_normal(3)
        if own.flat:
            axis[:2] = 0
        turned = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
        return moved(own, turned.as_matrix())

    return change


def zoom(factor: float) -> Change:
    """Everything larger by a factor."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        scale = np.full(3, 1 / factor)
        scale[own.axes :] = 1
        return moved(own, np.diag(scale))

    return change


def elastic(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A small smooth warp."""
    shape = own.image.shape[1:]
    smooth = (ELASTIC_SMOOTH, ELASTIC_SMOOTH, 0.0 if own.flat else ELASTIC_SMOOTH)
    places = np.indices(shape, dtype=np.float64)
    for axis in range(own.axes):
        bend = ndimage.gaussian_filter(draw.standard_normal(shape), smooth, mode="wrap")
        places[axis] += bend / bend.std() * ELASTIC_VOXELS
    return _sampled(
        own, lambda array, order: ndimage.map_coordinates(array, places, None, order, "nearest")
    )


def half_resolution(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """Averaged to half the voxels a side, and back again."""
    steps = tuple(2 if n > 1 else 1 for n in own.image.shape[1:])
    padded = np.pad(
        own.image,
        [(0, 0), *((0, -n % step) for n, step in zip(own.image.shape[1:], steps, strict=True))],
        mode="edge",
    )
    x, y, z = (n // step for n, step in zip(padded.shape[1:], steps, strict=True))
    means = padded.reshape(-1, x, steps[0], y, steps[1], z, steps[2]).mean(axis=(2, 4, 6))
    ratio = np.array(means.shape[1:]) / padded.shape[1:]
    back = [
        ndimage.affine_transform(
            channel, ratio, ratio / 2 - 0.5, own.image.shape[1:], order=1, mode="nearest"
        )
        for channel in means
    ]
    return _with(own, np.stack(back))


def blend(share: float) -> Change:
    """A mixture with somebody else."""

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        return _with(own, share * _standard(own.image) + (1 - share) * _standard(other.image))

    return change


def patch(offset: int) -> Change:
    """Somebody else with a quarter of the area of the case pasted in.

    Args:
        offset: Voxels along two axes from where it was, 0 for the same place.
    """

    def change(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        x, y = (n // 2 for n in own.image.shape[1:3])
        start = [
            int(draw.integers(offset, n - half - offset + 1))
            for n, half in ((own.image.shape[1], x), (own.image.shape[2], y))
        ]
        to = [k + offset * int(draw.choice([-1, 1])) for k in start]
        taken = np.s_[..., start[0] : start[0] + x, start[1] : start[1] + y, :]
        placed = np.s_[..., to[0] : to[0] + x, to[1] : to[1] + y, :]
        image = _standard(other.image)
        image[placed] = _standard(own.image)[taken]
        if own.mask is None or other.mask is None:
            return Sample(image, None)
        mask = other.mask.copy()
        mask[placed] = own.mask[taken]
        return Sample(image, mask)

    return change


def cut_out(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """A quarter of the area made one grey."""
    image = own.image.copy()
    x, y = (n // 2 for n in image.shape[1:3])
    a, b = int(draw.integers(x + 1)), int(draw.integers(y + 1))
    image[:, a : a + x, b : b + y] = image.mean(axis=(1, 2, 3), keepdims=True)
    return _with(own, image)


def mask_only(own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
    """The label map of the case under the image of somebody else."""
    return Sample(other.image, own.mask)


def moved(sample: Sample, matrix: Array, offset: Array | None = None) -> Sample:
    """A case laid out anew around its middle.

    Args:
        matrix: (3, 3), from the new place to the old, about the middle.
        offset: Voxels by which everything moves after that, (3,).
    """
    middle = (np.array(sample.image.shape[1:]) - 1) / 2
    start = middle - matrix @ (middle + (0 if offset is None else offset))
    return _sampled(
        sample,
        lambda array, order: ndimage.affine_transform(
            array, matrix, start, order=order, mode="nearest"
        ),
    )


def _sampled(sample: Sample, taken: Callable[[Array, int], Array]) -> Sample:
    image = np.stack([taken(channel, 1) for channel in sample.image])
    mask = None if sample.mask is None else taken(sample.mask, 0)
    return Sample(image.astype(np.float32), mask)


def _with(sample: Sample, image: Array) -> Sample:
    return replace(sample, image=np.ascontiguousarray(image, dtype=np.float32))


def _deviation(image: Image) -> Array:
    deviation: Array = image.std(axis=(1, 2, 3), keepdims=True)
    return deviation


def _standard(image: Image) -> Image:
    deviation = _deviation(image)
    centred = image - image.mean(axis=(1, 2, 3), keepdims=True)
    standard: Image = (centred / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return standard


def _unit(image: Image) -> Array:
    """Smallest to 0 and largest to 1, channel by channel."""
    low = image.min(axis=(1, 2, 3), keepdims=True)
    span = np.ptp(image, axis=(1, 2, 3), keepdims=True)
    unit: Array = (image - low) / np.where(span > 0, span, 1)
    return unit
