"""Only what helps on unseen cases, and harms no label, is cleaned away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from verisim.training.cleaning import Cleaning, choose_cleaning
from verisim.volume import Array, LabelMap

LABELS = ("liver", "tumour")
Scores = Callable[[Cleaning], Array]


def scored(foreground: tuple[float, float], liver: float, tumour: float) -> Scores:
    """Dice 0.5 for both labels, changed by each step of a cleaning."""

    def score(cleaning: Cleaning) -> Array:
        base = np.full(2, 0.5)
        if cleaning.foreground:
            base += foreground
        base[0] += liver * ("liver" in cleaning.labels)
        base[1] += tumour * ("tumour" in cleaning.labels)
        return base + np.array([[-0.1], [0.1], [0.0]])

    return score


@pytest.mark.parametrize(
    ("foreground", "liver", "tumour", "expected"),
    [
        ((0, 0), 0, 0, Cleaning()),
        ((0.1, 0.1), 0, 0, Cleaning(True)),
        ((0.1, 0), 0, 0, Cleaning(True)),
        # better in the mean, but worse for the tumour
        ((0.2, -0.1), 0, 0, Cleaning()),
        ((0, 0), 0.1, -0.1, Cleaning(False, ("liver",))),
        ((0.1, 0.1), 0.1, 0.1, Cleaning(True, LABELS)),
        ((-0.1, 0), 0, 0.1, Cleaning(False, ("tumour",))),
    ],
)
def test_a_cleaning_is_chosen_where_the_mean_rises_and_no_label_falls(
    foreground: tuple[float, float], liver: float, tumour: float, expected: Cleaning
) -> None:
    assert choose_cleaning(scored(foreground, liver, tumour), LABELS) == expected


def test_of_one_label_the_foreground_is_enough() -> None:
    tried: list[Cleaning] = []

    def score(cleaning: Cleaning) -> Array:
        tried.append(cleaning)
        return np.array([[0.5 + 0.1 * cleaning.foreground]])

    assert choose_cleaning(score, ("liver",)) == Cleaning(True)
    assert tried == [Cleaning(), Cleaning(True)]


def test_a_label_that_no_case_has_decides_nothing() -> None:
    def score(cleaning: Cleaning) -> Array:
        return np.array([[0.5 + 0.1 * cleaning.foreground, np.nan], [0.5, np.nan]])

    assert choose_cleaning(score, LABELS) == Cleaning(True)


def test_cleaning_keeps_the_largest_of_everything_then_of_each_label() -> None:
    array = np.zeros((20, 5, 5), np.uint8)
    array[2:8], array[8:11], array[12:13], array[15:18] = 1, 2, 2, 1
    label_map = LabelMap(array, np.eye(4), {"liver": 1, "tumour": 2})
    whole = Cleaning(foreground=True)(label_map)
    assert (whole.binary("liver").sum(), whole.binary("tumour").sum()) == (150, 75)
    each = Cleaning(labels=LABELS)(label_map)
    assert (each.binary("liver").sum(), each.binary("tumour").sum()) == (150, 75)
    one = Cleaning(labels=("tumour",))(label_map)
    assert one.binary("liver").sum() == 225
