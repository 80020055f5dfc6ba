"""The parts of what an audit found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verisim.audit.measure import Alignment
from verisim.metrics.intervals import Interval

Word = Literal["pass", "quarantine", "block"]
"""Pass: no closer to training patients than new patients are. Quarantine: too close to be let
out. Block: a copy, beyond what chance explains."""


@dataclass(frozen=True)
class SetFacts:
    """Which cases were looked at.

    Args:
        name: Of the data set or folder.
        cases: How many.
        patients: How many people they show; for synthetic cases, how many were drawn.
        sha256: Over the digests of all cases, in the order of their names.
    """

    name: str
    cases: int
    patients: int
    sha256: str


@dataclass(frozen=True)
class Weights:
    """Which weights of others a measure asked.

    Args:
        measure: Its name.
        sha256: Of the weights.
    """

    measure: str
    sha256: str


@dataclass(frozen=True)
class StratumFacts:
    """One group of cases that are compared with each other alone.

    Args:
        name: The stratum, or "pooled" for several small ones together.
        members: The strata in it.
        held_out_patients: How many.
        held_out_scores: Combined scores of their cases, ascending.
        held_out_weights: Of these cases; those of one patient sum to 1.
        synthetic: Cases.
        flagged: Of them, quarantined or blocked.
        threshold: A combined score above it has p ≤ the audit's level.
        copy_threshold: A combined score above it is a copy, beyond what chance explains.
    """

    name: str
    members: tuple[str, ...]
    held_out_patients: int
    held_out_scores: tuple[float, ...]
    held_out_weights: tuple[float, ...]
    synthetic: int
    flagged: int
    threshold: float
    copy_threshold: float


@dataclass(frozen=True)
class Sight:
    """How one measure sees one synthetic case.

    Args:
        measure: Its name.
        score: As the measure gives it.
        standardized: In units of the scatter of training cases among each other.
        nearest: Name of the most alike training case.
        alignment: How that case is laid onto the synthetic one.
    """

    measure: str
    score: float
    standardized: float
    nearest: str
    alignment: Alignment


@dataclass(frozen=True)
class CaseVerdict:
    """What was found about one synthetic case.

    Args:
        name: Of the case.
        digest: SHA-256 of the case as it is on disk.
        stratum: Name of the group that it was compared with, as in `StratumFacts`.
        score: Combined: the highest of its standardized scores.
        p: How often a new patient would score so high, by conformal prediction.
        q: The same, adjusted for the number of cases (Benjamini and Hochberg 1995).
        word: What may be done with it.
        measure: The measure that sees it closest; its `Sight` names the training case.
        sights: One a measure.
        withheld_with: A case of the same synthetic volume that is too close, where this one
            alone would have passed: slices of one volume stay or leave together.
    """

    name: str
    digest: str
    stratum: str
    score: float
    p: float
    q: float
    word: Word
    measure: str
    sights: tuple[Sight, ...]
    withheld_with: str = ""

    @property
    def flagged(self) -> bool:
        """Whether it must not be let out."""
        return self.word != "pass"

    @property
    def close(self) -> bool:
        """Whether it is flagged for what it shows itself."""
        return self.flagged and not self.withheld_with

    @property
    def sight(self) -> Sight:
        """How the measure sees it that sees it closest."""
        return next(one for one in self.sights if one.measure == self.measure)


@dataclass(frozen=True)
class SetStatement:
    """What is said about the whole set.

    Args:
        k: Drawn cases that scored above the held-out patients' thresholds.
        n: Drawn cases (a synthetic volume counts once, not its slices).
        r: Held-out patients at or above the thresholds.
        held_out: Held-out patients that the thresholds were taken from.
        p: How often k or more would be above if the cases were as close as new patients are.
        excess: Share of copies beyond what new patients explain, with its 95 % interval; divided
            by the recall.
        copies: Drawn cases beyond what chance explains.
        bound: The highest share of copies that leaves no more of them, with 95 % certainty;
            divided by `copy_recall`.
        recall: Lower bound of the share of planted copies that are above the thresholds, of all
            kinds that are no blind spot.
        copy_recall: The same, of those beyond what chance explains.
        sentence: All of this for a person.
    """

    k: int
    n: int
    r: int
    held_out: int
    p: float
    excess: Interval
    copies: int
    bound: float
    recall: float
    copy_recall: float
    sentence: str


@dataclass(frozen=True)
class Recall:
    """How many planted copies of one kind were found.

    Args:
        kind: What was done to training images, e.g. "shift 6".
        planted: Copies.
        found: Of them, above the threshold of the audit's level.
        share: Found of planted.
        low: Of the 95 % interval of the share (Clopper and Pearson 1934).
        high: Of the same.
        blocked: Of the planted, those beyond what chance explains.
        named: Of the planted, those whose own training patient was named.
        blind: Whether less than the agreed share was found: nothing is claimed of this kind.
    """

    kind: str
    planted: int
    found: int
    share: float
    low: float
    high: float
    blocked: int
    named: int
    blind: bool


@dataclass(frozen=True)
class Duplicate:
    """Two real cases that look like one.

    Args:
        first: Name of the case.
        second: Name of the other.
        score: How alike they are, as the measure of duplicates gives it.
    """

    first: str
    second: str
    score: float


@dataclass(frozen=True)
class Hygiene:
    """What was wrong with the real cases before anything was compared.

    Args:
        clusters: Names of training cases of different patients that look alike, group by group.
        leaks: Held-out cases, each with a training case that it looks like.
    """

    clusters: tuple[tuple[str, ...], ...] = ()
    leaks: tuple[Duplicate, ...] = ()


@dataclass(frozen=True)
class Membership:
    """Whether a generator gives away whom it learned from (Carlini 2022).

    Args:
        auc: Area under the curve of training against held-out patients; 0.5 is nothing.
        tpr: Share of training patients found where 1 % of the others are taken for one (or none,
            where fewer than 100 of them are there); 0.01 is nothing.
        p: How often so many would be found by chance, exactly.
        training: Patients.
        held_out: Patients.
    """

    auc: Interval
    tpr: Interval
    p: float
    training: int
    held_out: int


@dataclass(frozen=True)
class SetTests:
    """Tests of whole sets in a space of features; none names a case.

    Args:
        c_t: Copying where it is far below 0 (Meehan 2020).
        authenticity: Share of synthetic cases that are no copies by the rule of Alaa 2022.
        real_authenticity: The same of held-out cases.
        adversarial_training: Nearest-neighbour adversarial accuracy against training (Yale 2020).
        adversarial_held_out: The same against held-out cases.
        fld_gap: Feature likelihood's generalization gap; far below 0 is memorized (Jiralerspong
            2023).
    """

    c_t: float
    authenticity: float
    real_authenticity: float
    adversarial_training: float
    adversarial_held_out: float
    fld_gap: float

    @property
    def privacy_loss(self) -> float:
        """Adversarial accuracy on held-out minus on training cases: 0 is none."""
        return self.adversarial_held_out - self.adversarial_training


@dataclass(frozen=True)
class Discovery:
    """Training patients that flagged cases show, against how many were drawn.

    Args:
        drawn: Synthetic cases, growing.
        patients: Different training patients among their flagged ones.
        unseen: Estimated number of further patients that more cases would show (Chao 1984).
    """

    drawn: tuple[int, ...]
    patients: tuple[int, ...]
    unseen: float


@dataclass(frozen=True)
class ModelSide:
    """What only the owner of a generator can test.

    Args:
        membership: From its own losses.
        sets: From features.
    """

    membership: Membership | None = None
    sets: SetTests | None = None
