"""p is uniform for what is exchangeable, whatever the slices of a patient have in common."""

import math

import numpy as np
import pytest

from tests.audit.sets import cases
from verisim.audit.calibration import Calibration, Group, adjusted
from verisim.audit.measures import CERTAIN
from verisim.audit.strata_groups import FEWEST, POOLED, check_enough, grouped
from verisim.errors import BadInput


def group(patients: int, each: int, shared: float, draw: np.random.Generator) -> Group:
    """Scores of patients whose cases have a share of their variance in common."""
    own = draw.normal(size=(patients, 1)) * math.sqrt(shared)
    scores = own + draw.normal(size=(patients, each)) * math.sqrt(1 - shared)
    whose = [str(k) for k in range(patients) for _ in range(each)]
    return Group.of("all", ("all",), scores.ravel(), whose, scores.ravel())


@pytest.mark.parametrize(("each", "shared"), [(1, 0.0), (5, 0.0), (5, 0.5), (5, 0.95)])
def test_p_is_at_most_the_level_as_often_as_it_says(each: int, shared: float) -> None:
    draw, runs = np.random.default_rng(0), 3_000
    p = np.array([group(39, each, shared, draw).p(draw.normal(size=1))[0] for _ in range(runs)])
    for level in (0.05, 0.1, 0.25, 0.5):
        limit = 4 * math.sqrt(level * (1 - level) / runs)
        assert (p <= level).mean() <= level + limit
    assert (p <= 0.5).mean() >= 0.4


def test_one_score_a_patient_gives_every_rank_alike() -> None:
    draw = np.random.default_rng(1)
    p = np.array([group(19, 1, 0, draw).p(draw.normal(size=1))[0] for _ in range(4_000)])
    counts = np.bincount(np.round(20 * p).astype(int), minlength=21)[1:]
    assert counts.min() > 140
    assert counts.max() < 260


def test_p_counts_patients_at_or_above() -> None:
    own = Group.of("all", ("all",), np.array([1.0, 2, 3, 3]), list("abcc"), np.zeros(4))
    assert own.patients == 3
    assert own.p(np.array([0.0, 2.0, 2.5, 3.0, 4.0])) == pytest.approx(
        [1, 3 / 4, 2 / 4, 2 / 4, 1 / 4]
    )


def test_a_score_above_the_threshold_has_p_of_the_level() -> None:
    draw = np.random.default_rng(2)
    for patients in (19, 20, 39, 100):
        own = group(patients, 3, 0.5, draw)
        for level in (0.05, 0.1, 0.3):
            limit = own.threshold(level)
            assert own.p(np.array([limit + 1e-9]))[0] <= level + 1e-9
            assert own.p(np.array([limit]))[0] > level - 1e-9


def test_no_score_is_rarer_than_its_patients_can_say() -> None:
    assert group(19, 1, 0, np.random.default_rng(0)).threshold(0.04) == math.inf


def test_one_of_many_perfect_sets_has_a_case_beyond_the_copy_threshold() -> None:
    """The tail of the normal law falls faster than an exponential one: 1 % at most."""
    draw, runs, n = np.random.default_rng(3), 2_000, 100
    found = 0
    for _ in range(runs):
        own = group(30, 1, 0, draw)
        found += draw.normal(size=n).max() > own.copy_threshold(0.01, n)
    assert found / runs <= 0.01 + 4 * math.sqrt(0.01 / runs)


def test_more_cases_need_a_higher_score_to_be_a_copy() -> None:
    own = group(30, 1, 0, np.random.default_rng(4))
    assert own.scores[-1] < own.copy_threshold(0.01, 10) < own.copy_threshold(0.01, 1000)


def test_what_is_not_certain_is_no_copy_however_low_all_others_are() -> None:
    low = Group.of("all", ("all",), np.linspace(-1, 1, 30), [*map(str, range(30))], np.zeros(9))
    assert low.copy_threshold(0.01, 100) > CERTAIN + low.fall
    high = Group.of("all", ("all",), low.scores + 20, [*map(str, range(30))], np.full(9, 20.0))
    assert high.copy_threshold(0.01, 100) > 21


def test_adjusted_p_is_that_of_benjamini_and_hochberg() -> None:
    assert adjusted(np.array([0.01, 0.04, 0.03, 0.5])) == pytest.approx(
        [0.04, 0.16 / 3, 0.16 / 3, 0.5]
    )
    assert len(adjusted(np.array([]))) == 0


def people(count: int, first: int = 0) -> frozenset[str]:
    """Different ones."""
    return frozenset(str(k) for k in range(first, first + count))


def test_large_strata_stand_alone_and_small_ones_together() -> None:
    held_out = {"a": people(30), "b": people(25), "c": people(10, 100), "d": people(12, 200)}
    assert grouped(held_out, ["a", "c"]) == {"a": "a", "b": "b", "c": POOLED, "d": POOLED}


def test_a_pool_that_is_too_small_takes_the_smallest_of_the_others() -> None:
    held_out = {"a": people(30), "b": people(25), "c": people(3, 100)}
    assert grouped(held_out, []) == {"a": "a", "b": POOLED, "c": POOLED}


def test_a_person_in_two_strata_of_a_pool_is_one() -> None:
    held_out = {"a": people(30), "b": people(12), "c": people(12)}
    assert set(grouped(held_out, []).values()) == {POOLED}


def test_a_stratum_without_held_out_patients_is_pooled() -> None:
    assert grouped({"a": people(30)}, ["x"]) == {"a": POOLED, "x": POOLED}
    assert grouped({"a": people(30)}, ["a"]) == {"a": "a"}


def test_each_stratum_is_calibrated_alone() -> None:
    held_out = cases("h", 40, 0, each=2, strata=("end", "middle"))
    scores = np.where(np.array(held_out.strata) == "end", 10.0, 0.0)
    scores = scores + np.random.default_rng(0).normal(size=80)
    found = Calibration.of(held_out, scores, ["end"], scores, held_out.strata)
    p = found.p(np.array([10.0, 10.0]), ["end", "middle"])
    assert p[0] > 0.2
    assert p[1] == pytest.approx(1 / 41)
    low, high = sorted(found.thresholds(0.05, ["middle", "end"]))
    assert low < 5 < high


@pytest.mark.parametrize("patients", [0, 1, FEWEST - 1])
def test_too_few_patients_are_told_how_many_more(patients: int) -> None:
    with pytest.raises(BadInput, match=f"Hold out {FEWEST - patients} more"):
        check_enough(patients)
    check_enough(FEWEST)
