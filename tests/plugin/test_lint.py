"""The plugin's source keeps to what works in real Slicer."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.conftest import MODULES
from tests.plugin.lint import BARE, complaints

FILES = sorted(MODULES.rglob("*.py"))
SHELLS = sorted(MODULES.glob("*.py"))
LONGEST_FILE, LONGEST_SHELL = 300, 100


def name(path: Path) -> str:
    return str(path.relative_to(MODULES)).removeprefix("VerisimLib/")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_works_in_slicer_too(path: Path) -> None:
    assert complaints(name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("panel.py", "import PySide6.QtCore"),
        ("panel.py", "from tests.slicer_host import window"),
        ("panel.py", "import torch"),
        ("panel.py", "import requests"),
        ("panel.py", "from urllib.request import urlopen"),
        ("panel.py", "import vtk"),
        ("scene/volumes.py", "import qt"),
        ("scene/volumes.py", "import requests"),
        ("client.py", "import qt"),
        ("client.py", "import slicer"),
        ("server.py", "import requests"),
        ("parameters.py", "import ctk"),
        ("background.py", "import slicer"),
        ("client.py", "from VerisimLib.background import Job"),
        ("scene/volumes.py", "from VerisimLib import client"),
        ("scene/volumes.py", "from VerisimLib.client import x"),
        ("scene/volumes.py", "from VerisimLib.panels.panel import Panel"),
        ("state.py", "import numpy, slicer"),
        ("panel.py", "kind = int | None"),
        ("panel.py", "isinstance(w, qt.QWidget)"),
        ("panel.py", "isinstance(w, (str, ctk.ctkSliderWidget))"),
        ("panel.py", "qt.QPushButton(text='a')"),
        ("panel.py", "w.addItems(str(i) for i in x)"),
        ("panel.py", "qt.QNetworkAccessManager()"),
        ("panel.py", "changed = qt.Signal(int)"),
        ("panel.py", "dialog.exec_()"),
        ("panel.py", "qt.QMessageBox.question(None, 'a', 'b')"),
        ("panel.py", "qt.QFileDialog.getOpenFileName(None, 'a')"),
        ("panel.py", "w.connect('valueChanged(float)', f)"),
        ("panel.py", "w.connect('currentIndexChanged(QString)', f)"),
        ("panel.py", "w.clicked.connect(f)"),
        ("panel.py", "x is qt.Qt.Checked"),
        ("panel.py", "slicer.util.pip_install('torch')"),
        ("panel.py", "slicer.vtkMRMLTextNode()"),
        ("panel.py", "slicer.util.arrayFromVolume(v)"),
        ("panel.py", "node.GetName()"),
        ("panel.py", "slicer.mrmlScene.AddNewNodeByClass('vtkMRMLTextNode')"),
        ("panel.py", "def f():\n    import numpy"),
    ],
)  # fmt: skip
def test_what_works_only_in_the_host_is_found(file: str, source: str) -> None:
    assert complaints(file, source) != []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("client.py", "import requests\nimport json"),
        (
            "scene/volumes.py",
            "import vtk\nnode.GetName()\nslicer.vtkMRMLTextNode()",
        ),
        ("server.py", "from urllib.parse import quote"),
        ("panel.py", "def f(v: slicer.vtkMRMLVolumeNode | None) -> int | None: ..."),
        ("panel.py", "import qt\nw.connect('clicked()', f)\n','.join(str(i) for i in x)"),
        ("panel.py", "w.setMRMLScene(slicer.mrmlScene)\nslicer.util.errorDisplay('a')"),
        ("panel.py", "from VerisimLib.client import Client\nClient(address, key=3)"),
    ],
)
def test_what_works_in_both_is_left_alone(file: str, source: str) -> None:
    assert complaints(file, source) == []


@pytest.mark.parametrize("version", [(3, 9), (3, 12)])
@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_slicer_can_parse_it(path: Path, version: tuple[int, int]) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=version)


def test_files_are_short_and_shells_shorter() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [name(p) for p, count in lines.items() if count > LONGEST_FILE] == []
    assert [name(p) for p in SHELLS if lines[p] > LONGEST_SHELL] == []


def test_only_the_three_shells_are_modules() -> None:
    assert [p.stem for p in SHELLS] == ["VerisimAudit", "VerisimSegment", "VerisimSynthesize"]


@pytest.mark.parametrize("file", sorted(BARE))
def test_a_python_without_slicer_can_import_it(file: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(MODULES)!r}); "
        f"import VerisimLib.{file.removesuffix('.py')}; "
        "print({'qt', 'ctk', 'slicer', 'vtk'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"
