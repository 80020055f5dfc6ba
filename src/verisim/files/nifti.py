"""NIfTI files: the research world's format, with its two ways to say where a volume lies."""

from __future__ import annotations

import gzip
import io
import math
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from verisim.errors import UnreadableFile, UnsupportedVolume, VerisimWarning
from verisim.files.atomic import replacing
from verisim.files.limits import HEADER, check_end, check_voxels
from verisim.files.segments import whole_numbers
from verisim.files.source import AGAIN, check_file, check_memory, naming, suffix_of, volume_shape
from verisim.fractions import ONE, Fractions
from verisim.volume import LabelMap, Volume, corners

DEFLATE_LIMIT = 1032
"""Gzip never packs more than this many bytes into one (the deflate format's own limit)."""

BROKEN = (HeaderDataError, ImageFileError, ValueError, OverflowError, EOFError, OSError)
"""What nibabel raises when a header cannot be right."""


class GeometryWarning(VerisimWarning):
    """A file that contradicts itself, or is silent, about where its volume lies."""


def read(path: Path) -> Volume:
    """Read a NIfTI file.

    Warns:
        GeometryWarning: The header gives two different places, or none.

    Raises:
        UnreadableFile: Empty, truncated, or not NIfTI.
        UnsupportedVolume: More than one volume, colours, or an axis without voxels.
        BadGeometry: A singular or sheared affine.
        TooLarge: It would not fit into memory.
    """
    check_file(path)
    image = _image(path, _content(path))
    _warn_of_contradiction(path, image)
    with naming(path):
        return Volume(_voxels(path, image), image.affine)


def write(path: Path, volume: Volume, description: str = "") -> None:
    """Write a volume or label map with both header forms of the affine equal.

    Args:
        path: Ends in .nii or .nii.gz.
        volume: What to write.
        description: For the header, which holds 79 letters of it.

    Raises:
        UnsupportedVolume: More than one channel.
        StorageFailed: The disk refused.
    """
    scaled = isinstance(volume, Fractions)
    array = volume.array if scaled else storable(volume)
    image = nibabel.Nifti1Image(array, volume.affine, dtype=array.dtype)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description[:79].encode("ascii", "replace")
    if scaled:
        image.header.set_slope_inter(1 / ONE, 0)
    with replacing(path) as temporary:
        image.to_filename(temporary)


def storable(volume: Volume) -> npt.NDArray[Any]:
    """The voxels (X, Y, Z) in a type that every reader knows.

    Raises:
        UnsupportedVolume: More than one channel.
    """
    if volume.channels > 1:
        raise UnsupportedVolume(
            f"A file holds one volume, not {volume.channels} channels.",
            "Write one file for each channel.",
        )
    array = volume.array.reshape(volume.spatial_shape)
    if isinstance(volume, LabelMap):
        return whole_numbers(array)
    if isinstance(volume, Fractions):
        return volume.values
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        narrow = np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max()))
        return array.astype(narrow)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _content(path: Path) -> bytes:
    """The bytes that the header promises, never more."""
    packed = suffix_of(path) == ".nii.gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            head = stream.read(nibabel.Nifti2Header.sizeof_hdr)
            promised = _promised_size(path, head)
            size = path.stat().st_size * (DEFLATE_LIMIT if packed else 1)
            if promised > size:
                raise _truncated(path, promised, path.stat().st_size)
            check_memory(path, promised)
            content = head + stream.read(max(0, promised - len(head)))
            if packed:
                check_end(path, stream)
    except EOFError as error:
        raise UnreadableFile(f"{path.name} is truncated: gzip data end early.", AGAIN) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _not_gzip(path, error) from error
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error.strerror}.", AGAIN) from error
    if len(content) < promised:
        raise _truncated(path, promised, len(content))
    return content


def _not_gzip(path: Path, error: Exception) -> UnreadableFile:
    if "Not a gzipped file" in str(error):
        return UnreadableFile(
            f"{path.name} is not gzip-compressed, as its name says.",
            "If it is an uncompressed NIfTI file, name it .nii; else export it again.",
        )
    return UnreadableFile(f"{path.name} is damaged: {error}.", AGAIN)


def _truncated(path: Path, promised: int, found: int) -> UnreadableFile:
    return UnreadableFile(
        f"{path.name} is truncated: its header promises {promised} bytes, the file has {found}.",
        AGAIN,
    )


def _format(path: Path, head: bytes) -> type[nibabel.Nifti1Image]:
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        if kind.header_class.may_contain_header(head):
            found: type[nibabel.Nifti1Image] = kind
            return found
    raise UnreadableFile(
        f"{path.name} is not NIfTI: its header of {len(head)} bytes has not the NIfTI mark.",
        "Send a NIfTI file, or name the file by what it is.",
    )


def _promised_size(path: Path, head: bytes) -> int:
    kind = _format(path, head)
    try:
        header = kind.header_class.from_fileobj(io.BytesIO(head), check=True)
        shape = tuple(int(n) for n in header.get_data_shape())
        item = int(header.get_data_dtype().itemsize)
        start = int(header.get_data_offset())
        if not 0 <= start <= HEADER:
            raise ValueError(f"its voxels begin at byte {start}")
    except BROKEN as error:
        raise _broken_header(path, error) from error
    voxels = math.prod(volume_shape(path, shape))
    check_voxels(path, voxels)
    return start + item * voxels


def _broken_header(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(f"{path.name} has a broken header: {error}.", AGAIN)


def _image(path: Path, content: bytes) -> nibabel.Nifti1Image:
    try:
        return _format(path, content).from_bytes(content)
    except BROKEN as error:
        raise _broken_header(path, error) from error


def _voxels(path: Path, image: nibabel.Nifti1Image) -> npt.NDArray[Any]:
    """Intensities (X, Y, Z) in this machine's byte order; rescaled ones are float32."""
    stored = image.get_data_dtype()
    if stored.kind not in "iuf":
        raise UnsupportedVolume(
            f"{path.name} has voxels of type {stored}: colours or complex numbers, "
            "not one intensity per voxel.",
            "Convert it to grey values.",
        )
    array: npt.NDArray[Any] = np.asanyarray(image.dataobj).reshape(volume_shape(path, image.shape))
    if array.dtype.newbyteorder("=") != stored.newbyteorder("="):  # a slope was applied
        return array.astype(np.float32)
    wide = stored.kind == "f" and stored.itemsize > 8
    return array.astype(np.float64 if wide else stored.newbyteorder("="), copy=False)


def _warn_of_contradiction(path: Path, image: nibabel.Nifti1Image) -> None:
    try:
        qform, sform = image.get_qform(coded=True)[0], image.get_sform(coded=True)[0]
    except BROKEN:
        return  # an impossible quaternion beside the affine that nibabel prefers
    if qform is None and sform is None:
        warnings.warn(
            f"{path.name} does not say how the patient lies; left and right may be swapped.",
            GeometryWarning,
            stacklevel=3,
        )
    if qform is None or sform is None:
        return
    shape = volume_shape(path, image.shape)
    moved = np.abs(corners(qform, shape) - corners(sform, shape)).max()
    # below half a voxel no voxel takes its neighbour's place: rounding of the quaternion
    if moved > np.linalg.norm(sform[:3, :3], axis=0).min() / 2:
        warnings.warn(
            f"{path.name} gives two places for its volume (qform and sform), up to "
            f"{moved:.1f} mm apart; the sform is used.",
            GeometryWarning,
            stacklevel=3,
        )
