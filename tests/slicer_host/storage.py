"""Reading and writing files through the storage nodes, as Slicer's I/O manager does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import slicer
import vtk

ENDINGS = {
    "Volume": (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd"),
    "Segmentation": (".seg.nrrd", ".seg.vtm"),
    "Model": (".vtk", ".vtp", ".stl", ".ply", ".obj"),
    "Markups": (".mrk.json", ".fcsv"),
    "Transform": (".h5", ".tfm"),
    "Table": (".csv", ".tsv"),
    "Text": (".txt", ".json"),
    "Scene": (".mrb", ".mrml"),
}
"""File type → how its files end."""

CLASSES = {
    "Volume": "vtkMRMLVolumeNode",
    "Segmentation": "vtkMRMLSegmentationNode",
    "Model": "vtkMRMLModelNode",
    "Markups": "vtkMRMLMarkupsNode",
    "Transform": "vtkMRMLTransformNode",
    "Table": "vtkMRMLTableNode",
    "Text": "vtkMRMLTextNode",
}
"""File type → class of the nodes that are written so."""

LABEL_MAP, CENTERED, SINGLE_FILE, AUTO_WINDOW = 1, 2, 4, 8

Properties = Mapping[str, object]


class FileTraffic:
    """The object behind `slicer.app.ioManager()`."""

    def fileType(self, name: str) -> str:
        """By the longest ending that matches, or an empty text."""
        found = [(len(e), kind) for kind, ends in ENDINGS.items() for e in ends if _ends(name, e)]
        return max(found, default=(0, ""))[1].replace("Volume", "VolumeFile")

    def loadNodes(
        self,
        kind: str,
        properties: Properties,
        loaded: vtk.vtkCollection,
        _messages: vtk.vtkObject | None = None,
    ) -> bool:
        """Reads a file into the scene; False when it cannot."""
        path = str(properties["fileName"])
        if not Path(path).is_file():
            return False
        node = READERS[_plain(kind)](path, properties)
        if isinstance(node, vtk.vtkObject):
            loaded.AddItem(node)
        return bool(node)

    def saveNodes(
        self, kind: str, properties: Properties, _messages: vtk.vtkObject | None = None
    ) -> bool:
        """Writes a node, or the scene."""
        path = str(properties["fileName"])
        if kind.startswith("Scene"):
            return _write_scene(path)
        return _write(slicer.mrmlScene.GetNodeByID(properties["nodeID"]), path)

    def exportNodes(
        self,
        ids: list[str],
        paths: list[str],
        _properties: Properties,
        harden: bool,
        _messages: vtk.vtkObject | None = None,
    ) -> bool:
        """Writes copies of nodes, with their transforms applied when asked."""
        return all(
            _write_copy(slicer.mrmlScene.GetNodeByID(i), path, harden)
            for i, path in zip(ids, paths, strict=True)
        )

    def fileWriterFileType(self, node: vtk.vtkObject) -> str:
        """How a node is written."""
        return next((f"{k}File" for k, c in CLASSES.items() if node.IsA(c)), "")

    def fileWriterExtensions(self, node: vtk.vtkObject) -> list[str]:
        """Descriptions with the endings that a node may have, e.g. "Volume (*.nrrd)"."""
        kind = _plain(self.fileWriterFileType(node))
        return [f"{kind} (*{ending})" for ending in ENDINGS.get(kind, ())]

    def extractKnownExtension(self, name: str, node: vtk.vtkObject) -> str:
        """The ending of a name, if a node may be written with it."""
        ends = ENDINGS.get(_plain(self.fileWriterFileType(node)), ())
        return max((e for e in ends if _ends(name, e)), key=len, default="")


def _plain(kind: str) -> str:
    return kind.removesuffix("File")


def _ends(name: str, ending: str) -> bool:
    return str(name).lower().endswith(ending)


def _read_volume(path: str, properties: Properties) -> vtk.vtkObject:
    options = AUTO_WINDOW if properties.get("autoWindowLevel", True) else 0
    options |= LABEL_MAP if properties.get("labelmap") else 0
    options |= CENTERED if properties.get("center") else 0
    options |= SINGLE_FILE if properties.get("singleFile") else 0
    name = str(properties.get("name") or _stem(path))
    node = slicer.modules.volumes.logic().AddArchetypeVolume(path, name, options)
    if node and properties.get("show", True):
        selection = slicer.app.applicationLogic().GetSelectionNode()
        if properties.get("labelmap"):
            selection.SetActiveLabelVolumeID(node.GetID())
        else:
            selection.SetActiveVolumeID(node.GetID())
        slicer.app.applicationLogic().PropagateVolumeSelection()
    return node


def _read_scene(path: str, properties: Properties) -> bool:
    if properties.get("clear", True):
        slicer.mrmlScene.Clear(0)
    if path.endswith(".mrb"):
        messages = slicer.vtkMRMLMessageCollection()
        return bool(slicer.mrmlScene.ReadFromMRB(path, False, messages))
    slicer.mrmlScene.SetURL(path)
    return bool(slicer.mrmlScene.Import())


def _read_by(class_name: str) -> Callable[[str, Properties], vtk.vtkObject | None]:
    def read(path: str, properties: Properties) -> vtk.vtkObject | None:
        name = str(properties.get("name") or _stem(path))
        node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
        node.AddDefaultStorageNode(path)
        if node.GetStorageNode().ReadData(node):
            return node
        slicer.mrmlScene.RemoveNode(node)
        return None

    return read


def _read_markups(path: str, properties: Properties) -> vtk.vtkObject | None:
    name = str(properties.get("name") or _stem(path))
    node_id = slicer.modules.markups.logic().LoadMarkups(path, name)
    return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None


READERS: dict[str, Callable[[str, Properties], object]] = {
    "Volume": _read_volume,
    "Scene": _read_scene,
    "Markups": _read_markups,
    "Segmentation": _read_by("vtkMRMLSegmentationNode"),
    "Model": _read_by("vtkMRMLModelNode"),
    "Transform": _read_by("vtkMRMLTransformNode"),
    "Table": _read_by("vtkMRMLTableNode"),
    "Text": _read_by("vtkMRMLTextNode"),
}


def _stem(path: str) -> str:
    name = Path(path).name
    ends = sorted((e for kind in ENDINGS.values() for e in kind), key=len, reverse=True)
    return next((name[: -len(e)] for e in ends if _ends(name, e)), name)


def _write_scene(path: str) -> bool:
    if path.endswith(".mrb"):
        messages = slicer.vtkMRMLMessageCollection()
        return bool(slicer.mrmlScene.WriteToMRB(path, None, messages))
    slicer.mrmlScene.SetURL(path)
    return bool(slicer.mrmlScene.Commit())


def _write(node: vtk.vtkObject, path: str) -> bool:
    node.AddDefaultStorageNode(path)
    storage = node.GetStorageNode()
    storage.SetFileName(path)
    return bool(storage.WriteData(node))


def _write_copy(node: vtk.vtkObject, path: str, harden: bool) -> bool:
    """The node keeps its own storage node and its transform."""
    scene = slicer.vtkMRMLScene()
    copy = scene.AddNewNodeByClass(node.GetClassName(), node.GetName())
    copy.CopyContent(node)
    parent = node.GetParentTransformNode() if harden else None
    if parent is not None and parent.IsTransformToWorldLinear():
        matrix = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(matrix)
        copy.ApplyTransformMatrix(matrix)
    elif parent is not None:
        bent = vtk.vtkGeneralTransform()
        parent.GetTransformToWorld(bent)
        copy.ApplyTransform(bent)
    return _write(copy, path)
