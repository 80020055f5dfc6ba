"""A synthetic case, the training case that is most alike and their difference, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer

from VerisimLib.nrrd import Grid
from VerisimLib.scene.volumes import added

PARTS = ("synthetic", "training", "difference", "agreement")
VIEWS = ("Red", "Yellow", "Green")
"""One view for each of the first three."""

ATTRIBUTE = "Verisim.Pair"


def shown(grids: Mapping[str, Grid], name: str) -> tuple[slicer.vtkMRMLScalarVolumeNode, ...]:
    """Show a pair in three views that scroll and zoom together; an earlier pair leaves.

    Args:
        grids: synthetic, training, difference, agreement.
        name: Of the synthetic case.
    """
    clear()
    for segmentation in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        segmentation.GetDisplayNode().SetVisibility(False)
    nodes = tuple(added(grids[part], f"{name} {part}") for part in PARTS if part in grids)
    for node in nodes:
        node.SetAttribute(ATTRIBUTE, name)
    for view, node in zip(VIEWS, nodes):
        _show(view, node)
        if node.GetName().endswith("difference"):
            _as_bright_as(grids["synthetic"], node)
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.resetSliceViews()
    return nodes


def clear() -> None:
    """Take the pair out of the scene."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetAttribute(ATTRIBUTE):
            slicer.mrmlScene.RemoveNode(node)


def _as_bright_as(image: Grid, difference: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Grey where a pair is alike, with the contrast of its images: no noise looks like more."""
    display = difference.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(float(np.ptp(image.array)) or 1.0, 0.0)


def _show(view: str, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """One volume in one view, axial, linked to the others."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if node.GetLayoutName() == view:
            node.SetOrientationToAxial()
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() == view:
            composite.SetBackgroundVolumeID(volume.GetID())
            composite.SetForegroundVolumeID(None)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
