"""A segmentation that somebody drew, as the label map that images shall show."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from VerisimLib.answers import Label
from VerisimLib.nrrd import Grid
from VerisimLib.problems import Rejected
from VerisimLib.scene import segments
from VerisimLib.scene.volumes import matrix_of


def meanings(
    node: slicer.vtkMRMLSegmentationNode | None, labels: Sequence[Label]
) -> Sequence[Label]:
    """What the values of a case mean: the labels of the model, or else those that were drawn."""
    return labels or (segments.named(node) if node is not None else ())


def label_map(node: slicer.vtkMRMLSegmentationNode, labels: Sequence[Label]) -> Grid:
    """The values of a segmentation on the voxels of its reference volume.

    Args:
        node: Its segments have the names of the labels.
        labels: Of the model; none: the model takes any, and they are numbered.

    Raises:
        Rejected: It has no reference volume, or none of the labels.
    """
    role = node.GetReferenceImageGeometryReferenceRole()
    volume = node.GetNodeReference(role)
    if volume is None or volume.GetImageData() is None:
        raise Rejected(
            f"{node.GetName()} has no reference volume, so its voxels are unknown.",
            "Choose a source volume in the Segment Editor.",
        )
    wanted = meanings(node, labels)
    array = segments.values_on(volume, node, wanted)
    if not array.any():
        names = ", ".join(label.name for label in wanted)
        raise Rejected(
            f"{node.GetName()} shows none of: {names}.", "Name its segments as the model does."
        )
    return Grid(array, matrix_of(volume))
