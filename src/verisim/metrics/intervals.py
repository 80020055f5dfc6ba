"""How sure a mean over cases is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.errors import BadInput


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds between which it probably lies."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Sequence[float],
    subjects: Sequence[Hashable],
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The mean over cases, with a percentile interval from drawing subjects again and again.

    Subjects are drawn, not cases: the cases of one subject resemble each other and stay
    together. A case whose value is nan (nothing to compare) is left out; with no case left all
    three numbers are nan. One subject tells nothing about others: its interval is infinitely
    wide.

    Args:
        values: One for each case.
        subjects: Whose case it is, in the order of `values`.
        level: The share of resampled means inside the interval, between 0 and 1.

    Raises:
        BadInput: Not one subject for each value, or a level or number of resamples outside its
            range.
    """
    _check(values, subjects, resamples, level)
    sums, counts = _by_subject(values, subjects)
    if len(sums) == 0:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(sums.sum() / counts.sum())
    if len(sums) == 1:
        return Interval(mean, -math.inf, math.inf)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1 - level) / 2
    # an observed mean, never one between two: half way to an infinite distance is no number
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return Interval(mean, float(low), float(high))


def _by_subject(
    values: Sequence[float], subjects: Sequence[Hashable]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum and number of the values of each subject, (S,) each."""
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, subject in zip(values, subjects, strict=True):
        if not math.isnan(value):
            groups[subject].append(float(value))
    # exact sums in the order of their size: neither order nor names of the cases matter
    pairs = sorted((math.fsum(group), float(len(group))) for group in groups.values())
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _check(
    values: Sequence[float], subjects: Sequence[Hashable], resamples: int, level: float
) -> None:
    if len(values) != len(subjects):
        raise BadInput(
            f"{len(values)} values and {len(subjects)} subjects: each value needs one subject.",
            "Name the subject of every case.",
        )
    if not 0 < level < 1:
        raise BadInput(f"A level of {level} is not between 0 and 1.", "Use for example 0.95.")
    if resamples < 1:
        raise BadInput(f"{resamples} resamples give no interval.", "Use for example 2000.")
