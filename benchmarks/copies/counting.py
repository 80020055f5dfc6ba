"""Who is found at a level of false positives, with patients as the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from verisim.audit.collection import Collection
from verisim.audit.measure import Scores


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval (Clopper and Pearson 1934)."""

    found: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high."""
        ends = binomtest(self.found, self.of).proportion_ci()
        return float(ends.low), float(ends.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.found / self.of:.0f} ({100 * low:.0f}-{100 * high:.0f})"


def p_values(scores: Scores, strata: Sequence[str], held_out: Scores, real: Collection) -> Scores:
    """Conformal p, a held-out patient with m cases of the stratum giving each the weight 1/m."""
    if np.isnan(scores).any() or np.isnan(held_out).any():
        raise ValueError("a score is no number")
    p = np.ones(len(scores))
    for stratum in set(strata):
        inside = np.array(real.strata) == stratum
        patients = np.array(real.patients)[inside]
        _, whose, counts = np.unique(patients, return_inverse=True, return_counts=True)
        weights = 1 / counts[whose]
        rows = np.array(strata) == stratum
        above = (held_out[inside][None] >= scores[rows][:, None]) @ weights
        p[rows] = (1 + above) / (len(counts) + 1)
    return p


def found(p: Scores, level: float) -> Share:
    """How many have a p of the level or less."""
    hits: npt.NDArray[np.bool_] = p <= level + 1e-9
    return Share(int(hits.sum()), len(p))
