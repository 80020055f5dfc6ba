"""3D Slicer's own classes open a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from scipy.spatial import KDTree
from vtk.util.numpy_support import vtk_to_numpy

from verisim.volume import LabelMap

TOLERANCE_MM = 0.01


def matrix_of(matrix: vtk.vtkMatrix4x4) -> npt.NDArray[np.float64]:
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def opened(path: Path) -> slicer.vtkSegmentation:
    """The segmentation as 3D Slicer reads it."""
    node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
    scene = slicer.vtkMRMLScene()
    scene.AddNode(node)
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    return node.GetSegmentation()


def places(segment: slicer.vtkSegment) -> npt.NDArray[np.float64]:
    """RAS mm of the voxels of a segment, (N, 3)."""
    image = segment.GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    array = values.reshape(image.GetDimensions(), order="F")
    index = np.argwhere(array == segment.GetLabelValue()) + image.GetExtent()[::2]
    return index @ matrix_of(matrix)[:3, :3].T + matrix_of(matrix)[:3, 3]


def distance_mm(found: npt.NDArray[np.float64], label_map: LabelMap, value: int) -> float:
    """Greatest distance from a voxel of one to the nearest of the other, both ways."""
    index = np.argwhere(label_map.array == value)
    wanted = index @ label_map.affine[:3, :3].T + label_map.affine[:3, 3]
    assert found.shape == wanted.shape
    there, back = KDTree(found).query(wanted)[0], KDTree(wanted).query(found)[0]
    return float(max(there.max(), back.max()))
