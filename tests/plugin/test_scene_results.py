"""What a result puts into the scene beside its segmentation."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from tests.plugin.geometry import FLIPPED, turned
from tests.plugin.test_scene import LABELS, MOVED, SHAPE, a_volume, an_answer
from VerisimLib.answers import Label
from VerisimLib.cases import MadeCase
from VerisimLib.nrrd import Grid
from VerisimLib.problems import Rejected
from VerisimLib.scene import (
    choices,
    conditions,
    origin,
    overlay,
    pairs,
    segments,
    sequences,
    studies,
    synthetic,
    tables,
    volumes,
)

pytestmark = pytest.mark.usefixtures("mrml")


def a_case(name: str) -> MadeCase:
    image = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:5, 3:6] = 1
    return MadeCase(name, Grid(image, FLIPPED), Grid(labels, FLIPPED))


def drawn(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[np.ndarray, np.ndarray]:
    """Red, green and blue (X, Y, Z, 3), and opacity (X, Y, Z), as the views get them, 0 to 255."""
    display = node.GetDisplayNode()
    display.GetImageDataConnection().GetProducer().Update()
    image = display.GetOutputImageData()
    flat = vtk_to_numpy(image.GetPointData().GetScalars())
    rgba = flat.reshape(*image.GetDimensions()[::-1], 4).transpose(2, 1, 0, 3)
    return rgba[..., :3], rgba[..., 3]


@MOVED
def test_what_a_person_draws_is_the_label_map_of_the_volume(moved: bool) -> None:
    question = volumes.sent([a_volume(turned(), moved)])
    answer = an_answer(question)
    node = segments.added(answer, LABELS, "answer", question)
    drawn = conditions.label_map(node, LABELS)
    assert np.array_equal(drawn.array, answer.array)
    assert drawn.affine == pytest.approx(question.local)


def test_any_segments_are_numbered_where_the_model_takes_any() -> None:
    question = volumes.sent([a_volume(turned())])
    node = segments.added(an_answer(question), LABELS, "answer", question)
    drawn = conditions.label_map(node, ())
    assert np.array_equal(drawn.array, an_answer(question).array)


def test_a_drawing_without_a_volume_or_without_labels_is_refused() -> None:
    lonely = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lonely")
    with pytest.raises(Rejected, match="no reference volume"):
        conditions.label_map(lonely, LABELS)
    question = volumes.sent([a_volume(turned())])
    node = segments.added(an_answer(question), LABELS, "answer", question)
    with pytest.raises(Rejected, match="none of: liver"):
        conditions.label_map(node, (Label("liver", 1),))


def test_a_synthetic_case_says_so_wherever_a_person_looks() -> None:
    node = synthetic.shown(a_case("case_3"), LABELS[:1], "job")
    assert node.GetName() == "SYNTHETIC case_3"
    assert synthetic.is_synthetic(node)
    assert synthetic.cases("job") == (node,)
    assert synthetic.cases("another") == ()
    assert node.GetAttribute("DICOM.SeriesDescription") == "SYNTHETIC"
    assert synthetic.marked(node) == "SYNTHETIC case_3"
    assert not synthetic.is_synthetic(a_volume(np.eye(4)))
    assert np.array_equal(volumes.matrix_of(node), FLIPPED)


def test_a_rejected_case_goes_with_its_labels_and_no_other() -> None:
    first = synthetic.shown(a_case("case_1"), LABELS[:1], "job")
    second = synthetic.shown(a_case("case_2"), LABELS[:1], "job")
    synthetic.reject(first)
    assert synthetic.cases() == (second,)
    (labels,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert labels.GetAttribute(synthetic.CASE) == "case_2"


def test_cases_of_two_jobs_with_one_name_are_two_cases() -> None:
    first = synthetic.shown(a_case("case_1"), LABELS[:1], "one")
    second = synthetic.shown(a_case("case_1"), LABELS[:1], "two")
    synthetic.reject(first)
    assert synthetic.cases() == (second,)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_a_map_lies_over_its_volume_and_the_views_go_where_it_is_greatest() -> None:
    question = volumes.sent([a_volume(turned(), moved=True)])
    array = np.zeros(SHAPE, np.float32)
    array[2, 3, 6] = 0.7
    voxel = overlay.least_certain(array)
    assert voxel.tolist() == [2, 3, 6]
    node = overlay.laid_over(Grid(array, question.grid.affine), "uncertainty", question)
    place = overlay.go_to(node, voxel)
    assert place == pytest.approx((question.grid.affine @ (2, 3, 6, 1))[:3], abs=1e-9)


def test_a_map_hides_nothing_where_the_model_is_sure_and_has_no_segments_colour() -> None:
    question = volumes.sent([a_volume(turned())])
    array = np.linspace(0, 1, np.prod(SHAPE)).astype(np.float32).reshape(SHAPE)
    node = overlay.laid_over(Grid(array, question.grid.affine), "uncertainty", question)
    rgb, alpha = drawn(node)
    assert np.array_equal(alpha > 0, array >= overlay.FLOOR)
    red, green, blue = rgb[alpha > 0].T
    assert np.all(red == 0)
    assert np.all(np.minimum(green, blue) > 80)  # no shadow either
    assert green[-1] > 250


def test_samples_are_scrubbed() -> None:
    question = volumes.sent([a_volume(turned())])
    grids = [Grid(np.full(SHAPE, k, np.uint8), question.grid.affine) for k in (1, 2, 0)]
    browser = sequences.scrubbed(grids, LABELS, "sample", question)
    shown = browser.GetProxyNode(browser.GetMasterSequenceNode())
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [shown]
    for k, grid in enumerate(grids, start=1):
        sequences.choose(browser, k)
        assert np.array_equal(segments.values(shown, LABELS, question), grid.array)
    assert not shown.GetDisplayNode().GetVisibility2DFill()  # the result below is filled


def test_a_pair_replaces_the_one_before() -> None:
    grids = {part: Grid(np.ones(SHAPE, np.float32), FLIPPED) for part in pairs.PARTS}
    pairs.shown(grids, "case_1")
    nodes = pairs.shown(grids, "case_2")
    assert [node.GetName() for node in nodes] == [f"case_2 {part}" for part in pairs.PARTS]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 4
    pairs.clear()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_numbers_of_a_table_stay_numbers() -> None:
    node = tables.table("t", ("case", "score"), [("a", 1.5), ("b", -2.0)])
    assert node.GetTable().GetColumn(1).GetValue(1) == -2.0
    assert node.GetCellText(0, 0) == "a"
    again = tables.table("t", ("case", "score"), [("c", 3.0)], node)
    assert (again is node, node.GetNumberOfRows()) == (True, 1)


def test_scores_are_drawn_with_their_threshold() -> None:
    chart = tables.scores_plot("scores", [1.0, 2.0], [0.0, 0.5, 1.0], 1.5)
    names = [chart.GetNthPlotSeriesNode(k).GetName() for k in range(3)]
    assert names == ["synthetic", "held-out", "threshold"]
    line = chart.GetNthPlotSeriesNode(2).GetTableNode().GetTable()
    assert [line.GetColumn(0).GetValue(k) for k in range(2)] == [1.5, 1.5]


def test_a_plot_is_shown_though_another_node_has_its_name() -> None:
    chart = tables.curve("loss", [0.0, 1.0], [2.0, 1.0])
    choices.keep("VerisimAudit", "{}", {})
    view = tables.view_for("VerisimAudit", chart)
    assert view.GetPlotChartNodeID() == chart.GetID()
    assert tables.view_for("VerisimAudit", chart) is view


def test_origins_and_cases_of_the_server_stay_with_the_node() -> None:
    node = a_volume(np.eye(4))
    assert origin.of(node) == {}
    assert origin.of(None) == {}
    origin.keep(node, {"seed": 3})
    assert origin.of(node) == {"seed": 3}
    assert (studies.case_of(node), studies.name_of(node)) == ("", "brain")
    node.SetName("Müller, T1 (2)/x")
    assert studies.name_of(node) == "M_ller_T1_2_x"
    studies.keep(node, "case-7")
    assert (studies.case_of(node), studies.name_of(node)) == ("case-7", "case-7")
