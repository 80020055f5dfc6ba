"""What a file's name promises, and the first questions to a file that a stranger sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verisim.errors import NotFound, TooLarge, UnreadableFile, UnsupportedVolume, VerisimError
from verisim.free_memory import available_bytes

NIFTI = (".nii.gz", ".nii")
SEGMENTATION_NRRD = ".seg.nrrd"
NRRD = (".nrrd", ".nhdr")
DICOM = ".dcm"

IMAGE_SUFFIXES = (*NIFTI, *NRRD)
"""Names of files that hold one volume each (a .seg.nrrd is a .nrrd too)."""

LABEL_MAP_SUFFIXES = (".nrrd", *NIFTI, SEGMENTATION_NRRD, DICOM)
"""Formats in which a label map is written."""

AGAIN = "Copy or export the file again."

ACCEPTED = "Accepted: .nii, .nii.gz, .nrrd, .nhdr, .seg.nrrd, .dcm and a folder of DICOM files."


def suffix_of(path: Path) -> str:
    """The suffix in small letters, with ".nii.gz" and ".seg.nrrd" taken as one."""
    name = path.name.lower()
    doubles = (double for double in (".nii.gz", SEGMENTATION_NRRD) if name.endswith(double))
    return next(doubles, path.suffix.lower())


def stem(path: Path) -> str:
    """The file's name without its suffix, e.g. "case_1" of "case_1.nii.gz"."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def check_file(path: Path) -> None:
    """Ask that there is a file with something in it.

    Raises:
        NotFound: Nothing of that name.
        UnreadableFile: A folder, or an empty file.
    """
    if not path.exists():
        raise NotFound(f"There is no file {path}.", "Check the name.")
    if not path.is_file():
        raise UnreadableFile(f"{path.name} is not a file.", "Name one file.")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{path.name} is empty (0 bytes).", "Copy or export it again.")
    if not os.access(path, os.R_OK):
        raise UnreadableFile(f"{path.name} may not be opened.", "Check its permissions.")


def check_memory(path: Path, size: int) -> None:
    """Ask that the voxels of a file, `size` bytes, fit into this machine.

    Raises:
        TooLarge: They do not.
    """
    available = available_bytes()
    if size > available:
        raise TooLarge(
            f"{path.name} holds {size / 1e9:.1f} GB of voxels; "
            f"{available / 1e9:.1f} GB of memory are free.",
            "Crop or resample it, or use a machine with more memory.",
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors raised inside begin with the file's name."""
    try:
        yield
    except VerisimError as error:
        if path.name in error.message:
            raise
        raise type(error)(f"{path.name}: {error.message}", error.remedy) from error


def volume_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The three axes of a stored array, its trailing axes of length 1 dropped.

    Raises:
        UnsupportedVolume: An axis without voxels, or more than one volume.
    """
    if any(n < 1 for n in shape) or not shape:
        raise UnsupportedVolume(
            f"{path.name} has shape {shape}: an axis has no voxels.", "Export the volume again."
        )
    x, y, z, *more = (*shape, 1, 1, 1)
    if any(n > 1 for n in more):
        raise UnsupportedVolume(
            f"{path.name} has {len(shape)} axes, {shape}: that is a series of volumes or "
            "a vector per voxel, not one 3-D volume.",
            "Save one of its volumes as a file of its own.",
        )
    return x, y, z
