"""Distances between clouds of features, by their laws."""

import numpy as np
import pytest

from verisim.errors import BadInput
from verisim.metrics.fidelity import coverage, frechet_distance, kernel_distance


def a_cloud(count: int = 200, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (count, 4))


def test_a_cloud_is_at_no_distance_from_itself() -> None:
    assert frechet_distance(a_cloud(), a_cloud()) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_of_gaussians_is_known() -> None:
    """|μ - ν|² + Σ (σ - τ)² of independent directions (Dowson and Landau 1982)."""
    found = frechet_distance(a_cloud(20_000), a_cloud(20_000, 2.0, 3.0, seed=1))
    assert found == pytest.approx(4 * (2**2 + (3 - 1) ** 2), rel=0.03)


def test_the_kernel_distance_of_one_law_is_0_on_average() -> None:
    found = [
        kernel_distance(a_cloud(30, seed=2 * k), a_cloud(50, seed=2 * k + 1)) for k in range(200)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert kernel_distance(a_cloud(), a_cloud(shift=1.0, seed=1)) > 10 * np.std(found)


def test_one_law_covers_itself() -> None:
    found = coverage(a_cloud(300), a_cloud(300, seed=1))
    assert found.precision > 0.9
    assert found.recall > 0.9
    assert found.density == pytest.approx(1, abs=0.15)
    assert found.coverage > 0.9


def test_repetitions_of_one_case_are_precise_and_cover_little() -> None:
    real = a_cloud(300)
    one = np.median(real, axis=0) + a_cloud(300, scale=1e-3, seed=1)
    found = coverage(real, one)
    assert found.precision == 1
    assert found.recall < 0.1
    assert found.coverage < 0.2


def test_far_away_nothing_is_covered() -> None:
    found = coverage(a_cloud(), a_cloud(shift=50.0, seed=1))
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_copies_are_perfect_by_all_of_it() -> None:
    """What these figures cannot see, written down."""
    real = a_cloud()
    found = coverage(real, real.copy())
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(BadInput, match="1 and 200"):
        frechet_distance(a_cloud(1), a_cloud())
    with pytest.raises(BadInput, match="neighbours"):
        coverage(a_cloud(), a_cloud(5))
