"""Figures of a result as tables and plots of the scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk

BINS = 24
"""Of a histogram."""


def table(
    name: str, heads: Sequence[str], rows: Sequence[Sequence[object]], node: object = None
) -> slicer.vtkMRMLTableNode:
    """A table; numbers stay numbers, so that it sorts by them.

    Args:
        name: Of a new table.
        heads: Names of the columns.
        rows: Of values, each as long as `heads`.
        node: A table that is filled anew instead.
    """
    node = node or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    waiting = node.StartModify()
    node.RemoveAllColumns()
    for k, head in enumerate(heads):
        node.AddColumn(_column(head, [row[k] for row in rows]))
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetLocked(True)
    node.EndModify(waiting)
    return node


def scores_plot(
    name: str, synthetic: Sequence[float], held_out: Sequence[float], threshold: float
) -> slicer.vtkMRMLPlotChartNode:
    """Histograms of both sets' scores on one axis, and the threshold as a line."""
    low = min([*synthetic, *held_out, threshold])
    high = max([*synthetic, *held_out, threshold])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    shares = [np.histogram(one, edges)[0] / max(1, len(one)) for one in (synthetic, held_out)]
    rows = list(zip(middles.tolist(), shares[0].tolist(), shares[1].tolist()))
    counted = table(f"{name} (histogram)", ("score", "synthetic", "held-out"), rows)
    top = float(max(shares[0].max(initial=0), shares[1].max(initial=0)))
    line = table(
        f"{name} (threshold)", ("score", "threshold"), [(threshold, 0.0), (threshold, top)]
    )
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitle(name)
    chart.SetXAxisTitle("score against the nearest training case")
    chart.SetYAxisTitle("share of cases")
    for column, color, source in (
        ("synthetic", (0.85, 0.37, 0.01), counted),
        ("held-out", (0.46, 0.44, 0.7), counted),
        ("threshold", (0.1, 0.1, 0.1), line),
    ):
        chart.AddAndObservePlotSeriesNodeID(_series(column, source, color).GetID())
    return chart


def curve(
    name: str, xs: Sequence[float], ys: Sequence[float], chart: object = None
) -> slicer.vtkMRMLPlotChartNode:
    """A line through points, such as the loss of a training.

    Args:
        name: Of what is drawn.
        xs: Along the axis.
        ys: As many.
        chart: One of this function, which is drawn anew.
    """
    rows = list(zip(xs, ys))
    if chart is not None:
        table(name, ("percent", name), rows, chart.GetNthPlotSeriesNode(0).GetTableNode())
        return chart
    points = table(f"{name} (points)", ("percent", name), rows)
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    made.SetTitle(name)
    made.AddAndObservePlotSeriesNodeID(_series(name, points, (0.1, 0.4, 0.7), "percent").GetID())
    return made


def view_for(name: str, chart: slicer.vtkMRMLPlotChartNode) -> slicer.vtkMRMLPlotViewNode:
    """The view node of a plot in a panel, which shows a chart."""
    known = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    node = next((view for view in known if view.GetLayoutName() == name), None)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode", name)
        node.SetLayoutName(name)
    node.SetPlotChartNodeID(chart.GetID())
    return node


def _series(
    column: str,
    source: slicer.vtkMRMLTableNode,
    color: Sequence[float],
    along: str = "score",
) -> slicer.vtkMRMLPlotSeriesNode:
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    series.SetAndObserveTableNodeID(source.GetID())
    series.SetXColumnName(along)
    series.SetYColumnName(column)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetColor(*color)
    return series


def _column(head: str, values: Sequence[object]) -> vtk.vtkAbstractArray:
    numbers = all(isinstance(value, (int, float)) for value in values)
    column = vtk.vtkDoubleArray() if numbers else vtk.vtkStringArray()
    column.SetName(head)
    for value in values:
        column.InsertNextValue(float(value) if numbers else str(value))
    return column
