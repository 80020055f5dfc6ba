"""What both programs are given: files under the names that nnU-Net wants."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from verisim.dataset import Case, open_dataset
from verisim.errors import VerisimError
from verisim.files import read, write
from verisim.volume import Array, Volume

DATA = Path(os.environ.get("VERISIM_DATA", "../shared/data")) / "hippocampus"
"""Real images beside the checkout, or where the tests look for them."""

Shape = tuple[int, int, int]


def cases_of(data: Path, count: int, split: str = "val") -> tuple[Case, ...]:
    """The first cases of a split.

    Raises:
        SystemExit: There is no such data set, or it has fewer.
    """
    try:
        cases = open_dataset(data).split(split)[:count]
    except VerisimError as error:
        raise SystemExit(f"{error.message} Name the data set with --data.") from error
    if len(cases) < count:
        raise SystemExit(f"{data} has only {len(cases)} cases in {split}: lower --cases.")
    return cases


def lay_out(cases: Sequence[Case], folder: Path) -> Path:
    """Copy images as nnU-Net names them: CASE_0000.nii.gz for the first channel."""
    folder.mkdir(parents=True)
    for case in cases:
        for k, image in enumerate(case.images):
            target = folder / f"{case.name}_{k:04d}.nii.gz"
            if image.name.endswith(".nii.gz"):
                shutil.copy(image, target)
            else:
                write(target, read(image))
    return folder


def lay_out_large(shape: Shape, cases: Sequence[Case], folder: Path) -> Path:
    """One synthetic volume of 1 mm voxels: smoothed noise in which real anatomy can be found."""
    folder.mkdir(parents=True)
    small = [volume for case in cases for volume in [case.volume()] if volume.channels == 1]
    array = anatomy_in_noise(shape, [volume.array for volume in small])
    affine = small[0].affine if small else np.eye(4)
    write(folder / "large_0000.nii.gz", Volume(array, affine))
    return folder


def anatomy_in_noise(shape: Shape, arrays: Sequence[Array], seed: int = 0) -> Array:
    """Noise of standard deviation 1 with each array, standardized, put at a place of its own.

    Args:
        shape: (X, Y, Z) of the result.
        arrays: Smaller volumes (x, y, z), each once, until the room is full.
        seed: Of the noise.

    Returns:
        (X, Y, Z) float32, around 0 and nowhere exactly 0, so that nothing is cropped.
    """
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    result = (noise / noise.std()).astype(np.float32)
    if not arrays:
        return result
    cell = np.max([array.shape for array in arrays], axis=0) + 8
    places = np.argwhere(np.ones(np.array(shape) // cell, bool)) * cell
    for place, array in zip(places, arrays, strict=False):
        box = tuple(slice(p, p + n) for p, n in zip(place, array.shape, strict=True))
        result[box] = (array - array.mean()) / max(float(array.std()), 1e-6)
    return result


def shape_of(words: str) -> Shape:
    """Three sides from "256x256x200".

    Raises:
        ValueError: Not three whole numbers above 0.
    """
    found = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)[x×]([1-9]\d*)", words)
    if found is None:
        raise ValueError(f"{words} is no shape like 256x256x200")
    return int(found[1]), int(found[2]), int(found[3])
