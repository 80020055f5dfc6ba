"""How much each model of an ensemble counts: as much as makes the truth likeliest."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from verisim.dataset import Dataset
from verisim.ensembles import EnsembleSegmenter, Member
from verisim.progress import SILENT, Progress
from verisim.temperature import SMALLEST, check_labels, near_the_labels

MOST_VOXELS = 100_000
"""Of a case, evenly spread: shares need no more."""

ROUNDS = 200
"""Of expectation and maximization: the likelihood has one maximum, and nears it soon."""

SMALLEST_SHARE = 0.01
"""Every model of an ensemble is asked, so it counts at least this much."""


def fitted_shares(
    segmenter: EnsembleSegmenter, dataset: Dataset, split: str, progress: Progress = SILENT
) -> tuple[float, ...]:
    """The shares of the mean probabilities at which the truth near the labels is likeliest.

    Those of a mixture of known parts, by expectation and maximization (Dempster 1977).

    Args:
        segmenter: Whose models have their temperatures already.
        dataset: Whose cases no model learned from.
        split: Which of them.
        progress: Hears of every case.

    Raises:
        BadDataset: The data set does not have all labels of the models.
    """
    labels = check_labels(segmenter.card, dataset)
    cases = dataset.split(split)
    found = []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        volume, truth = case.pair(labels)
        likely = [
            torch.cat([_likely(member, *one) for one in near_the_labels(member, volume, truth)])
            for member in segmenter.members
        ]
        together = torch.stack(likely)
        found.append(together[:, :: max(1, together.shape[1] // MOST_VOXELS)])
    progress.advance(len(cases), len(cases), "done")
    return likeliest(torch.cat(found, dim=1))


def likeliest(likely: Tensor) -> tuple[float, ...]:
    """The shares of a mixture, from what each part says of each truth, (M, N)."""
    shares = torch.full((len(likely), 1), 1 / len(likely), dtype=torch.double)
    parts = likely.double().clamp(min=SMALLEST)
    for _ in range(ROUNDS):
        weighted = shares * parts
        shares = (weighted / weighted.sum(dim=0)).mean(dim=1, keepdim=True)
    kept = np.maximum(shares[:, 0].numpy(), SMALLEST_SHARE)
    rounded = [round(float(one), 4) for one in kept / kept.sum()]
    return (*rounded[:-1], round(1 - sum(rounded[:-1]), 4))


def _likely(member: Member, logits: Tensor, truth: Tensor) -> Tensor:
    """What a model believes of the true class of each voxel, (N,)."""
    probabilities = (logits / member.card.temperature).softmax(dim=1).mean(dim=0)
    return probabilities.gather(0, truth[None])[0]
