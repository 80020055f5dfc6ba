"""Measures are brought onto one scale before the highest is taken."""

import numpy as np
import pytest

from verisim.audit.measure import Alignment, Matches, Scores
from verisim.audit.standard import LEAST_SCALE, Standard
from verisim.errors import BadInput


def matches(scores: Scores) -> Matches:
    """Of one measure."""
    count = len(scores)
    return Matches("m", scores, np.zeros(count, np.intp), (Alignment(),) * count)


def correlations(center: float, scale: float, count: int, seed: int = 0) -> Scores:
    """Normal on Fisher's scale."""
    return np.tanh(np.random.default_rng(seed).normal(center, scale, count))


def test_measures_of_other_levels_and_scatter_weigh_alike() -> None:
    known = [matches(correlations(1.2, 0.3, 4000)), matches(correlations(0.1, 0.05, 4000, 1))]
    standard = Standard.among(known, ["all"] * 4000)
    found = standard([matches(np.tanh([1.8])), matches(np.tanh([0.2]))], ["all"])
    assert found[0] == pytest.approx([2, 2], abs=0.2)


def test_a_copy_is_far_away_also_where_strangers_are_alike() -> None:
    # strangers at 0.8 to 0.9, as whole heads are: on the plain scale 1 is but 4 deviations away
    standard = Standard.among([matches(correlations(1.25, 0.12, 4000))], ["all"] * 4000)
    (noisy,), (same,) = standard([matches(np.array([0.97, 1.0]))], ["all"] * 2)
    assert noisy > 6
    assert noisy < same < np.inf


def test_a_stratum_has_its_own_scale_and_an_unknown_one_that_of_all() -> None:
    strata = ["a", "b"] * 500
    scores = np.where(
        np.array(strata) == "a", correlations(1, 0.1, 1000), correlations(0, 0.1, 1000, 1)
    )
    standard = Standard.among([matches(scores)], strata)
    found = standard([matches(np.tanh([1.0, 1.0, 1.0]))], ["a", "b", "c"])
    assert found[0, 0] == pytest.approx(0, abs=0.2)
    assert found[1, 0] == pytest.approx(10, rel=0.2)
    assert 0 < found[2, 0] < 2


def test_the_map_keeps_the_order_and_a_few_twins_do_not_stretch_it() -> None:
    clean = correlations(0.5, 0.1, 400)
    twins = np.concatenate([clean, np.ones(8)])
    query = matches(np.sort(correlations(0.5, 0.1, 50, 1)))
    found = [
        Standard.among([matches(one)], ["all"] * len(one))([query], ["all"] * 50)[:, 0]
        for one in (clean, twins)
    ]
    assert (np.diff(found[0]) > 0).all()
    assert found[1] == pytest.approx(found[0], abs=0.3)


def test_constant_scores_scatter_by_the_least_that_is_told_apart() -> None:
    standard = Standard.among([matches(np.full(30, 0.5))], ["all"] * 30)
    expected = (np.arctanh(0.6) - np.arctanh(0.5)) / LEAST_SCALE
    assert standard([matches(np.array([0.5, 0.6]))], ["all"] * 2)[:, 0] == pytest.approx(
        [0, expected]
    )


def test_no_number_is_refused() -> None:
    with pytest.raises(BadInput, match="case 2"):
        Standard.among([matches(np.array([0.5, np.nan]))], ["all"] * 2)


def test_a_little_more_than_the_likeness_of_noise_is_no_copy() -> None:
    standard = Standard.among([matches(np.array([0.04, 0.05, 0.041, 0.043]))], ["all"] * 4)
    little, much = standard([matches(np.array([0.1, 0.5]))], ["all"] * 2)[:, 0]
    assert little < 3
    assert much > 12
