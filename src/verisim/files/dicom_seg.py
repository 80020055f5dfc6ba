"""DICOM segmentations (SEG): label maps that a hospital archive keeps beside their series."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from skimage.color import rgb2lab

from verisim.errors import BadGeometry, BadInput, BadSeries, UnreadableFile, UnsupportedVolume
from verisim.files.atomic import replacing
from verisim.files.dicom_series import BROKEN, chosen_series, read_header
from verisim.files.dicom_stack import affine_of, slice_of, sorted_slices
from verisim.files.limits import check_voxels
from verisim.files.segments import Color, Segment, segments_of
from verisim.files.source import check_file, naming
from verisim.volume import LPS_TO_RAS, LabelMap, Volume

STRUCTURES = {"hippocamp": codes.SCT.Hippocampus}
"""Parts of label names, and the SNOMED CT code of what they name."""

PATIENT_AND_STUDY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
"""What the standard wants to see in every file, if only empty, and anonymizers remove."""

MOST_SLICES = 1 << 16
"""Of the box around all frames."""

SERIES_NUMBER = 300
"""Of the new series: beyond those that scanners give."""


def write(
    path: Path,
    label_map: LabelMap,
    reference: Path | None,
    colors: Mapping[str, Color] | None = None,
    series: str | None = None,
) -> None:
    """Write a label map as a DICOM segmentation of the series in the folder `reference`.

    DICOM numbers segments 1, 2, … without gaps: they follow the label values in rising order.

    Raises:
        BadInput: No reference, or a label map without labels.
        BadGeometry: The label map is not on the voxels of the series.
        StorageFailed: The disk refused.
    """
    if reference is None:
        raise BadInput(
            "A DICOM segmentation belongs to a DICOM series, and none is given.",
            "Name the folder of the series, or write .seg.nrrd.",
        )
    files = chosen_series(reference, series).files
    headers = {file: read_header(file) for file in files}
    stack = sorted_slices([slice_of(file, header) for file, header in headers.items()])
    shape = (*stack[0].shape, len(stack))
    turned = _on_series(label_map, Volume(np.broadcast_to(np.uint8(0), shape), affine_of(stack)))
    segments = segments_of(turned, colors)
    images = [_complete(headers[s.path]) for s in stack]
    _check_identity(reference, images)
    segmentation = _segmentation(images, _numbered(turned, segments), segments)
    with replacing(path) as temporary:
        segmentation.save_as(temporary, write_like_original=False)


def read(path: Path) -> LabelMap:
    """Read a binary DICOM segmentation; slices without segments at its ends are not stored.

    Raises:
        UnsupportedVolume: Fractional or overlapping segments.
        UnreadableFile: Damaged, or no DICOM segmentation.
    """
    check_file(path)
    header = read_header(path)
    try:
        check_voxels(path, header.Rows * header.Columns * int(header.NumberOfFrames))
        dataset = dcmread(path)
        with naming(path):
            return _label_map(dataset)
    except (*BROKEN, RuntimeError) as error:  # RuntimeError: packed as no decoder here unpacks
        raise UnreadableFile(
            f"{path.name} is damaged: {error}.", "Copy or export it again."
        ) from error


def _complete(header: Dataset) -> Dataset:
    for keyword in PATIENT_AND_STUDY:
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def _check_identity(folder: Path, images: list[Dataset]) -> None:
    uids = {str(image.get("SOPInstanceUID", "")) for image in images} - {""}
    if len(uids) < len(images):
        raise BadSeries(
            f"The {len(images)} slices in {folder.name} have {len(uids)} different "
            "SOPInstanceUIDs: a segmentation cannot say which slice it belongs to.",
            "Export the series again with its identifiers, or write .seg.nrrd.",
        )


def _on_series(label_map: LabelMap, grid: Volume) -> LabelMap:
    turned = label_map.reoriented(grid.orientation)
    if not turned.shares_grid(grid):
        raise BadGeometry(
            f"The label map ({label_map.spatial_shape} voxels) does not lie on the voxels of "
            f"the series ({grid.spatial_shape}).",
            "Name the series that was segmented.",
        )
    return turned


def _numbered(label_map: LabelMap, segments: tuple[Segment, ...]) -> npt.NDArray[np.uint8]:
    """Segment numbers, (slices, rows, columns)."""
    if not 0 < len(segments) < 256:
        raise BadInput(
            f"The label map has {len(segments)} labels; a segmentation has 1 to 255.",
            "Name its labels.",
        )
    numbers = np.zeros(label_map.spatial_shape, np.uint8)
    for n, segment in enumerate(segments, start=1):
        numbers[label_map.array == segment.value] = n
    return np.ascontiguousarray(numbers.T)


def _segmentation(
    images: list[Dataset], numbers: npt.NDArray[np.uint8], segments: tuple[Segment, ...]
) -> Segmentation:
    try:
        return Segmentation(
            source_images=images,
            pixel_array=numbers,
            segmentation_type="BINARY",
            segment_descriptions=[_description(n, s) for n, s in enumerate(segments, start=1)],
            series_instance_uid=highdicom.UID(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="Verisim",
            manufacturer_model_name="Verisim",
            software_versions=version("verisim"),
            device_serial_number="none",
            series_description="Verisim segmentation",
            omit_empty_frames=bool(numbers.any()),
        )
    except BROKEN as error:
        raise BadSeries(
            f"No segmentation can refer to this series: {error}.",
            "Export the series again with complete headers, or write .seg.nrrd.",
        ) from error


def _description(number: int, segment: Segment) -> SegmentDescription:
    description = SegmentDescription(
        segment_number=number,
        segment_label=segment.name,
        segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=_code(segment.name),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="Verisim",
            family=codes.cid7162.ArtificialIntelligence,
            version=version("verisim"),
        ),
    )
    description.RecommendedDisplayCIELabValue = _cielab(segment.color)
    return description


def _code(name: str) -> Code:
    known = (code for part, code in STRUCTURES.items() if part in name.lower())
    return next(known, codes.SCT.Tissue)


def _cielab(color: Color) -> list[int]:
    """DICOM's 16-bit form of a colour (PS3.3 C.10.7.1.1)."""
    lightness, a, b = rgb2lab(np.array([[color]], np.float64))[0, 0]
    scaled = np.array([lightness / 100, (a + 128) / 255, (b + 128) / 255]) * 65535
    return [int(n) for n in np.clip(np.round(scaled), 0, 65535)]


def _label_map(dataset: Dataset) -> LabelMap:
    if dataset.get("Modality") != "SEG" or dataset.SegmentationType != "BINARY":
        raise UnsupportedVolume(
            f"It is no binary segmentation ({dataset.get('Modality')} "
            f"{dataset.get('SegmentationType', '')}).",
            "Export it as a binary DICOM segmentation.",
        )
    frames = list(dataset.PerFrameFunctionalGroupsSequence)
    affine, heights = _frame_grid(dataset, frames)
    pixels = dataset.pixel_array.reshape(len(frames), dataset.Rows, dataset.Columns)
    labels = {str(s.SegmentLabel): int(s.SegmentNumber) for s in dataset.SegmentSequence}
    array = np.zeros(
        (dataset.Columns, dataset.Rows, int(heights.max()) + 1),
        np.min_scalar_type(max(labels.values())),
    )
    for frame, height, pixel in zip(frames, heights, pixels, strict=True):
        where = pixel.T > 0
        if array[where, height].any():
            raise UnsupportedVolume(
                "Segments overlap; a label map has one value per voxel.",
                "Export the segments without overlap.",
            )
        array[where, height] = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return LabelMap(array, affine, labels)


def _frame_grid(
    dataset: Dataset, frames: list[Dataset]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """The affine of the box around all frames, and the slice of each frame in it."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    right, down = np.array(orientation, float).reshape(2, 3)
    measures = shared.PixelMeasuresSequence[0]
    positions = np.array(
        [f.PlanePositionSequence[0].ImagePositionPatient for f in frames], float
    ).reshape(-1, 3)
    normal = np.cross(right, down)
    along: npt.NDArray[Any] = positions @ normal
    gap = float(measures.get("SpacingBetweenSlices") or measures.SliceThickness)
    affine = np.eye(4)
    affine[:3, 0] = right * float(measures.PixelSpacing[1])
    affine[:3, 1] = down * float(measures.PixelSpacing[0])
    affine[:3, 2] = normal * gap
    affine[:3, 3] = positions[along.argmin()]
    heights = np.round((along - along.min()) / gap)
    if not (np.isfinite(heights).all() and gap > 0 and heights.max() < MOST_SLICES):
        raise BadGeometry(
            f"Its frames lie {np.ptp(along):g} mm apart, in steps of {gap:g} mm.",
            "Export the segmentation again.",
        )
    return LPS_TO_RAS @ affine, heights.astype(np.intp)
