"""The documentation stays true: its commands and programs are run, its files and targets exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line that the pages show, once; test_docs_train runs those of its page."""
    pages = [page for page in PAGES if page.name != "train.md"]
    shown = "\n".join(block for page in pages for block in blocks(page, "console"))
    return list(dict.fromkeys(line for line in shown.split("\n") if line.startswith("verisim ")))


@pytest.fixture(scope="module")
def a_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample data, where commands may write."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "sample-data", folder / "sample-data")
    return folder


def test_the_pages_show_commands() -> None:
    assert len(commands()) >= 6


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_documentation_runs(command: str, a_checkout: Path) -> None:
    words = [sys.executable, "-m", "verisim.cli", *command.split()[1:]]
    done = subprocess.run(words, cwd=a_checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_python_of_the_segment_page_runs(a_checkout: Path) -> None:
    programs = blocks(ROOT / "docs" / "segment.md", "python")
    for program in programs:
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, cwd=a_checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "anterior" in done.stdout
    written = {path.name for path in a_checkout.glob("python*")}
    assert written == {"python.seg.nrrd", "python-uncertainty.nii.gz"}


def test_the_targets_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_links_to_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_folder_at_the_top_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {line.split("/")[0] for line in listed.stdout.split("\n") if "/" in line}
    assert [f for f in sorted(folders) if f"{f}/" not in readme and not f.startswith(".")] == []
