"""The house keeps its shape: floors, sizes, names and docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

ROOMS = {
    1: "errors seeds progress volume fractions free_memory expectation",
    2: "keys files metrics overlay montage degraded",
    3: "normalization resampling preprocessing precision patches maps map_files "
    "postprocessing networks diffusion",
    4: "training_record card installed description layouts case_table subjects dataset "
    "fingerprint planning devices download training exchange memory",
    5: "fusion sampling_wish consensus sight segmentation diffusion_segmenter ensembles rescue "
    "rescued_segmenter refinement joining answer mirroring diagnosis evaluation questions cases "
    "cross_validation expecting calibrating synthesis embedding fidelity radiomics audit jobs "
    "serving",
    6: "cli",
}
FLOORS = {room: floor for floor, rooms in ROOMS.items() for room in rooms.split()}
"""Each room imports only from its own floor and those below."""

NEVER_IN_SOURCE = {"monailabel", "slicer", "qt", "fastapi", "ctk", "vtk"}
BANNED_WORDS = {"utils", "helpers", "common", "core", "misc", "manager", "config"}
CHECKED_FOLDERS = ("src", "apps", "plugin", "tests", "benchmarks", "sample-data")
LONGEST_FILE = 300
LONGEST_BODY = 40

ALL_FILES = [p for folder in CHECKED_FOLDERS for p in sorted((ROOT / folder).rglob("*.py"))]
SOURCE_FILES = sorted(SOURCE.rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    """verisim.files.nifti for src/verisim/files/nifti.py."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of everything that is imported, names inside a module included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str:
    """The name under verisim that a module belongs to; empty for the package itself."""
    name = [*module.split("."), ""][1]
    return "" if name.startswith("__") else name


def floor_violations(module: str, source: str) -> list[str]:
    """Imports from a higher floor, and rooms without a floor."""
    problems = []
    own = room(module)
    if own and own not in FLOORS:
        problems.append(f"{own} has no floor")
    for name in imported(ast.parse(source)):
        other = room(name) if name.startswith("verisim.") else ""
        if other and FLOORS.get(other, 99) > FLOORS.get(own, 0):
            problems.append(f"{module} imports {name} from a higher floor")
    return problems


def foreign_imports(source: str) -> set[str]:
    """Servers and viewers that the library must not know."""
    return {name.split(".")[0] for name in imported(ast.parse(source))} & NEVER_IN_SOURCE


def late_imports(module: str, source: str) -> list[str]:
    """Imports inside functions; the command line may delay torch, a package its own modules."""
    if room(module) == "cli":
        return []
    return [
        f"{module}:{node.lineno}"
        for function in functions(ast.parse(source))
        for node in ast.walk(function)
        if isinstance(node, ast.Import)
        or (isinstance(node, ast.ImportFrom) and node.module != module)
    ]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def long_bodies(source: str) -> list[str]:
    """Functions of more than 40 lines below their docstring."""
    long = []
    for function in functions(ast.parse(source)):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        if body and (body[-1].end_lineno or 0) - body[0].lineno + 1 > LONGEST_BODY:
            long.append(function.name)
    return long


def undocumented(source: str) -> list[str]:
    """Public modules, classes, functions and methods without a docstring."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["module"]
    holders = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and public(n.name))]
    for holder in holders:
        missing += [
            node.name
            for node in holder.body
            if isinstance(node, Function | ast.ClassDef)
            and public(node.name)
            and not ast.get_docstring(node)
            # torch calls forward, and the class says what it does
            and node.name != "forward"
        ]
    return missing


def public(name: str) -> bool:
    """Whether others may use it."""
    return not name.startswith("_")


def banned_name(path: Path) -> bool:
    """A name that says nothing about what is inside."""
    words = set(path.stem.lower().split("_")) - {""}
    return bool(words & BANNED_WORDS) or path.stem.endswith("_v2")


def cycles(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import themselves by way of others."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = set(imports[start])
        while waiting:
            name = waiting.pop()
            seen.add(name)
            waiting |= imports.get(name, set()) - seen
        return seen

    return sorted(name for name in imports if name in reach(name))


def module_imports(sources: dict[str, str]) -> dict[str, set[str]]:
    """Which modules of a package each of its modules imports."""
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = imported(ast.parse(source))
        owners = {name if name in sources else name.rpartition(".")[0] for name in names}
        # a package's __init__ gathers its own modules, which may name the package
        graph[module] = {o for o in owners & sources.keys() if not module.startswith(f"{o}.")}
    return graph


def beside_main(app: Path) -> list[str]:
    """What MONAI Label would make importable beside an app's main.py."""
    return sorted(
        path.name
        for path in app.glob("*")
        if path.name not in ("main.py", "lib", "__pycache__")
        and (path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))))
    )


@pytest.mark.parametrize("path", SOURCE_FILES, ids=module_name)
def test_imports_go_only_to_the_same_floor_or_below(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert floor_violations(module_name(path), source) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("verisim.volume", "from verisim.files import read"),
        ("verisim.files.nifti", "import verisim.card"),
        ("verisim.training.fit", "from verisim import segmentation"),
        ("verisim.segmentation", "def f():\n    from verisim.cli import app"),
        ("verisim.nowhere", ""),
        ("verisim.volume", "from verisim.nowhere import x"),
    ],
)
def test_an_import_from_a_higher_floor_is_found(module: str, source: str) -> None:
    assert len(floor_violations(module, source)) == 1


def test_no_module_imports_itself_by_way_of_others() -> None:
    sources = {module_name(path): path.read_text(encoding="utf-8") for path in SOURCE_FILES}
    assert cycles(module_imports(sources)) == []


def test_an_import_cycle_is_found() -> None:
    sources = {
        "v.a": "from v.b import x",
        "v.b": "from v import c",
        "v.c": "import v.a",
        "v.d": "",
    }
    assert cycles(module_imports(sources)) == ["v.a", "v.b", "v.c"]


@pytest.mark.parametrize("path", SOURCE_FILES, ids=module_name)
def test_the_library_knows_no_server_and_no_viewer(path: Path) -> None:
    assert foreign_imports(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "source", ["import fastapi", "from monailabel.client import x", "import vtk"]
)
def test_an_import_of_a_server_or_viewer_is_found(source: str) -> None:
    assert len(foreign_imports(source)) == 1


@pytest.mark.parametrize("path", SOURCE_FILES, ids=module_name)
def test_imports_stand_at_the_top(path: Path) -> None:
    assert late_imports(module_name(path), path.read_text(encoding="utf-8")) == []


def test_an_import_inside_a_function_is_found_except_on_the_command_line() -> None:
    source = "def f():\n    import torch"
    assert late_imports("verisim.card", source) == ["verisim.card:2"]
    assert late_imports("verisim.cli.segment", source) == []


def test_a_package_brings_its_own_modules_in_when_they_are_needed() -> None:
    source = "def f():\n    from verisim.files import dicom"
    assert late_imports("verisim.files", source) == []
    assert late_imports("verisim.files.nifti", source) == ["verisim.files.nifti:2"]


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short_and_named_for_what_they_hold(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST_FILE
    assert long_bodies(source) == []
    assert not banned_name(path)


def test_a_function_of_more_than_40_lines_is_found() -> None:
    lines = "\n".join(["    x = 1"] * LONGEST_BODY)
    assert long_bodies(f"def f():\n    '''Say.'''\n{lines}") == []
    assert long_bodies(f"def f():\n    '''Say.'''\n{lines}\n    x = 2") == ["f"]


@pytest.mark.parametrize("name", ["utils.py", "image_helpers.py", "config.py", "unet_v2.py"])
def test_a_name_that_says_nothing_is_found(name: str) -> None:
    assert banned_name(Path(name))


@pytest.mark.parametrize("path", SOURCE_FILES, ids=module_name)
def test_everything_public_has_a_docstring(path: Path) -> None:
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_a_missing_docstring_is_found() -> None:
    source = "'''Say.'''\nclass A:\n    def b(self): ...\n    def _c(self): ...\ndef d(): ..."
    assert undocumented(source) == ["A", "d", "b"]


@pytest.mark.parametrize("main", sorted(ROOT.glob("apps/*/main.py")), ids=str)
def test_nothing_importable_lies_beside_an_apps_main(main: Path) -> None:
    assert beside_main(main.parent) == []


def test_something_importable_beside_main_is_found(tmp_path: Path) -> None:
    for name in ("main.py", "lib/jobs.py", "extra.py", "more/inside.py", "model/weights.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert beside_main(tmp_path) == ["extra.py", "more"]
