"""DICOM images: one volume from the slices of a series."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from verisim.errors import BadSeries, UnreadableFile, UnsupportedVolume
from verisim.files.dicom_series import check_tower, chosen_series, read_header
from verisim.files.dicom_stack import Slice, affine_of, check_grey, slice_of, sorted_slices
from verisim.files.limits import check_voxels
from verisim.files.source import check_file, check_memory, naming
from verisim.volume import Volume

WIDEST_VOXEL = 8
"""Bytes per voxel that a decoder may need."""


def read(path: Path, series: str | None = None) -> Volume:
    """Read one DICOM file, or one series of a folder, as rescaled intensities (HU for CT).

    Args:
        series: SeriesInstanceUID, for a folder with more than one series.

    Raises:
        SeveralSeries: More than one series, and none chosen.
        BadSeries: Missing or duplicate slices, a tilted gantry, no position.
        UnsupportedVolume: Colours, or many frames in one file.
        UnreadableFile: No DICOM image, or a damaged one.
    """
    if path.is_dir():
        files = list(chosen_series(path, series).files)
    else:
        check_file(path)
        files = [path]
    stack = sorted_slices([_slice(file) for file in files])
    columns, rows = stack[0].shape
    voxels = columns * rows * len(stack)
    check_voxels(path, voxels)
    check_memory(path, voxels * WIDEST_VOXEL)
    with naming(path):
        return Volume(_pixels(stack), affine_of(stack))


def _slice(path: Path) -> Slice:
    header = read_header(path)
    check_tower(path)
    check_grey(path, header)
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise UnsupportedVolume(
            f"{path.name} holds {frames} frames in one file (multi-frame DICOM).",
            "Export it as a classic series with one file per slice.",
        )
    if 0 in (header.get("Rows", 0), header.get("Columns", 0)):
        raise UnsupportedVolume(f"{path.name} has no pixels.", "Export the volume again.")
    return slice_of(path, header)


def _pixels(stack: list[Slice]) -> npt.NDArray[Any]:
    """Rescaled intensities, (X, Y, Z)."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(s.path) for s in stack])
    if len({s.scale for s in stack}) > 1:
        # the reader takes the first file's type for all: slices scaled otherwise would be cut off
        reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFile(
            f"The pixels of {_undecodable(stack).name} cannot be decoded: {_reason(error)}.",
            "Copy or export the series again, uncompressed if possible.",
        ) from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise UnsupportedVolume("The pixels are colours.", "Choose a series of grey images.")
    array: npt.NDArray[Any] = sitk.GetArrayFromImage(image).T
    if array.shape != (*stack[0].shape, len(stack)):
        raise BadSeries(
            f"The decoder found {array.shape} voxels, the headers promise "
            f"{(*stack[0].shape, len(stack))}.",
            "Export the series again.",
        )
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _undecodable(stack: list[Slice]) -> Path:
    """The first file that cannot be decoded alone."""
    for one in stack:
        try:
            sitk.ReadImage(str(one.path))
        except RuntimeError:
            return one.path
    return stack[0].path


def _reason(error: RuntimeError) -> str:
    """The last line of ITK's report, without its source locations and addresses."""
    line = str(error).strip().splitlines()[-1].strip().rstrip(".")
    return re.sub(r"\(0x[0-9a-f]+\)", "", line)
