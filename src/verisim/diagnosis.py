"""Whether this machine and its packages can do the work, and what to change if not."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from verisim.errors import BadCard
from verisim.free_memory import available_bytes
from verisim.installed import SHIPPED_MODELS, find_cards
from verisim.precision import has_bfloat16

PACKAGES = (
    "verisim",
    "torch",
    "monai",
    "monailabel",
    "numpy",
    "SimpleITK",
    "pydicom",
    "highdicom",
)

LEAST_MEMORY_GIB = 2.0
LEAST_DISK_GIB = 1.0


@dataclass(frozen=True)
class Device:
    """Something that can compute."""

    name: str
    total_gib: float
    free_gib: float


@dataclass(frozen=True)
class Finding:
    """Something that will hurt, and its remedy."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found on this machine."""

    versions: Mapping[str, str]
    devices: tuple[Device, ...]
    models: tuple[str, ...]
    findings: tuple[Finding, ...]


def examine(models: Path) -> Diagnosis:
    """Look at packages, devices, memory, disk and models.

    Args:
        models: Folder of the person's own models.
    """
    titles, broken = _models(models)
    return Diagnosis(
        versions=_versions(),
        devices=tuple(_devices()),
        models=titles,
        findings=(*clashes("verisim"), *_machine(models), *broken),
    )


def clashes(package: str) -> Iterator[Finding]:
    """Requirements, of a package and of what it requires, that the environment does not meet."""
    seen: set[str] = set()
    waiting = [package, "monailabel"] if _version("monailabel") else [package]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        for requirement in _requirements(name):
            version = _version(requirement.name)
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                found = f"{requirement.name} {version or 'is missing'}"
                remedy = f"{name} needs {requirement}: pip install '{requirement}'"
                yield Finding(found, remedy)
            else:
                waiting.append(requirement.name)


def _requirements(package: str) -> Iterator[Requirement]:
    """What a package needs here; extras that nobody asked for do not count."""
    for text in (metadata.requires(package) or ()) if _version(package) else ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # metadata of an old package that pip too only tolerates
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _versions() -> dict[str, str]:
    system = {"Python": platform.python_version(), "system": platform.platform()}
    return system | {name: _version(name) or "not installed" for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Device]:
    memory = psutil.virtual_memory()
    bf16 = ", bfloat16" if has_bfloat16("cpu") else ""
    threads = torch.get_num_threads()
    yield Device(f"cpu ({threads} threads{bf16})", memory.total / 2**30, memory.available / 2**30)
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = f"cuda:{index} ({torch.cuda.get_device_name(index)})"
        yield Device(name, total / 2**30, free / 2**30)


def _machine(models: Path) -> Iterator[Finding]:
    if sys.version_info[:2] != (3, 11):
        yield Finding(
            f"Python {platform.python_version()}", "MONAI Label 0.8.5 is tested with Python 3.11."
        )
    free = available_bytes() / 2**30
    if free < LEAST_MEMORY_GIB:
        yield Finding(f"{free:.1f} GiB of memory free", "Close other programs before segmenting.")
    place = next(p for p in (models, *models.resolve().parents) if p.exists())
    disk = shutil.disk_usage(place).free / 2**30
    if disk < LEAST_DISK_GIB:
        yield Finding(
            f"{disk:.1f} GiB of disk free at {place}", "Free some space before training."
        )


def _models(folder: Path) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    try:
        cards = find_cards(SHIPPED_MODELS, folder).values()
    except BadCard as error:
        return (), (Finding(error.message, error.remedy),)
    missing = tuple(
        Finding(f"The weights of {card.title} are missing", f"Put them at {card.weights_path}.")
        for card in cards
        if card.sha256 and not card.weights_path.is_file()
    )
    return tuple(card.title for card in cards), missing
