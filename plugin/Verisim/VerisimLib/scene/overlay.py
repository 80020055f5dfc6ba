"""Maps that lie over the image in colour, and the slice that matters most."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from VerisimLib.nrrd import Grid
from VerisimLib.scene.volumes import Sent, added, matrix_of

COLORS = "vtkMRMLColorTableNodeCyan"
"""Black to cyan: no segment has this colour, and colour-blind people tell it from theirs."""

DARKEST = -0.5
"""Of the largest value: where the table is black, so that low values are no shadow."""

OPACITY = 0.6
FLOOR = 0.15
"""Below this share of the largest value nothing is shown: the image stays as it is."""


def laid_over(grid: Grid, name: str, question: Sent, most: float = 1.0) -> slicer.vtkMRMLNode:
    """A map from 0 to `most` over the volume that was asked about, as a coloured foreground."""
    node = added(grid, name, question)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLORS)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(DARKEST * most, most)
    display.ApplyThresholdOn()
    display.SetThreshold(FLOOR * most, most)
    show_over(node.GetID(), question.volume)
    return node


def show_over(foreground: str, background: str, opacity: float = OPACITY) -> None:
    """Show one volume over another in every slice view; an empty ID takes the foreground away."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        composite.SetBackgroundVolumeID(background)
        composite.SetForegroundVolumeID(foreground or None)
        composite.SetForegroundOpacity(opacity if foreground else 0.0)


def show_alone(volume: str) -> None:
    """Show a volume in every slice view, whole."""
    show_over("", volume)
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.resetSliceViews()


def least_certain(array: np.ndarray) -> np.ndarray:
    """The voxel (3,) where the three slices through it hold most uncertainty.

    Args:
        array: Uncertainty (X, Y, Z).
    """
    sums = (array.sum(axis=tuple(k for k in range(3) if k != axis)) for axis in range(3))
    return np.array([int(np.argmax(one)) for one in sums])


def go_to(volume: slicer.vtkMRMLVolumeNode, voxel: np.ndarray) -> np.ndarray:
    """Move all slice views to a voxel of a volume; returns the place in mm (RAS, world)."""
    place = world_of(volume, (matrix_of(volume) @ [*voxel, 1.0])[:3])
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*place)
    return place


def world_of(node: slicer.vtkMRMLTransformableNode, place: np.ndarray) -> np.ndarray:
    """A place in a node's own RAS (mm) as the views see it, under its transform."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.asarray(place)
    general = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(parent, None, general)
    return np.array(general.TransformPoint(list(place)))
