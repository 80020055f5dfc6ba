"""How like real cases synthetic ones are, as distances between two clouds of features.

None of these sees a copy: a generator that repeats its training cases is perfect by all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from verisim.errors import BadInput

Features = npt.NDArray[np.float64]

NEAREST = 5
"""Neighbours that say how far a cloud reaches around a case (Naeem 2020)."""


@dataclass(frozen=True)
class Coverage:
    """Whether synthetic cases lie among the real ones, and reach all of them.

    Args:
        precision: Share of the synthetic cases within reach of a real one (Kynkäänniemi 2019).
        recall: Share of the real cases within reach of a synthetic one.
        density: Real cases within whose reach a synthetic one lies, over those expected; 1 as
            real ones (Naeem 2020, eq. 4).
        coverage: Share of the real cases with a synthetic one within reach (Naeem 2020, eq. 5).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(one: Features, other: Features) -> float:
    """Between the Gaussians of two clouds (N, D) and (M, D) (Heusel 2017).

    Raises:
        BadInput: Fewer than two cases in one of them.
    """
    _check(one, other)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    # the trace of the root of a product, by its eigenvalues, which rounding may make negative;
    # monai's function asks scipy for what its next version no longer gives
    roots = np.sqrt(np.linalg.eigvals(first @ second).real.clip(min=0))
    apart = one.mean(axis=0) - other.mean(axis=0)
    return max(0.0, float(apart @ apart + np.trace(first + second) - 2 * roots.sum()))


def kernel_distance(one: Features, other: Features) -> float:
    """Squared maximum mean discrepancy with a cubic kernel (Bińkowski 2018, eq. 4).

    It is unbiased: of two clouds from one law it is 0 on average, and may be negative.

    Raises:
        BadInput: Fewer than two cases in one of them.
    """
    _check(one, other)
    n, m = len(one), len(other)
    within_one, within_other = _cubic(one, one), _cubic(other, other)
    return float(
        (within_one.sum() - np.trace(within_one)) / (n * (n - 1))
        + (within_other.sum() - np.trace(within_other)) / (m * (m - 1))
        - 2 * _cubic(one, other).mean()
    )


def coverage(real: Features, made: Features, nearest: int = NEAREST) -> Coverage:
    """Precision, recall, density and coverage of synthetic cases (N, D) among real ones (M, D).

    Raises:
        BadInput: Not more cases than neighbours in one of them.
    """
    if min(len(real), len(made)) <= nearest:
        raise BadInput(
            f"{len(real)} real and {len(made)} synthetic cases have no {nearest} neighbours each.",
            f"Compare at least {nearest + 1} cases of either.",
        )
    reach_real, reach_made = _reach(real, nearest), _reach(made, nearest)
    apart = cdist(real, made)
    within = apart <= reach_real[:, None]
    return Coverage(
        precision=float(within.any(axis=0).mean()),
        recall=float((apart <= reach_made[None, :]).any(axis=1).mean()),
        density=float(within.sum() / (nearest * len(made))),
        coverage=float(within.any(axis=1).mean()),
    )


def spread_distance(one: Features, other: Features) -> float:
    """Wasserstein distance of one figure (N,) to that of other cases (M,), in their deviations.

    Raises:
        BadInput: Fewer than two cases in one of them.
    """
    _check(one, other)
    deviation = float(other.std())
    moved = float(wasserstein_distance(one, other))
    if deviation:
        return moved / deviation
    return 0.0 if moved == 0 else float("inf")


def _reach(cloud: Features, nearest: int) -> Features:
    """Distance of each case to its neighbour number `nearest`, itself not counted."""
    reach: Features = np.sort(cdist(cloud, cloud), axis=1)[:, nearest]
    return reach


def _cubic(one: Features, other: Features) -> Features:
    kernel: Features = (one @ other.T / one.shape[1] + 1) ** 3
    return kernel


def _check(one: Features, other: Features) -> None:
    if min(len(one), len(other)) < 2:
        raise BadInput(
            f"{len(one)} and {len(other)} cases cannot be compared.",
            "Take two of either, or more.",
        )
