"""Small volumes in every format that the server reads: what is damaged afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nrrd
import numpy as np

from verisim.files import read, write
from verisim.volume import LabelMap, Volume

SAMPLES = Path(__file__).parents[2] / "sample-data"
STUDY = SAMPLES / "studies" / "synthetic_001.nii.gz"
SERIES = next((SAMPLES / "synthetic-dicom" / "imagesTr").iterdir())
SLICES = 6
"""Of the DICOM series."""


@dataclass(frozen=True)
class Specimen:
    """An upload that the server can read.

    Args:
        format: Its row in the table.
        files: Name and content of each file.
    """

    format: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def content(self) -> bytes:
        """Of the first file."""
        return self.files[0][1]

    def with_content(self, content: bytes) -> Specimen:
        """The same with another content of its first file."""
        name, _ = self.files[0]
        return Specimen(self.format, ((name, content), *self.files[1:]))


@cache
def specimens() -> dict[str, Specimen]:
    """One of each format by its name; the DICOM segmentation has new UIDs in each run."""
    image, labels = _volume(), _labels()
    slices = sorted(SERIES.glob("*.dcm"))[:SLICES]
    series = tuple((path.name, path.read_bytes()) for path in slices)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("image.nii", "image.nii.gz", "image.nrrd"):
            write(folder / file, image)
        write(folder / "labels.seg.nrrd", labels)
        write(folder / "labels.dcm", labels, reference=SERIES)
        nrrd.write(str(folder / "raw.nrrd"), image.array, {"encoding": "raw", "space": "LPS"})
        made = {
            "nii": "image.nii",
            "nii.gz": "image.nii.gz",
            "nrrd": "image.nrrd",
            "nrrd raw": "raw.nrrd",
            "seg.nrrd": "labels.seg.nrrd",
            "dicom seg": "labels.dcm",
        }
        single = {
            format_: Specimen(format_, ((file, (folder / file).read_bytes()),))
            for format_, file in made.items()
        }
    return {
        **single,
        "dicom file": Specimen("dicom file", series[:1]),
        "dicom series": Specimen("dicom series", series),
    }


def _volume() -> Volume:
    array = np.random.default_rng(0).normal(100, 20, (20, 24, 18)).astype(np.float32)
    return Volume(array, np.diag([1.0, 1.2, 1.5, 1.0]))


def _labels() -> LabelMap:
    image = read(SERIES)
    array = np.zeros(image.array.shape, np.uint8)
    array[5:10, 5:10, 5:10] = 1
    array[15:20, 5:10, 5:10] = 2
    return LabelMap(array, image.affine, {"anterior": 1, "posterior": 2})
