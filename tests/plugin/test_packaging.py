"""What the packaged extension contains."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from plugin.draw_icons import drawn
from PySide6.QtGui import QImage

from tests.plugin.conftest import MODULES, ROOT

PLUGIN = ROOT / "plugin"
PROJECT = (PLUGIN / "CMakeLists.txt").read_text(encoding="utf-8")
LISTS = (MODULES / "CMakeLists.txt").read_text(encoding="utf-8")
ICONS = sorted(PLUGIN.rglob("*.svg"))


def on_disk(*endings: str) -> set[str]:
    found = (path for path in MODULES.rglob("*") if path.suffix in endings)
    return {str(path.relative_to(MODULES)) for path in found if "__pycache__" not in path.parts}


def listed(*endings: str) -> set[str]:
    lists = re.sub(r"#.*", "", LISTS)
    words = set(re.split(r"[\s()]+", lists)) - {"${MODULE_NAME}.py"}
    return {word for word in words if word.endswith(endings)}


def test_the_lists_name_exactly_the_scripts() -> None:
    assert listed(".py") == on_disk(".py")


def test_the_lists_name_exactly_the_resources() -> None:
    wanted = on_disk(".png", ".ui", ".gz", ".txt") - {"CMakeLists.txt"}
    assert listed(".png", ".ui", ".gz", ".txt") == wanted


def test_each_shell_is_a_module() -> None:
    shells = {path.stem for path in MODULES.glob("*.py")}
    assert set(re.findall(r"NAME (\w+)", LISTS)) == shells


def test_each_shell_has_an_icon() -> None:
    icons = {path.stem for path in (MODULES / "Resources" / "Icons").glob("*.png")}
    assert {path.stem for path in MODULES.glob("*.py")} <= icons


def test_the_catalog_entry_and_the_project_have_one_name() -> None:
    entry = json.loads((PLUGIN / "Verisim.json").read_text(encoding="utf-8"))
    assert "project(Verisim)" in PROJECT
    assert entry["tier"] in (1, 3, 5)
    assert entry["category"] == "Segmentation"


def test_an_address_is_named_everywhere_or_nowhere() -> None:
    """The catalog needs the project's address: a made-up one would lead people elsewhere."""
    entry = json.loads((PLUGIN / "Verisim.json").read_text(encoding="utf-8"))
    named = [setting(f"EXTENSION_{what}") for what in ("HOMEPAGE", "ICONURL", "SCREENSHOTURLS")]
    if entry["scm_type"] == "local":
        assert (entry["scm_url"], *named) == (".", "", "", "")
    else:
        assert all(address.startswith("https://") for address in (entry["scm_url"], *named))


def test_the_package_brings_its_page_and_its_licence() -> None:
    for name in ("README", "LICENSE"):
        path = setting(f"EXTENSION_{name}_FILE").replace(
            "${CMAKE_CURRENT_SOURCE_DIR}", str(PLUGIN)
        )
        assert Path(path).is_file(), path
    assert (PLUGIN / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_page_shows_pictures_and_paths_that_exist() -> None:
    page = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (PLUGIN / target).exists(), target
    for path in re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE):
        assert (PLUGIN / path).exists(), path


def setting(name: str) -> str:
    found = re.search(rf'set\({name} "(.*)"\)', PROJECT)
    assert found is not None, name
    return found.group(1)


@pytest.mark.parametrize("svg", ICONS, ids=lambda path: path.stem)
def test_an_icon_is_its_drawing(svg: Path) -> None:
    kept = QImage(str(svg.with_suffix(".png"))).convertToFormat(QImage.Format.Format_ARGB32)
    made = drawn(svg)
    assert (kept.width(), kept.height()) == (128, 128)
    difference = np.abs(pixels(kept) - pixels(made))
    assert difference.mean() < 1


def pixels(image: QImage) -> np.ndarray:
    return np.frombuffer(image.constBits(), np.uint8).astype(int)


@pytest.mark.parametrize("path", sorted(MODULES.rglob("*.ui")), ids=lambda path: path.stem)
def test_a_ui_file_begins_with_a_widget_that_knows_the_scene(path: Path) -> None:
    top = ET.parse(path).getroot().find("widget")
    assert top is not None
    assert top.get("class") == "qMRMLWidget"


@pytest.mark.parametrize("path", sorted(MODULES.rglob("*.ui")), ids=lambda path: path.stem)
def test_every_widget_that_needs_the_scene_is_wired_to_it(path: Path) -> None:
    root = ET.parse(path).getroot()
    top = root.find("widget")
    wired = {
        entry.findtext("receiver")
        for entry in root.iter("connection")
        if entry.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    need = {
        widget.get("name")
        for widget in root.iter("widget")
        if str(widget.get("class")).startswith(("qMRML", "qSlicer")) and widget is not top
    }
    assert need - wired == set()
