"""Laws of the interval over subjects."""

import math

import numpy as np
import pytest

from verisim.errors import BadInput
from verisim.metrics import Interval, bootstrap_mean

VALUES = [0.91, 0.84, 0.88, 0.79, 0.95, 0.90, 0.83, 0.86]
SUBJECTS = ["a", "a", "b", "b", "c", "c", "d", "d"]


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_the_interval_holds_the_mean() -> None:
    interval = bootstrap_mean(VALUES, SUBJECTS)
    assert interval.mean == pytest.approx(np.mean(VALUES))
    assert interval.low < interval.mean < interval.high


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_cases_changes_nothing(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(VALUES))
    shuffled = bootstrap_mean([VALUES[i] for i in order], [SUBJECTS[i] for i in order])
    assert shuffled == bootstrap_mean(VALUES, SUBJECTS)


def test_the_names_of_the_subjects_change_nothing() -> None:
    renamed = [{"a": 9, "b": 3, "c": 7, "d": 1}[name] for name in SUBJECTS]
    assert bootstrap_mean(VALUES, renamed) == bootstrap_mean(VALUES, SUBJECTS)


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    values = np.random.default_rng(0).normal(size=30).tolist()
    first = bootstrap_mean(values, range(30), seed=1)
    assert first == bootstrap_mean(values, range(30), seed=1)
    assert first != bootstrap_mean(values, range(30), seed=2)


def test_a_higher_level_gives_a_wider_interval() -> None:
    widths = [width(bootstrap_mean(VALUES, SUBJECTS, level=level)) for level in (0.5, 0.8, 0.99)]
    assert widths[0] < widths[1] < widths[2]


def test_repeating_the_cases_of_a_subject_adds_no_certainty() -> None:
    once = bootstrap_mean(VALUES, range(8))
    ten_times = bootstrap_mean(VALUES * 10, [*range(8)] * 10)
    as_if_independent = bootstrap_mean(VALUES * 10, range(80))
    assert width(ten_times) >= width(once) - 1e-12
    assert width(as_if_independent) < width(once) / 2


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = generator.normal(5, 2, 30).tolist()
        interval = bootstrap_mean(values, range(30), resamples=400, level=0.9)
        covered += interval.low <= 5 <= interval.high
    assert 0.82 < covered / 200 < 0.96


def test_cases_with_nothing_to_compare_are_left_out() -> None:
    nan = math.nan
    with_nan = bootstrap_mean([*VALUES, nan, nan], [*SUBJECTS, "a", "e"])
    assert with_nan == bootstrap_mean(VALUES, SUBJECTS)


def test_without_any_value_nothing_is_known() -> None:
    interval = bootstrap_mean([math.nan], ["a"])
    assert math.isnan(interval.mean)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_one_subject_tells_nothing_about_others() -> None:
    assert bootstrap_mean([1.0, 2.0], ["a", "a"]) == Interval(1.5, -math.inf, math.inf)


def test_an_infinite_distance_stays_infinite_and_is_not_lost() -> None:
    interval = bootstrap_mean([1.0, 2.0, 3.0, math.inf], range(4))
    assert interval.mean == interval.high == math.inf
    assert 1 <= interval.low <= 3


def test_what_makes_no_interval_is_refused() -> None:
    with pytest.raises(BadInput, match="8 values and 2 subjects"):
        bootstrap_mean(VALUES, ["a", "b"])
    with pytest.raises(BadInput, match="level of 95"):
        bootstrap_mean(VALUES, SUBJECTS, level=95)
    with pytest.raises(BadInput, match="0 resamples"):
        bootstrap_mean(VALUES, SUBJECTS, resamples=0)
