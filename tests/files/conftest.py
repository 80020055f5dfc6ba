"""Grids of every kind, and DICOM series made in memory."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from verisim.volume import LabelMap, Volume

Affine = npt.NDArray[np.float64]
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def turn(degrees: float, axis: int) -> Affine:
    """A rotation about one axis, (3, 3)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = [n for n in range(3) if n != axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def placed(
    matrix: npt.ArrayLike, origin: tuple[float, float, float] = (-31.5, 12.25, 7.0)
) -> Affine:
    """An affine of a matrix (3, 3) and an origin."""
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = origin
    return affine


AFFINES = {
    "identity": np.eye(4),
    "anisotropic": placed(np.diag([0.7, 1.2, 3.0])),
    "oblique": placed(turn(20, 0) @ turn(-35, 1) @ turn(10, 2) @ np.diag([0.9, 1.1, 2.5])),
    "flipped": placed(np.diag([-1.0, 1.5, -2.0])),
    "permuted": placed(np.eye(3)[:, [2, 0, 1]] * [1.0, 1.5, 2.0]),
}


@pytest.fixture(params=AFFINES)
def an_affine(request: pytest.FixtureRequest) -> Affine:
    """Every way in which a rectangular grid may lie."""
    return AFFINES[request.param]


@pytest.fixture
def a_placed_volume(an_affine: Affine) -> Volume:
    """Noise on each grid."""
    array = np.random.default_rng(1).normal(100, 20, (9, 8, 7)).astype(np.float32)
    return Volume(array, an_affine)


@pytest.fixture
def a_placed_label_map(an_affine: Affine) -> LabelMap:
    """Two crooked labels, an absent one, and values with gaps, on each grid."""
    array = np.zeros((9, 8, 7), np.uint8)
    array[1:4, 2:5, 3:6] = 7
    array[2, 6, 1] = 7
    array[5:8, 1:3, 0:2] = 2
    return LabelMap(array, an_affine, {"left hippocampus": 7, "tail": 2, "absent": 3})


@pytest.fixture
def a_series(tmp_path: Path) -> Callable[..., Path]:
    """Write an oblique MR series of 10 slices to a folder, with changes to its headers."""

    def written(
        change: Callable[[int, FileDataset], object] | None = None,
        leave_out: tuple[int, ...] = (),
        affine: Affine = AFFINES["oblique"],
        name: str = "series",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        study, series, frame = generate_uid(), generate_uid(), generate_uid()
        pixels = np.random.default_rng(2).integers(0, 900, (10, 8, 9), np.uint16)
        for n in set(range(10)) - set(leave_out):
            header = _slice(affine, n, pixels[n])
            header.StudyInstanceUID, header.SeriesInstanceUID = study, series
            header.FrameOfReferenceUID = frame
            if change:
                change(n, header)
            # names that sort otherwise than the slices
            header.save_as(folder / f"{(n * 7) % 10}.dcm", write_like_original=False)
        return folder

    return written


def _slice(affine: Affine, n: int, pixels: npt.NDArray[np.uint16]) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MR_IMAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    header = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.is_little_endian, header.is_implicit_VR = True, False
    header.SOPClassUID, header.SOPInstanceUID = MR_IMAGE, meta.MediaStorageSOPInstanceUID
    header.Modality, header.SeriesDescription, header.InstanceNumber = "MR", "T1 oblique", n + 1
    header.PatientName, header.PatientID, header.SeriesNumber = "Nobody^One", "1", 1
    header.PatientBirthDate = header.PatientSex = header.AccessionNumber = header.StudyID = ""
    header.StudyDate, header.StudyTime = datetime.date(2024, 1, 1), "120000"
    header.Rows, header.Columns = pixels.shape
    header.PixelSpacing = [float(spacing[1]), float(spacing[0])]
    header.SliceThickness = float(spacing[2])
    header.ImageOrientationPatient = [
        round(float(x), 10) for x in (lps[:3, :2] / spacing[:2]).T.ravel()
    ]
    header.ImagePositionPatient = [round(float(x), 8) for x in lps @ [0, 0, n, 1]][:3]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.PixelData = pixels.tobytes()
    return header
