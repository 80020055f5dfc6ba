"""Stand-ins of the widgets that show tables and segments."""

from __future__ import annotations

import slicer
import vtk

from tests.slicer_host import pythonqt
from tests.slicer_host.nodes import Watching, remembered

qt = pythonqt.install()
Signal, Property = qt.Signal, qt.Property
READ_ONLY = qt.QAbstractItemView.NoEditTriggers


@pythonqt.stand_in
class qMRMLTableView(Watching, qt.QTableView):
    """Shows a table node; cells are not edited here."""

    mrmlTableNodeChanged = Signal(object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLTableNode | None = None
        self._tag = 0
        self._model = qt.QStandardItemModel(self)
        self.setModel(self._model)
        self.setEditTriggers(READ_ONLY)

    def mrmlTableNode(self) -> slicer.vtkMRMLTableNode | None:
        """What is shown."""
        return self._node

    def setMRMLTableNode(self, node: slicer.vtkMRMLTableNode | None) -> None:
        """Shows a table and follows its changes."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._changed)
        self._refresh()

    def _refresh(self) -> None:
        if not hasattr(self, "_model"):
            return
        if self._node is not None and self._scene is not None:
            self._node = self._scene.GetNodeByID(self._node.GetID() or "")
        table = self._node.GetTable() if self._node else vtk.vtkTable()
        self._model.setRowCount(table.GetNumberOfRows())  # rows and columns keep their sizes
        self._model.setColumnCount(table.GetNumberOfColumns())
        columns = range(table.GetNumberOfColumns())
        locked = self._node is not None and self._node.GetUseColumnNameAsColumnHeader()
        if locked:
            self._model.setHorizontalHeaderLabels([str(table.GetColumnName(c)) for c in columns])
        for row in range(table.GetNumberOfRows()):
            for c in columns:
                self._model.setItem(row, c, qt.QStandardItem(table.GetValue(row, c).ToString()))


@pythonqt.stand_in
class qMRMLSegmentsTableView(Watching, qt.QWidget):
    """The segments of a segmentation with their colours; a tick shows or hides one."""

    selectionChanged = Signal(object, object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._tags: list[int] = []
        self._table = qt.QTableWidget(0, 2)
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        row = qt.QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._table)
        self._table.connect("itemSelectionChanged()", self._selected)
        self._table.connect("itemChanged(QTableWidgetItem*)", self._ticked)

    readOnly = remembered(bool, "readOnly")
    headerVisible = remembered(bool, "headerVisible")
    visibilityColumnVisible = remembered(bool, "visibilityColumnVisible")
    colorColumnVisible = remembered(bool, "colorColumnVisible")
    opacityColumnVisible = remembered(bool, "opacityColumnVisible")
    filterBarVisible = remembered(bool, "filterBarVisible")
    statusColumnVisible = remembered(bool, "statusColumnVisible")
    layerColumnVisible = remembered(bool, "layerColumnVisible")

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        """What is shown."""
        return self._node

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Shows a segmentation and follows its changes."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags = node, []
        if node is not None:
            kind = slicer.vtkSegmentation
            events = (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified)
            self._tags = [node.AddObserver(event, self._changed) for event in events]
        self._refresh()

    def segmentCount(self) -> int:
        """How many are listed."""
        return len(self._ids())

    def selectedSegmentIDs(self) -> list[str]:
        """Of the rows that are selected."""
        rows = sorted({index.row() for index in self._table.selectedIndexes()})
        return [self._ids()[row] for row in rows]

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        """Selects rows."""
        self._table.clearSelection()
        for row, known in enumerate(self._ids()):
            if known in ids:
                self._table.selectRow(row)

    def _ids(self) -> list[str]:
        return list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []

    def _refresh(self) -> None:
        if not hasattr(self, "_table"):
            return
        gone = self._node is not None and self._node.GetScene() is None
        self._node = None if gone else self._node
        self._table.blockSignals(True)
        self._table.setRowCount(len(self._ids()))
        for row, known in enumerate(self._ids()):
            segment = self._node.GetSegmentation().GetSegment(known)
            shown = self._node.GetDisplayNode().GetSegmentVisibility(known)
            name, color = qt.QTableWidgetItem(segment.GetName()), qt.QTableWidgetItem()
            name.setCheckState(qt.Qt.Checked if shown else qt.Qt.Unchecked)
            color.setBackground(qt.QColor.fromRgbF(*segment.GetColor()))
            self._table.setItem(row, 0, color)
            self._table.setItem(row, 1, name)
        self._table.blockSignals(False)

    def _selected(self) -> None:
        self.selectionChanged.emit(None, None)

    def _ticked(self, item: object) -> None:
        known = self._ids()[item.row()]
        shown = item.checkState() == qt.Qt.Checked
        self._node.GetDisplayNode().SetSegmentVisibility(known, shown)
