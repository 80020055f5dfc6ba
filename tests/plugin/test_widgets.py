"""The stand-ins behave as the widgets of Slicer and CTK, as far as panels rely on it."""

from __future__ import annotations

from pathlib import Path

import ctk
import numpy as np
import pytest
import qt
import slicer
from PySide6.QtTest import QTest

from tests.slicer_host import guards
from tests.slicer_host.acting import picture, press, settle
from tests.slicer_host.window import Host

TEXT = "vtkMRMLTextNode"


def added(name: str, kind: str = TEXT) -> slicer.vtkMRMLNode:
    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


@pytest.fixture
def chooser(host_without_views: Host) -> object:
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = [TEXT]
    made.noneEnabled = True
    made.addEnabled = False
    made.setMRMLScene(slicer.mrmlScene)
    return made


def test_a_new_node_appears_in_the_list(chooser: object) -> None:
    assert chooser.nodeCount() == 0
    node = added("a")
    assert chooser.nodeFromIndex(0) is node
    assert chooser.currentNode() is None


def test_without_none_the_first_node_is_chosen(chooser: object) -> None:
    chooser.noneEnabled = False
    node = added("a")
    assert chooser.currentNode() is node
    assert chooser.currentNodeID == node.GetID()


def test_choosing_is_heard_once(chooser: object) -> None:
    heard: list[object] = []
    chooser.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    node = added("a")
    chooser.setCurrentNode(node)
    chooser.setCurrentNodeID(node.GetID())
    assert heard == [node]


def test_a_removed_node_is_no_longer_chosen(chooser: object) -> None:
    heard: list[object] = []
    node = added("a")
    chooser.setCurrentNode(node)
    chooser.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    slicer.mrmlScene.RemoveNode(node)
    assert chooser.currentNode() is None
    assert heard == [None]


def test_a_closed_scene_empties_the_list(chooser: object) -> None:
    chooser.setCurrentNode(added("a"))
    slicer.mrmlScene.Clear(0)
    assert chooser.nodeCount() == 0
    assert chooser.currentNode() is None


def test_other_types_and_hidden_nodes_are_not_offered(chooser: object) -> None:
    added("table", "vtkMRMLTableNode")
    hidden = slicer.mrmlScene.CreateNodeByClass(TEXT)
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(hidden)
    assert chooser.nodeCount() == 0
    chooser.showHidden = True
    assert chooser.nodeCount() == 1


def test_child_types_are_offered_only_when_wanted(host_without_views: Host) -> None:
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    made.setMRMLScene(slicer.mrmlScene)
    node = added("labels", "vtkMRMLLabelMapVolumeNode")
    assert made.nodeCount() == 1
    made.showChildNodeTypes = False
    assert made.nodeCount() == 0
    slicer.mrmlScene.RemoveNode(node)


def test_an_attribute_filters(chooser: object) -> None:
    chooser.addAttribute(TEXT, "Verisim.Synthetic", "1")
    added("plain")
    marked = slicer.mrmlScene.CreateNodeByClass(TEXT)
    marked.UnRegister(None)
    marked.SetAttribute("Verisim.Synthetic", "1")
    slicer.mrmlScene.AddNode(marked)
    assert chooser.nodeCount() == 1
    assert chooser.nodeFromIndex(0) is marked


def test_the_panel_makes_a_node(chooser: object) -> None:
    chooser.baseName = "Answer"
    node = chooser.addNode()
    assert node.GetName() == "Answer"
    assert chooser.currentNode() is node


def test_a_collapsed_box_hides_what_is_inside(host: Host) -> None:
    box = ctk.ctkCollapsibleButton()
    box.text = "More"
    qt.QVBoxLayout(box)
    inside = qt.QLabel("inside")
    box.layout().addWidget(inside)
    host.panel.layout().addWidget(box)
    settle()
    assert inside.isVisible()
    heard: list[bool] = []
    box.connect("contentsCollapsed(bool)", heard.append)
    box.collapsed = True
    assert not inside.isVisible()
    assert heard == [True]


def test_slider_and_spin_box_agree(host_without_views: Host) -> None:
    made = ctk.ctkSliderWidget()
    made.singleStep = 0.5
    made.maximum = 10
    made.value = 4.5
    assert made.slider().value == 9
    made.slider().setSliderPosition(4)
    assert made.value == 2.0
    made.value = 99
    assert made.value == 10


def test_a_table_follows_its_node(host: Host) -> None:
    node = added("scores", "vtkMRMLTableNode")
    view = slicer.qMRMLTableView()
    view.setMRMLScene(slicer.mrmlScene)
    view.setMRMLTableNode(node)
    slicer.util.updateTableFromArray(node, np.array([[1.0, 2.0], [3.0, 4.0]]), ["case", "score"])
    node.SetUseColumnNameAsColumnHeader(True)
    assert view.model().rowCount() == 2
    assert view.model().item(1, 1).text() == "4"
    clicked: list[int] = []
    view.connect("clicked(QModelIndex)", lambda index: clicked.append(index.row()))
    host.panel.layout().addWidget(view)
    settle()
    place = view.visualRect(view.model().index(1, 0)).center()
    QTest.mouseClick(view.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, place)
    assert clicked == [1]
    slicer.mrmlScene.RemoveNode(node)
    assert view.model().rowCount() == 0


def test_segments_are_listed_and_shown_or_hidden(host: Host) -> None:
    node = added("answer", "vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    table = slicer.qMRMLSegmentsTableView()
    table.setMRMLScene(slicer.mrmlScene)
    table.setSegmentationNode(node)
    for name in ("anterior", "posterior"):
        node.GetSegmentation().AddEmptySegment(name, name)
    assert table.segmentCount() == 2
    table.setSelectedSegmentIDs(["posterior"])
    assert list(table.selectedSegmentIDs()) == ["posterior"]


def test_a_chart_is_drawn(host: Host, pictures: Path) -> None:
    table = added("scores", "vtkMRMLTableNode")
    slicer.util.updateTableFromArray(
        table, np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 3.0]]), ["x", "y"]
    )
    series, chart = added("held-out", "vtkMRMLPlotSeriesNode"), added("c", "vtkMRMLPlotChartNode")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetColor(1, 0, 0)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle("Scores")
    shown = added("view", "vtkMRMLPlotViewNode")
    shown.SetPlotChartNodeID(chart.GetID())
    plot = slicer.qMRMLPlotWidget()
    host.panel.layout().addWidget(plot)
    plot.setMRMLScene(slicer.mrmlScene)
    plot.setMRMLPlotViewNode(shown)
    settle()
    image = plot.plotView().grab().toImage()
    colors = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }
    assert "#ff0000" in colors
    picture(host.window, pictures / "chart.png")


def test_a_hidden_button_cannot_be_pressed(host: Host) -> None:
    button = qt.QPushButton("Go")
    with pytest.raises(AssertionError, match="hidden"):
        press(button)
    host.panel.layout().addWidget(button)
    button.setEnabled(False)
    settle()
    with pytest.raises(AssertionError, match="disabled"):
        press(button)


def test_the_segment_editor_wants_its_node_first(host_without_views: Host) -> None:
    made = slicer.qMRMLSegmentEditorWidget()
    made.setMRMLScene(slicer.mrmlScene)
    made.setSegmentationNode(added("drawn", "vtkMRMLSegmentationNode"))
    guards.expected("before setMRMLSegmentEditorNode")


def test_the_segment_editor_keeps_what_is_edited(host_without_views: Host) -> None:
    made = slicer.qMRMLSegmentEditorWidget()
    made.setMRMLScene(slicer.mrmlScene)
    made.setMRMLSegmentEditorNode(added("editor", "vtkMRMLSegmentEditorNode"))
    node = added("drawn", "vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    known = node.GetSegmentation().AddEmptySegment("belongs", "belongs")
    made.setSegmentationNode(node)
    made.setCurrentSegmentID(known)
    made.setActiveEffectByName("Paint")
    assert made.segmentationNode() is node
    assert made.currentSegmentID() == "belongs"


def test_ticks_outlive_a_new_node(host_without_views: Host) -> None:
    made = slicer.qMRMLCheckableNodeComboBox()
    made.nodeTypes = [TEXT]
    made.setMRMLScene(slicer.mrmlScene)
    heard: list[int] = []
    made.connect("checkedNodesChanged()", lambda: heard.append(1))
    first = added("a")
    made.setCheckState(first, qt.Qt.Checked)
    added("b")
    assert made.nodeCount() == 2
    assert made.checkedNodes() == [first]
    slicer.mrmlScene.RemoveNode(first)
    assert made.checkedNodes() == []
    assert heard == [1, 1]
