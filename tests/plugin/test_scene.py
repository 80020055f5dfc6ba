"""Nodes to voxels, and answers to nodes: exact on real MRML."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from VerisimLib.grids import Grid, UnreadableVolume, nrrd, read
from vtk.util.numpy_support import vtk_to_numpy

from tests.plugin.test_grids import FLIPPED, SHEARED, turned
from tests.slicer_host.scene import World
from VerisimLib.scene import Label, NoVoxels, Scene

LABELS = (
    Label(1, "anterior", (0.9, 0.5, 0.2), "SCT^5366008^Hippocampus"),
    Label(2, "posterior", (0.2, 0.5, 0.9)),
)
SHAPE = (6, 7, 8)
GEOMETRIES = pytest.mark.parametrize(
    "affine", [np.eye(4), turned(), FLIPPED], ids=["plain", "oblique", "flipped"]
)
MOVED = pytest.mark.parametrize("moved", [False, True], ids=["still", "moved"])
pytestmark = pytest.mark.usefixtures("mrml")


def a_volume(affine: np.ndarray, moved: bool = False) -> slicer.vtkMRMLScalarVolumeNode:
    array = np.random.default_rng(1).normal(0, 9, SHAPE).astype(np.float32)
    volume = slicer.util.addVolumeFromArray(array.T, affine, "brain")
    if moved:
        outer, inner = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode") for _ in "ab")
        slicer.util.updateTransformMatrixFromArray(inner, turned())
        slicer.util.updateTransformMatrixFromArray(outer, np.linalg.inv(SHEARED))
        inner.SetAndObserveTransformNodeID(outer.GetID())
        volume.SetAndObserveTransformNodeID(inner.GetID())
    return volume


def an_answer(scene: Scene, volume: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """Three values at places that no flip maps onto each other."""
    array = np.zeros(SHAPE, np.uint8)
    array[1:3, 1:5, 2:4] = 1
    array[4, 2:6, 3:7] = 2
    return Grid(array, scene.grid(volume).affine)


def world_points(node: slicer.vtkMRMLSegmentationNode, name: str) -> np.ndarray:
    """World RAS mm of a segment's voxels, as Slicer itself places them, (N, 3)."""
    inside = node.GetSegmentation()
    known = inside.GetSegmentIdBySegmentName(name)
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(known, image)
    matrix, to_world = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    if node.GetParentTransformNode():
        node.GetParentTransformNode().GetMatrixTransformToWorld(to_world)
    place = slicer.util.arrayFromVTKMatrix(to_world) @ slicer.util.arrayFromVTKMatrix(matrix)
    array = vtk_to_numpy(image.GetPointData().GetScalars())
    array = array.reshape(image.GetDimensions(), order="F")
    index = np.argwhere(array > 0) + image.GetExtent()[::2]
    return sorted_rows(index @ place[:3, :3].T + place[:3, 3])


def sorted_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 6).T)]


def wanted_points(answer: Grid, value: int) -> np.ndarray:
    index = np.argwhere(answer.array == value)
    return sorted_rows(index @ answer.affine[:3, :3].T + answer.affine[:3, 3])


@GEOMETRIES
@MOVED
def test_voxels_are_sent_from_where_slicer_shows_them(affine: np.ndarray, moved: bool) -> None:
    volume = a_volume(affine, moved)
    grid = Scene().grid(volume)
    assert np.array_equal(grid.array.T, slicer.util.arrayFromVolume(volume))
    inverse = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(inverse)
    place = np.array([*grid.place((2, 3, 4)), 1.0])
    if moved:
        from_world = vtk.vtkMatrix4x4()
        volume.GetParentTransformNode().GetMatrixTransformFromWorld(from_world)
        place = np.array(from_world.MultiplyPoint(place))
    assert inverse.MultiplyPoint(place)[:3] == pytest.approx((2, 3, 4), abs=1e-9)


@GEOMETRIES
@MOVED
def test_an_answer_lies_exactly_where_it_was_found(affine: np.ndarray, moved: bool) -> None:
    scene, volume = Scene(), a_volume(affine, moved)
    answer = an_answer(scene, volume)
    node = scene.add_segmentation(answer, volume, LABELS, "answer")
    for label in LABELS:
        found, wanted = world_points(node, label.name), wanted_points(answer, label.value)
        assert found.shape == wanted.shape
        assert found == pytest.approx(wanted, abs=1e-9)


@GEOMETRIES
@MOVED
def test_through_files_and_back(affine: np.ndarray, moved: bool) -> None:
    scene, volume = Scene(), a_volume(affine, moved)
    sent = Grid(an_answer(scene, volume).array, scene.grid(volume).affine)
    node = scene.add_segmentation(read(nrrd(sent), ".nrrd"), volume, LABELS, "answer")
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, "label-2", volume)
    assert np.array_equal(mask.T > 0, sent.array == 2)


def test_segments_carry_names_colours_and_terminology() -> None:
    scene, volume = Scene(), a_volume(turned())
    node = scene.add_segmentation(an_answer(scene, volume), volume, LABELS, "answer")
    inside = node.GetSegmentation()
    assert [inside.GetNthSegment(i).GetName() for i in range(2)] == ["anterior", "posterior"]
    assert inside.GetNthSegment(0).GetColor() == pytest.approx((0.9, 0.5, 0.2))
    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    text = inside.GetNthSegment(0).GetTerminology()
    assert logic.DeserializeTerminologyEntry(text, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Hippocampus"
    assert entry.GetTypeObject().GetCodeValue() == "5366008"


def test_an_empty_structure_is_a_segment_too() -> None:
    scene, volume = Scene(), a_volume(turned())
    nothing = Grid(np.zeros(SHAPE, np.uint8), scene.grid(volume).affine)
    node = scene.add_segmentation(nothing, volume, LABELS, "answer")
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    assert not slicer.util.arrayFromSegmentBinaryLabelmap(node, "label-1", volume).any()


def test_the_reference_geometry_is_the_volumes() -> None:
    scene, volume = Scene(), a_volume(turned())
    node = scene.add_segmentation(an_answer(scene, volume), volume, LABELS, "answer")
    role = node.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume


def test_the_result_moves_with_its_volume_and_stands_beside_it() -> None:
    scene, volume = Scene(), a_volume(turned(), moved=True)
    tree = slicer.mrmlScene.GetSubjectHierarchyNode()
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "study")
    tree.SetItemParent(tree.GetItemByDataNode(volume), study)
    answer = an_answer(scene, volume)
    for node in (
        scene.add_segmentation(answer, volume, LABELS, "answer"),
        scene.add_overlay(answer, volume, "uncertainty"),
    ):
        assert node.GetParentTransformNode() is volume.GetParentTransformNode()
        assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study


def test_a_second_answer_replaces_the_first_and_keeps_what_the_user_chose() -> None:
    scene, volume = Scene(), a_volume(turned())
    answer = an_answer(scene, volume)
    node = scene.add_segmentation(answer, volume, LABELS, "answer")
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().GetSegment("label-1").SetColor(1, 1, 1)
    node.GetDisplayNode().SetSegmentVisibility("label-2", False)
    grown = answer.array.copy()
    grown[0:3, 0:6, 1:5] = 1
    scene.update_segmentation(node, Grid(grown, answer.affine), volume, LABELS)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, "label-1", volume)
    assert np.array_equal(mask.T > 0, grown == 1)
    assert node.GetSegmentation().GetSegment("label-1").GetColor() == (1, 1, 1)
    assert not node.GetDisplayNode().GetSegmentVisibility("label-2")
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")


@pytest.mark.parametrize("wrong", ["shape", "place"])
def test_an_answer_to_another_volume_changes_nothing(wrong: str) -> None:
    scene, volume = Scene(), a_volume(turned())
    answer = an_answer(scene, volume)
    elsewhere = answer.affine + np.diag([0, 0, 0.1, 0])
    bad = (
        Grid(answer.array[1:], answer.affine)
        if wrong == "shape"
        else Grid(answer.array, elsewhere)
    )
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(UnreadableVolume):
        scene.add_segmentation(bad, volume, LABELS, "answer")
    with pytest.raises(UnreadableVolume):
        scene.add_overlay(bad, volume, "uncertainty")
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_without_voxels_or_with_colours_is_refused() -> None:
    scene = Scene()
    with pytest.raises(NoVoxels):
        scene.grid(None)
    with pytest.raises(NoVoxels):
        scene.grid(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    colours = slicer.util.addVolumeFromArray(
        np.zeros((3, 4, 5, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode"
    )
    with pytest.raises(NoVoxels, match="colours"):
        scene.grid(colours)


def test_a_warped_volume_is_sent_as_it_is_seen() -> None:
    scene, volume = Scene(), a_volume(np.eye(4))
    warp = vtk.vtkThinPlateSplineTransform()
    warp.SetBasisToR()
    ends = [vtk.vtkPoints(), vtk.vtkPoints()]
    for corner in np.ndindex(2, 2, 2):
        ends[0].InsertNextPoint(np.array(corner) * 8.0)
        ends[1].InsertNextPoint(np.array(corner) * 8.0 + (1, 0, 0))
    ends[0].InsertNextPoint(4, 4, 4)
    ends[1].InsertNextPoint(4, 4, 4.5)
    warp.SetSourceLandmarks(ends[0])
    warp.SetTargetLandmarks(ends[1])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(warp)
    volume.SetAndObserveTransformNodeID(node.GetID())
    before = slicer.util.arrayFromVolume(volume).copy()
    grid = scene.grid(volume)
    assert not np.array_equal(grid.array.T, before)
    assert np.array_equal(slicer.util.arrayFromVolume(volume), before)
    labels = Grid(np.ones(grid.array.shape, np.uint8), grid.affine)
    answer = scene.add_segmentation(labels, volume, LABELS[:1], "answer")
    assert answer.GetParentTransformNode() is None
    assert world_points(answer, "anterior") == pytest.approx(wanted_points(labels, 1), abs=1e-9)


def test_points_are_told_in_the_world_and_only_if_placed() -> None:
    scene, volume = Scene(), a_volume(turned(), moved=True)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.AddControlPointWorld(1.0, 2.0, 3.0)
    node.AddControlPoint(vtk.vtkVector3d(4, 5, 6))
    node.UnsetNthControlPointPosition(1)
    assert scene.points(node) == [pytest.approx((1.0, 2.0, 3.0))]


@MOVED
def test_what_a_user_draws_is_the_label_map_of_the_volume(moved: bool) -> None:
    scene, volume = Scene(), a_volume(turned(), moved)
    answer = an_answer(scene, volume)
    node = scene.add_segmentation(answer, volume, LABELS, "answer")
    drawn = scene.drawn(node, volume, {"anterior": 1, "posterior": 2})
    assert np.array_equal(drawn.array, answer.array)
    assert drawn.affine == pytest.approx(answer.affine)


def test_a_synthetic_volume_says_so_and_keeps_how_it_was_made(tmp_path: Path) -> None:
    scene = Scene()
    node = scene.add_synthetic(Grid(np.zeros(SHAPE, np.int16), FLIPPED), "case 3")
    scene.note(node, json.dumps({"seed": 3}))
    assert node.GetName() == "SYNTHETIC case 3"
    assert scene.is_synthetic(node)
    assert json.loads(scene.provenance(node)) == {"seed": 3}
    assert not scene.is_synthetic(a_volume(np.eye(4)))
    assert scene.provenance(a_volume(np.eye(4))) == ""


def test_removing_twice_is_no_error() -> None:
    scene, volume = Scene(), a_volume(np.eye(4))
    scene.remove(volume, None)
    scene.remove(volume)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_choices_come_back_with_the_scene(mrml: World, tmp_path: Path) -> None:
    scene, volume = Scene(), a_volume(np.eye(4))
    keeper = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "VerisimSegment")
    assert scene.parameters(keeper) == ""
    scene.keep(keeper, '{"model": "tiny"}', {"input": volume})
    assert slicer.util.saveScene(str(tmp_path / "s.mrb"), {})
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "s.mrb"), {})
    again = slicer.util.getNode("VerisimSegment")
    assert scene.parameters(again) == '{"model": "tiny"}'
    assert scene.kept(again, "input").GetName() == "brain"
    scene.keep(again, "", {"input": None})
    assert scene.kept(again, "input") is None
