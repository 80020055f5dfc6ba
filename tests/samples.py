"""The synthetic cases that come with the project, as tests use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import dcmread

SAMPLES = Path(__file__).parents[1] / "sample-data"
RELEASED = SAMPLES / "synthetic"
STUDIES = SAMPLES / "studies"
IMAGE = STUDIES / "synthetic_001.nii.gz"
LABEL = STUDIES / "labels" / "final" / "synthetic_001.nii.gz"

SERIES = (
    SAMPLES / "synthetic-dicom" / "imagesTr" / "synthetic_hippocampus-diffusion-v3_s0_00001_0000"
)
"""The voxels of `IMAGE` as slices."""

SLICES = 35

ORIGIN_MM = (-42.0, -46.0, -28.0)
"""RAS place of the first voxel of a scan."""


def as_scanned(folder: Path) -> Path:
    """Write the series as scanners store it: rows to the left, columns to the back, elsewhere.

    The released one starts at 0 and runs along the axes of the volume, so whoever forgot its
    place or its directions would not be noticed.
    """
    folder.mkdir(parents=True)
    for path in sorted(SERIES.glob("*.dcm")):
        header = dcmread(path)
        last = np.array([header.Columns - 1, header.Rows - 1, 0])
        corner = np.array(header.ImagePositionPatient) - last + np.array(ORIGIN_MM) * (-1, -1, 1)
        header.ImagePositionPatient = corner.tolist()
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.PixelData = np.ascontiguousarray(header.pixel_array[::-1, ::-1]).tobytes()
        header.save_as(folder / path.name)
    return folder
