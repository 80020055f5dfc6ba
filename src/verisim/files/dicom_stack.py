"""Whether the slices of a DICOM series make one regular volume, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from verisim.errors import BadSeries, UnsupportedVolume
from verisim.files.dicom_series import BROKEN
from verisim.volume import LPS_TO_RAS, SHEAR_TOLERANCE

OFF_GRID = 0.1
"""How far a slice may lie from its place, in slice gaps or pixels: less does not show."""

SAME_SLICE_MM = 0.01
"""Slices nearer to each other lie in the same place."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slice:
    """Where one slice lies, in DICOM's own LPS mm, and how its numbers are stored.

    Args:
        position: Centre of the first pixel, (3,).
        right: Direction along a row of pixels, (3,).
        down: Direction along a column of pixels, (3,).
        spacing_mm: Between columns, between rows.
        thickness_mm: Used only where a single slice has no neighbour.
        shape: Columns and rows.
        scale: What must be equal for the numbers of two slices to mean the same.
    """

    path: Path
    position: Vector
    right: Vector
    down: Vector
    spacing_mm: tuple[float, float]
    thickness_mm: float
    shape: tuple[int, int]
    scale: tuple[str, ...]

    @property
    def normal(self) -> Vector:
        """Direction across the slice, (3,)."""
        across: Vector = np.cross(self.right, self.down)
        return across

    @property
    def height_mm(self) -> float:
        """Position along the normal."""
        return float(self.position @ self.normal)


def slice_of(path: Path, header: Dataset) -> Slice:
    """The geometry of a file with one slice.

    Raises:
        UnsupportedVolume: Colours.
        BadSeries: A header without position.
    """
    check_grey(path, header)
    try:
        return _placed(path, header)
    except BROKEN as error:
        raise BadSeries(
            f"{path.name} does not say where it lies (position, orientation or pixel spacing "
            "is missing or no number).",
            "Export it with ImagePositionPatient, ImageOrientationPatient and PixelSpacing.",
        ) from error


def check_grey(path: Path, header: Dataset) -> None:
    """Ask for an image of one grey value per pixel.

    Raises:
        UnsupportedVolume: Colours, or no pixels at all.
    """
    if header.get("Modality") == "SEG":
        raise UnsupportedVolume(
            f"{path.name} is a segmentation, not an image.", "Read it as a label map."
        )
    kind = str(header.get("PhotometricInterpretation", "no pixels"))
    if header.get("SamplesPerPixel", 1) != 1 or not kind.startswith("MONOCHROME"):
        raise UnsupportedVolume(
            f"{path.name} is no grey image ({header.get('Modality', '')} {kind}).",
            "Choose an image series with one intensity per pixel.",
        )


def sorted_slices(slices: list[Slice]) -> list[Slice]:
    """The slices from one end of the stack to the other.

    Raises:
        BadSeries: They do not make one regular volume; the message says why.
    """
    first = slices[0]
    for other in slices:
        _check_alike(first, other)
    stack = sorted(slices, key=lambda s: float(s.position @ first.normal))
    if len(stack) > 1:
        _check_gaps(stack)
        _check_line(stack)
    return stack


def affine_of(stack: list[Slice]) -> npt.NDArray[np.float64]:
    """Voxel index to RAS+ mm of sorted slices."""
    first = stack[0]
    affine = np.eye(4)
    affine[:3, 0] = first.right * first.spacing_mm[0]
    affine[:3, 1] = first.down * first.spacing_mm[1]
    affine[:3, 2] = _step(stack)
    affine[:3, 3] = first.position
    ras: npt.NDArray[np.float64] = LPS_TO_RAS @ affine
    return ras


def _step(stack: list[Slice]) -> Vector:
    """From one slice to the next, (3,) LPS mm."""
    first = stack[0]
    if len(stack) == 1:
        return first.normal * first.thickness_mm
    step: Vector = (stack[-1].position - first.position) / (len(stack) - 1)
    across: Vector = first.normal * (step @ first.normal)
    # a lean that stays below a fraction of a pixel over the whole stack is noise of the positions
    lean = float(np.linalg.norm(step - across)) * (len(stack) - 1)
    return across if lean < OFF_GRID * min(first.spacing_mm) else step


def _placed(path: Path, header: Dataset) -> Slice:
    right, down = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = (float(mm) for mm in header.PixelSpacing)
    thickness = header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1.0
    keys = ("RescaleSlope", "RescaleIntercept", "BitsAllocated", "PixelRepresentation")
    position = np.array(header.ImagePositionPatient, float).reshape(3)
    if not np.isfinite([*position, *right, *down]).all():
        raise ValueError("not finite")
    return Slice(
        path,
        position,
        right / np.linalg.norm(right),
        down / np.linalg.norm(down),
        (between_columns, between_rows),
        abs(float(thickness)),
        (int(header.Columns), int(header.Rows)),
        tuple(str(header.get(key, "")) for key in keys),
    )


def _check_alike(first: Slice, other: Slice) -> None:
    turned = np.abs([first.right - other.right, first.down - other.down]).max()
    if turned > SHEAR_TOLERANCE:
        raise BadSeries(
            f"{first.path.name} and {other.path.name} are turned against each other "
            f"by {np.degrees(turned):.1f}°.",
            "Remove localizers and reformatted slices from the series.",
        )
    if first.shape != other.shape or not np.allclose(first.spacing_mm, other.spacing_mm, 1e-3):
        raise BadSeries(
            f"{first.path.name} has {first.shape} pixels of {first.spacing_mm} mm, "
            f"{other.path.name} {other.shape} of {other.spacing_mm} mm.",
            "Export slices of one size.",
        )


def _check_gaps(stack: list[Slice]) -> None:
    heights = np.array([s.position @ stack[0].normal for s in stack])
    gaps = np.diff(heights)
    same = np.flatnonzero(gaps < SAME_SLICE_MM)
    if same.size:
        one, two = stack[same[0]], stack[same[0] + 1]
        raise BadSeries(
            f"Duplicate slices: {one.path.name} and {two.path.name} both lie at "
            f"z={heights[same[0]]:.2f} mm ({same.size} such pairs).",
            "Keep one of them: is it a time series, or were two echoes exported together?",
        )
    usual = float(np.median(gaps))
    wrong = np.abs(gaps - usual)
    if wrong.max() > OFF_GRID * usual:
        n = int(wrong.argmax())
        what = "Missing slice(s)" if gaps[n] > 1.5 * usual else "Uneven slices"
        raise BadSeries(
            f"{what} between z={heights[n]:.2f} and z={heights[n + 1]:.2f} mm: they are "
            f"{gaps[n]:.2f} mm apart, the others {usual:.2f} mm.",
            "Export the whole series again, or resample it to a regular grid.",
        )


def _check_line(stack: list[Slice]) -> None:
    step = _step(stack)
    sine = float(np.linalg.norm(np.cross(step, stack[0].normal)) / np.linalg.norm(step))
    if sine > SHEAR_TOLERANCE:
        tilt = np.degrees(np.arcsin(min(sine, 1.0)))
        raise BadSeries(
            f"The gantry was tilted: the stack leans {tilt:.1f}° against its slices.",
            "Correct the tilt first (3D Slicer does when it loads DICOM, if told to).",
        )
    straight = stack[0].position + np.outer(np.arange(len(stack)), step)
    off = np.array([s.position for s in stack]) - straight
    along = np.abs(off @ stack[0].normal)
    beside = np.linalg.norm(off - np.outer(off @ stack[0].normal, stack[0].normal), axis=1)
    limits = OFF_GRID * np.linalg.norm(step), OFF_GRID * min(stack[0].spacing_mm)
    worst = np.maximum(along / limits[0], beside / limits[1])
    if worst.max() > 1:
        n = int(worst.argmax())
        raise BadSeries(
            f"{stack[n].path.name} lies {np.linalg.norm(off[n]):.2f} mm beside its place.",
            "Export the series again, or resample it to a regular grid.",
        )
