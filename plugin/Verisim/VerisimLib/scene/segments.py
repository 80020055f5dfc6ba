"""Label maps as segmentations with names, colours and codes, exactly on the voxels of a volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from vtk.util.numpy_support import numpy_to_vtk

from VerisimLib.answers import Label
from VerisimLib.nrrd import Grid
from VerisimLib.scene.volumes import Sent, place_beside, vtk_of

COLORS = ((0.5, 0.68, 0.5), (0.95, 0.84, 0.57), (0.69, 0.48, 0.39), (0.44, 0.72, 0.82))
"""For labels that say none; the first of Slicer's generic colours."""

LABEL_MAP, SURFACE = "Binary labelmap", "Closed surface"

FILL = 0.25
"""Opacity of segments in slices: the image, and colours over it, shine through."""

ANATOMY = "Segmentation category and type - 3D Slicer General Anatomy list"
STRUCTURE = "SCT^123037004^Anatomical Structure"
LESION = "SCT^49755003^Morphologically Altered Structure"
KNOWN = {
    "anterior": f"{STRUCTURE}~SCT^5366008^Hippocampus~^^",
    "posterior": f"{STRUCTURE}~SCT^5366008^Hippocampus~^^",
    "hippocampus": f"{STRUCTURE}~SCT^5366008^Hippocampus~^^",
    "tumour": f"{LESION}~SCT^4147007^Mass~^^",
    "tumor": f"{LESION}~SCT^4147007^Mass~^^",
    "edema": f"{LESION}~SCT^79654002^Edema~^^",
    "necrosis": f"{LESION}~SCT^6574001^Necrosis~^^",
    "liver": f"{STRUCTURE}~SCT^10200004^Liver~^^",
    "spleen": f"{STRUCTURE}~SCT^78961009^Spleen~^^",
}
"""Categories and types of labels whose names say what they are."""

TISSUE = f"{STRUCTURE}~SCT^85756007^Tissue~^^"


def added(
    grid: Grid, labels: Sequence[Label], name: str, question: Sent
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation beside the volume that was asked about.

    Args:
        grid: Values (X, Y, Z), on the voxels of the question.
        labels: What the values mean; those without a voxel become empty segments.
        name: Of the segmentation.
        question: What was asked.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetOpacity2DFill(FILL)
    volume = slicer.mrmlScene.GetNodeByID(question.volume)
    if volume is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    place_beside(node, question)
    filled(node, grid.array, labels, question)
    return node


def filled(
    node: slicer.vtkMRMLSegmentationNode,
    array: np.ndarray,
    labels: Sequence[Label],
    question: Sent,
) -> None:
    """Put values into a segmentation: known segments keep colour and visibility, others stay.

    Args:
        node: A segmentation on the voxels of the question.
        array: Values (X, Y, Z).
        labels: What they mean; those without a voxel become empty segments.
        question: What was asked.
    """
    segmentation = node.GetSegmentation()
    image = _oriented(array, question.local)
    waiting = node.StartModify()
    try:
        surfaces = segmentation.ContainsRepresentation(SURFACE)
        segmentation.RemoveRepresentation(SURFACE)
        segmentation.SetSourceRepresentationName(LABEL_MAP)
        for k, label in enumerate(labels):
            known = segmentation.GetSegmentIdBySegmentName(label.name)
            segment = segmentation.GetSegment(known) if known else _segment(label, k)
            segment.SetLabelValue(label.value)
            segment.AddRepresentation(LABEL_MAP, image)  # one for all: they exclude each other
            if not known:
                segmentation.AddSegment(segment, label.name)
        if surfaces:
            show_surfaces(node)
    finally:
        node.EndModify(waiting)


def values(
    node: slicer.vtkMRMLSegmentationNode, labels: Sequence[Label], question: Sent
) -> np.ndarray:
    """The values (X, Y, Z) of a segmentation on the voxels of a volume, for the server.

    Args:
        node: A segmentation, under the same transform as the volume.
        labels: Which value each name has; later ones lie over earlier ones.
        question: What was asked, whose voxels count.
    """
    return values_on(slicer.mrmlScene.GetNodeByID(question.volume), node, labels)


def values_on(
    volume: slicer.vtkMRMLVolumeNode,
    node: slicer.vtkMRMLSegmentationNode,
    labels: Sequence[Label],
) -> np.ndarray:
    """The values (X, Y, Z) of a segmentation on the voxels of a volume of the scene."""
    array = np.zeros(volume.GetImageData().GetDimensions(), np.uint8)
    segmentation = node.GetSegmentation()
    for label in labels:
        id_ = segmentation.GetSegmentIdBySegmentName(label.name)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, id_, volume) if id_ else None
        if mask is not None:
            array[mask.transpose(2, 1, 0) > 0] = label.value
    return array


def named(node: slicer.vtkMRMLSegmentationNode) -> tuple[Label, ...]:
    """The segments of a segmentation as labels, numbered in their order."""
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(k) for k in range(segmentation.GetNumberOfSegments())]
    return tuple(
        Label(segmentation.GetSegment(id_).GetName(), k, segmentation.GetSegment(id_).GetColor())
        for k, id_ in enumerate(ids, start=1)
    )


def show_surfaces(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show it in the 3-D views, too."""
    node.CreateClosedSurfaceRepresentation()


def _segment(label: Label, position: int) -> slicer.vtkSegment:
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetColor(*(label.color or COLORS[position % len(COLORS)]))
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), _code(label.name))
    return segment


def _oriented(array: np.ndarray, affine: np.ndarray) -> slicer.vtkOrientedImageData:
    """Values (X, Y, Z) at their place."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*array.shape)
    kind = np.uint8 if array.max(initial=0) < 256 else np.uint16
    flat = np.asfortranarray(array.astype(kind)).ravel(order="F")
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    image.SetImageToWorldMatrix(vtk_of(affine))
    return image


def _code(name: str) -> str:
    return f"{ANATOMY}~{KNOWN.get(name.lower(), TISSUE)}~Anatomic codes - DICOM master list~^^~^^"
