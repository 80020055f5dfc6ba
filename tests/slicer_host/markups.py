"""Stand-ins of the widgets that place points."""

from __future__ import annotations

import slicer
import vtk

from tests.slicer_host import pythonqt
from tests.slicer_host.nodes import Watching, qMRMLNodeComboBox, remembered

qt = pythonqt.install()
Signal, Property = qt.Signal, qt.Property


@pythonqt.stand_in
class qSlicerMarkupsPlaceWidget(Watching, qt.QWidget):
    """A button that turns clicks in the views into points of a node."""

    activeMarkupsPlaceModeChanged = Signal(bool)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLMarkupsNode | None = None
        self._active = False
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._place, self._delete = qt.QToolButton(), qt.QToolButton()
        self._place.setText("Place")
        self._place.setCheckable(True)
        self._delete.setText("Delete")
        row.addWidget(self._place)
        row.addWidget(self._delete)
        self._place.connect("clicked(bool)", self.setPlaceModeEnabled)
        self._delete.connect("clicked()", self.deleteLastPoint)

    buttonsVisible = remembered(bool, "buttonsVisible")
    deleteAllControlPointsOptionVisible = remembered(bool, "deleteAllControlPointsOptionVisible")

    def currentNode(self) -> slicer.vtkMRMLMarkupsNode | None:
        """The node that gets the points."""
        return self._node

    def setCurrentNode(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        """Points go to another node."""
        if node is not self._node:
            self._node = node
            self._refresh()

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        """Turns placing on or off, by the scene's interaction node."""
        interaction = self._interaction()
        if interaction is None or self._node is None:
            return
        if enabled:
            selection = slicer.app.applicationLogic().GetSelectionNode()
            selection.SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            selection.SetActivePlaceNodeID(self._node.GetID())
            interaction.SetPlaceModePersistence(int(self._persistent()))
            interaction.SetCurrentInteractionMode(interaction.Place)
        elif self._is_placing():
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._refresh()

    def setPlaceModePersistency(self, persistent: bool) -> None:
        """Whether the mode stays after one point."""
        self.__dict__["_kept_persistent"] = bool(persistent)
        if self._is_placing():
            self._interaction().SetPlaceModePersistence(int(persistent))

    def placeButton(self) -> object:
        """The button that starts placing."""
        return self._place

    def deleteButton(self) -> object:
        """The button that takes points away."""
        return self._delete

    def deleteLastPoint(self) -> None:
        """Takes away the point that was placed last."""
        if self._node is not None and self._node.GetNumberOfControlPoints():
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def deleteAllPoints(self) -> None:
        """Takes all away; the application asks first."""
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    def _persistent(self) -> bool:
        return bool(self.__dict__.get("_kept_persistent", False))

    def _interaction(self) -> slicer.vtkMRMLInteractionNode | None:
        return slicer.app.applicationLogic().GetInteractionNode() if self._scene else None

    def _is_placing(self) -> bool:
        interaction = self._interaction()
        if interaction is None or self._node is None:
            return False
        selection = slicer.app.applicationLogic().GetSelectionNode()
        mine = selection.GetActivePlaceNodeID() == self._node.GetID()
        return bool(mine and interaction.GetCurrentInteractionMode() == interaction.Place)

    placeModeEnabled = Property(bool, lambda self: self._is_placing(), setPlaceModeEnabled)
    placeModePersistency = Property(bool, _persistent, setPlaceModePersistency)

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Watches the interaction of another scene."""
        super().setMRMLScene(scene)
        interaction = self._interaction()
        if interaction is not None:
            event = interaction.InteractionModeChangedEvent
            tag = interaction.AddObserver(event, self._changed)
            self._watched = (*self._watched, (interaction, tag))

    def _refresh(self) -> None:
        if not hasattr(self, "_place"):
            return
        if self._node is not None and self._node.GetScene() is None:
            self._node = None
        self._place.setEnabled(self._node is not None)
        self._delete.setEnabled(self._node is not None)
        active = self._is_placing()
        self._place.setChecked(active)
        if active != self._active:
            self._active = active
            self.activeMarkupsPlaceModeChanged.emit(active)


@pythonqt.stand_in
class qSlicerSimpleMarkupsWidget(Watching, qt.QWidget):
    """A node, its place button and its points with their coordinates."""

    markupsNodeChanged = Signal()

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._tags: list[int] = []
        self._followed: slicer.vtkMRMLMarkupsNode | None = None
        self._selector = qMRMLNodeComboBox()
        self._selector.nodeTypes = ["vtkMRMLMarkupsFiducialNode"]
        self._place, self._table = qSlicerMarkupsPlaceWidget(), qt.QTableWidget(0, 4)
        self._table.setHorizontalHeaderLabels(["Name", "R", "A", "S"])
        column, row = qt.QVBoxLayout(self), qt.QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._selector, 1)
        row.addWidget(self._place)
        column.addLayout(row)
        column.addWidget(self._table)
        self._selector.connect("currentNodeChanged(vtkMRMLNode*)", self._follow)

    optionsVisible = remembered(bool, "optionsVisible")
    enterPlaceModeOnNodeChange = remembered(bool, "enterPlaceModeOnNodeChange")
    jumpToSliceEnabled = remembered(bool, "jumpToSliceEnabled")

    def setNodeSelectorVisible(self, visible: bool) -> None:
        """Shows or hides the choice of the node."""
        self._selector.setVisible(visible)

    nodeSelectorVisible = Property(
        bool, lambda self: not self._selector.isHidden(), setNodeSelectorVisible
    )

    def currentNode(self) -> slicer.vtkMRMLMarkupsNode | None:
        """The node that gets the points."""
        return self._selector.currentNode()

    def setCurrentNode(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        """Chooses a node."""
        self._selector.setCurrentNode(node)

    def markupsSelectorComboBox(self) -> qMRMLNodeComboBox:
        """The choice of the node."""
        return self._selector

    def markupsPlaceWidget(self) -> qSlicerMarkupsPlaceWidget:
        """The place button."""
        return self._place

    def tableWidget(self) -> object:
        """The list of points."""
        return self._table

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Hands the scene on to its parts."""
        self._selector.setMRMLScene(scene)
        self._place.setMRMLScene(scene)
        super().setMRMLScene(scene)

    def _follow(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        for tag in self._tags:
            self._followed.RemoveObserver(tag)
        self._tags, self._followed = [], node
        if node is not None:
            self._tags = [node.AddObserver(vtk.vtkCommand.AnyEvent, self._changed)]
        self._place.setCurrentNode(node)
        self.markupsNodeChanged.emit()
        if node is not None and self.enterPlaceModeOnNodeChange:
            self._place.setPlaceModeEnabled(True)
        self._refresh()

    def _refresh(self) -> None:
        node = self._followed
        count = node.GetNumberOfControlPoints() if node is not None else 0
        self._table.setRowCount(count)
        for index in range(count):
            ras = [f"{x:.3f}" for x in node.GetNthControlPointPositionWorld(index)]
            for column, text in enumerate([node.GetNthControlPointLabel(index), *ras]):
                self._table.setItem(index, column, qt.QTableWidgetItem(text))
