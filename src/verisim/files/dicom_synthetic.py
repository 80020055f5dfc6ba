"""DICOM MR series of volumes that nobody was scanned for, marked so in every file."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from verisim.errors import UnsupportedVolume
from verisim.files.atomic import make_folder, replacing
from verisim.volume import LPS_TO_RAS, Array, Volume

SYNTHETIC_DATA = 0x0008001C
"""The attribute Synthetic Data, which pydicom 2 does not know by its name."""

DATE, TIME = "20000101", "000000"
"""Of a study that never was: the same whenever it is written."""

LARGEST = 32767
"""Of the intensities, which readers may take for signed numbers."""


def write(folder: Path, volume: Volume, description: str, comments: str = "") -> None:
    """Write one slice a file, IM00001.dcm at one end of the third axis.

    The same volume and words give the same files, UIDs included.

    Args:
        folder: Receives the files.
        volume: (X, Y, Z), whole numbers from 0 to 32767.
        description: Of the series, 64 letters at most; begins with SYNTHETIC.
        comments: On every image, e.g. where it comes from.

    Raises:
        UnsupportedVolume: Several channels, or other intensities.
        StorageFailed: The disk refused.
    """
    _check(volume)
    make_folder(folder)
    content = volume.array.tobytes() + volume.affine.tobytes()
    digest = hashlib.sha256(content + description.encode()).hexdigest()
    series = _series(volume, description, comments, digest)
    for k in range(volume.spatial_shape[2]):
        with replacing(folder / f"IM{k + 1:05}.dcm") as temporary:
            _slice(series, volume, k, digest).save_as(temporary, write_like_original=False)


def _check(volume: Volume) -> None:
    array = volume.array
    whole = array.dtype.kind in "ui" and array.ndim == 3
    if not whole or array.min() < 0 or array.max() > LARGEST:
        raise UnsupportedVolume(
            f"A DICOM series cannot hold {volume.channels} channel(s) of {array.dtype} from "
            f"{array.min()} to {array.max()}.",
            f"Write one channel of whole numbers from 0 to {LARGEST}, or NIfTI.",
        )


def _series(volume: Volume, description: str, comments: str, digest: str) -> Dataset:
    """What all slices share, by the modules of the MR Image information object (PS3.3 A.4)."""
    series = Dataset()
    series.add_new(SYNTHETIC_DATA, "CS", "YES")
    series.SOPClassUID = MRImageStorage
    series.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    series.DerivationDescription = "Synthetic: made by a generative model, no patient"
    series.PatientName, series.PatientID = "SYNTHETIC^VERISIM", f"SYNTHETIC-{digest[:16]}"
    series.PatientBirthDate = series.PatientSex = ""
    series.StudyDate = series.SeriesDate = series.ContentDate = DATE
    series.StudyTime = series.SeriesTime = series.ContentTime = TIME
    series.StudyID, series.SeriesNumber = "1", "1"
    series.AccessionNumber = series.ReferringPhysicianName = ""
    series.StudyDescription = "SYNTHETIC"
    series.SeriesDescription = description[:64]
    series.ImageComments = comments[:10240]
    series.Manufacturer, series.ManufacturerModelName = "Verisim", "verisim synthesize"
    series.Modality, series.PatientPosition = "MR", "HFS"
    for role in ("Study", "Series", "FrameOfReference"):
        name = f"{role}UID" if role == "FrameOfReference" else f"{role}InstanceUID"
        setattr(series, name, _uid(digest, role))
    series.PositionReferenceIndicator = series.ScanOptions = ""
    series.ScanningSequence, series.SequenceVariant, series.MRAcquisitionType = "RM", "NONE", "3D"
    series.RepetitionTime = series.EchoTime = series.EchoTrainLength = None
    series.BurnedInAnnotation = "NO"
    x, y, z = volume.spacing_mm
    series.PixelSpacing = [round(y, 6), round(x, 6)]
    series.SliceThickness = series.SpacingBetweenSlices = round(z, 6)
    series.ImageOrientationPatient = [round(float(n), 8) for n in _directions(volume)]
    series.SamplesPerPixel, series.PhotometricInterpretation = 1, "MONOCHROME2"
    series.BitsAllocated, series.BitsStored, series.HighBit = 16, 16, 15
    series.PixelRepresentation = 0
    brightest = int(volume.array.max())
    series.WindowCenter, series.WindowWidth = brightest // 2, max(1, brightest)
    return series


def _slice(series: Dataset, volume: Volume, k: int, digest: str) -> FileDataset:
    """One slice: its rows run along the first axis of the volume."""
    corner = (LPS_TO_RAS @ volume.affine)[:3] @ (0, 0, k, 1)
    pixels = volume.array[:, :, k].T
    instance = FileDataset(None, series, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    instance.SOPInstanceUID = _uid(digest, f"slice {k}")
    instance.InstanceNumber = str(k + 1)
    instance.ImagePositionPatient = [round(float(n), 6) for n in corner]
    instance.Rows, instance.Columns = pixels.shape
    instance.PixelData = np.ascontiguousarray(pixels).astype("<u2").tobytes()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.is_little_endian, instance.is_implicit_VR = True, False
    return instance


def _directions(volume: Volume) -> Array:
    """Of the first two axes, in DICOM's millimetres."""
    axes: Array = (LPS_TO_RAS @ volume.affine)[:3, :2] / np.array(volume.spacing_mm[:2])
    return axes.T.ravel()


def _uid(digest: str, role: str) -> UID:
    """A UID under the root 2.25 that belongs to this content and role, the same on each run."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{digest} {role}').int}")
