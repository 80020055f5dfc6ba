"""Views are real: what they show, and points placed by clicking in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from PySide6.QtTest import QTest

from tests.slicer_host.acting import click, picture, pixel_of, press, ras_at, settle
from tests.slicer_host.window import Host

VIEWS = ("Red", "Yellow", "Green")


def a_ball() -> tuple[slicer.vtkMRMLScalarVolumeNode, np.ndarray]:
    """A bright ball in noise, 1 × 1 × 1.5 mm, centred on the origin."""
    z, y, x = np.mgrid[:40, :50, :60]
    inside = ((x - 30) / 20) ** 2 + ((y - 25) / 17) ** 2 + ((z - 20) / 12) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 8, inside.shape)
    affine = np.diag([1.0, 1.0, 1.5, 1.0])
    affine[:3, 3] = (-30, -25, -30)
    array = (100 * inside + noise).astype(np.float32)
    volume = slicer.util.addVolumeFromArray(array, affine, "ball")
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    settle()
    return volume, inside


@pytest.fixture
def points(host: Host) -> slicer.vtkMRMLMarkupsFiducialNode:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "belongs")
    node.CreateDefaultDisplayNodes()
    return node


@pytest.fixture
def widget(host: Host, points: slicer.vtkMRMLMarkupsFiducialNode) -> object:
    made = slicer.qSlicerSimpleMarkupsWidget()
    host.panel.layout().addWidget(made)
    made.setMRMLScene(slicer.mrmlScene)
    made.setCurrentNode(points)
    settle()
    return made


def test_a_volume_is_seen_bright_where_it_is_bright(host: Host) -> None:
    a_ball()
    view = host.layout.sliceWidget("Red").sliceView()
    pixels = view.pixels().mean(axis=-1)
    x, y = pixel_of(view, (0.0, 0.0, 0.0))
    assert pixels[y - 5 : y + 5, x - 5 : x + 5].mean() > 150
    assert pixels[5:15, 5:15].mean() < 60


@pytest.mark.parametrize("name", VIEWS)
def test_a_click_places_a_point_where_the_pixel_is(
    host: Host, widget: object, points: slicer.vtkMRMLMarkupsFiducialNode, name: str
) -> None:
    a_ball()
    view = host.layout.sliceWidget(name).sliceView()
    press(widget.markupsPlaceWidget().placeButton())
    click(view, 150, 120)
    assert points.GetNumberOfControlPoints() == 1
    wanted = ras_at(view, 150, 120)
    assert points.GetNthControlPointPositionWorld(0) == pytest.approx(wanted, abs=1e-6)
    assert pixel_of(view, wanted) == (150, 120)
    assert float(widget.tableWidget().item(0, 1).text()) == pytest.approx(wanted[0], abs=1e-3)


def test_placing_ends_after_one_point(
    host: Host, widget: object, points: slicer.vtkMRMLMarkupsFiducialNode
) -> None:
    a_ball()
    place = widget.markupsPlaceWidget()
    heard: list[bool] = []
    place.connect("activeMarkupsPlaceModeChanged(bool)", heard.append)
    press(place.placeButton())
    view = host.layout.sliceWidget("Red").sliceView()
    click(view, 100, 100)
    assert not place.placeButton().checked
    click(view, 140, 100)
    assert points.GetNumberOfControlPoints() == 1
    assert heard == [True, False]


def test_placing_goes_on_when_it_is_persistent(
    host: Host, widget: object, points: slicer.vtkMRMLMarkupsFiducialNode
) -> None:
    a_ball()
    place = widget.markupsPlaceWidget()
    place.placeModePersistency = True
    press(place.placeButton())
    view = host.layout.sliceWidget("Red").sliceView()
    for x in (100, 140, 180):
        click(view, x, 100)
    assert points.GetNumberOfControlPoints() == 3
    press(place.placeButton())
    assert not place.placeModeEnabled
    press(place.deleteButton())
    assert points.GetNumberOfControlPoints() == 2


def test_the_wheel_moves_the_slice(host: Host) -> None:
    a_ball()
    frame = host.layout.sliceWidget("Red")
    before = frame.sliceLogic().GetSliceOffset()
    place, nothing = qt.QPointF(100, 100), qt.QPoint(0, 0)
    event = qt.QWheelEvent(
        place, place, nothing, qt.QPoint(0, 120), qt.Qt.NoButton, qt.Qt.NoModifier,
        qt.Qt.NoScrollPhase, False,
    )  # fmt: skip
    qt.QApplication.sendEvent(frame.sliceView(), event)
    assert abs(frame.sliceLogic().GetSliceOffset() - before) == pytest.approx(1.5)


def test_a_segmentation_is_seen_in_its_colour(host: Host, pictures: Path) -> None:
    volume, inside = a_ball()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "answer")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("ball", "ball", [1.0, 0.0, 0.0])
    mask = inside.astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "ball", volume)
    node.CreateClosedSurfaceRepresentation()
    settle()
    view = host.layout.sliceWidget("Red").sliceView()
    x, y = pixel_of(view, (0.0, 0.0, 0.0))
    red, green, _ = view.pixels()[y, x]
    assert int(red) - int(green) > 40
    space = host.layout.threeDWidget(0).threeDView()
    host.layout.resetThreeDViews()
    r, g, _ = space.pixels()[space.height // 2, space.width // 2]
    assert int(r) - int(g) > 80
    picture(host.window, pictures / "ball.png")


def test_looking_is_repeatable(host: Host) -> None:
    a_ball()
    view = host.layout.sliceWidget("Green").sliceView()
    assert np.array_equal(view.pixels(), view.pixels())


def test_escape_reaches_the_view(host: Host) -> None:
    view = host.layout.sliceWidget("Red").sliceView()
    QTest.keyClick(view, qt.Qt.Key_Escape)
    assert view.interactor().GetKeySym() == "Escape"


def test_without_a_main_window_there_are_no_views(host_without_views: Host) -> None:
    assert slicer.app.layoutManager() is None


def test_the_layout_manager_knows_its_views(host: Host) -> None:
    assert host.layout.sliceViewNames() == VIEWS
    assert host.layout.threeDViewCount == 1
    assert host.layout.mrmlSliceLogics().GetNumberOfItems() == 3
    assert slicer.util.mainWindow() is host.window
