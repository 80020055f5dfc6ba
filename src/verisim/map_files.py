"""Which files maps become: one for each label, as viewers open them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from verisim import files
from verisim.files.source import NIFTI
from verisim.fractions import Fractions
from verisim.maps import MAP_KINDS, MapKind, Maps

MAP_SUFFIXES = (".nrrd", *NIFTI)
"""Formats that hold intensities."""

LONGEST_WORD = 60
"""Letters of a label that stand in the name of a file."""


@dataclass(frozen=True)
class MapFiles:
    """Where maps are written to.

    Args:
        probability: A file for each label.
        uncertainty: A file, if it is wanted.
    """

    probability: Mapping[str, Path] = field(default_factory=dict)
    uncertainty: Path | None = None

    @property
    def kinds(self) -> tuple[MapKind, ...]:
        """What is wanted of the segmenter."""
        wanted = {"probability": bool(self.probability), "uncertainty": bool(self.uncertainty)}
        return tuple(kind for kind in MAP_KINDS if wanted[kind])

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return (*self.probability.values(), *((self.uncertainty,) if self.uncertainty else ()))

    def of(self, maps: Maps) -> Iterator[tuple[Path, Fractions]]:
        """Each file, and what belongs into it."""
        for label, path in self.probability.items():
            yield path, maps.probability[label]
        if self.uncertainty and maps.uncertainty:
            yield self.uncertainty, maps.uncertainty

    def write(self, maps: Maps) -> None:
        """Write all of them, one at a time.

        Raises:
            StorageFailed: The disk refused; no file is left half-written.
        """
        for path, one in self.of(maps):
            files.write(path, one)


def map_files(
    probability: Path | None, uncertainty: Path | None, labels: Iterable[str]
) -> MapFiles:
    """The files of wanted maps.

    Args:
        probability: Becomes a file for each label: "p.nrrd" is "p-LABEL.nrrd".
        uncertainty: A file.
        labels: Of the model.
    """
    found = {} if probability is None else _by_label(probability, labels)
    return MapFiles(found, uncertainty)


def map_suffix(suffix: str) -> str:
    """The format of maps beside a label map: its own, or .nrrd where that holds no intensities."""
    return suffix if suffix in MAP_SUFFIXES else ".nrrd"


def _by_label(path: Path, labels: Iterable[str]) -> dict[str, Path]:
    """A file for each label; no two names differ by case only, which some disks do not see."""
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for number, label in enumerate(labels, start=1):
        word = _word(label) or f"label_{number}"
        while word.lower() in taken:
            word += f"_{number}"
        taken.add(word.lower())
        found[label] = path.with_name(f"{files.stem(path)}-{word}{files.suffix_of(path)}")
    return found


def _word(label: str) -> str:
    """A label as part of a file's name and of a web address: ASCII letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", label).strip("_")[:LONGEST_WORD]
