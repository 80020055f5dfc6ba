"""What a model folder of nnU-Net v2 tells of labels, channels and training data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from verisim.errors import UnsupportedModel
from verisim.exchange.axes import Axes
from verisim.exchange.checkpoint import Checkpoint
from verisim.exchange.nnunet_plans import (
    DatasetDescription,
    Fingerprint,
    Plans,
    Point,
    read_description,
)
from verisim.training_record import TrainingRecord

ITERATIONS_PER_EPOCH = 250
"""Of every trainer that comes with nnU-Net."""

USUAL_SPREAD = 2.0
"""Half to twice the median box is taken for usual where the single cases are not known."""


def labels_of(dataset: DatasetDescription) -> dict[str, int]:
    """Name to value in ascending order, without background and what training ignored.

    Raises:
        UnsupportedModel: The labels overlap, or are not numbered 1, 2, 3, …
    """
    regions = [name for name, value in dataset.labels.items() if _several(value)]
    if regions:
        raise UnsupportedModel(
            f"The labels {', '.join(regions)} are regions of several values; a model here gives "
            "each voxel one label.",
            "Use nnU-Net itself for this model, or train it on labels that exclude each other.",
        )
    single = {
        name: value if isinstance(value, int) else value[0]
        for name, value in dataset.labels.items()
        if name not in ("background", "ignore")
    }
    if sorted(single.values()) != list(range(1, len(single) + 1)):
        raise UnsupportedModel(
            f"The labels have the values {sorted(single.values())} instead of 1, 2, 3, …",
            "Copy the dataset.json that belongs to these checkpoints.",
        )
    return dict(sorted(single.items(), key=lambda item: item[1]))


def channels_of(dataset: DatasetDescription) -> tuple[str, ...]:
    """Names of the channels in the order of their numbers."""
    names = dataset.channel_names
    order = sorted(names, key=lambda number: int(number) if number.isdigit() else 0)
    return tuple(names[number] for number in order)


def training_record(
    folder: Path, plans: Plans, dataset: DatasetDescription, first: Checkpoint
) -> TrainingRecord:
    """What is known of a training, by its first fold.

    nnU-Net sets no seed, so that of the record says nothing.
    """
    return TrainingRecord(
        data=plans.dataset_name,
        licence=dataset.licence or "unknown",
        split="",
        cases=dataset.numTraining,
        seed=0,
        date=first.ended,
        iterations=first.epochs * ITERATIONS_PER_EPOCH,
        batch_size=0,
        seconds=first.seconds,
        device=first.device,
        extent_mm=dataset.extent_mm or _extent(folder / "dataset_fingerprint.json", plans),
    )


def _several(value: int | tuple[int, ...]) -> bool:
    return isinstance(value, tuple) and len(value) != 1


def _extent(path: Path, plans: Plans) -> tuple[Point, Point]:
    """Smallest and largest box of a training volume, of every case if they are known."""
    seen = read_description(Fingerprint, path) if path.is_file() else Fingerprint()
    if seen.shapes_after_crop and len(seen.shapes_after_crop) == len(seen.spacings):
        boxes = np.multiply(seen.shapes_after_crop, seen.spacings)[:, ::-1]
        return _point(boxes.min(axis=0)), _point(boxes.max(axis=0))
    median = np.multiply(
        plans.original_median_shape_after_transp, plans.original_median_spacing_after_transp
    )[list(Axes(plans.transpose_forward).theirs)]
    return _point(median / USUAL_SPREAD), _point(median * USUAL_SPREAD)


def _point(mm: npt.NDArray[np.float64]) -> Point:
    x, y, z = (round(float(side), 2) for side in mm)
    return x, y, z
