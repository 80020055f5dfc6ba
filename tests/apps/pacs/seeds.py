"""Small DICOM series, made in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from tests.conftest import affine_of
from verisim.volume import LPS_TO_RAS, LabelMap, Volume

KINDS = {"CT": CTImageStorage, "MR": MRImageStorage}
PATIENT = "Surname^Forename"
"""Must stand in no log and in no answer."""


def read_slices(folder: Path) -> list[Dataset]:
    """The files of a series."""
    return [dcmread(path) for path in sorted(folder.iterdir())]


def a_series(
    modality: str, patient: str = "P1", slices: int = 18, degrees: float = 20.0
) -> list[Dataset]:
    """Noise on oblique, anisotropic slices; CT is stored with an offset of 1024 HU."""
    affine = affine_of((0.9, 1.1, 1.5), (-20.0, 15.0, 40.0), degrees)
    pixels = np.random.default_rng(len(patient)).integers(0, 2000, (slices, 24, 20), np.uint16)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    instances = [_slice(modality, affine, n, pixels[n]) for n in range(slices)]
    for instance in instances:
        instance.PatientID, instance.PatientName = patient, PATIENT
        instance.StudyInstanceUID, instance.SeriesInstanceUID = study, series
        instance.FrameOfReferenceUID = frame
    return instances


def presentation_of(image: Dataset) -> Dataset:
    """What lies beside images on a PACS and is none: a presentation state."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    state = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    state.is_little_endian, state.is_implicit_VR = True, False
    state.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.11.1")
    state.SOPInstanceUID, state.SeriesInstanceUID = generate_uid(), generate_uid()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        state.SOPClassUID,
        state.SOPInstanceUID,
    )
    state.StudyInstanceUID, state.PatientID = image.StudyInstanceUID, image.PatientID
    state.PatientName, state.Modality = image.PatientName, "PR"
    return state


def drawn_on(volume: Volume) -> LabelMap:
    """Two crooked labels that touch neither the first nor the last slice, and an absent one."""
    array = np.zeros(volume.spatial_shape, np.uint8)
    array[3:8, 4:9, 5:9] = 1
    array[5, 9:14, 6] = 1
    array[10:14, 6:16, 8:13] = 3
    return LabelMap(array, volume.affine, {"anterior": 1, "absent": 2, "posterior": 3})


def _slice(
    modality: str, affine: npt.NDArray[np.float64], n: int, pixels: npt.NDArray[np.uint16]
) -> Dataset:
    lps = LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = KINDS[modality]
    meta.MediaStorageSOPInstanceUID = generate_uid()
    instance = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    instance.is_little_endian, instance.is_implicit_VR = True, False
    instance.SOPClassUID = KINDS[modality]
    instance.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    instance.Modality, instance.SeriesDescription = modality, f"{modality} noise"
    instance.StudyDate, instance.StudyTime, instance.StudyID = "20260101", "120000", "1"
    instance.AccessionNumber = instance.PatientBirthDate = instance.PatientSex = ""
    instance.ReferringPhysicianName, instance.SeriesNumber = "", 1
    instance.InstanceNumber = n + 1
    instance.Rows, instance.Columns = pixels.shape
    instance.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
    instance.SliceThickness = f"{spacing[2]:.6f}"
    directions = (lps[:3, :2] / spacing[:2]).T.ravel()
    instance.ImageOrientationPatient = [f"{x:.10f}" for x in directions]
    instance.ImagePositionPatient = [f"{x:.8f}" for x in (lps @ [0, 0, n, 1])[:3]]
    instance.SamplesPerPixel, instance.PhotometricInterpretation = 1, "MONOCHROME2"
    instance.BitsAllocated = instance.BitsStored = 16
    instance.HighBit, instance.PixelRepresentation = 15, 0
    if modality == "CT":
        instance.RescaleIntercept, instance.RescaleSlope = -1024, 1
    instance.PixelData = pixels.tobytes()
    return instance
