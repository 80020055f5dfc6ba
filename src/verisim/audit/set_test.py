"""What can be said about a whole set of synthetic cases, exactly.

Of n held-out patients the r-th highest score is the threshold. If synthetic cases are no closer
to training patients than new patients are, the number K of N that lie above it follows
BetaBinomial(N, r, n + 1 - r), whatever the scores' law: the threshold's own doubt is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, betabinom

from verisim.audit.calibration import Calibration
from verisim.audit.collection import Collection
from verisim.audit.measure import Scores
from verisim.metrics.intervals import Interval

CONFIDENCE = 0.95
EACH_PART = 0.975
"""Two intervals of this confidence hold together with 95 % at least."""


@dataclass(frozen=True)
class Above:
    """Drawn cases above the threshold of held-out patients, in one group.

    Args:
        k: Of them, above.
        n: Drawn cases.
        r: Rank of the threshold among held-out scores, from the highest.
        held_out: Held-out patients.
    """

    k: int
    n: int
    r: int
    held_out: int

    @property
    def law(self) -> npt.NDArray[np.float64]:
        """Probability of 0, 1, … n above, if they are as close as new patients are."""
        counts = np.arange(self.n + 1)
        law: npt.NDArray[np.float64] = betabinom(self.n, self.r, self.held_out + 1 - self.r).pmf(
            counts
        )
        return law


def set_p(parts: Sequence[Above]) -> float:
    """How often so many or more would be above by chance.

    Args:
        parts: Groups that share no patient and no drawn case, so that their counts are
            independent and the law of their sum is the convolution of theirs.
    """
    law = reduce(np.convolve, (part.law for part in parts), np.ones(1))
    k = sum(part.k for part in parts)
    return float(min(law[k:].sum(), 1.0))


def counted(
    calibration: Calibration,
    held_out: Collection,
    held_out_scores: Scores,
    synthetic: Collection,
    scores: Scores,
    share: float,
    seed: int,
) -> list[Above]:
    """Count, in each group, the drawn cases above the threshold.

    Every held-out patient and every drawn case (a synthetic volume, of which there may be many
    slices) counts once, with one of its cases in one of its groups, both drawn by lot.

    Args:
        calibration: Knows the groups.
        held_out: Real cases that the generator never saw.
        held_out_scores: Theirs, combined.
        synthetic: Cases that are audited; those of one patient are one drawn case.
        scores: Theirs, combined.
        share: Of the held-out patients at or above the threshold.
        seed: Of the lot.
    """
    draw = np.random.default_rng([seed, 1])
    theirs = _one_each(calibration, held_out, draw)
    ours = _one_each(calibration, synthetic, draw)
    parts = []
    for real, made in zip(theirs, ours, strict=True):
        base = np.sort(held_out_scores[real])
        drawn = scores[made]
        if len(base) and len(drawn):
            r = max(1, int(share * (len(base) + 1)))
            k = int((drawn > base[-r]).sum())
            parts.append(Above(k, len(drawn), r, len(base)))
    return parts


def excess_rate(parts: Sequence[Above], recall: float) -> Interval:
    """Share of copies beyond what new patients explain, (p_syn - p_hold)/(1 - p_hold).

    The form is that of a control attack (Giomi 2023). Each share has its Clopper-Pearson
    interval of 97.5 %, so that the ends hold together with 95 %.

    Args:
        parts: Counts.
        recall: Lower bound of the share of copies that are found; the rate is divided by it.
    """
    k, n = sum(part.k for part in parts), sum(part.n for part in parts)
    # the threshold itself is one of the r: a new patient is above it with r/(n + 1)
    expected = sum(part.n * part.r / (part.held_out + 1) for part in parts) / n
    r, held_out = sum(part.r for part in parts), sum(part.held_out for part in parts)
    ours, theirs = proportion(k, n, EACH_PART), proportion(r, held_out, EACH_PART)
    ends = (
        _excess(ours.mean, expected),
        _excess(ours.low, theirs.high),
        _excess(ours.high, theirs.low),
    )
    return Interval(*(min(end / recall, 1.0) if recall > 0 else float(end > 0) for end in ends))


def copy_bound(copies: int, n: int, recall: float, confidence: float = CONFIDENCE) -> float:
    """The highest share of copies that leaves so few of them among n with some probability.

    Without a copy it is 1 - 0.05^(1/n): 299 cases give less than 1 %, 2995 less than 0.1 %.

    Args:
        copies: Found.
        n: Drawn cases.
        recall: Lower bound of the share of copies that are found.
        confidence: One-sided.
    """
    if copies >= n or recall <= 0:
        return 1.0
    return float(min(beta.ppf(confidence, copies + 1, n - copies) / recall, 1.0))


def proportion(count: int, of: int, confidence: float = CONFIDENCE) -> Interval:
    """A share with its exact two-sided interval (Clopper and Pearson 1934)."""
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, count, of - count + 1) if count else 0.0
    high = beta.ppf(1 - tail, count + 1, of - count) if count < of else 1.0
    return Interval(count / of, float(low), float(high))


def _excess(ours: float, theirs: float) -> float:
    return max(0.0, (ours - theirs) / (1 - theirs)) if theirs < 1 else 0.0


def _one_each(
    calibration: Calibration, collection: Collection, draw: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Rows of each group, one a patient in all; people are dealt out evenly."""
    groups = calibration.groups_of(collection.strata)
    rows_of: dict[str, list[int]] = {}
    for row, patient in enumerate(collection.patients):
        rows_of.setdefault(patient, []).append(row)
    people = list(rows_of.values())
    taken: list[list[int]] = [[] for _ in calibration.groups]
    for k in draw.permutation(len(people)):
        own = sorted({int(groups[row]) for row in people[k]})
        group = min(own, key=lambda one: len(taken[one]))
        taken[group].append(int(draw.choice([r for r in people[k] if groups[r] == group])))
    return [np.array(rows, dtype=np.intp) for rows in taken]
