"""How good a network is on cases that it does not learn from, while it learns and at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from verisim.card import ModelCard
from verisim.metrics import dice
from verisim.patches import predict
from verisim.training.examples import Example
from verisim.volume import Array


@dataclass(frozen=True)
class Validation:
    """A network's answers beside the truth.

    Args:
        dice: Mean over the cases for each label; cases that lack a label do not count for it.
        mean_dice: Mean over the cases of their mean over the labels.
        seconds: Network time per volume.
    """

    dice: Mapping[str, float]
    mean_dice: float
    seconds: float

    def figures(self, split: str) -> dict[str, float]:
        """What a card tells of it."""
        labels = {f"dice.{split}.{name}": round(value, 4) for name, value in self.dice.items()}
        return {f"dice.{split}": round(self.mean_dice, 4), **labels}


def validate(
    network: nn.Module, card: ModelCard, examples: Sequence[Example], device: str
) -> Validation:
    """Predict every example, in the network's own spacing, and compare.

    Args:
        network: (B, C, X, Y, Z) to logits.
        card: Names the labels and the patch size.
        examples: Preprocessed cases.
        device: Where the network lives.
    """
    network.eval()
    started = time.perf_counter()
    scores = []
    for example in examples:
        answer = predict(network, example.image, card.patch_size, device=device).argmax(0)
        scores.append(dice_by_label(answer, example.label, card.labels))
    seconds = (time.perf_counter() - started) / len(examples)
    return summary(np.array(scores), card.labels, seconds)


def dice_by_label(answer: Array, truth: Array, labels: Mapping[str, int]) -> list[float]:
    """Dice of each label; nan where neither answer nor truth has it."""
    return [dice(answer == value, truth == value) for value in labels.values()]


def summary(scores: Array, labels: Mapping[str, int], seconds: float = 0.0) -> Validation:
    """The means of Dice (cases, labels), which may hold nan."""
    present = ~np.isnan(scores)
    means = {
        name: float(column[seen].mean()) if seen.any() else 0.0
        for name, column, seen in zip(labels, scores.T, present.T, strict=True)
    }
    by_case = [
        float(row[seen].mean()) for row, seen in zip(scores, present, strict=True) if seen.any()
    ]
    return Validation(means, float(np.mean(by_case)) if by_case else 0.0, seconds)
