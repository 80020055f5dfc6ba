"""Binds the widgets of a panel to what is kept in the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import qt

from VerisimLib.parameters import read, written
from VerisimLib.scene import choices


class Choices:
    """Keeps what a person chooses, and puts it back.

    Args:
        module: Name of the module.
        ui: Widgets of the panel.
        kind: A frozen dataclass; its fields are named as the widgets.
        roles: Names of the widgets in which nodes are chosen.
    """

    def __init__(self, module: str, ui: object, kind: type, roles: Sequence[str] = ()) -> None:
        self._module, self._ui, self._kind, self._roles = module, ui, kind, roles
        self._wishes: dict[str, str] = {}
        self._putting = False
        for name, default in self._named(kind()):
            self._listen(getattr(ui, name), default)
        for role in roles:
            getattr(ui, role).connect("currentNodeChanged(vtkMRMLNode*)", self.keep)

    def _listen(self, widget: qt.QWidget, default: object) -> None:
        if type(default) is str:
            widget.connect("currentTextChanged(QString)", self.keep)
        elif type(default) is bool:
            widget.connect("toggled(bool)", self.keep)
        else:
            widget.connect("valueChanged(int)", self.keep)

    def keep(self, _what: object = None) -> None:
        """Put what is chosen into the scene; not while a scene is closed or loaded."""
        if self._putting or not choices.settled():
            return
        chosen = {name: self._chosen(name, default) for name, default in self._named(self._kind())}
        nodes = {role: str(getattr(self._ui, role).currentNodeID or "") for role in self._roles}
        choices.keep(self._module, written(self._kind(**chosen)), nodes)

    def put(self) -> None:
        """Show what the scene keeps, if it keeps anything."""
        text = choices.text_of(self._module)
        if not text:
            return
        self._putting = True
        try:
            for name, value in self._named(read(self._kind, text)):
                self._show(name, value)
            for role in self._roles:
                getattr(self._ui, role).setCurrentNodeID(choices.node_of(self._module, role))
        finally:
            self._putting = False
        self.grant()

    def grant(self) -> None:
        """Choose what was wished and is offered now: models come only with a server."""
        for name in list(self._wishes):
            combo = getattr(self._ui, name)
            found = combo.findText(self._wishes.get(name, ""))
            if found >= 0:
                self._wishes.pop(name)  # first: the choice makes the panel grant again
                combo.setCurrentIndex(found)

    def _show(self, name: str, value: object) -> None:
        widget = getattr(self._ui, name)
        if type(value) is str:
            self._wishes[name] = value
        elif type(value) is bool:
            widget.checked = value
        else:
            widget.value = value

    def _chosen(self, name: str, default: object) -> object:
        widget = getattr(self._ui, name)
        if type(default) is str:
            return str(widget.currentText) or self._wishes.get(name, "")
        return bool(widget.checked) if type(default) is bool else int(widget.value)

    def _named(self, record: object) -> list[tuple[str, Any]]:
        return [(field.name, getattr(record, field.name)) for field in fields(record)]
