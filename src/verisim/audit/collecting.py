"""From folders to cases on one grid, with everything refused that would spoil an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from verisim.audit.collection import Collection
from verisim.audit.folders import digest_of, volume_of
from verisim.audit.strata import StratumRule
from verisim.dataset import Case
from verisim.errors import BadDataset, BadInput, UnsupportedVolume, WrongChannels
from verisim.files import read_label_map
from verisim.progress import SILENT, Progress
from verisim.volume import Array, Volume

Images = npt.NDArray[np.float32]
Masks = npt.NDArray[np.uint8]

ORIENTATION = "RAS"
BOX_SHARE = 0.1
"""The box is as large as this share of the training cases is small: padding is no anatomy."""

BOX_STEP = 4
"""Voxels; boxes are multiples of it, so that they can be halved twice."""

STRETCH = 3.0
"""A case that has so many times the voxels of the box along an axis, or so few, is of another
kind."""

FEWEST_VOXELS = 8
"""Along the first two axes: with fewer nothing can be told apart."""


@dataclass(frozen=True)
class Grid:
    """The voxels that all cases of an audit are brought onto.

    Args:
        spacing_mm: Median of the training cases.
        shape: Inner box (X, Y, Z), Z = 1 for slices.
        channels: Of every image.
    """

    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    channels: int

    @classmethod
    def among(cls, training: Sequence[Case]) -> Grid:
        """The grid of training cases.

        Raises:
            BadDataset: Fewer than two cases, or they have different channels.
            BadInput: The images are too small to be told apart.
        """
        if len(training) < 2:
            raise BadDataset(
                f"{len(training)} training case(s) are no set that could be copied from.",
                "Name the folder with everything that the generator learned from.",
            )
        volumes = [volume_of(case).reoriented(ORIENTATION) for case in training]
        channels = {volume.channels for volume in volumes}
        if len(channels) > 1:
            raise BadDataset(
                f"Training images have {sorted(channels)} channels.", "Audit one kind at a time."
            )
        spacing = np.median([volume.spacing_mm for volume in volumes], axis=0)
        sizes = [volume.grid_at(_three(spacing))[1] for volume in volumes]
        return cls(_three(spacing), _box(sizes), channels.pop())

    def __call__(self, volume: Volume) -> Volume:
        """The inner box of a volume, cut out or padded around its middle."""
        turned = volume.reoriented(ORIENTATION)
        spacing = self.spacing_mm if self.shape[2] > 1 else (*self.spacing_mm[:2], 1.0)
        if self.shape[2] > 1 or turned.spatial_shape[2] > 1:
            turned = turned.resampled(_three(spacing))
        else:
            turned = turned.resampled((*self.spacing_mm[:2], turned.spacing_mm[2]))
        return turned.apply(lambda array: _centred(array, self.shape))


def collected(
    cases: Sequence[Case],
    grid: Grid,
    strata: StratumRule | None = None,
    store: Path | None = None,
    progress: Progress = SILENT,
) -> Collection:
    """Cases on the grid, each channel of mean 0 and deviation 1 within its whole volume.

    Args:
        cases: Read one after the other.
        grid: Of the training cases.
        strata: How their strata are found; one stratum without it.
        store: A folder for the arrays, which are then mapped from disk; in memory without it.
        progress: Hears of every case; may cancel between two.

    Raises:
        BadDataset: There is no case, two of one name, or a file changed while it was read.
        BadInput: An image that is not finite, constant, of another kind or size.
        WrongChannels: An image with other channels than the training images.
    """
    _check_names(cases)
    masked = all(case.label is not None for case in cases)
    images: Images = _room((len(cases), grid.channels, *grid.shape), "float32", store, "images")
    masks: Masks | None = None
    if masked:
        masks = _room((len(cases), *grid.shape), "uint8", store, "masks")
    digests = []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), "reading")
        digests.append(digest_of(case))
        images[k] = _image(case, grid)
        if masks is not None and case.label is not None:
            masks[k] = grid(read_label_map(case.label)).array
    found = Collection(
        names=tuple(case.name for case in cases),
        patients=tuple(case.subject for case in cases),
        strata=(strata or StratumRule()).strata_of([case.name for case in cases]),
        digests=tuple(digests),
        images=images,
        masks=masks,
    )
    check_unchanged(cases, found)
    return found


def check_unchanged(cases: Sequence[Case], collection: Collection) -> None:
    """Refuse what changed on disk since it was read.

    Raises:
        BadDataset: A file has another content now.
        NotFound: A file is gone.
    """
    for case, digest in zip(cases, collection.digests, strict=True):
        if digest_of(case) != digest:
            raise BadDataset(
                f"The case {case.name} changed on disk while it was audited.",
                "Leave the folder alone until the audit has ended, and start it again.",
            )


def check_apart(patients: Mapping[str, Sequence[str]]) -> None:
    """Refuse sets that share patients: held-out ones must be new to the generator.

    Args:
        patients: Those of each set, by its name.

    Raises:
        BadDataset: A patient is in two of them.
    """
    seen: dict[str, str] = {}
    for name, listed in patients.items():
        shared = sorted({patient for patient in listed if seen.get(patient, name) != name})
        if shared:
            raise BadDataset(
                f"{len(shared)} patient(s) are both in {seen[shared[0]]} and in {name}, "
                f"{shared[0]} is one.",
                "Choose a split by patient: held-out patients must be unknown to the generator.",
            )
        seen |= dict.fromkeys(listed, name)


def _check_names(cases: Sequence[Case]) -> None:
    if not cases:
        raise BadDataset("There is no case to audit.", "Name a folder with images.")
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadDataset(f"Two cases are named {twice}.", "Rename one of them.")


def _image(case: Case, grid: Grid) -> npt.NDArray[np.float32]:
    """(C, X, Y, Z) on the grid."""
    volume = volume_of(case)
    array = volume.array if volume.array.ndim == 4 else volume.array[np.newaxis]
    if len(array) != grid.channels:
        raise WrongChannels(
            f"{case.name} has {len(array)} channel(s), the training images have {grid.channels}.",
            "Audit cases of the same kind as the training cases.",
        )
    if not np.isfinite(array).all():
        raise UnsupportedVolume(
            f"{case.name} holds values that are no finite numbers.", "Correct or remove it."
        )
    on_grid = grid(volume.new(_z_scored(array.astype(np.float64), case.name)))
    _check_size(case.name, volume.reoriented(ORIENTATION), grid)
    if not (np.ptp(on_grid.array, axis=(1, 2, 3)) > 0).any():
        raise BadInput(f"The inner box of {case.name} is constant.", "Remove the case.")
    return on_grid.array.astype(np.float32)


def _z_scored(array: Array, name: str) -> Array:
    """Mean 0 and deviation 1 a channel; a channel of one value is 0."""
    deviation = array.std(axis=(1, 2, 3), keepdims=True)
    if not deviation.any():
        raise BadInput(f"{name} is constant: it shows nothing.", "Remove the case.")
    centred: Array = array - array.mean(axis=(1, 2, 3), keepdims=True)
    scored: Array = centred / np.where(deviation > 0, deviation, 1.0)
    return scored


def _check_size(name: str, volume: Volume, grid: Grid) -> None:
    size = np.multiply(volume.spatial_shape, np.divide(volume.spacing_mm, grid.spacing_mm))
    if grid.shape[2] == 1 or volume.spatial_shape[2] == 1:
        size[2] = volume.spatial_shape[2]
    ratio = size / np.array(grid.shape)
    if ratio.min() < 1 / STRETCH or ratio.max() > STRETCH:
        raise BadInput(
            f"{name} has {volume.spatial_shape} voxels, the training cases about {grid.shape} "
            f"of {grid.spacing_mm} mm: it is of another kind.",
            "Audit cases of the same kind as the training cases.",
        )


def _box(sizes: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    smallest = np.quantile(sizes, BOX_SHARE, axis=0)
    x, y, z = (int(n) if n < BOX_STEP else int(n // BOX_STEP) * BOX_STEP for n in smallest)
    if min(x, y) < FEWEST_VOXELS:
        raise BadInput(
            f"The training images have about ({x}, {y}, {z}) voxels: too few to tell them apart.",
            f"Audit images of {FEWEST_VOXELS} × {FEWEST_VOXELS} voxels or more.",
        )
    return x, y, z


def _centred(array: Array, shape: tuple[int, int, int]) -> Array:
    """The middle of an array (…, X, Y, Z); where it is too small its border is repeated."""
    for axis, wanted in zip((-3, -2, -1), shape, strict=True):
        missing = max(0, wanted - array.shape[axis])
        before = [(0, 0)] * array.ndim
        before[axis] = (missing // 2, missing - missing // 2)
        array = np.pad(array, before, mode="edge")
        start = (array.shape[axis] - wanted) // 2
        array = np.take(array, range(start, start + wanted), axis=axis)
    return array


def _room(shape: tuple[int, ...], kind: str, store: Path | None, name: str) -> Array:
    if store is None:
        return np.zeros(shape, kind)
    # numpy says nothing of its types here
    return open_memmap(store / f"{name}.npy", "w+", np.dtype(kind), shape)  # type: ignore[no-any-return, no-untyped-call]


def _three(numbers: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(n) for n in numbers)
    return x, y, z
