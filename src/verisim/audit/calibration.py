"""How close is too close, by what held-out patients score against the same training cases.

A threshold of other sets, or of sets of another size, flags a perfect generator far too often:
the nearest of many is closer than the nearest of few. Here synthetic and held-out cases are
compared with the same training cases, within one stratum, and the patient is the unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from verisim.audit.collection import Collection
from verisim.audit.measure import Scores
from verisim.audit.measures import CERTAIN
from verisim.audit.strata_groups import check_enough, grouped

TAIL = (0.75, 0.95)
"""Quantiles between which the fall of the upper tail is read."""

LEAST_FALL = 0.5
"""Deviations: of few scores the tail may look steeper than it is. That of the normal law falls
by e within 0.4 beyond its second deviation."""

ROUNDING = 1e-9
"""Sums of weights 1/m are rounded; p moves by less."""


@dataclass(frozen=True, eq=False)
class Group:
    """Held-out patients of one stratum, or of several small ones together.

    A patient with m cases gives each of them the weight 1/m: then a new case of a new patient
    has p ≤ α with probability α at most, however the cases of a patient resemble each other
    (hierarchical conformal prediction, Lee, Barber and Willett 2023, theorem 1).

    Args:
        name: Of the group.
        members: Strata in it.
        patients: Held-out ones.
        scores: Of their cases, ascending.
        weights: Of their cases; those of one patient sum to 1.
        fall: How much higher a score must be to be e times rarer, in the upper tail.
    """

    name: str
    members: tuple[str, ...]
    patients: int
    scores: Scores
    weights: npt.NDArray[np.float64]
    fall: float

    @classmethod
    def of(
        cls,
        name: str,
        members: Sequence[str],
        scores: Scores,
        patients: Sequence[str],
        training: Scores,
    ) -> Group:
        """A group.

        Args:
            name: Of the group.
            members: Strata in it.
            scores: Of held-out cases.
            patients: Whose they are.
            training: Of training cases beside those of other patients: more of the same tail.
        """
        _, whose, counts = np.unique(np.array(patients), return_inverse=True, return_counts=True)
        order = np.argsort(scores, kind="stable")
        weights = 1 / counts[whose]
        low, high = np.quantile(np.concatenate([scores, training]), TAIL)
        fall = float(high - low) / math.log((1 - TAIL[0]) / (1 - TAIL[1]))
        steep = max(fall, LEAST_FALL)
        return cls(name, tuple(members), len(counts), scores[order], weights[order], steep)

    def p(self, scores: Scores) -> Scores:
        """How often a new patient would score so high: (1 + Σ weights at or above) / (n + 1)."""
        at_or_above = np.append(np.cumsum(self.weights[::-1])[::-1], 0.0)
        found = np.searchsorted(self.scores, scores, side="left")
        p: Scores = (1 + at_or_above[found]) / (self.patients + 1)
        return np.minimum(p, 1.0)

    def threshold(self, level: float) -> float:
        """The score above which p is the level or less; infinite where no score is so rare."""
        above = self.weights.sum() - np.cumsum(self.weights)
        fits = above <= level * (self.patients + 1) - 1 + ROUNDING
        return float(self.scores[np.argmax(fits)]) if fits.any() else math.inf

    def copy_threshold(self, level: float, cases: int) -> float:
        """The score that none of so many new patients' cases reaches, but for a share `level`.

        Beyond the highest of n held-out scores the tail is taken to fall at least as fast as an
        exponential one: of N cases, N/(n + 1)·exp(-margin/fall) are expected there. Of measures
        that are quiet below six deviations the tail begins there, however low the others end.

        Args:
            level: Chance of one false alarm in the whole set.
            cases: N, of all groups.
        """
        margin = math.log(max(cases / (level * (self.patients + 1)), 1.0))
        return max(float(self.scores[-1]), CERTAIN) + self.fall * margin


@dataclass(frozen=True, eq=False)
class Calibration:
    """Held-out scores, group by group.

    Args:
        groups: Of all strata that occur.
    """

    groups: tuple[Group, ...]

    @classmethod
    def of(
        cls,
        held_out: Collection,
        scores: Scores,
        synthetic: Sequence[str],
        training: Scores,
        training_strata: Sequence[str],
    ) -> Calibration:
        """Calibrate combined scores.

        Args:
            held_out: Real cases that the generator never saw.
            scores: Theirs, combined.
            synthetic: Strata of the synthetic cases.
            training: Combined scores of training cases beside those of other patients.
            training_strata: Of those cases.

        Raises:
            BadInput: There are too few held-out patients.
        """
        check_enough(len(set(held_out.patients)))
        pairs = list(zip(held_out.strata, held_out.patients, strict=True))
        people = {
            name: frozenset(patient for stratum, patient in pairs if stratum == name)
            for name in set(held_out.strata)
        }
        group_of = grouped(people, synthetic)
        found = []
        for name in sorted(set(group_of.values())):
            members = [stratum for stratum, own in group_of.items() if own == name]
            inside = np.isin(np.array(held_out.strata), members)
            patients = [
                whose for whose, kept in zip(held_out.patients, inside, strict=True) if kept
            ]
            near = training[np.isin(np.array(training_strata), members)]
            found.append(Group.of(name, members, scores[inside], patients, near))
        return cls(tuple(found))

    def groups_of(self, strata: Sequence[str]) -> npt.NDArray[np.intp]:
        """Which group each case belongs to, (N,)."""
        rows = {name: k for k, group in enumerate(self.groups) for name in group.members}
        return np.array([rows[name] for name in strata], dtype=np.intp)

    def p(self, scores: Scores, strata: Sequence[str]) -> Scores:
        """Conformal p of each case, (N,)."""
        table = np.stack([group.p(scores) for group in self.groups])
        p: Scores = table[self.groups_of(strata), np.arange(len(scores))]
        return p

    def thresholds(self, level: float, strata: Sequence[str]) -> Scores:
        """Of each case's group, (N,): a score above it has p ≤ level."""
        found = np.array([group.threshold(level) for group in self.groups])
        thresholds: Scores = found[self.groups_of(strata)]
        return thresholds

    def copy_thresholds(self, level: float, cases: int, strata: Sequence[str]) -> Scores:
        """Of each case's group, (N,): see `Group.copy_threshold`."""
        found = np.array([group.copy_threshold(level, cases) for group in self.groups])
        thresholds: Scores = found[self.groups_of(strata)]
        return thresholds


def adjusted(p: Scores) -> Scores:
    """p adjusted for their number: the expected share of false ones among those named
    (Benjamini and Hochberg 1995)."""
    return np.asarray(false_discovery_control(p), dtype=np.float64) if len(p) else p
