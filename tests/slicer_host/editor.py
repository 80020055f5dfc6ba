"""Stand-ins of the Segment Editor and of the list with ticks."""

from __future__ import annotations

import slicer

from tests.slicer_host import guards, pythonqt
from tests.slicer_host.nodes import Watching, remembered
from tests.slicer_host.tables import qMRMLSegmentsTableView

qt = pythonqt.install()
Signal = qt.Signal


@pythonqt.stand_in
class qMRMLSegmentEditorWidget(Watching, qt.QWidget):
    """Keeps its nodes on a real editor node and lists the segments; effects do nothing."""

    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLSegmentEditorNode | None = None
        self._table = qMRMLSegmentsTableView()
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._table)

    segmentationNodeSelectorVisible = remembered(bool, "segmentationNodeSelectorVisible")
    sourceVolumeNodeSelectorVisible = remembered(bool, "sourceVolumeNodeSelectorVisible")
    switchToSegmentationsButtonVisible = remembered(bool, "switchToSegmentationsButtonVisible")

    def mrmlSegmentEditorNode(self) -> slicer.vtkMRMLSegmentEditorNode | None:
        """Keeps what is edited."""
        return self._node

    def setMRMLSegmentEditorNode(self, node: slicer.vtkMRMLSegmentEditorNode | None) -> None:
        """To be called before anything else."""
        self._node = node

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        """What is edited."""
        return self._kept("segmentationNode").GetSegmentationNode() if self._node else None

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Edits another segmentation."""
        if self._kept("setSegmentationNode") is not None:
            self._node.SetAndObserveSegmentationNode(node)
            self._table.setMRMLScene(self._scene)
            self._table.setSegmentationNode(node)
            self.segmentationNodeChanged.emit(node)

    def sourceVolumeNode(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """On whose voxels it is edited."""
        return self._kept("sourceVolumeNode").GetSourceVolumeNode() if self._node else None

    def setSourceVolumeNode(self, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Edits on another volume."""
        if self._kept("setSourceVolumeNode") is not None:
            self._node.SetAndObserveSourceVolumeNode(node)
            self.sourceVolumeNodeChanged.emit(node)

    def currentSegmentID(self) -> str:
        """Which segment is painted."""
        return (self._node.GetSelectedSegmentID() or "") if self._node else ""

    def setCurrentSegmentID(self, known: str) -> None:
        """Paints another segment."""
        if self._kept("setCurrentSegmentID") is not None:
            self._node.SetSelectedSegmentID(known)
            self.currentSegmentIDChanged.emit(known)

    def setActiveEffectByName(self, name: str) -> None:
        """Chooses a tool by its name, e.g. "Paint"."""
        if self._kept("setActiveEffectByName") is not None:
            self._node.SetActiveEffectName(name)

    def _kept(self, asked: str) -> slicer.vtkMRMLSegmentEditorNode | None:
        if self._node is None:
            guards.report(f"qMRMLSegmentEditorWidget.{asked} before setMRMLSegmentEditorNode")
        return self._node

    def _refresh(self) -> None:
        """Its table does."""


@pythonqt.stand_in
class qMRMLCheckableNodeComboBox(Watching, qt.QWidget):
    """Nodes of some types, each with a tick."""

    checkedNodesChanged = Signal()

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._nodes: list[slicer.vtkMRMLNode] = []
        self._list = qt.QListWidget()
        row = qt.QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._list)
        self._list.connect("itemChanged(QListWidgetItem*)", self._ticked)

    nodeTypes = remembered(list, "nodeTypes")
    addEnabled = remembered(bool, "addEnabled")
    removeEnabled = remembered(bool, "removeEnabled")

    def checkedNodes(self) -> list[slicer.vtkMRMLNode]:
        """Those with a tick."""
        return [node for index, node in enumerate(self._nodes) if self._is_on(index)]

    def checkState(self, node: slicer.vtkMRMLNode) -> object:
        """Of a node."""
        on = any(node is checked for checked in self.checkedNodes())
        return qt.Qt.Checked if on else qt.Qt.Unchecked

    def setCheckState(self, node: slicer.vtkMRMLNode, state: object) -> None:
        """Ticks a node, or not."""
        for index, known in enumerate(self._nodes):
            if known is node:
                self._list.item(index).setCheckState(state)

    def nodeCount(self) -> int:
        """How many are listed."""
        return len(self._nodes)

    def _is_on(self, index: int) -> bool:
        return bool(self._list.item(index).checkState() == qt.Qt.Checked)

    def _ticked(self, _item: object) -> None:
        self.checkedNodesChanged.emit()

    def _refresh(self) -> None:
        if not hasattr(self, "_list"):
            return
        before = self.checkedNodes()
        scene = self._scene
        every = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())] if scene else []
        self._list.blockSignals(True)
        self._list.clear()
        self._nodes = [n for n in every if any(n.IsA(kind) for kind in self.nodeTypes)]
        self._nodes = [node for node in self._nodes if not node.GetHideFromEditors()]
        for node in self._nodes:
            item = qt.QListWidgetItem(node.GetName())
            on = any(node is checked for checked in before)
            item.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)
            self._list.addItem(item)
        self._list.blockSignals(False)
        if len(before) != len(self.checkedNodes()):
            self.checkedNodesChanged.emit()
