"""The law of the count above a threshold that was itself drawn."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import betabinom, binom

from verisim.audit.set_test import Above, copy_bound, excess_rate, proportion, set_p


def counts(n: int, held_out: int, r: int, runs: int, seed: int = 0) -> npt.NDArray[np.intp]:
    """K in many runs of a perfect generator."""
    draw = np.random.default_rng(seed)
    base = np.sort(draw.normal(size=(runs, held_out)), axis=1)[:, -r]
    found: npt.NDArray[np.intp] = (draw.normal(size=(runs, n)) > base[:, None]).sum(axis=1)
    return found


@pytest.mark.parametrize(("n", "held_out", "r"), [(60, 30, 1), (200, 53, 2), (40, 99, 5)])
def test_the_size_of_the_set_test_is_that_of_its_law(n: int, held_out: int, r: int) -> None:
    runs = 20_000
    found = counts(n, held_out, r, runs)
    p = np.array([set_p([Above(k, n, r, held_out)]) for k in range(n + 1)])
    for level in (0.01, 0.05, 0.2):
        exact = betabinom(n, r, held_out + 1 - r).pmf(np.arange(n + 1))[p <= level].sum()
        assert exact <= level
        assert (p[found] <= level).mean() == pytest.approx(exact, abs=4 * math.sqrt(level / runs))


def test_a_threshold_taken_for_known_rejects_too_often() -> None:
    """Why the law is no binomial: 8.3 % at a nominal 5 %, as the reference measured."""
    n, held_out, r = 500, 600, 6
    found = counts(n, held_out, r, 10_000)
    naive = binom(n, r / (held_out + 1)).sf(found - 1)
    ours = np.array([set_p([Above(k, n, r, held_out)]) for k in range(n + 1)])[found]
    assert (naive <= 0.05).mean() > 0.07
    assert (ours <= 0.05).mean() <= 0.055


def test_several_groups_have_the_law_of_their_sum() -> None:
    sizes = ((30, 25, 1), (50, 40, 2))
    found = sum(counts(n, h, r, 10_000, seed) for seed, (n, h, r) in enumerate(sizes))
    # only the sum counts: it may all be said of one group
    table = [set_p([Above(k, 30, 1, 25), Above(0, 50, 2, 40)]) for k in range(81)]
    assert 0.03 < np.mean(np.array(table)[found] <= 0.05) <= 0.055


def test_nothing_above_says_nothing() -> None:
    assert set_p([Above(0, 10, 1, 19)]) == pytest.approx(1)


@pytest.mark.parametrize(("n", "share"), [(299, 0.01), (2995, 0.001), (29956, 0.0001)])
def test_without_a_copy_the_bound_is_that_of_zero_hits(n: int, share: float) -> None:
    assert copy_bound(0, n, 1.0) == pytest.approx(1 - 0.05 ** (1 / n))
    assert copy_bound(0, n, 1.0) < share < copy_bound(0, n - 1, 1.0) * 1.001


def test_the_bound_holds_in_95_of_100_runs() -> None:
    draw, share, n = np.random.default_rng(0), 0.02, 150
    found = draw.binomial(n, share, 5_000)
    held = np.mean([copy_bound(int(k), n, 1.0) >= share for k in found])
    assert 0.945 <= held <= 0.99


def test_the_bound_is_divided_by_the_recall() -> None:
    assert copy_bound(0, 299, 0.5) == pytest.approx(2 * copy_bound(0, 299, 1.0))
    assert copy_bound(0, 299, 0.0) == copy_bound(3, 3, 1.0) == 1.0


def test_the_excess_is_covered_by_its_interval() -> None:
    """10 % copies that are all above the threshold, among cases like new patients'."""
    draw, n, held_out, r, share = np.random.default_rng(0), 200, 100, 5, 0.1
    covered = 0
    for _ in range(400):
        base = np.sort(draw.normal(size=held_out))[-r]
        copies = draw.random(n) < share
        k = int(((draw.normal(size=n) > base) | copies).sum())
        found = excess_rate([Above(k, n, r, held_out)], 1.0)
        covered += found.low <= share <= found.high
    assert covered >= 380


def test_no_excess_is_claimed_of_a_perfect_generator() -> None:
    found = [excess_rate([Above(int(k), 60, 2, 40)], 1.0).low for k in counts(60, 40, 2, 2_000)]
    assert np.mean(np.array(found) > 0.001) <= 0.01


def test_a_proportion_has_the_interval_of_clopper_and_pearson() -> None:
    found = proportion(2, 12)
    assert (found.low, found.high) == pytest.approx((0.0209, 0.4841), abs=1e-4)
    assert proportion(0, 5).low == 0
    assert proportion(5, 5).high == 1
