"""Rules that only reading the source can check: what works in the host, but not in Slicer."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

BINDINGS = {"PySide2", "PySide6", "PyQt5", "PyQt6", "qtpy", "shiboken2", "shiboken6", "tests"}
HTTP = {"requests", "urllib", "urllib3", "http", "socket", "ssl", "ftplib"}
ALLOWED = {"numpy", "vtk", "slicer", "qt", "ctk", "requests", "urllib3", "SimpleITK", "VerisimLib"}
"""Convention 8: the standard library and what Slicer bundles."""

BARE = {
    *("answers.py", "background.py", "cases.py", "client.py", "collector.py", "nifti.py"),
    *("nrrd.py", "parameters.py", "pieces.py", "problems.py", "questions.py", "refusals.py"),
    *("repeat.py", "samples.py", "server.py", "state.py"),
}
"""Files that a Python without Slicer and without Qt can import."""

WORDS = {"answers", "cases", "nrrd", "problems"}
"""What the server tells, as values: these every room may know."""

ROOMS = {
    "background.py": set(),
    "client.py": {"pieces", "problems", "refusals"},
    "collector.py": {"background"},
    "parameters.py": set(),
    "samples.py": set(),
    "scene/": {*WORDS, "scene"},
    "server.py": {"answers", "client", "problems", "questions"},
    "state.py": {"answers"},
}
"""What each room may import of the others; those that are not named here may all."""

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

SCENE_ONLY = "belongs into scene/"

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


def of_scene(file: str) -> bool:
    """Whether it is one of the files that know MRML."""
    return file.startswith("scene/")


def imports(file: str, tree: ast.Module) -> Iterator[str]:
    """Only what Slicer brings; each room only what it may know."""
    for name, line in names(tree):
        first = name.split(".")[0]
        if first in BINDINGS or (first not in ALLOWED and first not in sys.stdlib_module_names):
            yield f"{line}: imports {name}"
        if first in HTTP and file != "client.py" and name != "urllib.parse":
            yield f"{line}: {name} belongs into client.py"
        if first in {"qt", "ctk"} and (file in BARE or of_scene(file)):
            yield f"{line}: no {name} here"
        if first in {"slicer", "vtk"} and file in BARE:
            yield f"{line}: no {name} here"
        if first == "vtk" and not of_scene(file):
            yield f"{line}: vtk {SCENE_ONLY}"
    yield from rooms(file, tree)


def rooms(file: str, tree: ast.Module) -> Iterator[str]:
    """Who may know whom."""
    allowed = ROOMS.get("scene/" if of_scene(file) else file)
    for name, line in own(tree):
        if allowed is not None and name not in allowed:
            yield f"{line}: {file} imports {name}"


def own(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The rooms that a file imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            first, *rest = name.split(".")
            if first == "VerisimLib" and rest:
                yield rest[0], node.lineno


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
        connects = isinstance(node, ast.Call) and attribute(node.func) == "connect" and node.args
        if connects and not isinstance(node.args[0], ast.Constant):
            yield f"{node.lineno}: connect by the signal's text"
        if isinstance(node, ast.Compare):
            is_ = any(isinstance(o, ast.Is | ast.IsNot) for o in node.ops)
            if is_ and any(owner(n) == "qt" for c in node.comparators for n in ast.walk(c)):
                yield f"{node.lineno}: compare enumerations with =="


def nodes(file: str, tree: ast.Module) -> Iterator[str]:
    """Nodes, arrays and the scene belong into scene/; others pass them on."""
    if of_scene(file):
        return
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    } - {"slicer"}
    said = {id(part) for one in annotations(tree) for part in ast.walk(one)}
    for node in (one for one in ast.walk(tree) if id(one) not in said):
        name = attribute(node)
        if owner(node) == "slicer" and name not in MAY_BE_USED:
            yield f"{node.lineno}: slicer.{name} {SCENE_ONLY}"
        of_util = isinstance(node, ast.Attribute) and attribute(node.value) == "util"
        if of_util and name not in SHOWS and not SAYS.search(name):
            yield f"{node.lineno}: slicer.util.{name} {SCENE_ONLY}"
        if isinstance(node, ast.Call) and of_vtk(node.func, imported):
            yield f"{node.lineno}: {attribute(node.func)}() {SCENE_ONLY}"


def annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Types that are written beside names: they are never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            yield node.annotation
        if isinstance(node, ast.FunctionDef) and node.returns:
            yield node.returns


def unions(_file: str, tree: ast.Module) -> Iterator[str]:
    """`X | None` is known to Python 3.9 only where it is never run."""
    said = {id(part) for one in annotations(tree) for part in ast.walk(one)}
    for node in ast.walk(tree):
        union = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        if union and id(node) not in said and "None" in ast.unparse(node):
            yield f"{node.lineno}: {ast.unparse(node)} fails on Python 3.9"


def of_vtk(function: ast.expr, imported: set[str]) -> bool:
    """Methods of VTK and MRML begin with a capital, those of Qt and ours do not."""
    text = ast.unparse(function)
    if not attribute(function)[:1].isupper() or text.split(".")[0] in imported:
        return False
    return text != CLEAR


def imports_at_the_top(_file: str, tree: ast.Module) -> Iterator[str]:
    """No import inside a function."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"{node.lineno}: import inside {function.name}"


RULES: tuple[Rule, ...] = (imports, pythonqt, signals, nodes, unions, imports_at_the_top)


def complaints(file: str, source: str) -> list[str]:
    """Everything that is wrong with a file.

    Args:
        file: Its path below VerisimLib, such as client.py or scene/volumes.py.
        source: Its text.
    """
    tree = ast.parse(source)
    return [f"{file}:{said}" for rule in RULES for said in rule(file, tree)]
