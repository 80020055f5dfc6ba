"""What the application would only print fails a test."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import qt
import slicer

from tests.slicer_host import guards
from tests.slicer_host.window import Host

UI = """<ui version="4.0"><widget class="qMRMLWidget" name="top">
<layout class="QVBoxLayout" name="l"><item><widget class="{kind}" name="inner"/></item></layout>
</widget>
<customwidgets><customwidget><class>{kind}</class><extends>QWidget</extends></customwidget>
</customwidgets><connections>{wire}</connections></ui>"""

WIRE = """<connection><sender>top</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>{receiver}</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"""


def loaded(folder: Path, kind: str, wire: str = "") -> object:
    path = folder / "a.ui"
    path.write_text(UI.format(kind=kind, wire=wire))
    return slicer.util.loadUI(str(path))


def in_a_thread(call: object) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_an_unknown_class_in_a_ui_file(host_without_views: Host, tmp_path: Path) -> None:
    loaded(tmp_path, "qMRMLNoSuchWidget")
    guards.expected("knows no class qMRMLNoSuchWidget")


def test_a_connection_to_nobody_in_a_ui_file(host_without_views: Host, tmp_path: Path) -> None:
    loaded(tmp_path, "qMRMLNodeComboBox", WIRE.format(receiver="nobody"))
    guards.expected("cannot connect top")


@pytest.mark.parametrize("wired", [True, False])
def test_only_a_declared_widget_gets_the_scene(
    host_without_views: Host, tmp_path: Path, wired: bool
) -> None:
    wire = WIRE.format(receiver="inner") if wired else ""
    top = loaded(tmp_path, "qMRMLNodeComboBox", wire)
    top.setMRMLScene(slicer.mrmlScene)
    assert (top.inner.mrmlScene() is slicer.mrmlScene) is wired


def test_an_error_of_mrml(host_without_views: Host) -> None:
    assert slicer.mrmlScene.AddNewNodeByClass("vtkMRMLNoSuchNode") is None
    guards.expected("vtkMRMLNoSuchNode")


def test_slicer_util_from_another_thread(host_without_views: Host) -> None:
    in_a_thread(lambda: slicer.util.getNodes("*"))
    guards.expected("slicer.util.getNodes from thread")


def test_a_node_added_from_another_thread(host_without_views: Host) -> None:
    in_a_thread(lambda: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode"))
    guards.expected("a change of vtkMRMLScene from thread")


def test_a_node_changed_from_another_thread(host_without_views: Host) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    in_a_thread(lambda: node.SetText("elsewhere"))
    guards.expected("a change of vtkMRMLTextNode from thread")


def test_a_label_map_left_behind(host_without_views: Host) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "way")
    assert host_without_views.left_over() == ["label map left in the scene: way"]
    slicer.mrmlScene.RemoveNode(node)


def test_a_quick_timer_left_behind(host_without_views: Host) -> None:
    timer = qt.QTimer()
    timer.start(20)
    assert host_without_views.left_over() == ["timer of 20 ms left"]
    timer.stop()


def test_a_problem_that_is_not_there_is_not_expected(host_without_views: Host) -> None:
    with pytest.raises(AssertionError):
        guards.expected("anything")
