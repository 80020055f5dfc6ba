"""Volumes and label maps, from files and to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verisim.errors import NotFound, UnreadableFile, UnsupportedVolume
from verisim.files import nifti
from verisim.files.nifti import GeometryWarning, label_type
from verisim.files.source import ACCEPTED, IMAGE_SUFFIXES, NIFTI, naming, stem, suffix_of
from verisim.volume import LabelMap, Volume

__all__ = [
    "IMAGE_SUFFIXES",
    "GeometryWarning",
    "read",
    "read_label_map",
    "stem",
    "suffix_of",
    "write",
]

Color = tuple[float, float, float]


def read(path: Path, series: str | None = None) -> Volume:
    """Read one volume from a file or a folder of DICOM files.

    Args:
        series: SeriesInstanceUID, for a folder with more than one series.

    Raises:
        NotFound: No such file.
        BadInput: It cannot be read, or is not one 3-D volume; the subclass says which.
    """
    if not path.exists():
        raise NotFound(f"There is no file {path}.", "Check the name.")
    if suffix_of(path) in NIFTI:
        return nifti.read(path)
    raise UnreadableFile(f"{path.name} is of no known kind.", ACCEPTED)


def read_label_map(path: Path, labels: Mapping[str, int] | None = None) -> LabelMap:
    """Read a label map; without `labels`, each value v found becomes "label_v".

    Raises:
        NotFound: No such file.
        BadInput: It cannot be read, or holds other than whole numbers.
    """
    volume = read(path)
    with naming(path):
        array = _whole_numbers(volume)
    values = np.unique(array[array > 0])
    found = {f"label_{value}": int(value) for value in values}
    return LabelMap(array, volume.affine, dict(labels) if labels is not None else found)


def write(
    path: Path,
    volume: Volume,
    colors: Mapping[str, Color] | None = None,
    reference: Path | None = None,
) -> None:
    """Write a volume or label map in the format that the suffix names.

    Args:
        colors: Red, green and blue from 0 to 1 for each label, kept by .seg.nrrd and .dcm.
        reference: The folder of the DICOM series that a .dcm segmentation belongs to.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    if suffix_of(path) in NIFTI:
        return nifti.write(path, volume)
    raise UnreadableFile(f"{path.name} is of no known kind.", ACCEPTED)


def _whole_numbers(volume: Volume) -> npt.NDArray[Any]:
    array = volume.array
    if array.dtype.kind == "f":
        odd = array[~np.isfinite(array) | (array != np.round(array))]
        if odd.size:
            raise UnsupportedVolume(
                f"A label map holds whole numbers, not {odd.flat[0]:g}.",
                "Was this the image instead of its labels?",
            )
    if array.min() < 0:
        raise UnsupportedVolume(
            f"A label map holds values from 0, not {array.min():g}.", "Number the labels from 1."
        )
    return label_type(array)
