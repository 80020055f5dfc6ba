"""`import qt`: PySide6 with the manners of PythonQt, through which Slicer speaks to Qt."""

from __future__ import annotations

import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import QObject, QTimer

from tests.slicer_host import guards, writing
from tests.slicer_host.connections import connect, disconnect, single_shot

FLAT = (QtCore, QtGui, QtWidgets, QtUiTools)
timers: weakref.WeakSet[QTimer] = weakref.WeakSet()
"""Every timer that was made."""

HOST_CLOCK = "host-clock"
"""Name of the timer that measures gaps: no heartbeat of the plugin."""

NOT_PROPERTIES = {("QTimer", "singleShot")}
"""A property of Qt that is hidden by a function of the same name."""

MODAL = re.compile(r"exec_?|about(Qt)?|critical|information|question|warning|get[A-Z]\w+")
"""Functions of dialogs that wait for a person."""

_reading: set[tuple[int, str]] = set()
_native: set[type] = set()


def install() -> types.ModuleType:
    """Gives every class of PySide6 PythonQt's manners and publishes them as `qt`, once."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    qt = types.ModuleType("qt", __doc__)
    for module in FLAT:
        for name in dir(module):
            if not name.startswith("_"):
                setattr(qt, name, getattr(module, name))
    lookups = {kind: _lookup(kind) for kind in _classes(qt)}
    for kind, lookup in lookups.items():
        _native.add(kind)
        kind.__getattribute__ = lookup
        _teach_any(kind)
        if issubclass(kind, QObject):
            _teach_properties(kind)
            _teach_names(kind)
        if issubclass(kind, QtWidgets.QDialog | QtWidgets.QMenu):
            _forbid_modal(kind)
    QTimer.singleShot = staticmethod(single_shot)
    sys.modules["qt"] = qt
    return qt


def stand_in(kind: type[QObject]) -> type[QObject]:
    """Class decorator: as strict as a C++ class, its Qt properties without parentheses."""
    _native.add(kind)
    kind.__getattribute__ = _get_attribute
    return kind


def intervals_ms() -> list[int]:
    """Of the timers that tick, in milliseconds."""
    alive = [timer for timer in timers if shiboken6.isValid(timer) and timer.isActive()]
    return [timer.interval for timer in alive if timer.objectName != HOST_CLOCK]


def _classes(qt: types.ModuleType) -> Iterator[type]:
    for value in vars(qt).values():
        if isinstance(value, type) and issubclass(value, shiboken6.Object):
            yield value


def _lookup(kind: type) -> Callable[[object, str], object]:
    """Finds attributes: PySide6's own way always finds its own `connect`.

    Classes with a function that is both static and not need their own way for it.
    """
    special = [c for c in kind.__mro__[:-1] if "__getattribute__" in c.__dict__]
    own = [c.__getattribute__ for c in special if c not in (QObject, shiboken6.Object)]
    if not own:
        return object.__getattribute__ if issubclass(kind, QObject) else kind.__getattribute__

    def find(self: object, name: str) -> object:
        plain = name in ("connect", "disconnect")
        return object.__getattribute__(self, name) if plain else own[0](self, name)

    return find


def _teach_any(kind: type) -> None:
    begin, unknown = kind.__init__, kind.__dict__.get("__getattr__")

    def start(self: object, *args: object, **keywords: object) -> None:
        if keywords:
            raise ValueError(f"{kind.__name__} takes no keyword arguments: {list(keywords)}")
        begin(self, *args)
        if isinstance(self, QTimer):
            timers.add(self)

    assert unknown is None
    kind.__init__ = start
    kind.__setattr__ = _set_attribute
    if issubclass(kind, QObject):
        kind.__getattr__ = _get_unknown


def _teach_names(kind: type[QObject]) -> None:
    """Aliases that PythonQt has, and connecting by the text of a signal."""
    if kind is QObject:
        kind.name = kind.objectName
        kind.className = lambda self: self.metaObject().className()
        kind.delete = lambda self: shiboken6.delete(self)
    kind.connect = connect
    kind.disconnect = disconnect
    if hasattr(kind, "exec") and not hasattr(kind, "exec_"):
        kind.exec_ = kind.exec


def _teach_properties(kind: type[QObject]) -> None:
    """Properties without parentheses: own ones, and those that hide behind own methods."""
    meta = kind.staticMetaObject
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        own = index >= meta.propertyOffset() or name in kind.__dict__
        if own and not any((base.__name__, name) in NOT_PROPERTIES for base in kind.__mro__):
            setattr(kind, name, _property(name))


def _property(name: str) -> property:
    def read(self: QObject) -> object:
        # Qt asks for virtual functions of the same name, such as sizeHint: None is "no override"
        key = (id(self), name)
        if key in _reading:
            return None
        _reading.add(key)
        try:
            return self.property(name)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        finally:
            _reading.discard(key)

    def write(self: QObject, value: object) -> None:
        self.setProperty(name, writing.fitting(self, name, value))

    return property(read, write)


def _set_attribute(self: object, name: str, value: object) -> None:
    held = next((c.__dict__[name] for c in type(self).__mro__ if name in c.__dict__), None)
    if isinstance(held, property):
        held.__set__(self, value)
    elif isinstance(held, QtCore.Property):  # a stand-in's
        held.fset(self, writing.fitting(self, name, value))
    elif type(self) not in _native or isinstance(value, QtCore.SignalInstance):
        object_write(self, name, value)
    elif isinstance(self, QObject) and name.encode() in self.dynamicPropertyNames():
        self.setProperty(name, value)
    elif name.startswith("_") and type(self).__module__.startswith("tests.slicer_host"):
        object_write(self, name, value)  # what a stand-in remembers
    else:
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")


def _get_attribute(self: object, name: str) -> object:
    value = object.__getattribute__(self, name)
    return value.fget(self) if isinstance(value, QtCore.Property) else value


object_write = shiboken6.Object.__setattr__


def _get_unknown(self: QObject, name: str) -> object:
    """A dynamic property, then a child of this name."""
    if not name.startswith("_") and shiboken6.isValid(self):
        if name.encode() in self.dynamicPropertyNames():
            return self.property(name)
        for child in self.children():
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute {name}")


def _forbid_modal(kind: type[QObject]) -> None:
    """A dialog that waits for a person would wait for ever."""
    for name in list(vars(kind)):
        if MODAL.fullmatch(name):
            setattr(kind, name, _modal(f"{kind.__name__}.{name}"))


def _modal(name: str) -> Callable[..., object]:
    def refuse(*_args: object, **_keywords: object) -> object:
        guards.report(f"modal dialog: {name}")
        raise AssertionError(f"{name} would wait for a person")

    return refuse
