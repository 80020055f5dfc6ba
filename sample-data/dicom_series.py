"""A DICOM MR series of a synthetic volume."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

SYNTHETIC_DATA = 0x0008001C
"""The attribute Synthetic Data, which pydicom 2 does not know by its name."""

DATE, TIME = "20260101", "120000"
"""The same whenever the script runs."""

IMPLEMENTATION = UID("2.25.165532408718413530474171843291740283905")
"""Names this writer in the header of each file."""


def write_series(
    volume: npt.NDArray[np.uint16], affine: npt.NDArray[np.float64], folder: Path
) -> None:
    """Write one axial slice a file, IM001.dcm at the feet, in an empty folder.

    Args:
        volume: (X, Y, Z), axes to the right, front and head, values below 4096.
        affine: (4, 4), voxel index to RAS mm, diagonal.
    """
    digest = hashlib.sha256(volume.tobytes() + affine.tobytes()).hexdigest()
    series = series_dataset(digest)
    series.PixelSpacing = [affine[1, 1], affine[0, 0]]
    series.SliceThickness = series.SpacingBetweenSlices = affine[2, 2]
    series.WindowCenter, series.WindowWidth = int(volume.max()) // 2, int(volume.max())
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(volume.shape[2]):
        write_slice(series, volume, affine, k, digest, folder / f"IM{k + 1:03d}.dcm")


def series_dataset(digest: str) -> Dataset:
    """What all slices share, by the modules of the MR Image information object (PS3.3 A.4)."""
    series = Dataset()
    describe_study(series, digest)
    describe_acquisition(series, digest)
    series.add_new(SYNTHETIC_DATA, "CS", "YES")
    series.SOPClassUID = MRImageStorage
    series.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    series.DerivationDescription = "Geometric phantom: drawn from formulas, no patient"
    series.BurnedInAnnotation = "NO"
    series.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    series.SamplesPerPixel = 1
    series.PhotometricInterpretation = "MONOCHROME2"
    series.BitsAllocated, series.BitsStored, series.HighBit = 16, 12, 11
    series.PixelRepresentation = 0
    return series


def describe_study(series: Dataset, digest: str) -> None:
    """Patient, study and equipment: nobody, and a script."""
    series.PatientName = "PHANTOM^HIPPOCAMPUS"
    series.PatientID = "VERISIM-PHANTOM"
    series.PatientBirthDate = series.PatientSex = ""
    series.StudyInstanceUID = uid(digest, "study")
    series.StudyDate = series.SeriesDate = series.ContentDate = DATE
    series.StudyTime = series.SeriesTime = series.ContentTime = TIME
    series.StudyID = "1"
    series.AccessionNumber = series.ReferringPhysicianName = ""
    series.StudyDescription = "Synthetic hippocampus phantom"
    series.Manufacturer = "Verisim"
    series.ManufacturerModelName = "make_phantom.py"


def describe_acquisition(series: Dataset, digest: str) -> None:
    """Series and frame of reference; nothing was acquired, so times are empty or zero."""
    series.Modality = "MR"
    series.SeriesInstanceUID = uid(digest, "series")
    series.SeriesNumber = "1"
    series.SeriesDescription = "T1-like phantom"
    series.BodyPartExamined = "BRAIN"
    series.PatientPosition = "HFS"
    series.FrameOfReferenceUID = uid(digest, "frame of reference")
    series.PositionReferenceIndicator = ""
    series.ScanningSequence = "RM"
    series.SequenceVariant = "NONE"
    series.ScanOptions = ""
    series.MRAcquisitionType = "3D"
    series.RepetitionTime = series.EchoTime = series.EchoTrainLength = None


def write_slice(
    series: Dataset,
    volume: npt.NDArray[np.uint16],
    affine: npt.NDArray[np.float64],
    k: int,
    digest: str,
    path: Path,
) -> None:
    """One slice: rows run to the patient's left, columns to the back."""
    corner = affine @ (volume.shape[0] - 1, volume.shape[1] - 1, k, 1)
    pixels = volume[::-1, ::-1, k].T
    instance = FileDataset(None, series, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    instance.SOPInstanceUID = uid(digest, f"slice {k}")
    instance.InstanceNumber = str(k + 1)
    instance.ImagePositionPatient = [-corner[0], -corner[1], corner[2]]
    instance.Rows, instance.Columns = pixels.shape
    instance.PixelData = np.ascontiguousarray(pixels).astype("<u2").tobytes()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.file_meta.ImplementationClassUID = IMPLEMENTATION
    instance.file_meta.ImplementationVersionName = "VERISIM_PHANTOM"
    instance.is_little_endian, instance.is_implicit_VR = True, False
    instance.save_as(path, write_like_original=False)


def uid(digest: str, role: str) -> UID:
    """A UID under the root 2.25 that belongs to this content and role, the same on each run."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{digest} {role}').int}")
