"""Loads the `.ui` files of a plugin, with stand-ins for the widgets of Slicer and CTK."""

from __future__ import annotations

import types
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from tests.slicer_host import guards, pythonqt

qt = pythonqt.install()

SCENE_SLOT = "setMRMLScene(vtkMRMLScene*)"
STAND_INS: dict[str, type] = {}
"""Class name → stand-in, filled by `available`."""


@dataclass(frozen=True)
class Wire:
    """A connection that a `.ui` file declares."""

    sender: str
    signal: str
    receiver: str
    slot: str


def available(module: types.ModuleType) -> None:
    """Makes the stand-ins of a module known, by their own names."""
    for name, value in vars(module).items():
        if isinstance(value, type) and name.startswith(("ctk", "qMRML", "qSlicer")):
            STAND_INS[name] = value


class UiLoader(qt.QUiLoader):
    """`qt.QUiLoader` as `slicer.util.loadUI` finds it."""

    def createWidget(self, class_name: str, parent: object = None, name: str = "") -> object:
        """A stand-in, a widget of Qt, or a problem."""
        if class_name in STAND_INS:
            widget = STAND_INS[class_name](parent)
            widget.objectName = name
            return widget
        if class_name in self.availableWidgets() or class_name == "Line":
            return super().createWidget(class_name, parent, name)
        guards.report(f".ui: the host knows no class {class_name}")
        return super().createWidget("QWidget", parent, name)

    def load(self, device: object, parent: object = None) -> object:
        """The file's top widget; only the connections that the file declares carry the scene."""
        tree = ET.fromstring(bytes(device.readAll().data()))
        wires = _take_scene_wires(tree)
        buffer = qt.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(qt.QIODevice.ReadOnly)
        top = super().load(buffer, parent)
        for wire in wires:
            _join(top, wire)
        return top


def _take_scene_wires(tree: ET.Element) -> list[Wire]:
    """Out of the tree, since Qt cannot resolve types of VTK."""
    found = []
    for holder in tree.findall("connections"):
        for entry in list(holder):
            wire = Wire(*(entry.findtext(k, "") for k in ("sender", "signal", "receiver", "slot")))
            if "vtk" in wire.signal or "vtk" in wire.slot:
                found.append(wire)
                holder.remove(entry)
    return found


def _join(top: object, wire: Wire) -> None:
    sender, receiver = _named(top, wire.sender), _named(top, wire.receiver)
    slot = getattr(receiver, wire.slot.partition("(")[0], None)
    if sender is None or slot is None:
        guards.report(f".ui: cannot connect {wire.sender} to {wire.slot} of {wire.receiver}")
        return
    sender.connect(wire.signal, slot)


def _named(top: object, name: str) -> object:
    return top if top.objectName == name else top.findChild(qt.QObject, name)


def watch_qt() -> None:
    """Connections that Qt only prints about are problems."""

    def note(_kind: object, _context: object, text: str) -> None:
        if "No such" in text or "connect" in text.lower():
            guards.report(f"Qt: {text}")

    qt.qInstallMessageHandler(note)
