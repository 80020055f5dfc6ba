"""Scoring a network on cases that it does not learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from verisim.card import ModelCard
from verisim.training.examples import Example
from verisim.training.validation import validate


class Oracle(nn.Module):
    """Reads the label off the image: voxels of intensity k are class k."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) to confident logits of three classes."""
        return torch.cat([20.0 * (image.round() == k) for k in range(3)], dim=1)


def an_example(label: np.ndarray) -> Example:
    """An image whose intensities are its labels."""
    return Example(label[np.newaxis].astype(np.float32), label)


@pytest.fixture
def label() -> np.ndarray:
    """Two slabs."""
    label = np.zeros((16, 16, 16), np.int64)
    label[4:8], label[8:12] = 1, 2
    return label


def test_the_truth_scores_1_for_every_label(a_card: ModelCard, label: np.ndarray) -> None:
    found = validate(Oracle(), a_card, [an_example(label)], "cpu")
    assert dict(found.dice) == {"anterior": 1.0, "posterior": 1.0}
    assert found.mean_dice == 1.0
    assert found.seconds > 0


def test_half_a_label_scores_two_thirds(a_card: ModelCard, label: np.ndarray) -> None:
    image = label.copy()
    image[6:8] = 0
    example = replace(an_example(image), label=label)
    found = validate(Oracle(), a_card, [example], "cpu")
    assert found.dice["anterior"] == pytest.approx(2 / 3)
    assert found.dice["posterior"] == 1.0
    assert found.mean_dice == pytest.approx(5 / 6)


def test_a_case_without_a_label_does_not_count_for_it(
    a_card: ModelCard, label: np.ndarray
) -> None:
    without = np.where(label == 2, 0, label)
    found = validate(Oracle(), a_card, [an_example(label), an_example(without)], "cpu")
    assert found.mean_dice == 1.0
    empty = validate(Oracle(), a_card, [an_example(np.zeros_like(label))], "cpu")
    assert empty.mean_dice == 0.0


def test_the_figures_of_a_card_name_the_split_and_the_labels(
    a_card: ModelCard, label: np.ndarray
) -> None:
    found = validate(Oracle(), a_card, [an_example(label)], "cpu").figures("val")
    assert found == {"dice.val": 1.0, "dice.val.anterior": 1.0, "dice.val.posterior": 1.0}
