"""Which values PythonQt puts into which property, and as what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject

INTEGERS = {"int", "uint", "qlonglong", "qulonglong", "long", "short"}
FLOATS = {"double", "float"}


def fitting(owner: QObject, name: str, value: object) -> object:
    """The value as the property takes it.

    Raises:
        AttributeError: There is nothing to write, or the value does not fit.
    """
    meta = owner.metaObject()
    entry = meta.property(meta.indexOfProperty(name))
    if not entry.isWritable():
        raise AttributeError(f"{meta.className()}.{name} cannot be written")
    plain = value.item() if isinstance(value, np.generic) else value
    kind = entry.typeName()
    if kind == "bool" and not isinstance(plain, str):
        return bool(plain)
    if kind in INTEGERS and isinstance(plain, int | float):
        return int(plain)
    if kind in FLOATS and isinstance(plain, int | float):
        return float(plain)
    number = kind in INTEGERS | FLOATS | {"bool"}
    if number or (kind == "QString" and not isinstance(plain, str)):
        raise AttributeError(f"{meta.className()}.{name} is a {kind}, not {value!r}")
    return str(plain) if isinstance(plain, Path) else plain
