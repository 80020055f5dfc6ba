"""A real MRML scene with the logics that Slicer's modules bring, without Qt."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from pathlib import Path

import slicer
import slicer.util
import vtk

from tests.slicer_host import guards

LOGICS = {
    "volumes": slicer.vtkSlicerVolumesLogic,
    "segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "markups": slicer.vtkSlicerMarkupsLogic,
    "models": slicer.vtkSlicerModelsLogic,
    "tables": slicer.vtkSlicerTablesLogic,
    "transforms": slicer.vtkSlicerTransformLogic,
    "plots": slicer.vtkSlicerPlotsLogic,
    "subjecthierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "sequences": slicer.vtkSlicerSequencesLogic,
    "texts": slicer.vtkSlicerTextsLogic,
    "volumerendering": slicer.vtkSlicerVolumeRenderingLogic,
    "cropvolume": slicer.vtkSlicerCropVolumeLogic,
    "units": slicer.vtkSlicerUnitsLogic,
    "cameras": slicer.vtkSlicerCamerasModuleLogic,
}
"""Module name in `slicer.modules` → class of its logic."""


class ModuleEntry:
    """What `slicer.modules.<name>` is for a module in C++."""

    def __init__(self, name: str, logic: vtk.vtkObject) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> vtk.vtkObject:
        """The module's logic, one for all."""
        return self._logic


@dataclass
class World:
    """Everything that lives as long as one scene."""

    scene: slicer.vtkMRMLScene
    application_logic: slicer.vtkSlicerApplicationLogic
    logics: dict[str, vtk.vtkObject] = field(default_factory=dict)
    kept: list[vtk.vtkObject] = field(default_factory=list)


def begin(folder: Path) -> World:
    """A new empty scene, published as `slicer.mrmlScene`.

    Args:
        folder: For temporary files; an empty `cache` is made inside.
    """
    scene = slicer.vtkMRMLScene()
    world = World(scene, slicer.vtkSlicerApplicationLogic())
    _crosshair(scene)
    _application_logic(world, folder)
    _presets(scene)
    slicer.mrmlScene = scene
    slicer.modules = types.SimpleNamespace()
    slicer.moduleNames = types.SimpleNamespace()
    for name, kind in LOGICS.items():
        _module(world, name, kind)
    _file_formats(world, folder / "cache")
    _follow_subject_hierarchy(scene)
    guards.watch_vtk()
    guards.watch_scene(scene)
    guards.only_on_the_main_thread(slicer.util)
    return world


def end(world: World) -> None:
    """The scene goes, as when the application ends."""
    world.scene.Clear(1)
    world.scene.RemoveAllObservers()


def _crosshair(scene: slicer.vtkMRMLScene) -> None:
    node = slicer.vtkMRMLCrosshairNode()
    node.SetCrosshairName("default")
    scene.AddNode(node)


def _application_logic(world: World, folder: Path) -> None:
    logic = world.application_logic
    logic.SetTemporaryPath(str(folder))
    logic.SetHomeDirectory(str(folder))
    logic.SetShareDirectory("share")
    (folder / "share" / "ColorFiles").mkdir(parents=True, exist_ok=True)
    logic.SetMRMLScene(world.scene)
    colors = slicer.vtkSlicerColorLogic()
    colors.SetMRMLApplicationLogic(logic)
    colors.SetMRMLScene(world.scene)
    logic.SetColorLogic(colors)
    logic.SetModuleLogic("Colors", colors)
    for gather in (logic.SetSliceLogics, logic.SetViewLogics):
        empty = vtk.vtkCollection()
        world.kept.append(empty)
        gather(empty)
    world.kept.append(colors)


def _presets(scene: slicer.vtkMRMLScene) -> None:
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)


def _module(world: World, name: str, kind: type[vtk.vtkObject]) -> None:
    logic = kind()
    logic.SetMRMLApplicationLogic(world.application_logic)
    logic.SetMRMLScene(world.scene)
    world.application_logic.SetModuleLogic(name.capitalize(), logic)
    world.logics[name] = logic
    setattr(slicer.modules, name, ModuleEntry(name, logic))
    setattr(slicer.moduleNames, name, name)


def _file_formats(world: World, cache: Path) -> None:
    """Readers and writers; the cache is scanned, so it starts empty."""
    cache.mkdir(parents=True, exist_ok=True)
    remote, data = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    remote.SetMRMLScene(world.scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    data.SetMRMLApplicationLogic(world.application_logic)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    world.kept += [remote, data]


def _follow_subject_hierarchy(scene: slicer.vtkMRMLScene) -> None:
    """Every visible node with a file gets an item, which Slicer's Qt plug-ins make there."""

    def add(caller: slicer.vtkMRMLScene, _event: str, node: vtk.vtkObject) -> None:
        stored = node.IsA("vtkMRMLStorableNode") and not node.IsA("vtkMRMLColorNode")
        if stored and not node.GetHideFromEditors() and not caller.IsImporting():
            tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(caller)
            if not tree.GetItemByDataNode(node):
                tree.CreateItem(tree.GetSceneItemID(), node)

    def remove(caller: slicer.vtkMRMLScene, _event: str, node: vtk.vtkObject) -> None:
        if caller.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(caller)
        item = tree.GetItemByDataNode(node)
        if item:
            tree.RemoveItem(item, False, False)

    for event, slot in ((scene.NodeAddedEvent, add), (scene.NodeAboutToBeRemovedEvent, remove)):
        slot.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
        scene.AddObserver(event, slot)
