"""Cases and splits of a data set, from the layouts that people already have.

Three layouts are read: the Medical Segmentation Decathlon's and nnU-Net's `dataset.json`, and the
datastore of MONAI Label (images in a folder, `labels/final` beside them).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verisim import layouts
from verisim.errors import BadDataset, NotFound
from verisim.files import read, read_label_map
from verisim.subjects import subject_of
from verisim.volume import LabelMap, Volume

VALIDATION_SHARE = 0.2
"""Share of the subjects that validate when a data set names no split."""


@dataclass(frozen=True)
class Case:
    """One labelled (or not yet labelled) volume.

    Args:
        name: The file's name without suffix and channel number.
        subject: Whose body it is; all cases of a subject stay on one side of a split.
        images: One file a channel.
        label: The reference label map, if there is one.
    """

    name: str
    subject: str
    images: tuple[Path, ...]
    label: Path | None = None

    def volume(self) -> Volume:
        """The image, all channels on the grid of the first: (C, X, Y, Z)."""
        first, *others = [read(path) for path in self.images]
        if not others:
            return first
        arrays = [first.array, *(other.resampled_like(first).array for other in others)]
        return first.new(np.stack(arrays))

    def label_map(self, labels: Mapping[str, int]) -> LabelMap:
        """The reference label map.

        Raises:
            BadDataset: There is none, or it holds a value that no label has.
        """
        if self.label is None:
            raise BadDataset(f"The case {self.name} has no label.", "Label it, or leave it out.")
        label_map = read_label_map(self.label, labels)
        unknown = set(np.unique(label_map.array).tolist()) - {0, *labels.values()}
        if unknown:
            raise BadDataset(
                f"The label {self.label.name} holds the values {sorted(unknown)[:9]}, which none "
                f"of the labels {', '.join(labels)} has.",
                "Is it the label of another task? Correct it, or leave the case out.",
            )
        return label_map

    def pair(self, labels: Mapping[str, int]) -> tuple[Volume, LabelMap]:
        """The image and its reference label map, on the same voxels.

        Raises:
            BadDataset: There is no label, or it belongs to another image.
        """
        volume, label_map = self.volume(), self.label_map(labels)
        if not label_map.shares_grid(volume):
            raise BadDataset(
                f"The image of {self.name} has {volume.spatial_shape} voxels, its label "
                f"{label_map.spatial_shape}, or they lie in different places.",
                "Is it the label of another image? Correct it, or leave the case out.",
            )
        return volume, label_map


@dataclass(frozen=True)
class Dataset:
    """Cases with what is common to them.

    Args:
        name: As its description says.
        cases: Labelled cases.
        channels: Name of each input channel.
        labels: Name to value, background not listed.
        licence: As its description says.
        splits: Name of a split to case names.
        drawn: Whether the splits were drawn here, for want of a `splits.json`.
    """

    name: str
    cases: tuple[Case, ...]
    channels: tuple[str, ...]
    labels: Mapping[str, int]
    licence: str
    splits: Mapping[str, frozenset[str]]
    drawn: bool = False

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of a split; "all" is every case.

        Raises:
            NotFound: There is no such split, or none of its cases is in the folder.
        """
        if name == "all":
            return self.cases
        if name not in self.splits:
            raise NotFound(
                f"The data set {self.name} has no split {name!r}.",
                f"Choose one of: {', '.join(['all', *self.splits])}.",
            )
        cases = tuple(case for case in self.cases if case.name in self.splits[name])
        if not cases:
            raise NotFound(
                f"No case of the split {name!r} is in the folder of {self.name}.",
                "Choose --split all, or correct splits.json.",
            )
        return cases


def open_dataset(folder: Path, subject_pattern: str = "") -> Dataset:
    """Open a folder in whichever of the known layouts it is.

    Args:
        folder: Holds `dataset.json`, or images with `labels/final` (MONAI Label), or `imagesTr`
            and `labelsTr`.
        subject_pattern: Regular expression on a case's name; its first group is the subject.

    Raises:
        BadDataset: The layout is not known, or the description contradicts the files.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Check the path.")
    if (folder / "dataset.json").is_file():
        return _described(folder, subject_pattern)
    return _undescribed(folder, subject_pattern)


def split_by_subject(
    cases: Iterable[Case], seed: int = 0, share: float = VALIDATION_SHARE
) -> dict[str, frozenset[str]]:
    """Draw a training and a validation split that share no subject.

    Args:
        share: Of the subjects, those that validate.
    """
    listed = list(cases)
    subjects = sorted({case.subject for case in listed})
    drawn = np.random.default_rng(seed).permutation(subjects)
    count = round(len(subjects) * share) if len(subjects) > 1 else 0
    held_out = set(drawn[: max(count, min(1, len(subjects) - 1))])
    return {
        "train": frozenset(c.name for c in listed if c.subject not in held_out),
        "val": frozenset(c.name for c in listed if c.subject in held_out),
    }


def _described(folder: Path, subject_pattern: str) -> Dataset:
    text = _json(folder / "dataset.json")
    name = str(text.get("name", folder.name))
    labels = _labels(text.get("labels", {}), folder)
    channels = text.get("channel_names", text.get("modality", {"0": "image"}))
    listed = text.get("training")
    found = (
        layouts.decathlon(folder, listed)
        if isinstance(listed, list)
        else layouts.nnunet(folder, len(channels))
    )
    cases = tuple(_case(files, subject_pattern) for files in found)
    if not cases:
        raise BadDataset(
            f"{folder} describes no labelled case that exists.", "Check dataset.json and labelsTr."
        )
    splits, drawn = _splits(folder, cases)
    return Dataset(
        name=name,
        cases=cases,
        channels=tuple(str(channels[key]) for key in sorted(channels, key=int)),
        labels=labels,
        licence=str(text.get("licence", text.get("license", "unknown"))),
        splits=splits,
        drawn=drawn,
    )


def _undescribed(folder: Path, subject_pattern: str) -> Dataset:
    cases = tuple(_case(files, subject_pattern) for files in layouts.undescribed(folder))
    if not cases:
        raise BadDataset(
            f"{folder} is no data set: it has neither dataset.json nor labels/final.",
            "Point to a folder in the layout of the Decathlon, nnU-Net or MONAI Label.",
        )
    values = {v for case in cases if case.label for v in _values(case.label)}
    labels = {f"label_{value}": value for value in sorted(values)}
    splits, drawn = _splits(folder, cases)
    return Dataset(folder.name, cases, ("image",), labels, "unknown", splits, drawn)


def _values(label: Path) -> list[int]:
    return list(read_label_map(label).labels.values())


def _case(files: layouts.CaseFiles, subject_pattern: str) -> Case:
    subject = subject_of(files.name, subject_pattern)
    return Case(files.name, subject, files.images, files.label)


def _splits(folder: Path, cases: tuple[Case, ...]) -> tuple[dict[str, frozenset[str]], bool]:
    """Splits of `splits.json` beside the data, else one drawn by subject; and whether it was."""
    path = folder / "splits.json"
    if not path.is_file():
        return split_by_subject(cases), True
    text = _json(path)
    named = {key: value for key, value in text.items() if _is_list_of_names(value)}
    for k, fold in enumerate(text.get("folds", [])):
        held_out = fold["val"] if isinstance(fold, dict) else fold
        named[f"fold{k}"] = held_out
    splits = {
        key: frozenset(_full_name(name, cases) for name in names) for key, names in named.items()
    }
    return splits, False


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _full_name(name: str, cases: tuple[Case, ...]) -> str:
    """Splits may list "001" for hippocampus_001."""
    ends = [case.name for case in cases if case.name == name or case.name.endswith(f"_{name}")]
    return ends[0] if ends else name


def _labels(listed: Mapping[str, Any], folder: Path) -> dict[str, int]:
    """Both {"1": "Anterior"} (Decathlon) and {"Anterior": 1} (nnU-Net v2), in lower case."""
    try:
        pairs = [
            (str(name), int(value)) if str(value).isdigit() else (str(value), int(name))
            for name, value in listed.items()
        ]
    except (TypeError, ValueError) as error:
        raise BadDataset(
            f"The labels {dict(listed)} of {folder / 'dataset.json'} are not name and number.",
            'Write them as {"background": 0, "liver": 1}.',
        ) from error
    return {name.lower(): value for name, value in pairs if value}


def _json(path: Path) -> dict[str, Any]:
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadDataset(f"{path} is no valid JSON: {error}.", "Correct the file.") from error
    if not isinstance(text, dict):
        raise BadDataset(f"{path} must hold one JSON object.", "Correct the file.")
    return text
