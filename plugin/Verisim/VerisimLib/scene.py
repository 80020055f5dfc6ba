"""What panels may ask of MRML: with `nodes/` the only place that knows it. Main thread only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import slicer

from VerisimLib.grids import Grid
from VerisimLib.nodes.geometry import (
    NoVoxels,
    added_volume,
    fitting,
    free_name,
    grid_of,
    is_linear,
    put_beside,
)
from VerisimLib.nodes.overlay import show_as_overlay
from VerisimLib.nodes.segments import Label, put_labels

__all__ = ["Label", "NoVoxels", "Scene"]

SYNTHETIC, PROVENANCE = "Verisim.Synthetic", "Verisim.Provenance"
"""Attributes of nodes."""

PARAMETERS = "Verisim.Parameters"
"""Name of the parameter that keeps a panel's choices as JSON."""


class Scene:
    """The scene as the panels see it."""

    def grid(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> Grid:
        """A copy of the voxels, where they are in the world: the parent transform is applied.

        Raises:
            NoVoxels: There are none, or they are colours.
        """
        return grid_of(volume)

    def add_segmentation(
        self,
        answer: Grid,
        volume: slicer.vtkMRMLScalarVolumeNode,
        labels: Iterable[Label],
        name: str,
    ) -> slicer.vtkMRMLSegmentationNode:
        """A label map as named, coloured segments beside the volume they were found in.

        Args:
            answer: Label map on the grid that `grid(volume)` gave.
            volume: The question.
            labels: What the model knows; each becomes a segment, also an empty one.
            name: Of the new node; a number follows if it is taken.

        Raises:
            UnreadableVolume: The answer does not lie on the volume's grid. Nothing was added.
        """
        fits = Grid(answer.array, fitting(answer, volume))
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", free_name(name))
        node.CreateDefaultDisplayNodes()
        if is_linear(volume):
            node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
            role = node.GetReferenceImageGeometryReferenceRole()
            node.SetNodeReferenceID(role, volume.GetID())  # wanted by the export as DICOM SEG
        put_labels(node, fits, labels)
        put_beside(node, volume)
        return node

    def update_segmentation(
        self,
        node: slicer.vtkMRMLSegmentationNode,
        answer: Grid,
        volume: slicer.vtkMRMLScalarVolumeNode,
        labels: Iterable[Label],
    ) -> None:
        """Another answer in the same node; colours and visibility stay.

        Raises:
            UnreadableVolume: The answer does not lie on the volume's grid. Nothing was changed.
        """
        put_labels(node, Grid(answer.array, fitting(answer, volume)), labels)

    def add_overlay(
        self, answer: Grid, volume: slicer.vtkMRMLScalarVolumeNode, name: str, opacity: float = 0.6
    ) -> slicer.vtkMRMLScalarVolumeNode:
        """Numbers of 0 and more, e.g. the uncertainty, in colours over the volume.

        Raises:
            UnreadableVolume: The answer does not lie on the volume's grid. Nothing was added.
        """
        node = self.add_volume(answer, volume, name)
        show_as_overlay(node, float(answer.array.max()), opacity)
        return node

    def add_volume(
        self, answer: Grid, volume: slicer.vtkMRMLScalarVolumeNode, name: str
    ) -> slicer.vtkMRMLScalarVolumeNode:
        """A volume of numbers beside the one it belongs to, e.g. probabilities.

        Raises:
            UnreadableVolume: The answer does not lie on the volume's grid. Nothing was added.
        """
        fits = Grid(answer.array.astype(np.float32), fitting(answer, volume))
        node = added_volume(fits, name)
        put_beside(node, volume)
        return node

    def add_synthetic(self, made: Grid, name: str) -> slicer.vtkMRMLScalarVolumeNode:
        """A volume that belongs to nobody, marked so in its name and attributes."""
        node = added_volume(made, f"SYNTHETIC {name}")
        node.SetAttribute(SYNTHETIC, "1")
        return node

    def is_synthetic(self, node: slicer.vtkMRMLNode) -> bool:
        """Whether it was made by `add_synthetic`."""
        return node.GetAttribute(SYNTHETIC) == "1"

    def points(self, markups: slicer.vtkMRMLMarkupsNode) -> list[tuple[float, ...]]:
        """World RAS mm of the points that were placed."""
        placed = slicer.vtkMRMLMarkupsNode.PositionDefined
        return [
            tuple(markups.GetNthControlPointPositionWorld(index))
            for index in range(markups.GetNumberOfControlPoints())
            if markups.GetNthControlPointPositionStatus(index) == placed
        ]

    def drawn(
        self,
        segmentation: slicer.vtkMRMLSegmentationNode,
        volume: slicer.vtkMRMLScalarVolumeNode,
        values: Mapping[str, int],
    ) -> Grid:
        """Segments as a label map on a volume's grid, in the world.

        Args:
            segmentation: Drawn by the user or found by a model.
            volume: Whose grid is wanted.
            values: Name of a segment → its value; other segments are left out.
        """
        frame, inside = grid_of(volume), segmentation.GetSegmentation()
        array = np.zeros(frame.array.shape, np.int16)
        for known in inside.GetSegmentIDs():
            value = values.get(inside.GetSegment(known).GetName(), 0)
            if value:
                mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, known, volume)
                array[mask.T > 0] = value
        return Grid(array, frame.affine)

    def jump(self, ras: tuple[float, float, float]) -> None:
        """All slice views show a place in mm."""
        slicer.modules.markups.logic().JumpSlicesToLocation(*ras, True)

    def note(self, node: slicer.vtkMRMLNode, provenance: str) -> None:
        """Keeps with a result how it was made, as JSON."""
        node.SetAttribute(PROVENANCE, provenance)

    def provenance(self, node: slicer.vtkMRMLNode) -> str:
        """How a result was made, or an empty text."""
        return node.GetAttribute(PROVENANCE) or ""

    def remove(self, *nodes: slicer.vtkMRMLNode | None) -> None:
        """Takes nodes out of the scene; those that are gone already are no error."""
        for node in nodes:
            if node is not None and node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)

    def parameters(self, keeper: slicer.vtkMRMLScriptedModuleNode) -> str:
        """The choices of a panel as JSON, or an empty text.

        Args:
            keeper: `ScriptedLoadableModuleLogic.getParameterNode()` of the module.
        """
        return keeper.GetParameter(PARAMETERS)

    def keep(
        self,
        keeper: slicer.vtkMRMLScriptedModuleNode,
        parameters: str,
        nodes: Mapping[str, slicer.vtkMRMLNode | None] | None = None,
    ) -> None:
        """Saves the choices of a panel with the scene.

        Args:
            keeper: The module's parameter node.
            parameters: JSON.
            nodes: Role → chosen node.
        """
        keeper.SetParameter(PARAMETERS, parameters)
        for role, node in (nodes or {}).items():
            keeper.SetNodeReferenceID(role, node.GetID() if node is not None else None)

    def kept(
        self, keeper: slicer.vtkMRMLScriptedModuleNode, role: str
    ) -> slicer.vtkMRMLNode | None:
        """The node that was chosen for a role."""
        return keeper.GetNodeReference(role)
