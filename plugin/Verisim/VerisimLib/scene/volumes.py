"""Volumes of the scene: as bytes for the server, and back beside their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from VerisimLib.nrrd import Grid
from VerisimLib.problems import Odd, Rejected

SAME_MM = 1e-3
"""Two grids are the same if no corner is farther apart."""


@dataclass(frozen=True, eq=False)
class Sent:
    """What goes to the server, and what its answer must lie on.

    Args:
        grid: Voxels in world coordinates; packed by whoever sends them, off the main thread.
        shape: (X, Y, Z).
        local: 4 x 4, voxel to RAS of the volume itself, before its transform.
        volume: ID of the (first) volume.
        transform: ID of the linear transform that the volume and its results are under.
    """

    grid: Grid
    shape: tuple[int, int, int]
    local: np.ndarray
    volume: str
    transform: str


def sent(volumes: Sequence[slicer.vtkMRMLScalarVolumeNode]) -> Sent:
    """One volume, or several as channels, ready to go.

    A linear transform above the volume is honoured: the server sees the patient as the views do. A
    warp is applied to a copy.

    Args:
        volumes: One for each channel of the model, in order.

    Raises:
        Rejected: One is missing, holds colours, or lies elsewhere than the first.
    """
    if not volumes or any(volume is None for volume in volumes):
        raise Rejected("No volume is chosen.", "Choose one for every channel of the model.")
    grids = [_grid(volume) for volume in volumes]
    first = volumes[0]
    for volume, grid in zip(volumes[1:], grids[1:]):
        if not same(grid, grids[0]):
            raise Rejected(
                f"{volume.GetName()} does not lie on the voxels of {first.GetName()}.",
                "Resample it first (module Resample Scalar/Vector/DWI Volume).",
            )
    arrays = [grid.array for grid in grids]
    array = arrays[0] if len(arrays) == 1 else np.stack(_alike(arrays))
    world, warped = grids[0].affine, _warped(first)
    x, y, z = arrays[0].shape
    return Sent(
        Grid(array, world),
        (x, y, z),
        world if warped else matrix_of(first),
        first.GetID(),
        "" if warped else (first.GetTransformNodeID() or ""),
    )


def check_answer(grid: Grid, question: Sent) -> None:
    """Refuse an answer that lies elsewhere than the question.

    Raises:
        Odd: It does.
    """
    shape = grid.array.shape[-3:]
    if shape != question.shape or not _near(grid, question.grid, shape):
        raise Odd(
            "The server's answer does not lie on the voxels of the volume "
            f"({_sides(shape)} instead of {_sides(question.shape)}).",
            "Nothing was changed. Tell the server's admin.",
        )


def added(grid: Grid, name: str, question: Sent | None = None) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume in the scene; beside the volume of a question, if there is one."""
    affine = grid.affine if question is None else question.local
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    filled(node, grid.array, affine)
    node.CreateDefaultDisplayNodes()
    if question is not None:
        place_beside(node, question)
    return node


def filled(node: slicer.vtkMRMLVolumeNode, array: np.ndarray, affine: np.ndarray) -> None:
    """Give a volume node voxels (X, Y, Z) and where they lie."""
    # MRML holds voxels with x fastest, numpy's last axis
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.transpose(2, 1, 0)))
    node.SetIJKToRASMatrix(vtk_of(affine))


def place_beside(node: slicer.vtkMRMLDisplayableNode, question: Sent) -> None:
    """Under the transform of the volume that was asked about, and beside it in the tree."""
    if question.transform:
        node.SetAndObserveTransformNodeID(question.transform)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volume = slicer.mrmlScene.GetNodeByID(question.volume)
    if tree is None or volume is None:
        return
    own, other = tree.GetItemByDataNode(node), tree.GetItemByDataNode(volume)
    if own and other:
        tree.SetItemParent(own, tree.GetItemParent(other))


def matrix_of(volume: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Voxel to RAS of a volume, 4 x 4, before its transform."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return _numpy(matrix)


def same(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels at the same places."""
    shape = one.array.shape[-3:]
    return shape == other.array.shape[-3:] and _near(one, other, shape)


def _near(one: Grid, other: Grid, shape: Sequence[int]) -> bool:
    sides = [(0, side - 1) for side in shape]
    corners = np.array([[x, y, z, 1] for x in sides[0] for y in sides[1] for z in sides[2]])
    apart = (corners @ (one.affine - other.affine).T)[:, :3]
    return bool(np.abs(apart).max() <= SAME_MM)


def _grid(volume: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """Its voxels (X, Y, Z) in world coordinates."""
    image = volume.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise Rejected(f"{volume.GetName()} holds no voxels.", "Load it again.")
    if image.GetNumberOfScalarComponents() != 1:
        raise Rejected(
            f"{volume.GetName()} holds colours or vectors.",
            "Choose a volume of one value a voxel.",
        )
    if _warped(volume):
        return _hardened(volume)
    array = slicer.util.arrayFromVolume(volume).transpose(2, 1, 0)
    return Grid(array, _above(volume) @ matrix_of(volume))


def _above(volume: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The linear transform from the volume's RAS to the world, 4 x 4."""
    matrix = vtk.vtkMatrix4x4()
    parent = volume.GetParentTransformNode()
    if parent is not None:
        parent.GetMatrixTransformToWorld(matrix)
    return _numpy(matrix)


def _warped(volume: slicer.vtkMRMLVolumeNode) -> bool:
    parent = volume.GetParentTransformNode()
    return parent is not None and not parent.IsTransformToWorldLinear()


def _hardened(volume: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """A copy under the warp, as its own grid sees it; nothing of it stays in the scene."""
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    try:
        copy.CopyContent(volume)
        copy.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        copy.HardenTransform()
        array = slicer.util.arrayFromVolume(copy).transpose(2, 1, 0).copy()
        return Grid(array, matrix_of(copy))
    finally:
        slicer.mrmlScene.RemoveNode(copy)


def _alike(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    kind = np.result_type(*arrays)
    return [array.astype(kind) for array in arrays]


def _numpy(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def vtk_of(affine: np.ndarray) -> vtk.vtkMatrix4x4:
    """A matrix (4, 4) as VTK has it."""
    matrix = vtk.vtkMatrix4x4()
    for i in range(4):
        for j in range(4):
            matrix.SetElement(i, j, float(affine[i, j]))
    return matrix


def _sides(shape: Sequence[int]) -> str:
    return " × ".join(str(side) for side in shape)
