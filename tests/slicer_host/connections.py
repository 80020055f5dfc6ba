"""Connecting by the text of a signal, as PythonQt does it."""

from __future__ import annotations

import inspect
import re
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QMetaObject, QObject, QTimer

from tests.slicer_host import guards

qt_connect, qt_disconnect = QObject.connect, QObject.disconnect
qt_single_shot = QTimer.singleShot

Slot = Callable[..., object]


@dataclass(frozen=True)
class Connected:
    """One connection of an object."""

    signature: str
    slot: Slot
    connection: QMetaObject.Connection


_made: weakref.WeakKeyDictionary[QObject, list[Connected]] = weakref.WeakKeyDictionary()


def connect(sender: QObject, *args: object) -> object:
    """`sender.connect("signal(type)", f)`, or to a receiver's slot by its text.

    Returns:
        Whether the signal exists; a signal that does not is a problem.
    """
    if args and isinstance(args[0], QObject):  # PySide6's own signal.connect
        return qt_connect(*args)
    text, *target = args
    signature = normalized(str(text))
    if sender.metaObject().indexOfSignal(signature) < 0:
        guards.report(f"connect: {sender.metaObject().className()} has no signal {signature}")
        return False
    if len(target) == 2 and isinstance(target[0], QObject):
        receiver, slot = target[0], normalized(str(target[1]))
        return bool(qt_connect(sender, f"2{signature}", receiver, f"1{slot}"))
    (slot,) = target
    if not callable(slot):
        raise ValueError(f"{slot!r} cannot be called")
    made = qt_connect(sender, f"2{signature}", _trimmed(slot, _count(signature)))
    _made.setdefault(sender, []).append(Connected(signature, slot, made))
    return True


def disconnect(sender: QObject, *args: object) -> object:
    """`sender.disconnect("signal(type)", f)`; without f, all of that signal's name.

    Returns:
        Whether there was something to disconnect.
    """
    if args and isinstance(args[0], QObject | QMetaObject.Connection):
        return qt_disconnect(*args)
    signature = normalized(str(args[0])) if args else ""
    held = _made.get(sender, [])
    if len(args) == 1:
        gone = [c for c in held if _name(c.signature) == _name(signature)]
    else:
        gone = [c for c in held if not args or (c.signature, c.slot) == (signature, args[1])]
    for connected in gone:
        qt_disconnect(connected.connection)
        held.remove(connected)
    return bool(gone)


def normalized(text: str) -> str:
    """The signature as Qt writes it; nodes of MRML are Python objects here."""
    plain = re.sub(r"vtk\w+\s*\*?", "PyObject", text)
    return bytes(QMetaObject.normalizedSignature(plain).data()).decode()


def _name(signature: str) -> str:
    return signature.partition("(")[0]


def _count(signature: str) -> int:
    inside = signature[signature.index("(") + 1 : -1]
    return len(inside.split(",")) if inside else 0


def _trimmed(slot: Slot, sent: int) -> Slot:
    """Called with as many arguments as it takes, at most those that are sent."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):  # functions in C do not say
        parameters = []
        taken = sent
    else:
        many = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        taken = sent if many else min(sent, sum(p.kind in plain for p in parameters))

    return swallowing(lambda *values: slot(*values[:taken]))


def swallowing(slot: Slot) -> Slot:
    """An exception in a slot is printed, and whoever sent the signal goes on."""

    def call(*values: object) -> None:
        try:
            slot(*values)
        except Exception:
            sys.excepthook(*sys.exc_info())

    return call


def single_shot(milliseconds: int, *target: object) -> None:
    """`QTimer.singleShot(ms, f)`, or with a receiver and its slot by text."""
    *_, last = target
    if callable(last):
        qt_single_shot(milliseconds, swallowing(last))
    else:
        receiver, slot = target
        qt_single_shot(milliseconds, receiver, f"1{normalized(str(slot))}")
