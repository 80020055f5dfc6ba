"""NIfTI files in memory: most studies of a server are such files, and none is left on the disk."""

from __future__ import annotations

import zlib

import numpy as np

from VerisimLib.nrrd import GZIP, Grid
from VerisimLib.problems import Odd

GZIPPED = b"\x1f\x8b"

FIELDS = ("dim", "datatype", "pixdim", "vox_offset", "slope", "inter", "q", "s", "quatern", "srow")
"""What is read of a header; `quatern` is the quaternion and the place, `q` and `s` are codes."""

FIRST = (
    348,
    ("8i2", "i2", "8f4", "f4", "f4", "f4", "i2", "i2", "6f4", "(3,4)f4"),
    (40, 70, 76, 108, 112, 116, 252, 254, 256, 280),
)
"""NIfTI-1: bytes of the header, kinds of the fields and where they begin."""

SECOND = (
    540,
    ("8i8", "i2", "8f8", "i8", "f8", "f8", "i4", "i4", "6f8", "(3,4)f8"),
    (16, 12, 104, 168, 176, 184, 344, 348, 352, 400),
)
"""NIfTI-2, likewise."""

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
TYPES.update({1024: "i8", 1280: "u8"})


def unpacked(content: bytes) -> Grid:
    """The grid in the content of a .nii or .nii.gz file.

    Raises:
        Odd: It is none, not all of it, or holds several volumes.
    """
    try:
        return _read(zlib.decompress(content, GZIP) if content[:2] == GZIPPED else content)
    except (KeyError, ValueError, IndexError, zlib.error) as error:
        raise Odd(
            "The server's volume cannot be read.", "Try again; then tell its admin."
        ) from error


def _read(content: bytes) -> Grid:
    head, order = _head(content)
    x, y, z, *more = (max(1, int(side)) for side in head["dim"][1 : 1 + int(head["dim"][0])])
    if any(side != 1 for side in more):
        raise ValueError("several volumes")
    kind = np.dtype(order + TYPES[int(head["datatype"])])
    voxels = np.frombuffer(content, kind, x * y * z, int(head["vox_offset"]))
    return Grid(_scaled(voxels.reshape((x, y, z), order="F"), head), _affine(head))


def _head(content: bytes) -> tuple[np.void, str]:
    """The header, and the order of its bytes."""
    for size, kinds, places in (FIRST, SECOND):
        for order in "<>":
            if np.frombuffer(content, order + "i4", 1)[0] == size:
                fields = {"names": FIELDS, "offsets": places, "itemsize": size}
                formats = [np.dtype(kind).newbyteorder(order) for kind in kinds]
                head = np.frombuffer(content, np.dtype({**fields, "formats": formats}), 1)
                return head[0], order
    raise ValueError("no NIfTI")


def _scaled(voxels: np.ndarray, head: np.void) -> np.ndarray:
    """The values that the stored numbers stand for."""
    slope, inter = float(head["slope"]), float(head["inter"])
    plain = slope == 0 or not np.isfinite([slope, inter]).all() or (slope, inter) == (1.0, 0.0)
    return voxels if plain else (voxels * slope + inter).astype(np.float32)


def _affine(head: np.void) -> np.ndarray:
    """Voxel to RAS in mm, 4 x 4, of the two ways to say it the one that counts."""
    affine = np.eye(4)
    if head["s"] > 0:
        affine[:3] = head["srow"]
    elif head["q"] > 0:
        affine[:3, :3] = _rotation(head["quatern"][:3].astype(float)) * _sides(head)
        affine[:3, 3] = head["quatern"][3:]
    else:  # it says nothing: its middle is the origin, and x runs to the left
        affine[:3, :3] = np.diag(_sides(head) * (-1, 1, 1))
        affine[:3, 3] = -affine[:3, :3] @ ((head["dim"][1:4] - 1) / 2)
    return affine


def _sides(head: np.void) -> np.ndarray:
    """Of a voxel in mm; the last one is negative where the axes are those of a mirror image."""
    flip = -1.0 if head["q"] > 0 and head["pixdim"][0] < 0 else 1.0
    return head["pixdim"][1:4].astype(float) * (1.0, 1.0, flip)


def _rotation(vector: np.ndarray) -> np.ndarray:
    """Of a unit quaternion whose vector part is given, 3 x 3."""
    b, c, d = vector
    a = np.sqrt(max(0.0, 1.0 - vector @ vector))
    cross = np.array([[0.0, -d, c], [d, 0.0, -b], [-c, b, 0.0]])
    return np.eye(3) + 2 * a * cross + 2 * cross @ cross
