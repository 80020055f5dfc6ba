"""Dice + cross-entropy, and the Dice that watches a training."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from verisim.training.losses import dice_cross_entropy

LOSS = dice_cross_entropy()


@pytest.fixture
def label() -> Tensor:
    """Two cases of three classes (2, 1, 8, 8, 8)."""
    label = torch.zeros(2, 1, 8, 8, 8, dtype=torch.int16)
    label[:, :, 1:4, 1:4, 1:4] = 1
    label[:, :, 4:7, 2:6, 2:6] = 2
    return label


def certain(label: Tensor, certainty: float = 20.0) -> Tensor:
    """Logits that say exactly this label (B, 3, X, Y, Z)."""
    return certainty * one_hot(label[:, 0].long(), 3).movedim(-1, 1).float()


def a_guess() -> Tensor:
    """Random logits."""
    return torch.randn(2, 3, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_perfect_answer_costs_almost_nothing(label: Tensor) -> None:
    assert LOSS(certain(label), label) < 1e-3


def test_the_opposite_answer_costs_most(label: Tensor) -> None:
    swapped = torch.where(label > 0, 3 - label, 0)
    assert (
        LOSS(certain(swapped), label) > LOSS(a_guess(), label) > LOSS(certain(label, 1.0), label)
    )


def test_the_cost_does_not_depend_on_the_numbers_of_the_labels(label: Tensor) -> None:
    guess = a_guess()
    swapped = torch.where(label > 0, 3 - label, 0)
    torch.testing.assert_close(LOSS(guess[:, [0, 2, 1]], swapped), LOSS(guess, label))


def test_the_cost_does_not_depend_on_the_order_of_the_cases(label: Tensor) -> None:
    guess = a_guess()
    label[0, 0, 0] = 2
    torch.testing.assert_close(LOSS(guess.flip(0), label.flip(0)), LOSS(guess, label))


def test_a_list_of_one_level_costs_as_much_as_that_level(label: Tensor) -> None:
    torch.testing.assert_close(LOSS([a_guess()], label), LOSS(a_guess(), label))


def test_each_level_counts_half_of_the_one_above(label: Tensor) -> None:
    fine, coarse = a_guess(), a_guess()[..., ::2, ::2, ::2]
    alone = LOSS(coarse, label[..., 1::2, 1::2, 1::2]), LOSS(coarse, label[..., ::2, ::2, ::2])
    both = LOSS([fine, coarse], label)
    expected = [(LOSS(fine, label) + part / 2) / 1.5 for part in alone]
    assert any(torch.isclose(both, one, atol=1e-5) for one in expected)


def test_the_loss_of_reduced_precision_is_computed_in_full(label: Tensor) -> None:
    loss = LOSS(a_guess().bfloat16(), label)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, LOSS(a_guess(), label), atol=1e-2, rtol=1e-2)


def test_the_loss_falls_along_its_gradient(label: Tensor) -> None:
    guess = a_guess().requires_grad_()
    loss = LOSS(guess, label)
    (gradient,) = torch.autograd.grad(loss, guess)
    assert LOSS(guess - 10 * gradient, label) < loss
