"""Stand-ins of the widgets that choose nodes of the scene."""

from __future__ import annotations

from contextlib import suppress

import slicer
import vtk

from tests.slicer_host import pythonqt

qt = pythonqt.install()
Signal, Property = qt.Signal, qt.Property


@pythonqt.stand_in
class qMRMLWidget(qt.QWidget):
    """Hands the scene to the widgets that its `.ui` file wires to it."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        """The scene it was given."""
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Tells all who listen, once a scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class Watching:
    """Follows the nodes of a scene; `_refresh` is called after each change."""

    _scene: slicer.vtkMRMLScene | None = None
    _watched: tuple[tuple[vtk.vtkObject, int], ...] = ()

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        """The scene it was given."""
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Watches another scene."""
        for watched, tag in self._watched:
            watched.RemoveObserver(tag)
        self._scene, self._watched = scene, ()
        if scene is not None:
            events = (
                scene.NodeAddedEvent,
                scene.NodeRemovedEvent,
                scene.EndCloseEvent,
                scene.EndImportEvent,
                scene.EndBatchProcessEvent,
            )
            tags = [scene.AddObserver(event, self._changed) for event in events]
            self._watched = tuple((scene, tag) for tag in tags)
        self._refresh()

    def _changed(self, _caller: object, _event: str) -> None:
        scene = self._scene
        busy = scene is None or scene.IsBatchProcessing() or scene.IsClosing()
        if not busy and not scene.IsImporting():
            with suppress(ValueError, RuntimeError):  # the widget may be gone, the scene lives on
                self._refresh()

    def _refresh(self) -> None:
        raise NotImplementedError


def remembered(kind: type, name: str) -> object:
    """A property that is only kept."""
    place = f"_kept_{name}"

    def read(self: object) -> object:
        return self.__dict__.get(place, kind() if isinstance(kind, type) else [])

    def write(self: object, value: object) -> None:
        self.__dict__[place] = value
        if isinstance(self, Watching):
            self._refresh()

    return Property("QStringList" if kind is list else kind, read, write)


@pythonqt.stand_in
class qMRMLNodeComboBox(Watching, qt.QWidget):
    """A list of the scene's nodes of some types."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._box = qt.QComboBox()
        self._shown: list[slicer.vtkMRMLNode | None] = []
        self._node: slicer.vtkMRMLNode | None = None
        self._attributes: list[tuple[str, str, object]] = []
        self._kept_showChildNodeTypes = self._kept_removeEnabled = self._kept_addEnabled = True
        self._kept_selectNodeUponCreation = True
        self._kept_noneDisplay = "None"
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.connect("activated(int)", self._chosen)

    nodeTypes = remembered(list, "nodeTypes")
    hideChildNodeTypes = remembered(list, "hideChildNodeTypes")
    showChildNodeTypes = remembered(bool, "showChildNodeTypes")
    showHidden = remembered(bool, "showHidden")
    noneEnabled = remembered(bool, "noneEnabled")
    addEnabled = remembered(bool, "addEnabled")
    removeEnabled = remembered(bool, "removeEnabled")
    editEnabled = remembered(bool, "editEnabled")
    renameEnabled = remembered(bool, "renameEnabled")
    selectNodeUponCreation = remembered(bool, "selectNodeUponCreation")
    noneDisplay = remembered(str, "noneDisplay")
    baseName = remembered(str, "baseName")

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        """What is chosen."""
        return self._node

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Chooses a node of the list; another one is ignored."""
        if node is None or any(node is shown for shown in self._shown):
            self._take(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        """Chooses by identifier; an empty one chooses nothing."""
        self.setCurrentNode(self._scene.GetNodeByID(node_id) if self._scene and node_id else None)

    currentNodeID = Property(
        str, lambda self: self._node.GetID() if self._node else "", setCurrentNodeID
    )

    def nodeCount(self) -> int:
        """How many can be chosen."""
        return len([node for node in self._shown if node is not None])

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        """The node at a place of the list."""
        found = [node for node in self._shown if node is not None]
        return found[index] if 0 <= index < len(found) else None

    def addAttribute(self, node_type: str, name: str, value: object = None) -> None:
        """Shows nodes of a type only if they carry an attribute."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    def addNode(self, node_type: str = "") -> slicer.vtkMRMLNode | None:
        """Makes a node and chooses it."""
        if self._scene is None:
            return None
        kind = node_type or self.nodeTypes[0]
        name = self.baseName or self._scene.CreateNodeByClass(kind).GetNodeTagName()
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(name))
        self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _fits(self, node: slicer.vtkMRMLNode) -> bool:
        kind = node.GetClassName()
        types = [t for t in self.nodeTypes if node.IsA(t)]
        exact = self.showChildNodeTypes or kind in self.nodeTypes
        hidden = node.GetHideFromEditors() and not self.showHidden
        if not types or not exact or hidden or any(node.IsA(t) for t in self.hideChildNodeTypes):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for kind, name, value in self._attributes
            if node.IsA(kind)
        )

    def _refresh(self) -> None:
        scene = self._scene
        before = [node for node in self._shown if node is not None]
        every = (
            [] if scene is None else [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
        )
        found = [node for node in every if self._fits(node)]
        self._shown = ([None] if self.noneEnabled or not found else []) + found
        new = [node for node in found if not any(node is old for old in before)]
        gone = self._node is not None and not any(node is self._node for node in found)
        if gone or (self._node is None and not self.noneEnabled):
            self._take(found[0] if found else None)
        else:
            self._paint()
        for node in new:
            self.nodeAdded.emit(node)

    def _take(self, node: slicer.vtkMRMLNode | None) -> None:
        changed, self._node = node is not self._node, node
        self._paint()
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node else "")

    def _paint(self) -> None:
        self._box.clear()
        names = [node.GetName() if node else self.noneDisplay for node in self._shown]
        adding = [f"Create new {self._what()}"] if self.addEnabled else []
        self._box.addItems(names + adding)
        place = [i for i, node in enumerate(self._shown) if node is self._node]
        self._box.setCurrentIndex(place[0] if place else -1)

    def _what(self) -> str:
        return self.baseName or (self.nodeTypes or ["node"])[0]

    def _chosen(self, index: int) -> None:
        if index < len(self._shown):
            self._take(self._shown[index])
            self.nodeActivated.emit(self._node)
        else:
            self.addNode()
