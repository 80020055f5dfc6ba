"""A set of cases as all measures together see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.audit.collection import Collection
from verisim.audit.findings import Hygiene, Sight
from verisim.audit.kept_scores import joined
from verisim.audit.measure import Matches, Scores
from verisim.audit.measures import certain
from verisim.audit.standard import Standard


@dataclass(frozen=True, eq=False)
class Seen:
    """Cases with their scores.

    Args:
        cases: Which.
        matches: One a measure.
        standardized: Scores in deviations from what is usual, (N, measures).
    """

    cases: Collection
    matches: tuple[Matches, ...]
    standardized: Scores

    @classmethod
    def by(cls, standard: Standard, cases: Collection, matches: tuple[Matches, ...]) -> Seen:
        """Cases on the scale of training cases among each other."""
        return cls(cases, matches, standard(matches, cases.strata))

    @property
    def scores(self) -> Scores:
        """The highest of the measures, (N,): one calibration for all of them costs no level."""
        highest: Scores = self._said.max(axis=1)
        return highest

    @property
    def strongest(self) -> npt.NDArray[np.intp]:
        """The measure that sees each case closest, (N,)."""
        strongest: npt.NDArray[np.intp] = self._said.argmax(axis=1)
        return strongest

    @property
    def _said(self) -> Scores:
        """What the measures say, (N, measures): some of them only when they are certain."""
        return certain(self.standardized, [one.measure for one in self.matches])

    @property
    def nearest(self) -> npt.NDArray[np.intp]:
        """Row of the training case that this measure names, (N,)."""
        table = np.stack([one.nearest for one in self.matches])
        nearest: npt.NDArray[np.intp] = table[self.strongest, np.arange(len(self.cases))]
        return nearest

    def subset(self, rows: npt.NDArray[np.intp]) -> Seen:
        """Some of the cases, without their images."""
        cases, nothing = self.cases, np.empty((len(rows), 0), np.float32)
        kept = Collection(
            tuple(cases.names[k] for k in rows),
            tuple(cases.patients[k] for k in rows),
            tuple(cases.strata[k] for k in rows),
            tuple(cases.digests[k] for k in rows),
            nothing,
        )
        matches = tuple(
            Matches(
                one.measure,
                one.scores[rows],
                one.nearest[rows],
                tuple(one.alignments[k] for k in rows),
            )
            for one in self.matches
        )
        return Seen(kept, matches, self.standardized[rows])

    def beside(self, other: Seen) -> Seen:
        """Cases of both, without their images."""
        first, second = self.cases, other.cases
        nothing = np.empty((len(first) + len(second), 0), np.float32)
        cases = Collection(
            first.names + second.names,
            first.patients + second.patients,
            first.strata + second.strata,
            first.digests + second.digests,
            nothing,
        )
        matches = tuple(
            joined([one, more]) for one, more in zip(self.matches, other.matches, strict=True)
        )
        return Seen(cases, matches, np.concatenate([self.standardized, other.standardized]))

    def sights(self, row: int, training: Collection) -> tuple[Sight, ...]:
        """How each measure sees one case."""
        return tuple(
            Sight(
                one.measure,
                float(one.scores[row]),
                float(self.standardized[row, k]),
                training.names[int(one.nearest[row])],
                one.alignments[row],
            )
            for k, one in enumerate(self.matches)
        )


@dataclass(frozen=True, eq=False)
class Copies:
    """Planted copies of one kind.

    Args:
        kind: What was done to training cases.
        sources: Row of the training case that each copies.
        seen: As the measures see them.
    """

    kind: str
    sources: npt.NDArray[np.intp]
    seen: Seen


@dataclass(frozen=True, eq=False)
class Sets:
    """Everything that was compared with the training cases.

    Args:
        training: Training cases themselves, each beside those of other patients.
        held_out: Patients whom the generator never saw.
        synthetic: What it made.
        copies: Planted ones, kind by kind.
        hygiene: What is wrong with the real cases; those that leaked are not in `held_out`.
    """

    training: Seen
    held_out: Seen
    synthetic: Seen
    copies: tuple[Copies, ...]
    hygiene: Hygiene
