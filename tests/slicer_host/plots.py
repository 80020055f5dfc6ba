"""Stand-ins of the widgets that draw charts, with VTK's own chart behind."""

from __future__ import annotations

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from tests.slicer_host import pythonqt
from tests.slicer_host.nodes import Watching

qt = pythonqt.install()
Signal = qt.Signal
SCATTER = "Scatter"


@pythonqt.stand_in
class qMRMLPlotView(Watching, qt.QWidget):
    """Draws the chart that its view node names."""

    dataSelected = Signal(object, object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLPlotViewNode | None = None
        self._tag = 0
        self.setMinimumSize(160, 140)

    def mrmlPlotViewNode(self) -> slicer.vtkMRMLPlotViewNode | None:
        """The view node."""
        return self._node

    def setMRMLPlotViewNode(self, node: slicer.vtkMRMLPlotViewNode | None) -> None:
        """Draws the chart of another view node."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(vtk.vtkCommand.AnyEvent, self._changed)
        self._refresh()

    def fitToContent(self) -> None:
        """Axes over all points; here they always are."""
        self.update()

    def _refresh(self) -> None:
        self.update()

    def paintEvent(self, _event: object) -> None:
        """The chart, or nothing."""
        node = self._node.GetPlotChartNode() if self._node is not None else None
        if node is None:
            return
        image = _drawn(_chart(node), self.width, self.height)
        painter = qt.QPainter(self)
        painter.drawImage(0, 0, image)
        painter.end()


def _chart(node: slicer.vtkMRMLPlotChartNode) -> vtk.vtkChartXY:
    chart = vtk.vtkChartXY()
    chart.SetTitle(node.GetTitle() or "")
    chart.SetShowLegend(node.GetLegendVisibility())
    chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(node.GetXAxisTitle() or "")
    chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(node.GetYAxisTitle() or "")
    for index in range(node.GetNumberOfPlotSeriesNodes()):
        series = node.GetNthPlotSeriesNode(index)
        if series is not None and series.GetTableNode() is not None:
            _add(chart, series)
    return chart


def _add(chart: vtk.vtkChartXY, series: slicer.vtkMRMLPlotSeriesNode) -> None:
    points = series.GetLineStyle() == series.LineStyleNone
    scatter = points and series.GetPlotTypeAsString(series.GetPlotType()) == SCATTER
    plot = chart.AddPlot(vtk.vtkChart.POINTS if scatter else vtk.vtkChart.LINE)
    table = series.GetTableNode().GetTable()
    x_name = series.GetXColumnName()
    plot.SetInputData(table, x_name or series.GetYColumnName(), series.GetYColumnName())
    plot.SetUseIndexForXSeries(not x_name)
    plot.SetLabel(series.GetName())
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(series.GetLineWidth())


def _drawn(chart: vtk.vtkChartXY, width: int, height: int) -> object:
    view = vtk.vtkContextView()
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(width, height)
    view.GetRenderWindow().SetMultiSamples(0)
    view.GetRenderer().SetBackground(1, 1, 1)
    view.GetScene().AddItem(chart)
    view.Render()
    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(view.GetRenderWindow())
    reader.ReadFrontBufferOff()
    reader.Update()
    columns, rows, _ = reader.GetOutput().GetDimensions()
    flat = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
    array = flat.reshape(rows, columns, -1)[::-1, :, :3]
    return qt.QImage(array.tobytes(), columns, rows, 3 * columns, qt.QImage.Format_RGB888)


@pythonqt.stand_in
class qMRMLPlotWidget(Watching, qt.QWidget):
    """A chart with its bar of controls, which the host leaves out."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._view = qMRMLPlotView()
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def plotView(self) -> qMRMLPlotView:
        """The chart."""
        return self._view

    def setMRMLPlotViewNode(self, node: slicer.vtkMRMLPlotViewNode | None) -> None:
        """Draws the chart of a view node."""
        self._view.setMRMLPlotViewNode(node)

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Hands the scene on."""
        self._view.setMRMLScene(scene)
        super().setMRMLScene(scene)

    def _refresh(self) -> None:
        """Its view does."""
