"""A data set as it is at one moment, kept beside a job whatever happens to its files later."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset
from verisim.files import read, suffix_of, write

DESCRIPTION = "dataset.json"


class _Case(BaseModel):
    name: str
    subject: str
    images: tuple[str, ...]
    label: str | None


class _Dataset(BaseModel):
    name: str
    cases: tuple[_Case, ...]
    channels: tuple[str, ...]
    labels: dict[str, int]
    licence: str
    splits: dict[str, list[str]]


def keep_dataset(dataset: Dataset, folder: Path) -> None:
    """Keep the files of a data set in an empty folder, under names that tell of nobody."""
    cases = []
    for k, case in enumerate(dataset.cases):
        images = [
            brought(image, folder / f"case_{k}_image_{channel}")
            for channel, image in enumerate(case.images)
        ]
        label = brought(case.label, folder / f"case_{k}_label") if case.label else None
        names = tuple(path.name for path in images)
        kept = _Case(
            name=case.name,
            subject=case.subject,
            images=names,
            label=label.name if label else None,
        )
        cases.append(kept)
    described = _Dataset(
        name=dataset.name,
        cases=tuple(cases),
        channels=dataset.channels,
        labels=dict(dataset.labels),
        licence=dataset.licence,
        splits={name: sorted(cases) for name, cases in dataset.splits.items()},
    )
    (folder / DESCRIPTION).write_text(described.model_dump_json(), encoding="utf-8")


def kept_dataset(folder: Path) -> Dataset:
    """The data set that was kept in a folder.

    Raises:
        BadDataset: None was.
    """
    try:
        told: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        described = _Dataset.model_validate(told)
    except (OSError, ValueError) as error:
        raise BadDataset("The job has no data set.", "Hand it in again.") from error
    return Dataset(
        name=described.name,
        cases=tuple(_case(case, folder) for case in described.cases),
        channels=described.channels,
        labels=described.labels,
        licence=described.licence,
        splits={name: frozenset(cases) for name, cases in described.splits.items()},
    )


def brought(source: Path, target: Path) -> Path:
    """A volume at another place; returns the file, or the folder of a series.

    Args:
        source: A file, or a folder of DICOM files.
        target: Without a suffix.
    """
    if source.is_dir():
        target.mkdir()
        for n, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())):
            link(path, target / f"file_{n}{suffix_of(path)}")
        return target
    if source.suffix.lower() == ".nhdr":  # its voxels lie beside it, in a file that it names
        placed = target.with_name(f"{target.name}.nrrd")
        write(placed, read(source))
        return placed
    placed = target.with_name(f"{target.name}{suffix_of(source)}")
    link(source, placed)
    return placed


def link(path: Path, target: Path) -> None:
    """The same file at another place: as a link where the disk allows, else as a copy."""
    with suppress(OSError):
        os.link(path.resolve(), target)
        return
    shutil.copyfile(path, target)


def _case(case: _Case, folder: Path) -> Case:
    images = tuple(folder / name for name in case.images)
    return Case(case.name, case.subject, images, folder / case.label if case.label else None)
