"""Cases and splits of a data set, from the layouts that people already have.

Four layouts are read: the Medical Segmentation Decathlon's and nnU-Net's `dataset.json`, the
datastore of MONAI Label (images in a folder, `labels/final` beside them), and that of BraTS (a
folder for each case, with one file for each channel and one for the labels).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verisim import layouts
from verisim.description import labels_of, read_json
from verisim.errors import BadDataset, NotFound
from verisim.files import read, read_label_map
from verisim.subjects import FOLDS, SubjectRule, folds_of
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
        labelled = label_map.array[label_map.array != 0]  # far fewer voxels to sort
        unknown = set(np.unique(labelled).tolist()) - set(labels.values())
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
class Fold:
    """One part of a cross-validation.

    Args:
        training: Cases to learn from.
        validation: Cases that are held out; no subject of theirs is in the training.
    """

    training: tuple[Case, ...]
    validation: tuple[Case, ...]


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

    def folds(self, count: int = FOLDS, within: str = "train") -> tuple[Fold, ...]:
        """Parts of a split, each of which is held out once; cases of a subject stay together.

        The folds of `splits.json` are used where all cases are asked for, else they are drawn
        within the split, so that the other splits stay unseen (see `subjects.folds_of`).

        Args:
            count: Folds.
            within: The split.

        Raises:
            NotFound: There is no such split.
            BadDataset: There are fewer subjects than folds.
        """
        cases = self.split(within)
        own = [self.splits.get(f"fold{k}", frozenset()) for k in range(count)]
        if within != "all" or not all(own):
            subjects = folds_of((case.subject for case in cases), count)
            own = [frozenset(c.name for c in cases if c.subject in part) for part in subjects]
        return tuple(
            Fold(
                training=tuple(case for case in cases if case.name not in held_out),
                validation=tuple(case for case in cases if case.name in held_out),
            )
            for held_out in own
        )


def open_dataset(
    folder: Path, subject_pattern: str = "", subject_table: Path | None = None
) -> Dataset:
    """Open a folder in whichever of the known layouts it is.

    Args:
        folder: Holds `dataset.json`, or images with `labels/final` (MONAI Label), or `imagesTr`
            and `labelsTr`, or a folder for each case (BraTS).
        subject_pattern: Regular expression on a case's name; its first group is the subject.
        subject_table: CSV file with the columns case and subject; `subjects.csv` in the folder is
            found by itself.

    Raises:
        BadDataset: The layout is not known, or the description contradicts the files.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Check the path.")
    rule = SubjectRule(subject_pattern, subject_table).within(folder)
    if (folder / "dataset.json").is_file():
        return _described(folder, rule)
    return _undescribed(folder, rule)


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


def _described(folder: Path, rule: SubjectRule) -> Dataset:
    text = read_json(folder / "dataset.json")
    name = str(text.get("name", folder.name))
    labels = labels_of(text.get("labels", {}), folder)
    channels = text.get("channel_names", text.get("modality", {"0": "image"}))
    listed = text.get("training")
    found = (
        layouts.decathlon(folder, listed)
        if isinstance(listed, list)
        else layouts.nnunet(folder, len(channels))
    )
    cases = _cases(found, rule)
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


def _undescribed(folder: Path, rule: SubjectRule) -> Dataset:
    found = layouts.undescribed(folder)
    cases = _cases(found, rule)
    if not cases:
        raise BadDataset(
            f"{folder} is no data set: it has neither dataset.json nor labels/final.",
            "Point to a folder in the layout of the Decathlon, nnU-Net, MONAI Label or BraTS.",
        )
    values = {v for case in cases if case.label for v in _values(case.label)}
    labels = {f"label_{value}": value for value in sorted(values)}
    splits, drawn = _splits(folder, cases)
    return Dataset(folder.name, cases, found[0].channels, labels, "unknown", splits, drawn)


def _values(label: Path) -> list[int]:
    return list(read_label_map(label).labels.values())


def _cases(found: Sequence[layouts.CaseFiles], rule: SubjectRule) -> tuple[Case, ...]:
    subjects = rule.subjects_of(files.name for files in found)
    return tuple(Case(f.name, subjects[f.name], f.images, f.label) for f in found)


def _splits(folder: Path, cases: tuple[Case, ...]) -> tuple[dict[str, frozenset[str]], bool]:
    """Splits of `splits.json` beside the data, else one drawn by subject; and whether it was."""
    path = folder / "splits.json"
    if not path.is_file():
        return split_by_subject(cases), True
    text = read_json(path)
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
