"""Synthetic cases in the scene, marked as such wherever a person looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import slicer

from VerisimLib.answers import Label
from VerisimLib.cases import MadeCase
from VerisimLib.nrrd import Grid
from VerisimLib.scene import segments
from VerisimLib.scene.volumes import Sent, added

MARK = "SYNTHETIC"
"""In names, in attributes, and beside the colours."""

ATTRIBUTE = "Verisim.Synthetic"
CASE = "Verisim.Case"
JOB = "Verisim.Job"
ACCEPTED = "Verisim.Accepted"
AUDIT = "Verisim.Audit"


def shown(case: MadeCase, labels: Sequence[Label], job: str) -> slicer.vtkMRMLScalarVolumeNode:
    """A case as volume and segmentation; returns the volume.

    Args:
        case: What was made.
        labels: What the values mean.
        job: Id of the job that made it: an audit asks for it.
    """
    array = case.image.array if case.image.array.ndim == 3 else case.image.array[0]
    title = f"{MARK} {case.name}"
    volume = added(Grid(np.ascontiguousarray(array), case.image.affine), title)
    x, y, z = array.shape
    affine = case.image.affine
    place = Sent(case.labels, (x, y, z), affine, volume.GetID(), "")
    segmentation = segments.added(case.labels, labels, f"{title} labels", place)
    for node in (volume, segmentation):
        node.SetAttribute(ATTRIBUTE, "yes")
        node.SetAttribute(CASE, case.name)
        node.SetAttribute(JOB, job)
    volume.SetAttribute("DICOM.SeriesDescription", MARK)
    _mark_colors(volume)
    return volume


def cases(job: str = "") -> tuple[slicer.vtkMRMLNode, ...]:
    """The synthetic volumes of the scene; of one job, if one is named."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return tuple(
        node
        for node in nodes
        if node.GetAttribute(ATTRIBUTE) and (not job or node.GetAttribute(JOB) == job)
    )


def is_synthetic(node: slicer.vtkMRMLNode) -> bool:
    """Whether it is nobody's: such a volume is never offered to the studies."""
    if node is None:
        return False
    named = str(node.GetName() or "").startswith(MARK)  # so are the sample cases, and files
    return named or node.GetAttribute(ATTRIBUTE) == "yes"


def marked(node: slicer.vtkMRMLNode) -> str:
    """The name of a volume, which says so if it is synthetic."""
    name = str(node.GetName())
    said = not is_synthetic(node) or name.startswith(MARK)
    return name if said else f"{MARK} {name}"


def reject(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Take a case out of the scene, with its labels."""
    for kind in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
        for node in slicer.util.getNodesByClass(kind):
            if node is not volume and _of_one_case(node, volume):
                slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RemoveNode(volume)


def _of_one_case(one: slicer.vtkMRMLNode, other: slicer.vtkMRMLNode) -> bool:
    """Whether two nodes belong to one synthetic case; jobs may use a name again."""
    same = (one.GetAttribute(part) == other.GetAttribute(part) for part in (CASE, JOB))
    return one.GetAttribute(ATTRIBUTE) == "yes" and all(same)


def _mark_colors(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """A colour bar of its own, whose title says what the volume is."""
    display = volume.GetDisplayNode()
    logic = slicer.modules.colors.logic() if hasattr(slicer.modules, "colors") else None
    if logic is None or not hasattr(logic, "AddDefaultColorLegendDisplayNode"):
        return
    legend = logic.AddDefaultColorLegendDisplayNode(display)
    if legend is not None:
        legend.SetTitleText(MARK)
        legend.SetVisibility(True)


def accept(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Remember that a person wants to keep a case."""
    volume.SetAttribute(ACCEPTED, "yes")


def show_only(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show the labels of one case, and of no other synthetic one."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(ATTRIBUTE):
            node.GetDisplayNode().SetVisibility(_of_one_case(node, volume))


def judged(job: str, words: Mapping[str, str]) -> None:
    """Remember with each case of the scene what an audit said of it.

    Args:
        job: Whose cases were audited.
        words: pass, quarantine or block, by the name of the case.
    """
    for node in cases(job):
        word = words.get(node.GetAttribute(CASE))
        if word:
            node.SetAttribute(AUDIT, word)
