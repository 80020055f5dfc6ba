"""Scores of different measures on one scale: that of training cases among each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.audit.measure import Matches, Scores
from verisim.errors import BadInput

UPPER = 0.9
"""The quantile that says how far the upper half reaches: copies of two training cases among
themselves, which hygiene finds, must not stretch it."""

DEVIATIONS = 1.2816
"""Where the normal law has that quantile."""

FEWEST_CASES = 20
"""Training cases of a stratum that may speak for it; else all do."""

LEAST_SCALE = 0.03
"""On Fisher's scale: strangers of real images scatter by 0.05 and more. What seems to scatter
less was seen in few cases, or is noise, where a correlation of 0.1 must not pass for a copy."""

SAME = 1 - 1e-6
"""A likeness beyond it is the same image: rounding decides what lies between it and 1."""


@dataclass(frozen=True, eq=False)
class Standard:
    """What is usual among training cases, for each measure and stratum.

    Likenesses of at most 1 are first put on the scale of Fisher (1915), artanh: there correlations
    scatter alike wherever they lie, and a copy can be any number of deviations away, also where
    strangers are as like as 0.9. The map is monotone within a stratum and fixed before a held-out
    case is seen, so that ranks among held-out and synthetic cases keep their law.

    Args:
        strata: Names.
        centers: Medians (strata, measures).
        scales: From the median to the upper quantile, in deviations (strata, measures).
        center: Of all training cases, (measures,), for strata that are not named.
        scale: Of the same.
    """

    strata: tuple[str, ...]
    centers: npt.NDArray[np.float64]
    scales: npt.NDArray[np.float64]
    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def among(cls, training: Sequence[Matches], strata: Sequence[str]) -> Standard:
        """What is usual.

        Args:
            training: Of each measure: every training case beside those of other patients.
            strata: Of the training cases.

        Raises:
            BadInput: A measure gave no number.
        """
        table = table_of(training)
        listed = np.array(strata)
        enough = [name for name in sorted(set(strata)) if (listed == name).sum() >= FEWEST_CASES]
        own = [_usual(table[listed == name]) for name in enough]
        center, scale = _usual(table)
        empty = np.empty((0, table.shape[1]))
        return cls(
            tuple(enough),
            np.array([one for one, _ in own]) if own else empty,
            np.array([one for _, one in own]) if own else empty,
            center,
            scale,
        )

    def __call__(self, matches: Sequence[Matches], strata: Sequence[str]) -> Scores:
        """Scores in deviations from what is usual, (N, measures).

        Raises:
            BadInput: A measure gave no number.
        """
        table = table_of(matches)
        rows = [self.strata.index(name) if name in self.strata else -1 for name in strata]
        centers = np.vstack([self.centers, self.center])[rows]
        scales = np.vstack([self.scales, self.scale])[rows]
        standardized: Scores = (table - centers) / scales
        return standardized


def table_of(matches: Sequence[Matches]) -> Scores:
    """Scores (N, measures) on Fisher's scale.

    Args:
        matches: One a measure, of scores from -1 to 1.

    Raises:
        BadInput: One is not a number.
    """
    for one in matches:
        if np.isnan(one.scores).any():
            row = int(np.flatnonzero(np.isnan(one.scores))[0])
            raise BadInput(
                f"The measure {one.measure} gave no number for case {row + 1}.",
                "Leave this measure out, or remove the case.",
            )
    table = np.stack([one.scores for one in matches], axis=1).astype(np.float64)
    fisher: Scores = np.arctanh(np.clip(table, -SAME, SAME))
    return fisher


def _usual(table: Scores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    center = np.median(table, axis=0)
    reach = (np.quantile(table, UPPER, axis=0) - center) / DEVIATIONS
    return center, np.maximum(reach, LEAST_SCALE)
