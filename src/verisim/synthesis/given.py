"""Label maps that a person gives, and what a generator makes of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import open_dataset
from verisim.errors import BadInput
from verisim.evaluation import under_model_names
from verisim.files import IMAGE_SUFFIXES, read_label_map
from verisim.files.segments import color_of
from verisim.networks.random_contrast import RandomContrast
from verisim.progress import SILENT, Progress
from verisim.volume import LabelMap

DATASETS = ("dataset.json", "labelsTr", "labels/final")
"""What tells a data set from a folder of label maps; that of BraTS holds folders alone."""


def read_given(
    paths: Sequence[Path], card: ModelCard, progress: Progress = SILENT
) -> list[LabelMap]:
    """Label maps under the names of a model, or of a model of any labels under one set of names.

    Args:
        paths: Their files.
        card: The model.
        progress: Hears of every file.

    Raises:
        BadInput: One cannot be read, or holds other than whole numbers.
    """
    found = []
    for k, path in enumerate(paths):
        progress.advance(k, len(paths), f"reading {path.name}")
        found.append(read_label_map(path, None if takes_any(card) else card.labels))
    return alike(found) if takes_any(card) else found


def read_folder(
    path: Path, card: ModelCard, split: str, progress: Progress = SILENT
) -> list[LabelMap]:
    """The label maps of a file, of a folder of files, or of a split of a data set.

    Args:
        path: What is given.
        card: The model.
        split: Of a data set.
        progress: Hears of every file.

    Raises:
        BadInput: It holds none.
        NotFound: There is no such path, or the data set has no such split.
        BadDataset: Its layout is not known.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [one for one in files if one.name.endswith(tuple(IMAGE_SUFFIXES))]
    described = any((path / name).exists() for name in DATASETS)
    if described or (not found and any(one.is_dir() for one in files)):
        opened = open_dataset(path)
        names = opened.labels if takes_any(card) else under_model_names(card, opened)
        maps = []
        for k, case in enumerate(cases := opened.split("all" if opened.drawn else split)):
            progress.advance(k, len(cases), f"reading {case.name}")
            maps.append(case.label_map(names))
        return alike(maps) if takes_any(card) else maps
    if not found:
        raise BadInput(
            f"{path} holds no label maps.",
            "Name a NIfTI or NRRD file, a folder of them, or a data set.",
        )
    return read_given(found, card, progress)


def takes_any(card: ModelCard) -> bool:
    """Whether a model makes images for label maps of whatever labels."""
    return isinstance(card.network, RandomContrast)


def for_label_maps(card: ModelCard, label_maps: Sequence[LabelMap]) -> ModelCard:
    """The card of a model of any labels with those of some label maps; another as it is.

    Raises:
        BadInput: It needs label maps, and there are none, or they hold no labels.
    """
    if not takes_any(card):
        return card
    check_given(card, len(label_maps))
    names = list(alike(label_maps)[0].labels)
    if not names:
        raise BadInput(
            "The label maps hold no labels.", "Give it maps in which something is drawn."
        )
    x, y, z = np.max([one.spatial_shape for one in label_maps], axis=0).tolist()
    return replace(
        card,
        labels={name: k + 1 for k, name in enumerate(names)},
        colors={name: color_of(k) for k, name in enumerate(names)},
        patch_size=(x, y, z),
    )


def check_given(card: ModelCard, count: int) -> None:
    """Refuse to make shapes out of nothing.

    Raises:
        BadInput: The model needs label maps, and none is given.
    """
    if takes_any(card) and not count:
        raise BadInput(
            f"{card.title} makes images for label maps, and none is given.",
            "Give it label maps: --labels FOLDER, or files that are sent along.",
        )


def alike(label_maps: Sequence[LabelMap]) -> list[LabelMap]:
    """The same label maps, all with the labels of all, numbered as they are met."""
    names = list(dict.fromkeys(_named(label_maps)))
    labels = {name: k + 1 for k, name in enumerate(names)}
    kind = np.min_scalar_type(len(names))
    found = []
    for one in label_maps:
        array = np.zeros(one.spatial_shape, kind)
        for name in one.labels:
            array[one.binary(name)] = labels[name]
        found.append(LabelMap(array, one.affine, labels))
    return found


def _named(label_maps: Sequence[LabelMap]) -> list[str]:
    """Names of all labels, those of smaller values first."""
    pairs = {(value, name) for one in label_maps for name, value in one.labels.items()}
    return [name for _, name in sorted(pairs)]
