"""Rules that only reading the source can check: what works in the host, but not in Slicer."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

BINDINGS = {"PySide2", "PySide6", "PyQt5", "PyQt6", "qtpy", "shiboken2", "shiboken6", "tests"}
HTTP = {"requests", "urllib", "urllib3", "http", "socket", "ssl", "ftplib"}
ALLOWED = {"numpy", "vtk", "slicer", "qt", "ctk", "requests", "SimpleITK", "VerisimLib"}
"""Convention 8: the standard library and what Slicer bundles."""

OF_SCENE = {"geometry.py", "overlay.py", "segments.py"}
"""What scene.py is made of, in the folder `nodes`."""

KNOWS_NODES = {"scene.py", *OF_SCENE}
NO_QT = {"client.py", "background.py", "parameters.py", "scene.py", "grids.py", *OF_SCENE}
NO_SLICER = {"client.py", "background.py", "parameters.py", "grids.py"}
ROOMS = {"client", "background", "parameters", "scene"}
"""These do not import each other."""

NETWORK_OF_QT = {"QNetworkAccessManager", "QNetworkRequest", "QNetworkReply", "QTcpSocket"}
STATIC_DIALOGS = re.compile(r"^(about|critical|information|question|warning|get[A-Z]\w+)$")
DIALOGS = {"QMessageBox", "QFileDialog", "QInputDialog", "QColorDialog", "QFontDialog"}
ONE_QT_ONLY = {
    "currentIndexChanged(QString)",
    "buttonClicked(int)",
    "valueChanged(float)",
    "activated(QString)",
}
TAKES_GENERATORS = {"join", "extend", "update"}
MAY_BE_USED = {
    "app", "util", "mrmlScene", "modules", "i18n", "ScriptedLoadableModule"
}  # fmt: skip
"""Names of `slicer` that a file without MRML may use."""

SAYS = re.compile(r"(info|warning|error|confirm\w+|tryWithError|delay)Display$")
SHOWS = {"loadUI", "childWidgetVariables", "mainWindow", "selectModule", "getModuleWidget",
         "VTKObservationMixin", "showStatusMessage", "reloadScriptedModule"}  # fmt: skip

CLEAR = "slicer.mrmlScene.Clear"
"""What a module's own test may do with the scene."""

Rule = Callable[[str, ast.Module], Iterator[str]]


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module by its dotted name, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def owner(node: ast.AST) -> str:
    """`qt` of `qt.QTimer`; empty for what is no name."""
    return (
        node.value.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        else ""
    )


def attribute(node: ast.AST) -> str:
    """`QTimer` of `qt.QTimer`."""
    return node.attr if isinstance(node, ast.Attribute) else ""


def imports(file: str, tree: ast.Module) -> Iterator[str]:
    """Only what Slicer brings; each room only what it may know."""
    for name, line in names(tree):
        first, *rest = name.split(".")
        if first in BINDINGS or (first not in ALLOWED and first not in sys.stdlib_module_names):
            yield f"{line}: imports {name}"
        if first in HTTP and file != "client.py":
            yield f"{line}: {name} belongs into client.py"
        if first in {"qt", "ctk"} and file in NO_QT:
            yield f"{line}: no {name} here"
        if first in {"slicer", "vtk"} and file in NO_SLICER:
            yield f"{line}: no {name} here"
        if first == "vtk" and file not in KNOWS_NODES:
            yield f"{line}: vtk belongs into scene.py"
        if name.startswith("VerisimLib.nodes.") and file not in KNOWS_NODES:
            yield f"{line}: only scene.py may import {name}"
        if first == "VerisimLib" and file.removesuffix(".py") in ROOMS and set(rest) & ROOMS:
            yield f"{line}: {file} imports {name}"


def pythonqt(_file: str, tree: ast.Module) -> Iterator[str]:
    """What PythonQt does otherwise than the host."""
    for call in calls(tree):
        function = call.func
        asked = ast.walk(call.args[1]) if ast.unparse(function) == "isinstance" else ()
        if any(owner(node) in {"qt", "ctk"} for node in asked):
            yield f"{call.lineno}: isinstance with a class of qt is always False"
        if owner(function) in {"qt", "ctk"} and call.keywords:
            yield f"{call.lineno}: keywords to qt.{attribute(function)}"
        generators = any(isinstance(arg, ast.GeneratorExp) for arg in call.args)
        if generators and attribute(function) and attribute(function) not in TAKES_GENERATORS:
            yield f"{call.lineno}: a generator to {attribute(function)}"
        if attribute(function) in {"exec_", "exec"}:
            yield f"{call.lineno}: a modal dialog"
        of_dialog = isinstance(function, ast.Attribute) and attribute(function.value) in DIALOGS
        if of_dialog and STATIC_DIALOGS.match(attribute(function)):
            yield f"{call.lineno}: a static dialog: {attribute(function)}"
        if attribute(function) == "pip_install":
            yield f"{call.lineno}: nothing is installed"


def signals(_file: str, tree: ast.Module) -> Iterator[str]:
    """Signals by text, of Qt 5 and Qt 6 both; no Qt network."""
    for node in ast.walk(tree):
        if owner(node) == "qt" and attribute(node) in {"Signal", "Slot", *NETWORK_OF_QT}:
            yield f"{node.lineno}: qt.{attribute(node)}"
        if isinstance(node, ast.Constant) and node.value in ONE_QT_ONLY:
            yield f"{node.lineno}: {node.value} does not exist in both Qt 5 and Qt 6"
        if isinstance(node, ast.Call) and attribute(node.func) == "connect":
            text = node.args and isinstance(node.args[0], ast.Constant)
            if not text:
                yield f"{node.lineno}: connect by the signal's text"
        if isinstance(node, ast.Compare):
            is_ = any(isinstance(o, ast.Is | ast.IsNot) for o in node.ops)
            if is_ and any(owner(n) == "qt" for c in node.comparators for n in ast.walk(c)):
                yield f"{node.lineno}: compare enumerations with =="


def nodes(file: str, tree: ast.Module) -> Iterator[str]:
    """Nodes, arrays and the scene belong into scene.py; others pass them on."""
    if file in KNOWS_NODES | {"grids.py"}:  # SimpleITK has capitals, too
        return
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    } - {"slicer"}
    for node in ast.walk(tree):
        name = attribute(node)
        if owner(node) == "slicer" and name not in MAY_BE_USED:
            yield f"{node.lineno}: slicer.{name} belongs into scene.py"
        of_util = isinstance(node, ast.Attribute) and attribute(node.value) == "util"
        if of_util and name not in SHOWS and not SAYS.search(name):
            yield f"{node.lineno}: slicer.util.{name} belongs into scene.py"
        if isinstance(node, ast.Call) and of_vtk(node.func, imported):
            yield f"{node.lineno}: {attribute(node.func)}() belongs into scene.py"


def of_vtk(function: ast.expr, imported: set[str]) -> bool:
    """Methods of VTK and MRML begin with a capital, those of Qt and ours do not."""
    if not attribute(function)[:1].isupper() or owner(function) in imported:
        return False
    return ast.unparse(function) != CLEAR


def imports_at_the_top(_file: str, tree: ast.Module) -> Iterator[str]:
    """No import inside a function."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"{node.lineno}: import inside {function.name}"


RULES: tuple[Rule, ...] = (imports, pythonqt, signals, nodes, imports_at_the_top)


def complaints(file: str, source: str) -> list[str]:
    """Everything that is wrong with a file.

    Args:
        file: Its name without folders.
        source: Its text.
    """
    tree = ast.parse(source)
    return [f"{file}:{said}" for rule in RULES for said in rule(file, tree)]
