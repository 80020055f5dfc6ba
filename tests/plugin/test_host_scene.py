"""The scene without a window: files, subject hierarchy, logics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from tests.slicer_host.scene import LOGICS, World


def a_volume(name: str = "a") -> slicer.vtkMRMLScalarVolumeNode:
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    affine = np.array([[0.8, 0.1, 0, 3], [-0.1, 0.8, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    return slicer.util.addVolumeFromArray(array, affine, name)


def item_of(node: slicer.vtkMRMLNode) -> int:
    return slicer.mrmlScene.GetSubjectHierarchyNode().GetItemByDataNode(node)


@pytest.mark.parametrize("name", sorted(LOGICS))
def test_every_module_has_its_logic(mrml: World, name: str) -> None:
    assert getattr(slicer.modules, name).logic() is mrml.logics[name]


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".nii", ".mha"])
def test_a_volume_comes_back_from_its_file(mrml: World, tmp_path: Path, ending: str) -> None:
    volume, path = a_volume(), tmp_path / f"a{ending}"
    assert slicer.util.saveNode(volume, str(path), {})
    again = slicer.util.loadVolume(str(path), {})
    assert np.array_equal(slicer.util.arrayFromVolume(again), slicer.util.arrayFromVolume(volume))
    assert geometry(again) == pytest.approx(geometry(volume), abs=1e-5)


def geometry(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def test_a_file_that_is_not_there_raises(mrml: World, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "none.nrrd"), {})


def test_a_segmentation_keeps_its_names(mrml: World, tmp_path: Path) -> None:
    volume = a_volume()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "s")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("one", "anterior", [1, 0, 0])
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1:, 1:3, 2:4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "one", volume)
    path = str(tmp_path / "s.seg.nrrd")
    assert slicer.util.saveNode(node, path, {})
    again = slicer.util.loadSegmentation(path, {})
    assert again.GetSegmentation().GetNthSegment(0).GetName() == "anterior"
    found = slicer.util.arrayFromSegmentBinaryLabelmap(again, "one", volume)
    assert np.array_equal(found, mask)


def test_a_scene_comes_back_from_its_bundle(mrml: World, tmp_path: Path) -> None:
    a_volume("kept")
    assert slicer.util.saveScene(str(tmp_path / "s.mrb"), {})
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "s.mrb"), {})
    assert slicer.util.getNode("kept").GetImageData().GetDimensions() == (5, 4, 3)


def test_a_node_has_a_place_in_the_hierarchy_as_long_as_it_lives(mrml: World) -> None:
    volume = a_volume()
    assert item_of(volume)
    slicer.mrmlScene.RemoveNode(volume)
    assert not item_of(volume)


def test_exporting_in_world_coordinates_applies_the_transform(mrml: World, tmp_path: Path) -> None:
    volume = a_volume()
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = 10
    slicer.util.updateTransformMatrixFromArray(shift, matrix)
    volume.SetAndObserveTransformNodeID(shift.GetID())
    slicer.util.exportNode(volume, str(tmp_path / "w.nrrd"), {}, world=True)
    again = slicer.util.loadVolume(str(tmp_path / "w.nrrd"), {})
    assert geometry(again)[0, 3] == pytest.approx(geometry(volume)[0, 3] + 10)
