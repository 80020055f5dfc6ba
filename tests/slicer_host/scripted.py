"""`slicer.ScriptedLoadableModule` and the loader of modules written in Python."""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from pathlib import Path

import slicer

from tests.slicer_host import nodes, pythonqt

qt = pythonqt.install()


class Parent:
    """What Slicer hands to the constructor of a module: its card."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.title = self.helpText = self.acknowledgementText = ""
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.icon = qt.QIcon()
        self.hidden = False
        self.widgetRepresentationCreationEnabled = True


@pythonqt.stand_in
class qSlicerScriptedLoadableModuleWidget(nodes.qMRMLWidget):
    """The widget in C++ that holds a panel written in Python."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._module: object = None
        qt.QVBoxLayout(self)

    def self(self) -> object:
        """The object in Python."""
        return self._module

    def _hold(self, module: object) -> None:
        self._module = module


class ScriptedLoadableModule:
    """Base of a module: says what it is."""

    def __init__(self, parent: Parent) -> None:
        self.parent = parent
        self.moduleName = self.__class__.__name__
        parent.title = self.moduleName

    def resourcePath(self, name: str) -> str:
        """A file in the module's folder `Resources`."""
        return str(Path(self.parent.path).parent / "Resources" / name)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A sentence with a link to the page of a bundled module."""
        page = docPage or self.moduleName
        return f'<p>See <a href="https://slicer.readthedocs.io">{page}</a>.</p>'


class ScriptedLoadableModuleWidget:
    """Base of a module's panel."""

    def __init__(self, parent: object = None) -> None:
        self.developerMode = False
        self.moduleName = self.__class__.__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout() if parent is not None else None

    def resourcePath(self, name: str) -> str:
        """A file in the module's folder `Resources`."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None:
        """Makes the panel; for the subclass."""

    def cleanup(self) -> None:
        """Called when the panel goes; for the subclass."""

    def enter(self) -> None:
        """Called when the panel is shown; for the subclass."""

    def exit(self) -> None:
        """Called when another panel is shown; for the subclass."""

    def onReload(self) -> None:
        """Loads the module's file again."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Base of what a module computes, without its panel."""

    def __init__(self, parent: object = None) -> None:
        self.parent = parent
        self.moduleName = self.__class__.__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        """The one node of the scene that keeps the module's parameters; made when missing."""
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is not None:
            return found
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of a module's own test."""

    def __init__(self, *args: str) -> None:
        super().__init__(*(args or ("runTest",)))

    def runTest(self) -> None:
        """For the subclass."""

    def delayDisplay(self, message: str, _requested: object = None, msec: int = 0) -> None:
        """A message that closes itself; a test does not wait."""
        sys.stderr.write(f"{message}\n" if msec else "")


def publish() -> None:
    """Lets a module import what it imports in Slicer."""
    bases = types.ModuleType("slicer.ScriptedLoadableModule", __doc__)
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(bases, kind.__name__, kind)
    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
    words = types.ModuleType("slicer.i18n", "Translations: the host speaks English.")
    words.tr = lambda text: text
    words.translate = lambda _context, text: text
    for name, module in (("ScriptedLoadableModule", bases), ("i18n", words)):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


class LoadedModule:
    """What `slicer.modules.<name>` is for a module in Python."""

    def __init__(self, name: str, path: Path, panel: object) -> None:
        self.name, self.path, self._panel = name, str(path), panel

    def widgetRepresentation(self) -> object:
        """The panel."""
        return self._panel


def load(path: Path, panel: object) -> ScriptedLoadableModuleWidget:
    """Does what Slicer's loader does, in its order.

    Args:
        path: The module's file.
        panel: A widget with a layout, which the module fills.
    """
    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    sys.modules[name] = source
    spec.loader.exec_module(source)
    parent = Parent(path)
    setattr(slicer.modules, f"{name}Instance", getattr(source, name)(parent))
    setattr(slicer.modules, name.lower(), LoadedModule(name, path, panel))
    setattr(slicer.moduleNames, name, name)
    widget = getattr(source, f"{name}Widget")(panel)
    setattr(slicer.modules, f"{name}Widget", widget)
    panel._hold(widget)
    widget.setup()
    return widget
