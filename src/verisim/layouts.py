"""Where images and labels lie in the folders that people already have."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verisim.errors import BadDataset, VerisimWarning
from verisim.files import IMAGE_SUFFIXES, stem

LABEL_ENDING = "_seg"
"""What BraTS puts behind the case's name to name its label map."""


class DatasetWarning(VerisimWarning):
    """A data set that is not all there."""


@dataclass(frozen=True)
class CaseFiles:
    """The files of one labelled case.

    Args:
        name: The label's name without suffix.
        images: One file a channel.
        label: The reference label map.
        channels: Name of each image, where no description names them.
    """

    name: str
    images: tuple[Path, ...]
    label: Path
    channels: tuple[str, ...] = ("image",)


def decathlon(folder: Path, listed: list[Any]) -> list[CaseFiles]:
    """The cases that `dataset.json` of the Medical Segmentation Decathlon lists.

    Cases of which neither image nor label is there, as in a part of a data set, are left out.

    Raises:
        BadDataset: A listed case has an image without label, or a label without image.

    Warns:
        DatasetWarning: How many cases were left out.
    """
    cases, absent = [], []
    for entry in listed:
        if not isinstance(entry, dict) or not {"image", "label"} <= entry.keys():
            raise BadDataset(
                f"dataset.json lists {entry!r} as a training case.",
                'Write each case as {"image": "imagesTr/…", "label": "labelsTr/…"}.',
            )
        image, label = folder / entry["image"], folder / entry["label"]
        missing = [path for path in (image, label) if not path.is_file()]
        if len(missing) == 1:
            raise BadDataset(
                f"dataset.json lists {missing[0]}, which does not exist.",
                "Download the data set again, or take the case out of dataset.json.",
            )
        if missing:
            absent.append(stem(image))
        else:
            cases.append(CaseFiles(stem(image), (image,), label))
    _warn_of(absent, folder)
    return cases


def nnunet(folder: Path, channels: int) -> list[CaseFiles]:
    """The cases of nnU-Net's raw layout: `labelsTr/CASE`, `imagesTr/CASE_0000` for each channel.

    Raises:
        BadDataset: A label without image, or an image without label.
    """
    labels = _volumes_in(folder / "labelsTr")
    _refuse_unlabelled(_volumes_in(folder / "imagesTr"), {stem(label) for label in labels})
    cases = []
    for label in labels:
        suffix = label.name[len(stem(label)) :]
        images = tuple(
            folder / "imagesTr" / f"{stem(label)}_{k:04d}{suffix}" for k in range(channels)
        )
        missing = [path for path in images if not path.is_file()]
        if missing:
            raise BadDataset(
                f"The label {label.name} has no image {missing[0]}.",
                "nnU-Net's layout wants imagesTr/CASE_0000, CASE_0001, … for each channel.",
            )
        cases.append(CaseFiles(stem(label), images, label))
    return cases


def undescribed(folder: Path) -> list[CaseFiles]:
    """The labelled cases of a folder without description.

    Images with `labels/final` beside them (MONAI Label), or `imagesTr` and `labelsTr` with
    files of the same names, or a folder for each case (BraTS).

    Raises:
        BadDataset: A label without image, or cases of different channels.
    """
    stored = _paired(folder, folder / "labels" / "final")
    return stored or _paired(folder / "imagesTr", folder / "labelsTr") or brats(folder)


def brats(folder: Path) -> list[CaseFiles]:
    """The cases of BraTS' layout: `CASE/CASE_seg`, and `CASE/CASE_CHANNEL` for each channel.

    Raises:
        BadDataset: Cases of different channels.
    """
    volumes = [path for own in sorted(folder.glob("*/")) for path in _volumes_in(own)]
    cases = [_with_channels(path) for path in volumes if stem(path).endswith(LABEL_ENDING)]
    for case in cases:
        if not case.channels or case.channels != cases[0].channels:
            raise BadDataset(
                f"The case {case.name} has the channels {', '.join(case.channels) or 'none'}, "
                f"{cases[0].name} has {', '.join(cases[0].channels) or 'none'}.",
                "Give every case the same channels, named CASE_CHANNEL beside CASE_seg.",
            )
    return cases


def _paired(image_folder: Path, label_folder: Path) -> list[CaseFiles]:
    images = {stem(path): path for path in _volumes_in(image_folder)}
    cases = []
    for label in _volumes_in(label_folder):
        if stem(label) not in images:
            raise BadDataset(
                f"The label {label} has no image.", "Put the image back, or remove the label."
            )
        cases.append(CaseFiles(stem(label), (images[stem(label)],), label))
    return cases


def _with_channels(label: Path) -> CaseFiles:
    start = stem(label).removesuffix(LABEL_ENDING) + "_"
    volumes = [path for path in _volumes_in(label.parent) if stem(path).startswith(start)]
    images = tuple(path for path in volumes if path != label)
    channels = tuple(stem(path).removeprefix(start) for path in images)
    return CaseFiles(start[:-1], images, label, channels)


def _warn_of(absent: list[str], folder: Path) -> None:
    if absent:
        warnings.warn(
            f"{len(absent)} cases that dataset.json lists are not in {folder} and are left out, "
            f"{absent[0]} is the first.",
            DatasetWarning,
            stacklevel=3,
        )


def _volumes_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*")) if path.name.endswith(IMAGE_SUFFIXES)]


def _refuse_unlabelled(images: list[Path], labelled: set[str]) -> None:
    """An image is named CASE_0000: its last five signs are the channel."""
    for image in images:
        if stem(image)[:-5] not in labelled:
            raise BadDataset(
                f"The image {image.name} has no label in labelsTr.",
                "Label it, or move it to imagesTs.",
            )
