"""Measures are brought onto one scale before the highest is taken."""

import numpy as np
import pytest

from verisim.audit.measure import Alignment, Matches, Scores
from verisim.audit.standard import Standard
from verisim.errors import BadInput


def matches(scores: Scores) -> Matches:
    """Of one measure."""
    count = len(scores)
    return Matches("m", scores, np.zeros(count, np.intp), (Alignment(),) * count)


def test_measures_of_other_units_weigh_alike() -> None:
    draw = np.random.default_rng(0)
    known = [matches(draw.normal(5, 2, 4000)), matches(draw.normal(-1, 0.01, 4000))]
    standard = Standard.among(known, ["all"] * 4000)
    found = standard([matches(np.array([9.0])), matches(np.array([-0.98]))], ["all"])
    assert found[0] == pytest.approx([2, 2], abs=0.2)


def test_a_stratum_has_its_own_scale_and_an_unknown_one_that_of_all() -> None:
    draw = np.random.default_rng(0)
    strata = ["a", "b"] * 500
    scores = np.where(np.array(strata) == "a", 10.0, 0.0) + draw.normal(size=1000)
    standard = Standard.among([matches(scores)], strata)
    found = standard([matches(np.array([10.0, 10.0, 10.0]))], ["a", "b", "c"])
    assert found[0, 0] == pytest.approx(0, abs=0.2)
    assert found[1, 0] == pytest.approx(10, rel=0.2)
    assert 0 < found[2, 0] < 2


def test_the_map_keeps_the_order_and_a_few_twins_do_not_stretch_it() -> None:
    draw = np.random.default_rng(0)
    clean = draw.normal(size=400)
    twins = np.concatenate([clean, np.full(8, 50.0)])
    query = matches(np.sort(draw.normal(size=50)))
    found = [
        Standard.among([matches(one)], ["all"] * len(one))([query], ["all"] * 50)[:, 0]
        for one in (clean, twins)
    ]
    assert (np.diff(found[0]) > 0).all()
    assert found[1] == pytest.approx(found[0], abs=0.3)


def test_constant_scores_scatter_by_the_least_that_is_told_apart() -> None:
    standard = Standard.among([matches(np.full(30, 0.5))], ["all"] * 30)
    assert standard([matches(np.array([0.5, 0.6]))], ["all"] * 2)[:, 0] == pytest.approx([0, 100])


def test_no_number_is_refused() -> None:
    with pytest.raises(BadInput, match="case 2"):
        Standard.among([matches(np.array([0.5, np.nan]))], ["all"] * 2)
