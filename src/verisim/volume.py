"""A volume is an array that knows where it lies: every operation returns a new one.

Voxel index (i, j, k) lies at `affine @ (i, j, k, 1)` in RAS+ millimetres (x to the right,
y to the front, z to the head). Since an answer is resampled like the question, nothing here
needs an inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from verisim.errors import BadGeometry, UnsupportedVolume

Array = npt.NDArray[Any]

SHEAR_TOLERANCE = 1e-3
"""Largest cosine between voxel axes: beyond it (0.06°) neither DICOM nor ITK keeps the place."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM and NRRD measure to the left and the back, everything here to the right and the front."""

SAME_PLACE_MM = 1e-3
"""Grids whose corners differ by less are the same grid."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image with its place in the patient.

    Args:
        array: Intensities, (X, Y, Z) or (C, X, Y, Z).
        affine: (4, 4), voxel index to RAS+ mm.

    Raises:
        UnsupportedVolume: Not 3-D, or an axis without voxels.
        BadGeometry: The affine is singular, sheared or not finite.
    """

    array: Array
    affine: npt.NDArray[np.float64]

    order: ClassVar[int] = 1  # interpolation: linear for intensities and probabilities
    outside: ClassVar[str] = "nearest"  # beyond the border: the nearest voxel

    def __post_init__(self) -> None:
        array = np.asarray(self.array).view()
        array.setflags(write=False)
        affine = np.array(self.affine, dtype=np.float64)
        _check_shape(array)
        _check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "affine", affine)

    @property
    def spatial_shape(self) -> tuple[int, int, int]:
        """Voxels along (X, Y, Z)."""
        x, y, z = self.array.shape[-3:]
        return x, y, z

    @property
    def channels(self) -> int:
        """Number of channels; 1 for an array (X, Y, Z)."""
        return self.array.shape[0] if self.array.ndim == 4 else 1

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Millimetres per voxel along each axis."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Size of the box along each axis."""
        x, y, z = np.multiply(self.spacing_mm, self.spatial_shape)
        return float(x), float(y), float(z)

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """RAS mm of the eight outermost voxels, (3, 8)."""
        return corners(self.affine, self.spatial_shape)

    @property
    def voxel_ml(self) -> float:
        """Millilitres per voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def orientation(self) -> str:
        """Where the axes point, e.g. "RAS": to the right, the front and the head."""
        return "".join(nibabel.aff2axcodes(self.affine))

    def new(self, array: Array, affine: npt.NDArray[np.float64] | None = None) -> Self:
        """The same kind of volume with another array, and another affine if given."""
        return replace(self, array=array, affine=self.affine if affine is None else affine)

    def apply(self, function: Callable[[Array], Array]) -> Self:
        """The volume with `function` applied to its array."""
        return self.new(function(self.array))

    def reoriented(self, orientation: str) -> Self:
        """The same voxels with axes flipped and permuted to point to e.g. "RAS"."""
        if orientation == self.orientation:
            return self
        now = nibabel.io_orientation(self.affine)
        turn = nibabel.orientations.ornt_transform(
            now, nibabel.orientations.axcodes2ornt(orientation)
        )
        channels_last = np.moveaxis(_with_channels(self.array), 0, -1)
        turned = np.moveaxis(nibabel.apply_orientation(channels_last, turn), -1, 0)
        affine = self.affine @ nibabel.orientations.inv_ornt_aff(turn, self.spatial_shape)
        return self.new(turned if self.array.ndim == 4 else turned[0], affine)

    def resampled(self, spacing_mm: tuple[float, float, float]) -> Self:
        """The volume at another spacing, over the same box of the patient."""
        return self._on_grid(*self.grid_at(spacing_mm))

    def grid_at(
        self, spacing_mm: tuple[float, float, float]
    ) -> tuple[npt.NDArray[np.float64], tuple[int, int, int]]:
        """Affine and shape of the voxels that fill the same box at another spacing.

        The box holds a whole number of voxels, so the spacing is met as nearly as that allows.
        """
        wanted = np.multiply(self.spatial_shape, np.divide(self.spacing_mm, spacing_mm))
        x, y, z = (max(1, round(n)) for n in wanted)
        ratio = np.divide(self.spatial_shape, (x, y, z))
        step = np.diag([*ratio, 1.0])
        step[:3, 3] = ratio / 2 - 0.5  # the corners of the box stay where they are
        return self.affine @ step, (x, y, z)

    def resampled_like(self, other: Volume) -> Self:
        """The volume on the voxels of another."""
        return self._on_grid(other.affine, other.spatial_shape)

    def cropped(self, box: tuple[slice, slice, slice]) -> Self:
        """The voxels inside a box of index ranges, in the same place."""
        start = [s.indices(n)[0] for s, n in zip(box, self.spatial_shape, strict=True)]
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ start
        return self.new(self.array[(..., *box)], affine)

    def shares_grid(self, other: Volume) -> bool:
        """Whether both volumes have the same voxels in the same place."""
        return self.spatial_shape == other.spatial_shape and bool(
            np.abs(self.corners - other.corners).max() < SAME_PLACE_MM
        )

    def _on_grid(
        self, affine: npt.NDArray[np.float64], spatial_shape: tuple[int, int, int]
    ) -> Self:
        index = np.linalg.inv(self.affine) @ affine  # index there => index here
        if spatial_shape == self.spatial_shape and np.allclose(index, np.eye(4), atol=1e-5):
            return self.new(self.array, affine)
        sampled = [
            self._sampled(channel, index, spatial_shape) for channel in _with_channels(self.array)
        ]
        return self.new(np.stack(sampled) if self.array.ndim == 4 else sampled[0], affine)

    def _sampled(
        self, channel: Array, index: npt.NDArray[np.float64], shape: tuple[int, int, int]
    ) -> Array:
        matrix = index[:3, :3]
        if np.allclose(matrix, np.diag(np.diag(matrix)), atol=1e-7):
            matrix = np.diag(matrix)  # scipy is much faster along the axes
        sampled: Array = ndimage.affine_transform(
            channel, matrix, index[:3, 3], shape, order=self.order, mode=self.outside
        )
        return sampled


@dataclass(frozen=True, eq=False)
class LabelMap(Volume):
    """A volume of integers, each the value of a label; background is 0.

    Args:
        array: (X, Y, Z), integers.
        affine: (4, 4), voxel index to RAS+ mm.
        labels: Name to value, background not listed.
    """

    labels: Mapping[str, int] = field(default_factory=dict)

    order: ClassVar[int] = 0  # a label is never half another
    outside: ClassVar[str] = "grid-constant"  # beyond the border: background

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.array.ndim != 3 or self.array.dtype.kind not in "ui":
            raise UnsupportedVolume(
                f"A label map has three axes of integers, not {self.array.ndim} "
                f"of {self.array.dtype}.",
                "Save it as one volume of whole numbers.",
            )

    def binary(self, label: str) -> npt.NDArray[np.bool_]:
        """Where the label is, (X, Y, Z)."""
        found: npt.NDArray[np.bool_] = self.array == self.labels[label]
        return found

    def valued(self, labels: Mapping[str, int]) -> LabelMap:
        """Only some of the labels, with other values; what else there was is background."""
        array = np.zeros(self.spatial_shape, np.min_scalar_type(max(labels.values(), default=0)))
        for name, value in labels.items():
            array[self.binary(name)] = value
        return LabelMap(array, self.affine, labels)

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Millilitres of each label."""
        return {name: float(self.binary(name).sum()) * self.voxel_ml for name in self.labels}


def _with_channels(array: Array) -> Array:
    return array if array.ndim == 4 else array[np.newaxis]


def corners(
    affine: npt.NDArray[np.float64], spatial_shape: tuple[int, int, int]
) -> npt.NDArray[np.float64]:
    """RAS mm of the eight outermost voxels of a grid, (3, 8)."""
    index = np.array(np.meshgrid(*([0, n - 1] for n in spatial_shape))).reshape(3, -1)
    placed: npt.NDArray[np.float64] = affine[:3, :3] @ index + affine[:3, 3:]
    return placed


def millimetres(extent_mm: Iterable[float]) -> str:
    """A size as people write it, e.g. "35 × 50 × 36"."""
    return " × ".join(f"{side:.0f}" for side in extent_mm)


def _check_shape(array: Array) -> None:
    if array.ndim not in (3, 4):
        raise UnsupportedVolume(
            f"An array of shape {array.shape} is no volume: it needs the axes (X, Y, Z), "
            "with channels (C, X, Y, Z).",
            "Send one 3-D volume.",
        )
    if 0 in array.shape:
        raise UnsupportedVolume(
            f"The volume has shape {array.shape}: an axis has no voxels.",
            "Export the volume again.",
        )


def _check_affine(affine: npt.NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise BadGeometry(
            f"The affine must be 4 × 4 finite numbers, not {affine.tolist()}.",
            "Export the volume again with its geometry.",
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < 1e-6:
        raise BadGeometry(
            f"The affine {affine.tolist()} is singular: a voxel axis has no length.",
            "Correct the header, or export the volume again.",
        )
    axes = affine[:3, :3] / spacing
    cosines = np.abs(axes.T @ axes - np.eye(3))
    if cosines.max() > SHEAR_TOLERANCE:
        raise BadGeometry(
            f"The affine {affine.tolist()} is singular or sheared: two voxel axes meet at "
            f"{np.degrees(np.arccos(min(1.0, cosines.max()))):.1f}° instead of 90°.",
            "Resample the volume to a rectangular grid (in 3D Slicer: Resample Scalar Volume).",
        )
