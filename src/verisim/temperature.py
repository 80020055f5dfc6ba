"""How sure a model may be of what it says: the temperature of its probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verisim.card import ModelCard
from verisim.dataset import Dataset
from verisim.ensembles import Member
from verisim.errors import BadDataset
from verisim.evaluation import under_model_names
from verisim.metrics import region_of_interest
from verisim.progress import SILENT, Progress
from verisim.sight import check_channels
from verisim.volume import Array, LabelMap, Volume

TEMPERATURES = tuple(round(0.5 * 1.05**k, 3) for k in range(48))
"""From 0.5 to 5, each 5 % above the one before."""

SMALLEST = 1e-6
"""Probabilities below this count as this: one voxel must not decide."""


@dataclass(frozen=True)
class Tempered:
    """How unlikely the truth is to a model, a voxel near the labels.

    Args:
        losses: Mean negative log-likelihood at each of the `TEMPERATURES`.
        before: The same at 1.
    """

    losses: tuple[float, ...]
    before: float

    @property
    def temperature(self) -> float:
        """The one at which the truth is likeliest (Guo 2017, section 4.2)."""
        return TEMPERATURES[int(np.argmin(self.losses))]

    @property
    def told(self) -> str:
        """In a sentence."""
        return (
            f"temperature {self.temperature:g}: the truth's negative log-likelihood near the "
            f"labels is {min(self.losses):.3f} instead of {self.before:.3f}"
        )


def tempered(
    segmenter: Member, dataset: Dataset, split: str, progress: Progress = SILENT
) -> Tempered:
    """Ask about every case of a split, and compare with the truth at every temperature.

    Args:
        segmenter: One model.
        dataset: Whose cases the model did not learn from.
        split: Which of them.
        progress: Hears of every case.

    Raises:
        BadDataset: The data set does not have all labels of the model.
    """
    labels = check_labels(segmenter.card, dataset)
    cases, sums = dataset.split(split), torch.zeros(len(TEMPERATURES) + 1, dtype=torch.double)
    voxels = 0
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        for logits, truth in near_the_labels(segmenter, *case.pair(labels)):
            sums += torch.stack([_unlikely(logits, truth, t) for t in (*TEMPERATURES, 1.0)])
            voxels += len(truth)
    progress.advance(len(cases), len(cases), "done")
    *losses, before = (sums / max(1, voxels)).tolist()
    return Tempered(tuple(losses), before)


def check_labels(card: ModelCard, dataset: Dataset) -> dict[str, int]:
    """The labels of a data set under the names of a model, which must all be there.

    Raises:
        BadDataset: One is not.
    """
    labels = under_model_names(card, dataset)
    absent = [name for name in card.labels if name not in labels]
    if absent:
        raise BadDataset(
            f"{dataset.name} has no label {', '.join(absent)}, so what is outside its labels may "
            "be right.",
            "Calibrate with a data set that has all labels of the model.",
        )
    return dict(labels)


def near_the_labels(
    segmenter: Member, volume: Volume, truth: LabelMap
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (S, K, N) and classes (N,) of the voxels near the labels, some rows at a time."""
    check_channels(segmenter.card, volume)
    seen = segmenter.look(volume)
    turned = truth.reoriented(seen.turned.orientation)
    inside = turned.array > 0
    near = region_of_interest(inside, inside, turned.spacing_mm)[seen.box]
    classes = _classes(segmenter, turned)[seen.box]
    row = 0
    for logits in segmenter.logits(seen):
        rows = slice(row, row + logits.shape[2])
        chosen = torch.from_numpy(near[rows])
        yield torch.from_numpy(logits)[:, :, chosen], torch.from_numpy(classes[rows])[chosen]
        row = rows.stop


def _classes(segmenter: Member, truth: LabelMap) -> Array:
    """The truth in the values of the model."""
    classes = np.zeros(truth.spatial_shape, np.int64)
    for name, value in segmenter.card.labels.items():
        classes[truth.binary(name)] = value
    return classes


def _unlikely(logits: Tensor, truth: Tensor, temperature: float) -> Tensor:
    """Sum of the negative log-likelihoods; of samples, that of their mean."""
    probabilities = (logits / temperature).softmax(dim=1).mean(dim=0)
    likely = probabilities.gather(0, truth[None])[0]
    return -likely.clamp(min=SMALLEST).log().double().sum()
