"""How sure a model may be: probabilities that mean what they say, found beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor

from verisim.dataset import Dataset
from verisim.errors import BadDataset
from verisim.evaluation import under_model_names
from verisim.metrics import region_of_interest
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmenter
from verisim.volume import Array, LabelMap, Volume

MOST_VOXELS = 20_000
"""Of a case, evenly spread over those near its labels: a few numbers need no more."""

SMALLEST = 1e-5
"""Probabilities below this count as this: one voxel must not decide."""

FURTHEST = 5.0
"""From 1, up or down, that a temperature may be."""

ROUNDS = 60
"""Of the optimizer; the likelihood of so few numbers is smooth."""


@dataclass(frozen=True)
class Calibrated:
    """What makes the truth likeliest.

    Args:
        temperature: Of the mean of the models (Guo 2017, section 4.2).
        shares: How much each model counts in it; 1 of one model.
        before: Negative log-likelihood of the truth, a voxel near the labels, without either.
        after: The same with both.
    """

    temperature: float
    shares: tuple[float, ...]
    before: float
    after: float

    @property
    def told(self) -> str:
        """In a sentence."""
        shares = ", ".join(f"{share:.2f}" for share in self.shares)
        parted = f", shares {shares}" if len(self.shares) > 1 else ""
        return (
            f"temperature {self.temperature:g}{parted}: the truth's negative log-likelihood near "
            f"the labels is {self.after:.3f} instead of {self.before:.3f}"
        )


def calibrated(
    segmenters: Sequence[Segmenter], dataset: Dataset, split: str, progress: Progress = SILENT
) -> Calibrated:
    """Ask one or more models about every case of a split, and compare with the truth.

    Args:
        segmenters: Of the same labels, at temperature 1, made to tell probabilities.
        dataset: Whose cases no model learned from.
        split: Which of them.
        progress: Hears of every case.

    Raises:
        BadDataset: The data set does not have all labels of the models.
    """
    labels = _all_labels(segmenters[0], dataset)
    cases = dataset.split(split)
    told, true = [], []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        volume, truth = case.pair(labels)
        near = _near(truth)
        told.append(torch.stack([_probabilities(one, volume, near) for one in segmenters]))
        classes = truth.valued(segmenters[0].card.labels).array.ravel()[near]
        true.append(torch.from_numpy(classes.astype(np.int64)))
    progress.advance(len(cases), len(cases), "done")
    return likeliest(torch.cat(told, dim=2), torch.cat(true))


def likeliest(probabilities: Tensor, truth: Tensor) -> Calibrated:
    """Temperature and shares at which the true classes are likeliest.

    Args:
        probabilities: Of each model and class, (M, K, N).
        truth: The true class of each voxel, (N,).
    """
    models = len(probabilities)
    parts = probabilities.double().clamp(min=SMALLEST)
    wanted = torch.zeros(models + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([wanted], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        unlikely = _unlikely(parts, truth, wanted)
        unlikely.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return unlikely

    with torch.enable_grad():
        before = float(_unlikely(parts, truth, wanted).detach())
        optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    found = wanted.detach()
    rounded = [round(share, 4) for share in found[:models].softmax(dim=0).tolist()]
    shares = (*rounded[:-1], round(1 - sum(rounded[:-1]), 4))
    temperature = round(float(_temperature(found)), 4)
    return Calibrated(temperature, shares, before, float(_unlikely(parts, truth, found)))


def _unlikely(parts: Tensor, truth: Tensor, wanted: Tensor) -> Tensor:
    """Mean negative log-likelihood; `wanted` holds what becomes shares, and ln of the temperature.

    The mean of the models is what has the temperature.
    """
    shares = wanted[:-1].softmax(dim=0)
    mean = torch.einsum("m,mkn->kn", shares, parts)
    logits = mean.log() / _temperature(wanted)
    return torch.nn.functional.nll_loss(logits.log_softmax(dim=0).T, truth)


def _temperature(wanted: Tensor) -> Tensor:
    """From a fifth to 5: beyond, a model knows nothing, and rounding would decide its labels."""
    return wanted[-1].clamp(-log(FURTHEST), log(FURTHEST)).exp()


def _near(truth: LabelMap) -> Array:
    """Places (N,) of voxels near the labels."""
    inside = truth.array > 0
    places = np.flatnonzero(region_of_interest(inside, inside, truth.spacing_mm))
    return places[:: max(1, len(places) // MOST_VOXELS)]


def _probabilities(segmenter: Segmenter, volume: Volume, near: Array) -> Tensor:
    """Of background and each label at some places, (K, N)."""
    maps = segmenter(volume).maps.probability
    labels = np.stack([maps[name].values.ravel()[near] for name in segmenter.card.labels])
    background = np.clip(1 - labels.sum(axis=0), 0, 1)
    return torch.from_numpy(np.concatenate([background[None], labels]))


def _all_labels(segmenter: Segmenter, dataset: Dataset) -> dict[str, int]:
    labels = under_model_names(segmenter.card, dataset)
    absent = [name for name in segmenter.card.labels if name not in labels]
    if absent:
        raise BadDataset(
            f"{dataset.name} has no label {', '.join(absent)}, so what is outside its labels may "
            "be right.",
            "Calibrate with a data set that has all labels of the model.",
        )
    return dict(labels)
