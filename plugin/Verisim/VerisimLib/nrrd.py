"""Volumes as NRRD bytes and back, without a file: what is sent never lies on the disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from VerisimLib.problems import Odd

TYPES = {
    "int8": "i1",
    "signed char": "i1",
    "uint8": "u1",
    "unsigned char": "u1",
    "uchar": "u1",
    "int16": "i2",
    "short": "i2",
    "uint16": "u2",
    "unsigned short": "u2",
    "ushort": "u2",
    "int32": "i4",
    "int": "i4",
    "uint32": "u4",
    "unsigned int": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
NAMES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32"}
NAMES.update({"i8": "int64", "u8": "uint64", "f4": "float", "f8": "double"})

GZIP = 31
"""For zlib: the largest window, and the header of gzip."""

SLAB = 1 << 21
"""Bytes that are copied at once."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Left and posterior become right and anterior."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Values on voxels.

    Args:
        array: (X, Y, Z), or (C, X, Y, Z) of several channels.
        affine: 4 x 4, voxel to RAS in mm.
    """

    array: np.ndarray
    affine: np.ndarray


def packed(grid: Grid) -> bytes:
    """A grid as the content of a .nrrd file."""
    array = grid.array
    kind = array.dtype.str[1:]
    if kind not in NAMES:
        raise Odd(f"Voxels of the type {array.dtype} cannot be sent.", "Cast the volume.")
    channels = array.ndim == 4
    vectors = [" ".join(f"{part:.17g}" for part in grid.affine[:3, axis]) for axis in range(3)]
    directions = " ".join(f"({vector.replace(' ', ',')})" for vector in vectors)
    origin = ",".join(f"{part:.17g}" for part in grid.affine[:3, 3])
    head = [
        "NRRD0004",
        f"type: {NAMES[kind]}",
        f"dimension: {array.ndim}",
        "space: right-anterior-superior",
        f"sizes: {' '.join(str(side) for side in array.shape)}",
        f"space directions: {'none ' if channels else ''}{directions}",
        f"kinds: {'list ' if channels else ''}domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: ({origin})",
    ]
    return b"".join(["\n".join(head).encode(), b"\n\n", *_pressed(array, "<" + kind)])


def _pressed(array: np.ndarray, kind: str) -> Iterator[bytes]:
    """The voxels packed slab by slab: a large copy would hold up every other thread."""
    press = zlib.compressobj(1, zlib.DEFLATED, GZIP)
    slices = array.shape[-1]
    thick = max(1, SLAB * slices // max(1, array.nbytes))
    for start in range(0, slices, thick):
        slab = np.asarray(array[..., start : start + thick], dtype=kind)
        yield press.compress(slab.tobytes(order="F"))
    yield press.flush()


def unpacked(content: bytes) -> Grid:
    """The grid in the content of a .nrrd file.

    Raises:
        Odd: It is none, or not all of it.
    """
    try:
        return _read(content)
    except (KeyError, ValueError, IndexError, zlib.error, UnicodeDecodeError) as error:
        raise Odd(
            "The server's volume cannot be read.", "Try again; then tell its admin."
        ) from error


def _read(content: bytes) -> Grid:
    split = content.index(b"\n\n")
    lines = content[:split].decode("utf-8").replace("\r", "").split("\n")
    if not lines[0].startswith("NRRD"):
        raise ValueError("no NRRD")
    pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line and line[0] != "#")
    fields = {name.strip().lower(): value.strip() for name, value in pairs}
    raw = content[split + 2 :]
    if fields["encoding"] in ("gzip", "gz"):
        raw = zlib.decompress(raw, GZIP)
    elif fields["encoding"] != "raw":
        raise ValueError("encoding")
    order = ">" if fields.get("endian") == "big" else "<"
    sizes = [int(side) for side in fields["sizes"].split()]
    array = np.frombuffer(raw, dtype=order + TYPES[fields["type"]]).reshape(sizes, order="F")
    return Grid(array, _affine(fields, len(sizes)))


def _affine(fields: dict[str, str], dimension: int) -> np.ndarray:
    words = fields["space directions"].split()
    vectors = [_vector(word) for word in words if word != "none"]
    if len(vectors) != 3 or len(words) != dimension or dimension not in (3, 4):
        raise ValueError("axes")
    affine = np.eye(4)
    affine[:3, :3] = np.array(vectors).T
    affine[:3, 3] = _vector(fields["space origin"])
    space = fields["space"].lower()
    if space in ("left-posterior-superior", "lps"):
        return LPS_TO_RAS @ affine
    if space not in ("right-anterior-superior", "ras"):
        raise ValueError("space")
    return affine


def _vector(word: str) -> list[float]:
    return [float(part) for part in word.strip("()").split(",")]
