"""What is installed, what clashes, and how to mend it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from verisim.card import ModelCard
from verisim.diagnosis import clashes, examine


@dataclass(frozen=True)
class Free:
    """Memory or disk of that many bytes."""

    available: int = 2**40
    total: int = 2**40
    free: int = 2**40


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, list[str]]]:
    """The packages that the environment holds: name to version and requirements."""
    packages: dict[str, tuple[str, list[str]]] = {}

    def found(name: str, packages: Mapping[str, tuple[str, list[str]]] = packages) -> str:
        if name not in packages:
            raise metadata.PackageNotFoundError(name)
        return packages[name][0]

    monkeypatch.setattr(metadata, "version", found)
    monkeypatch.setattr(metadata, "requires", lambda name: packages[name][1] or None)
    return packages


def test_this_environment_fits_together() -> None:
    assert list(clashes("verisim")) == []


def test_what_is_met_is_no_clash(installed: dict[str, tuple[str, list[str]]]) -> None:
    installed["verisim"] = ("1", ["torch>=2"])
    installed["torch"] = ("2.3", [])
    assert list(clashes("verisim")) == []


def test_a_version_that_is_too_old_is_named(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    installed["verisim"] = ("1", ["torch>=2"])
    installed["torch"] = ("1.13", [])
    (finding,) = clashes("verisim")
    assert finding.what == "torch 1.13"
    assert finding.remedy == "verisim needs torch>=2: pip install 'torch>=2'"


def test_a_missing_package_is_named_even_deep_down(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    installed["verisim"] = ("1", ["monai"])
    installed["monai"] = ("1.5", ["numpy<2"])
    (finding,) = clashes("verisim")
    assert finding.what == "numpy is missing"
    assert finding.remedy.startswith("monai needs numpy<2")


def test_the_server_counts_when_it_is_installed(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    installed["verisim"] = ("1", [])
    installed["monailabel"] = ("0.8.5", ["pydicom<3"])
    installed["pydicom"] = ("3.0", [])
    assert [finding.what for finding in clashes("verisim")] == ["pydicom 3.0"]


def test_extras_that_nobody_asked_for_and_other_systems_do_not_count(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    others = ['ruff>=1; extra == "dev"', 'pywin32; sys_platform == "ibm"', "not a requirement!"]
    installed["verisim"] = ("1", others)
    assert list(clashes("verisim")) == []


def test_packages_that_need_each_other_are_looked_at_once(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    installed["verisim"] = ("1", ["a"])
    installed["a"] = ("1", ["verisim", "missing"])
    assert [finding.what for finding in clashes("verisim")] == ["missing is missing"]


def test_running_from_the_sources_alone_is_no_traceback(
    installed: dict[str, tuple[str, list[str]]],
) -> None:
    assert list(clashes("verisim")) == []


def test_versions_devices_and_models_are_listed(a_trained_model: ModelCard) -> None:
    found = examine(a_trained_model.folder)
    assert found.versions["monai"] == metadata.version("monai")
    assert found.devices[0].name.startswith("cpu (")
    assert "tiny v1" in found.models


@pytest.mark.parametrize(
    ("where", "name", "said"),
    [(psutil, "virtual_memory", "of memory free"), (shutil, "disk_usage", "of disk free")],
)
def test_too_little_room_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: object, name: str, said: str
) -> None:
    monkeypatch.setattr(where, name, lambda *of: Free(available=2**28, free=2**28))
    findings = examine(tmp_path / "not" / "there" / "yet").findings
    (found,) = [finding for finding in findings if said in finding.what]
    assert found.what.startswith("0.2 GiB")
    assert found.remedy


def test_missing_weights_are_named(a_trained_model: ModelCard) -> None:
    a_trained_model.weights_path.unlink()
    findings = examine(a_trained_model.folder).findings
    (found,) = [finding for finding in findings if "tiny" in finding.what]
    assert str(a_trained_model.weights_path) in found.remedy


def test_a_broken_card_is_a_finding_not_an_error(a_trained_model: ModelCard) -> None:
    (a_trained_model.folder / "broken-v1.toml").write_text("name = 3")
    findings = examine(a_trained_model.folder).findings
    assert any("broken-v1.toml" in finding.what for finding in findings)


def test_another_python_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("verisim.diagnosis.sys", SimpleNamespace(version_info=(3, 14, 0)))
    assert any("Python" in finding.what for finding in examine(tmp_path).findings)
