"""What a card tells of its training."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence

import numpy as np
import torch

from verisim.card import ModelCard
from verisim.dataset import Dataset
from verisim.training.examples import Example
from verisim.training.schedule import Schedule
from verisim.training_record import TrainingRecord

Extent = tuple[float, float, float]


def record(
    card: ModelCard,
    dataset: Dataset,
    split: str,
    extents_mm: Sequence[Extent],
    schedule: Schedule,
    seconds: float,
    device: str,
) -> TrainingRecord:
    """Where a model's knowledge comes from.

    Args:
        card: The model as it was before the training.
        dataset: What it learned from.
        split: Which part of it.
        extents_mm: Box of each case it learned from.
        schedule: Of each of its networks.
        seconds: Wall time of all parts of the run.
        device: Where it was computed.
    """
    low, high = _range(card, extents_mm)
    return TrainingRecord(
        data=dataset.name,
        licence=dataset.licence,
        split=split,
        cases=len(extents_mm),
        seed=schedule.seed,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        iterations=schedule.iterations,
        batch_size=schedule.batch_size,
        seconds=round(seconds, 3),
        device=device_name(device),
        extent_mm=(low, high),
        initialized_from=card.title if card.sha256 else "",
    )


def extents_of(examples: Sequence[Example]) -> list[Extent]:
    """Box of each case."""
    return [example.extent_mm for example in examples]


def device_name(device: str) -> str:
    """What a device is sold as."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    processor = platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} thread(s)"


def _range(card: ModelCard, extents_mm: Sequence[Extent]) -> tuple[Extent, Extent]:
    """Smallest and largest box, those that the card's weights learned from included."""
    boxes = list(extents_mm)
    if card.sha256 and card.training is not None:
        boxes.extend(card.training.extent_mm)
    lx, ly, lz = (float(side) for side in np.min(boxes, axis=0))
    hx, hy, hz = (float(side) for side in np.max(boxes, axis=0))
    return (lx, ly, lz), (hx, hy, hz)
