"""Numbers as colours over a volume."""

from __future__ import annotations

import numpy as np
import slicer

COLORS = "Verisim certain to unsure"
LEAST_SHOWN = 0.02
"""Voxels that are more certain are not covered."""


def show_as_overlay(node: slicer.vtkMRMLScalarVolumeNode, greatest: float, opacity: float) -> None:
    """In colours, over what the slice views show.

    Args:
        node: Its voxels are 0 and more.
        greatest: Is shown white hot.
        opacity: 0 to 1.
    """
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_colors().GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, max(greatest, 1e-3))
    display.SetThreshold(LEAST_SHOWN, 1e9)
    display.SetApplyThreshold(True)
    slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=opacity)


def _colors() -> slicer.vtkMRMLColorTableNode:
    """From dark red to white hot, made once a scene."""
    found = slicer.mrmlScene.GetFirstNodeByName(COLORS)
    if found is not None:
        return found
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetName(COLORS)
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index, share in enumerate(np.linspace(0, 1, 256)):
        red, green, blue = np.clip(3 * share - np.arange(3), 0, 1)
        node.SetColor(index, f"{share:.2f}", max(red, 0.2), green, blue, 1.0)
    node.SetHideFromEditors(True)
    return slicer.mrmlScene.AddNode(node)
