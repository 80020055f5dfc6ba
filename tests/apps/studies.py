"""Studies that a network of eight features can learn: a bright box and a dark one in noise."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from monailabel.datastore.local import LocalDatastore

from verisim import files
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}
SIDE = 16


def a_labelled_pair(seed: int) -> tuple[Volume, LabelMap]:
    """A volume of 1 mm voxels, and where its bright (1) and dark (2) boxes are."""
    random = np.random.default_rng(seed)
    label = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    x, y, z = random.integers(1, 5, 3)
    deep, high = 2 * random.integers(3, 6, 2)  # so different that no two pass for one person
    label[x : x + 5, y : y + deep, z : z + high] = 1
    label[x + 6 : x + 11, y : y + deep, z : z + high] = 2
    array = random.normal(100, 5, label.shape) + 60.0 * (label == 1) - 60.0 * (label == 2)
    affine = np.eye(4)
    return Volume(array.astype(np.float32), affine), LabelMap(label, affine, LABELS)


def write_case(folder: Path, name: str, seed: int, tags: Iterable[str] = ("final",)) -> None:
    """Write a volume, and its labels under some tags, where MONAI Label looks for them."""
    volume, label_map = a_labelled_pair(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / f"{name}.nii.gz", volume)
    for tag in tags:
        (folder / "labels" / tag).mkdir(parents=True, exist_ok=True)
        files.write(folder / "labels" / tag / f"{name}.nii.gz", label_map)


def open_studies(folder: Path) -> LocalDatastore:
    """The datastore of the folder, as the server opens it."""
    return LocalDatastore(str(folder), extensions=["*.nii.gz", "*.nrrd"], auto_reload=False)
