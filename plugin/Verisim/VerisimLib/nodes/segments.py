"""Label maps as named and coloured segments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import slicer

from VerisimLib.grids import Grid
from VerisimLib.nodes.geometry import oriented

LABEL_MAP, SURFACE = "Binary labelmap", "Closed surface"
TISSUE = "SCT^85756007^Tissue"
CATEGORY = "SCT^123037004^Anatomical Structure"
CONTEXTS = (
    "Segmentation category and type - 3D Slicer General Anatomy list",
    "Anatomic codes - DICOM master list",
)


@dataclass(frozen=True)
class Label:
    """A structure in a label map.

    Args:
        value: Its voxels have it.
        name: As the user reads it.
        color: Red, green, blue, 0 to 1.
        code: "scheme^value^meaning" of the structure, e.g. "SCT^5366008^Hippocampus".
    """

    value: int
    name: str
    color: tuple[float, float, float]
    code: str = TISSUE


def put_labels(
    node: slicer.vtkMRMLSegmentationNode, answer: Grid, labels: Iterable[Label]
) -> None:
    """Other voxels for the segments of a node; colours and visibility of known ones stay.

    Args:
        node: Gets the segments.
        answer: Label map; its affine is in the coordinates of the node.
        labels: The structures; each is a segment, also an empty one.
    """
    image, segmentation = oriented(answer), node.GetSegmentation()
    surfaces = segmentation.ContainsRepresentation(SURFACE)
    segmentation.RemoveRepresentation(SURFACE)
    segmentation.SetSourceRepresentationName(LABEL_MAP)
    for label in labels:
        known = segmentation.GetSegment(segment_id(label))
        segment = known or _segment(label)
        segment.SetLabelValue(label.value)
        segment.AddRepresentation(LABEL_MAP, image)  # one for all: they exclude each other
        if known is None:
            segmentation.AddSegment(segment, segment_id(label))
    if surfaces:
        node.CreateClosedSurfaceRepresentation()


def segment_id(label: Label) -> str:
    return f"label-{label.value}"


def _segment(label: Label) -> slicer.vtkSegment:
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetColor(*label.color)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), _terminology(label))
    return segment


def _terminology(label: Label) -> str:
    """As Slicer writes it: context, category, type, modifier, and the same of a region."""
    empty = "^^"
    entry = (CONTEXTS[0], CATEGORY, label.code, empty, CONTEXTS[1], empty, empty)
    return "~".join(entry)
