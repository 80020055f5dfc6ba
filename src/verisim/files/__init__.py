"""Volumes and label maps, from files and to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from verisim.errors import NotFound, UnreadableFile
from verisim.files import nifti, nrrd, seg_nrrd
from verisim.files.dicom_series import Series, is_dicom, read_header, series_in
from verisim.files.nifti import GeometryWarning
from verisim.files.segments import Color, found_labels, whole_numbers
from verisim.files.source import (
    ACCEPTED,
    DICOM,
    IMAGE_SUFFIXES,
    NIFTI,
    NRRD,
    SEGMENTATION_NRRD,
    naming,
    stem,
    suffix_of,
)
from verisim.volume import Array, LabelMap, Volume

__all__ = [
    "IMAGE_SUFFIXES",
    "Color",
    "GeometryWarning",
    "Series",
    "read",
    "read_label_map",
    "series_in",
    "stem",
    "suffix_of",
    "write",
]


def read(path: Path, series: str | None = None, channels: int = 1) -> Volume:
    """Read one volume from a file or a folder of DICOM files.

    Args:
        series: SeriesInstanceUID, for a folder with more than one series.
        channels: A NRRD file may hold so many values per voxel.

    Raises:
        NotFound: No such file.
        BadInput: It cannot be read, or is not one 3-D volume; the subclass says which.
        TooLarge: It would not fit into memory.
    """
    if not path.exists():
        raise NotFound(f"There is no file {path}.", "Check the name.")
    suffix = suffix_of(path)
    if suffix in NIFTI:
        return nifti.read(path)
    if suffix in (*NRRD, SEGMENTATION_NRRD):
        return nrrd.read(path, channels)
    if path.is_dir() or suffix == DICOM or is_dicom(path):
        # SimpleITK takes 90 MB and half a second, which other formats need not pay
        from verisim.files import dicom

        return dicom.read(path, series)
    raise UnreadableFile(f"{path.name} is of no known kind.", ACCEPTED)


def read_label_map(path: Path, labels: Mapping[str, int] | None = None) -> LabelMap:
    """Read a label map; without `labels` the names are the file's own, else "label_1", ….

    Where the file names its labels as `labels` does, its values become those of `labels`: DICOM
    and 3D Slicer number segments anew.

    Raises:
        NotFound: No such file.
        BadInput: It cannot be read, or holds other than whole numbers.
    """
    label_map = _stored_label_map(path)
    if labels is None:
        return label_map
    array = label_map.array
    if label_map.labels.keys() <= labels.keys():
        array = _renumbered(label_map, labels)
    return LabelMap(array, label_map.affine, dict(labels))


def write(
    path: Path,
    volume: Volume,
    colors: Mapping[str, Color] | None = None,
    reference: Path | None = None,
    series: str | None = None,
) -> None:
    """Write a volume or label map in the format that the suffix names.

    Args:
        colors: Red, green and blue from 0 to 1 for each label, kept by .seg.nrrd and .dcm.
        reference: The folder of the DICOM series that a .dcm segmentation belongs to.
        series: SeriesInstanceUID, for a `reference` with more than one series.

    Raises:
        UnreadableFile: No format of that suffix, or one for label maps only.
        StorageFailed: The disk refused; nothing is left behind.
    """
    suffix = suffix_of(path)
    if suffix in NIFTI:
        nifti.write(path, volume)
    elif suffix == ".nrrd":
        nrrd.write(path, volume)
    elif suffix == SEGMENTATION_NRRD and isinstance(volume, LabelMap):
        seg_nrrd.write(path, volume, colors)
    elif suffix == DICOM and isinstance(volume, LabelMap):
        from verisim.files import dicom_seg  # with highdicom, which takes a second

        dicom_seg.write(path, volume, reference, colors, series)
    else:
        raise UnreadableFile(
            f"{path.name} names no format for a {type(volume).__name__}.",
            "Volumes are written as .nii, .nii.gz and .nrrd, label maps also as .seg.nrrd "
            "and .dcm.",
        )


def _stored_label_map(path: Path) -> LabelMap:
    if path.exists() and suffix_of(path) == SEGMENTATION_NRRD:
        return seg_nrrd.read(path)
    if path.is_file() and _is_segmentation(path):
        from verisim.files import dicom_seg  # with highdicom, which takes a second

        return dicom_seg.read(path)
    volume = read(path)
    with naming(path):
        array = whole_numbers(volume.array)
    return LabelMap(array, volume.affine, found_labels(array))


def _renumbered(label_map: LabelMap, labels: Mapping[str, int]) -> Array:
    array = label_map.array.astype(np.min_scalar_type(max(labels.values(), default=0)))
    for name in label_map.labels:
        array[label_map.binary(name)] = labels[name]
    return array


def _is_segmentation(path: Path) -> bool:
    if suffix_of(path) != DICOM and not is_dicom(path):
        return False
    return bool(read_header(path).get("Modality") == "SEG")
