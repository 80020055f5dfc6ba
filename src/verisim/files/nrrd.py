"""NRRD files: a text header that names its own coordinate system, then the voxels."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np
import numpy.typing as npt
from nrrd.errors import NRRDError

from verisim.errors import BadGeometry, UnreadableFile, UnsupportedVolume
from verisim.files.atomic import replacing
from verisim.files.limits import check_end, check_voxels
from verisim.files.nifti import DEFLATE_LIMIT, GeometryWarning, storable
from verisim.files.source import AGAIN, check_file, check_memory, naming, volume_shape
from verisim.volume import LPS_TO_RAS, Volume

FROM_LPS = LPS_TO_RAS[:3, :3]

TO_RAS = {
    "right-anterior-superior": np.eye(3),
    "ras": np.eye(3),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0]),
    "left-posterior-superior": FROM_LPS,
    "lps": FROM_LPS,
}
"""The coordinate systems of the patient."""

SCANNER = ("scanner-xyz", "3d-right-handed")
"""Coordinate systems that do not name the patient; like ITK and 3D Slicer we take them as LPS."""

MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3}

ENCODINGS = ("raw", "gzip", "gz", "bzip2", "bz2")
"""How the voxels may be packed."""

DENSEST = {"raw": 1, "gzip": DEFLATE_LIMIT, "gz": DEFLATE_LIMIT}
"""Bytes of voxels that one byte of the file can hold; bzip2 knows no limit."""

HEADER_LIMIT = 1 << 20
"""Longest header, bytes: a segmentation with a thousand segments has a third of it."""

FASTEST = 1
"""Gzip level: a harder one costs seconds on a CT and saves a few percent."""

BROKEN = (NRRDError, ValueError, TypeError, KeyError, IndexError, OverflowError)
"""What pynrrd raises when a header cannot be right."""

Header = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """What a NRRD file holds.

    Args:
        array: All voxels; (L, X, Y, Z) if the file has L values or layers per voxel.
        fields: The header's own fields, e.g. those of Slicer's segments.
    """

    array: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    fields: Mapping[str, str]


def read(path: Path, channels: int = 1) -> Volume:
    """Read a NRRD file of so many channels, with its voxels beside the header or near it.

    Raises:
        UnreadableFile: Empty, truncated, not NRRD, or pointing out of its folder.
        UnsupportedVolume: More than one value per voxel, or an axis without voxels.
        BadGeometry: A singular or sheared affine.
        TooLarge: It would not fit into memory.
    """
    content = read_content(path)
    layers = content.array.shape[:-3]
    if layers not in ((), (1,), (channels,)):
        raise UnsupportedVolume(
            f"{path.name} has {layers[0]} values per voxel (colours, layers), not {channels}.",
            "Save one of them as a volume of its own.",
        )
    with naming(path):
        return Volume(content.array[0] if layers == (1,) else content.array, content.affine)


def read_content(path: Path) -> Content:
    """Read the voxels, their place, and the header's own fields."""
    check_file(path)
    header, start = _header(path)
    try:
        array = _array(path, header, start)
        array, directions = _spatial_last(path, header, array)
        affine = _affine(path, header, directions)
    except BROKEN as error:
        raise _broken_header(path, error) from error
    return Content(array, affine, {k: v for k, v in header.items() if isinstance(v, str)})


def write(path: Path, volume: Volume, fields: Mapping[str, str] | None = None) -> None:
    """Write a volume or label map, with further header fields if given.

    Raises:
        UnsupportedVolume: More than one channel.
        StorageFailed: The disk refused.
    """
    header = {
        "space": "left-posterior-superior",
        # one row per array axis = one column of the affine
        "space directions": (FROM_LPS @ volume.affine[:3, :3]).T,
        "space origin": FROM_LPS @ volume.affine[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
        **(fields or {}),
    }
    with replacing(path) as temporary:
        nrrd.write(str(temporary), storable(volume), header, compression_level=FASTEST)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and where it ends; read line by line, since its names may be UTF-8."""
    lines, size = [], 0
    with path.open("rb") as stream:
        if stream.read(4) != b"NRRD":
            raise UnreadableFile(
                f"{path.name} is not NRRD: it does not begin with the word NRRD.",
                "Send a NRRD file, or name the file by what it is.",
            )
        stream.seek(0)
        while (line := stream.readline(HEADER_LIMIT)).strip() and size < HEADER_LIMIT:
            lines.append(line.decode("utf-8", "replace"))
            size += len(line)
        start = stream.tell()
    try:
        return dict(nrrd.read_header(lines)), start
    except BROKEN as error:
        raise _broken_header(path, error) from error


def _broken_header(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(f"{path.name} has a broken header: {error!r}.", AGAIN)


def _array(path: Path, header: Header, start: int) -> npt.NDArray[Any]:
    """Decode the voxels, all axes as stored, in this machine's byte order."""
    shape = tuple(int(n) for n in header["sizes"])
    if any(n < 1 for n in shape):
        volume_shape(path, shape)
    check_voxels(path, math.prod(shape))
    plain = {**header, "encoding": "raw"}
    for detached in ("data file", "datafile"):
        plain.pop(detached, None)
    item = _voxel_type(path, header).itemsize
    voxels = _voxel_bytes(path, header, start, math.prod(shape) * item)
    array: npt.NDArray[Any] = nrrd.read_data(plain, io.BytesIO(voxels))
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _voxel_type(path: Path, header: Header) -> np.dtype[Any]:
    name = str(header["type"])
    code = nrrd.reader._TYPEMAP_NRRD2NUMPY.get(name, "V")  # pynrrd's only list of type names
    if code == "V":
        raise UnsupportedVolume(
            f"{path.name} has voxels of type {name}, not one number each.",
            "Convert it to grey values.",
        )
    return np.dtype(code)


def _voxel_bytes(path: Path, header: Header, start: int, promised: int) -> bytes:
    """The bytes that the header promises, never more."""
    source, start = _data_file(path, header, start)
    encoding = str(header["encoding"])
    skips = {header.get(name, 0) for name in ("line skip", "lineskip", "byte skip", "byteskip")}
    if encoding not in ENCODINGS or skips != {0}:
        raise UnreadableFile(
            f"{path.name} is stored as {encoding} with skipped bytes {sorted(skips)}; "
            "raw, gzip and bzip2 without skips can be read.",
            "Save it again with gzip.",
        )
    packed = source.stat().st_size - start
    if (encoding == "raw" and promised > packed) or promised > packed * DEFLATE_LIMIT**2:
        raise _truncated(path, promised, packed)
    check_memory(path, promised)
    try:
        with source.open("rb") as file:
            file.seek(start)
            with _unpacked(file, encoding) as stream:
                voxels = stream.read(promised)
                if encoding != "raw":
                    check_end(path, stream)
    except (EOFError, zlib.error, OSError) as error:
        raise UnreadableFile(f"{path.name} is truncated or damaged: {error}.", AGAIN) from error
    if len(voxels) < promised:
        raise _truncated(path, promised, len(voxels))
    return voxels


def _unpacked(file: BinaryIO, encoding: str) -> BinaryIO | gzip.GzipFile | bz2.BZ2File:
    if encoding == "raw":
        return file
    return gzip.GzipFile(fileobj=file) if encoding in ("gzip", "gz") else bz2.BZ2File(file)


def _truncated(path: Path, promised: int, found: int) -> UnreadableFile:
    return UnreadableFile(
        f"{path.name} is truncated: its header promises {promised} bytes of voxels, "
        f"the file has {found}.",
        AGAIN,
    )


def _data_file(path: Path, header: Header, start: int) -> tuple[Path, int]:
    """Where the voxels begin: behind the header, or in a file beside it."""
    if {"data file", "datafile"}.isdisjoint(header):
        return path, start
    name = str(header.get("data file", header.get("datafile")))
    # a server reads files of strangers: a header must not point at the server's own files
    plain = {"/", "\\", "\0"}.isdisjoint(name) and len(name.encode()) < 256  # as disks allow
    beside = path.parent / (name if plain else "")
    if beside.resolve().parent != path.parent.resolve() or not beside.is_file():
        raise UnreadableFile(
            f"{path.name} keeps its voxels in {name[:80]!r}, which is no file beside it.",
            "Save header and voxels in one .nrrd file.",
        )
    return beside, 0


def _spatial_last(
    path: Path, header: Header, array: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
    """The axes of space behind those of colours or layers, and their directions as rows."""
    directions = header.get("space directions")
    if directions is None:
        return array.reshape(volume_shape(path, array.shape)), None
    directions = np.asarray(directions, float)
    space = [n for n, row in enumerate(directions) if not np.isnan(row).any()]
    others = [n for n in range(array.ndim) if n not in space]
    if len(space) != 3 or len(directions) != array.ndim:
        raise UnsupportedVolume(
            f"{path.name} has {len(space)} axes in space, not 3.", "Save one 3-D volume."
        )
    moved = array.transpose(*others, *space)
    if others:
        moved = moved.reshape(-1, *moved.shape[-3:])
    return moved, directions[space]


def _affine(
    path: Path, header: Header, directions: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    """Voxel index to RAS+ mm."""
    affine = np.eye(4)
    if directions is None:
        spacings = np.asarray(header.get("spacings", np.ones(3)), float)[:3]
        directions = np.diag(np.where(np.isnan(spacings), 1.0, spacings))
    origin = np.asarray(header.get("space origin", np.zeros(3)), float)
    affine[:3, :3] = directions.T
    affine[:3, 3] = origin
    affine[:3] *= _unit_mm(path, header)
    affine[:3] = _to_ras(path, header) @ affine[:3]
    return affine


def _to_ras(path: Path, header: Header) -> npt.NDArray[np.float64]:
    space = str(header.get("space", "none")).lower()
    if space in TO_RAS:
        return TO_RAS[space]
    if space in SCANNER or space == "none":
        warnings.warn(
            f"{path.name} does not say how the patient lies (space: {space}); "
            "left-posterior-superior is assumed.",
            GeometryWarning,
            stacklevel=5,
        )
        return FROM_LPS
    raise BadGeometry(
        f"{path.name} is in the space {space!r}, which names no patient axes.",
        "Save it in left-posterior-superior.",
    )


def _unit_mm(path: Path, header: Header) -> float:
    units = {str(unit) for unit in header.get("space units", ["mm"])} - {"", "none", "???"}
    if len(units) > 1 or not units <= MILLIMETRES.keys():
        raise BadGeometry(
            f"{path.name} measures space in {sorted(units)}; mm, cm, m and um are known.",
            "Save it in millimetres.",
        )
    return MILLIMETRES[units.pop()] if units else 1.0
