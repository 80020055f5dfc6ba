"""Nodes to voxels, and answers to nodes: exact on real MRML."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from tests.plugin.geometry import AFFINES, SHEARED, turned
from VerisimLib.answers import Label
from VerisimLib.nrrd import Grid, packed, unpacked
from VerisimLib.problems import Odd, Rejected
from VerisimLib.scene import overlay, points, segments, volumes

LABELS = (Label("anterior", 1, (0.9, 0.5, 0.2)), Label("posterior", 2, (0.2, 0.5, 0.9)))
SHAPE = (6, 7, 8)
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


def an_answer(question: volumes.Sent) -> Grid:
    """Two values at places that no flip maps onto each other."""
    array = np.zeros(SHAPE, np.uint8)
    array[1:3, 1:5, 2:4] = 1
    array[4, 2:6, 3:7] = 2
    return Grid(array, question.grid.affine)


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


@AFFINES
@MOVED
def test_voxels_are_sent_from_where_slicer_shows_them(affine: np.ndarray, moved: bool) -> None:
    volume = a_volume(affine, moved)
    grid = volumes.sent([volume]).grid
    assert np.array_equal(grid.array.T, slicer.util.arrayFromVolume(volume))
    place = grid.affine @ (2, 3, 4, 1)
    if moved:
        from_world = vtk.vtkMatrix4x4()
        volume.GetParentTransformNode().GetMatrixTransformFromWorld(from_world)
        place = np.array(from_world.MultiplyPoint(place))
    inverse = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(inverse)
    assert inverse.MultiplyPoint(place)[:3] == pytest.approx((2, 3, 4), abs=1e-9)


@AFFINES
@MOVED
def test_an_answer_lies_exactly_where_it_was_found(affine: np.ndarray, moved: bool) -> None:
    question = volumes.sent([a_volume(affine, moved)])
    answer = unpacked(packed(an_answer(question)))
    volumes.check_answer(answer, question)
    node = segments.added(answer, LABELS, "answer", question)
    for label in LABELS:
        found, wanted = world_points(node, label.name), wanted_points(answer, label.value)
        assert found.shape == wanted.shape
        assert found == pytest.approx(wanted, abs=1e-9)


@AFFINES
@MOVED
def test_what_a_person_has_is_what_the_server_gets(affine: np.ndarray, moved: bool) -> None:
    question = volumes.sent([a_volume(affine, moved)])
    answer = an_answer(question)
    node = segments.added(answer, LABELS, "answer", question)
    assert np.array_equal(segments.values(node, LABELS, question), answer.array)
    swapped = (Label("anterior", 2), Label("posterior", 1))
    other = segments.values(node, swapped, question)
    assert np.array_equal(other == 2, answer.array == 1)


def test_segments_carry_names_colours_and_terminology() -> None:
    question = volumes.sent([a_volume(turned())])
    node = segments.added(an_answer(question), LABELS, "answer", question)
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
    question = volumes.sent([a_volume(turned())])
    nothing = Grid(np.zeros(SHAPE, np.uint8), question.grid.affine)
    node = segments.added(nothing, LABELS, "answer", question)
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    assert not segments.values(node, LABELS, question).any()


def test_the_reference_geometry_is_the_volumes() -> None:
    volume = a_volume(turned())
    question = volumes.sent([volume])
    node = segments.added(an_answer(question), LABELS, "answer", question)
    role = node.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume


def test_the_result_moves_with_its_volume_and_stands_beside_it() -> None:
    volume = a_volume(turned(), moved=True)
    tree = slicer.mrmlScene.GetSubjectHierarchyNode()
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "study")
    tree.SetItemParent(tree.GetItemByDataNode(volume), study)
    question = volumes.sent([volume])
    answer = an_answer(question)
    for node in (
        segments.added(answer, LABELS, "answer", question),
        overlay.laid_over(answer, "uncertainty", question),
    ):
        assert node.GetParentTransformNode() is volume.GetParentTransformNode()
        assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study


def test_a_second_answer_keeps_what_the_person_chose() -> None:
    question = volumes.sent([a_volume(turned())])
    answer = an_answer(question)
    node = segments.added(answer, LABELS, "answer", question)
    segments.show_surfaces(node)
    node.GetSegmentation().GetSegment("anterior").SetColor(1, 1, 1)
    node.GetDisplayNode().SetSegmentVisibility("posterior", False)
    node.GetSegmentation().AddEmptySegment("own", "my own")
    grown = answer.array.copy()
    grown[0:3, 0:6, 1:5] = 1
    segments.filled(node, grown, LABELS, question)
    assert np.array_equal(segments.values(node, LABELS, question), grown)
    assert node.GetSegmentation().GetSegment("anterior").GetColor() == (1, 1, 1)
    assert not node.GetDisplayNode().GetSegmentVisibility("posterior")
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert node.GetSegmentation().GetSegment("own").GetName() == "my own"


@pytest.mark.parametrize("wrong", ["shape", "place"])
def test_an_answer_to_another_volume_is_refused(wrong: str) -> None:
    question = volumes.sent([a_volume(turned())])
    answer = an_answer(question)
    elsewhere = answer.affine + np.diag([0, 0, 0.1, 0])
    bad = {
        "shape": Grid(answer.array[1:], answer.affine),
        "place": Grid(answer.array, elsewhere),
    }[wrong]
    with pytest.raises(Odd, match="does not lie on the voxels"):
        volumes.check_answer(bad, question)


def test_a_volume_without_voxels_or_with_colours_is_refused() -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow")
    colours = slicer.util.addVolumeFromArray(
        np.zeros((3, 4, 5, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode"
    )
    for chosen, words in (([], "No volume"), ([None], "No volume"), ([empty], "hollow holds no")):
        with pytest.raises(Rejected, match=words):
            volumes.sent(chosen)
    with pytest.raises(Rejected, match="colours"):
        volumes.sent([colours])


def test_channels_are_stacked_in_order_as_one_type() -> None:
    first, second = a_volume(turned(), moved=True), a_volume(turned(), moved=True)
    slicer.util.updateVolumeFromArray(second, np.full(SHAPE[::-1], 7, np.int16))
    grid = volumes.sent([first, second]).grid
    assert grid.array.shape == (2, *SHAPE)
    assert grid.array.dtype == np.float32
    assert np.array_equal(grid.array[0].T, slicer.util.arrayFromVolume(first))
    assert (grid.array[1] == 7).all()


@pytest.mark.parametrize("wrong", ["shape", "place", "transform"])
def test_a_channel_that_lies_elsewhere_is_refused(wrong: str) -> None:
    first = a_volume(turned())
    second = a_volume(turned(), moved=wrong == "transform")
    if wrong == "shape":
        slicer.util.updateVolumeFromArray(second, np.zeros((5, 7, 6), np.int16))
    if wrong == "place":
        second.SetOrigin(0, 0, 0)
    second.SetName("second")
    with pytest.raises(Rejected, match="second does not lie on the voxels of brain"):
        volumes.sent([first, second])


def test_a_warped_volume_is_sent_as_it_is_seen() -> None:
    volume = a_volume(np.eye(4))
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    warp.SetAndObserveTransformToParent(a_warp())
    volume.SetAndObserveTransformNodeID(warp.GetID())
    before, count = slicer.util.arrayFromVolume(volume).copy(), slicer.mrmlScene.GetNumberOfNodes()
    question = volumes.sent([volume])
    assert not np.array_equal(question.grid.array.T, before)
    assert np.array_equal(slicer.util.arrayFromVolume(volume), before)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    labels = Grid(np.ones(question.grid.array.shape, np.uint8), question.grid.affine)
    answer = segments.added(labels, LABELS[:1], "answer", question)
    assert answer.GetParentTransformNode() is None
    assert world_points(answer, "anterior") == pytest.approx(wanted_points(labels, 1), abs=1e-9)


def a_warp() -> vtk.vtkThinPlateSplineTransform:
    """Moves all by 1 mm, and the middle a little further."""
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
    return warp


def test_clicks_are_told_in_the_world_and_only_if_placed() -> None:
    volume = a_volume(turned(), moved=True)
    node = points.list_of(points.BELONGS, "anterior", "anterior belongs")
    assert points.list_of(points.BELONGS, "anterior", "other words") is node
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.AddControlPointWorld(1.0, 2.0, 3.0)
    node.AddControlPoint(vtk.vtkVector3d(4, 5, 6))
    node.UnsetNthControlPointPosition(1)
    no = points.list_of(points.NOT, "posterior", "posterior does not belong")
    display = no.GetDisplayNode()
    assert (
        display.GetActiveColor()
        == display.GetSelectedColor()
        != node.GetDisplayNode().GetSelectedColor()
    )
    no.AddControlPointWorld(7.0, 8.0, 9.0)
    first, second = points.clicks()
    assert first.place == pytest.approx((1.0, 2.0, 3.0))
    assert (first.label, first.belongs) == ("anterior", True)
    assert (second.label, second.belongs) == ("posterior", False)
    assert points.undo(no)
    assert not points.undo(no)
    points.clear()
    assert points.clicks() == ()
