"""Voxels and where they are, and the files in which they travel; knows neither Slicer nor HTTP."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

TO_LPS = np.diag([-1.0, -1.0, 1.0])
FASTEST = 1
"""Gzip level: a harder one costs seconds and saves a few percent."""

NRRD_TYPES = {
    "i1": "int8",
    "u1": "uint8",
    "i2": "int16",
    "u2": "uint16",
    "i4": "int32",
    "u4": "uint32",
    "i8": "int64",
    "u8": "uint64",
    "f4": "float",
    "f8": "double",
}


class UnreadableVolume(Exception):
    """What came is no volume, or not the one that was asked for."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A volume.

    Args:
        array: Voxels, (X, Y, Z).
        affine: Voxel index to RAS mm, (4, 4).
    """

    array: np.ndarray
    affine: np.ndarray

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    def millilitres(self, value: int) -> float:
        """Volume of the voxels that have a value."""
        return float(np.count_nonzero(self.array == value)) * self.voxel_ml

    def place(self, index: tuple[float, float, float]) -> tuple[float, float, float]:
        """RAS mm of a voxel."""
        r, a, s = self.affine[:3, :3] @ np.asarray(index) + self.affine[:3, 3]
        return float(r), float(a), float(s)

    def centre_of_greatest_slice(self, axis: int = 2) -> tuple[float, float, float]:
        """RAS mm of the middle of the slice with the greatest sum, e.g. the least certain one."""
        others = tuple(a for a in range(3) if a != axis)
        index = [(size - 1) / 2 for size in self.array.shape]
        index[axis] = float(np.argmax(self.array.sum(axis=others, dtype=np.float64)))
        return self.place((index[0], index[1], index[2]))


def nrrd(grid: Grid) -> bytes:
    """The content of an NRRD file: exact also for oblique, flipped and sheared volumes.

    SimpleITK writes to a disk only, and no trace of a patient shall stay on it.
    """
    array = np.asarray(grid.array)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    directions = TO_LPS @ grid.affine[:3, :3]
    header = (
        "NRRD0004",
        f"type: {NRRD_TYPES[little.dtype.str[1:]]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, array.shape))}",
        f"space directions: {' '.join(_vector(directions[:, axis]) for axis in range(3))}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(TO_LPS @ grid.affine[:3, 3])}",
    )
    voxels = gzip.compress(little.tobytes(order="F"), FASTEST, mtime=0)
    return "\n".join(header).encode() + b"\n\n" + voxels


def _vector(values: np.ndarray) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"


def fingerprint(content: bytes) -> str:
    """By which a server knows that it has this volume already."""
    return hashlib.sha256(content).hexdigest()


def read(content: bytes, ending: str) -> Grid:
    """The volume in the content of a file.

    Args:
        content: The whole file.
        ending: ".nrrd", ".nii.gz" …, by which the format is known.

    Raises:
        UnreadableVolume: It is none, or has more than three dimensions.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="verisim-") as folder:
            path = Path(folder) / f"volume{ending}"
            path.write_bytes(content)
            image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableVolume("The server's answer is no volume.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnreadableVolume("The server's answer is not a volume of three dimensions.")
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = TO_LPS @ direction @ np.diag(image.GetSpacing())
    affine[:3, 3] = TO_LPS @ np.array(image.GetOrigin())
    return Grid(SimpleITK.GetArrayFromImage(image).T, affine)
