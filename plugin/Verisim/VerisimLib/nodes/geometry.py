"""Where nodes are, and voxels as numpy arrays."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from VerisimLib.grids import Grid, UnreadableVolume

TOLERANCE_MM = 0.01
"""Files keep places as 32-bit numbers: up to here an answer lies where the question lay."""


class NoVoxels(Exception):
    """A node that holds no image, or one that cannot be sent."""


def grid_of(volume: slicer.vtkMRMLScalarVolumeNode | None) -> Grid:
    """A copy of the voxels, where they are in the world: the parent transform is applied.

    Raises:
        NoVoxels: There are none, or they are colours.
    """
    image = volume.GetImageData() if volume is not None else None
    if image is None or min(image.GetDimensions()) < 1:
        raise NoVoxels("The chosen volume holds no image.")
    if image.GetNumberOfScalarComponents() != 1:
        raise NoVoxels("The chosen volume holds colours; choose one with grey values.")
    if not is_linear(volume):
        return _bent(volume)
    return Grid(_voxels(volume), to_world(volume) @ affine_of(volume))


def _bent(volume: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """A warped volume is resampled, in a copy outside of the scene."""
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.CopyContent(volume)
    bent = vtk.vtkGeneralTransform()
    volume.GetParentTransformNode().GetTransformToWorld(bent)
    copy.ApplyTransform(bent)
    return Grid(_voxels(copy), affine_of(copy))


def _voxels(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    return slicer.util.arrayFromVolume(volume).T.copy(order="K")


def fitting(
    answer: Grid,
    volume: slicer.vtkMRMLScalarVolumeNode,
) -> np.ndarray:
    """The affine of an answer in the coordinates of the volume's node: exactly the volume's."""
    if not is_linear(volume):
        return answer.affine  # of the copy that was bent: it lies in the world
    asked = volume.GetImageData().GetDimensions()
    if tuple(answer.array.shape) != tuple(asked):
        sizes = (" × ".join(map(str, shape)) for shape in (answer.array.shape, asked))
        raise UnreadableVolume("The answer has {} voxels, the volume {}.".format(*sizes))
    there = to_world(volume) @ affine_of(volume)
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]).T
    corners[:3] *= np.array(asked)[:, None] - 1
    if np.abs((answer.affine - there) @ corners).max() > TOLERANCE_MM:
        raise UnreadableVolume("The answer lies elsewhere than the volume.")
    return affine_of(volume)


def is_linear(volume: slicer.vtkMRMLTransformableNode) -> bool:
    parent = volume.GetParentTransformNode()
    return parent is None or bool(parent.IsTransformToWorldLinear())


def to_world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """From the coordinates of a node to the world, (4, 4)."""
    matrix = vtk.vtkMatrix4x4()
    if node.GetParentTransformNode() is not None:
        node.GetParentTransformNode().GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def affine_of(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def oriented(grid: Grid) -> slicer.vtkOrientedImageData:
    """A label map as segmentations keep it."""
    small = grid.array.astype(np.uint8 if grid.array.max(initial=0) < 256 else np.int16)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*small.shape)
    image.GetPointData().SetScalars(numpy_to_vtk(small.ravel(order="F"), deep=True))
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(grid.affine))
    return image


def put_beside(node: slicer.vtkMRMLTransformableNode, volume: slicer.vtkMRMLVolumeNode) -> None:
    """Under the volume's transform, and at its place in the subject hierarchy."""
    if is_linear(volume):
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    tree = slicer.mrmlScene.GetSubjectHierarchyNode()
    own, other = tree.GetItemByDataNode(node), tree.GetItemByDataNode(volume)
    if own and other:
        tree.SetItemParent(own, tree.GetItemParent(other))


def added_volume(grid: Grid, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    return slicer.util.addVolumeFromArray(grid.array.T, grid.affine, free_name(name))


def free_name(name: str) -> str:
    return str(slicer.mrmlScene.GenerateUniqueName(name))
