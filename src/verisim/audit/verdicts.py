"""What may be done with synthetic cases, by rules that are written down before the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verisim.audit.findings import CaseVerdict, Membership, Recall, SetStatement, Word
from verisim.errors import BadInput

ADVICE = (
    "Learn from more patients, with augmentation, with a smaller network or fewer steps "
    "(Dar 2024).",
    "Remove duplicates from the training set (Carlini 2023).",
    "Sample, drop what a re-identification links to a patient, learn anew from the rest "
    "(Fernandez 2023), or learn with differential privacy.",
)
"""What the literature found to help a generator that copies."""

FRESH = (
    "Withhold the cases named, and audit a freshly drawn batch: the rest of a filtered batch "
    "proves nothing."
)


@dataclass(frozen=True)
class Policy:
    """The rules.

    Args:
        level: Nominal share of false alarms: of the thresholds, of the quarantined cases (false
            discoveries), and the rank of the set's threshold among held-out patients.
        copy_level: Chance that a perfect generator has one case called a copy.
        set_level: A set test below it blocks.
        excess: A share of copies that is surely higher blocks.
        highest_excess: If given, a share of copies that may be higher blocks: 0.001 takes
            some 3000 cases and as many held-out patients.
        membership: A share of training patients found, at 1 % false ones, that is surely higher
            blocks, if it is no chance by `set_level` either.
        recall: Of planted copies; a kind with less is a blind spot.
        must_find: Kinds of copies that must be no blind spot.
        plants: Copies of each kind.

    Raises:
        BadInput: A share that is none.
    """

    level: float = 0.05
    copy_level: float = 0.01
    set_level: float = 0.01
    excess: float = 0.001
    highest_excess: float | None = None
    membership: float = 0.02
    recall: float = 0.95
    must_find: tuple[str, ...] = ("copy",)
    plants: int = 12

    def __post_init__(self) -> None:
        shares = (self.level, self.copy_level, self.set_level, self.recall)
        if not all(0 < share < 1 for share in shares):
            raise BadInput(
                f"A level of {min(shares)} to {max(shares)} is not between 0 and 1.",
                "Use 0.05, for example.",
            )
        if self.plants < 1:
            raise BadInput(
                f"{self.plants} planted copies measure no recall.", "Plant 12 of each kind."
            )

    def word(self, score: float, q: float, copy_threshold: float) -> Word:
        """The verdict on one case.

        Args:
            score: Combined.
            q: Its adjusted p.
            copy_threshold: Of its group.
        """
        if score > copy_threshold:
            return "block"
        return "quarantine" if q <= self.level else "pass"

    def reasons(
        self,
        cases: Sequence[CaseVerdict],
        statement: SetStatement,
        recalls: Sequence[Recall],
        membership: Membership | None = None,
    ) -> tuple[str, ...]:
        """Every rule that blocks, in words; none where nothing blocks."""
        copies = [case for case in cases if case.word == "block"]
        missed = [one.kind for one in recalls if one.blind and one.kind in self.must_find]
        found = {
            f"{len(copies)} case(s) are closer to a training patient than chance explains: "
            f"{_listed([case.name for case in copies])}.": bool(copies),
            f"The set as a whole is closer than new patients are (p = {statement.p:.2g})."
            "": statement.p < self.set_level,
            f"More than {self.excess:.1%} are copies, {statement.excess.low:.1%} at least."
            "": statement.excess.low > self.excess,
            f"Up to {statement.excess.high:.1%} may be copies, more than is allowed."
            "": self.highest_excess is not None and statement.excess.high > self.highest_excess,
            f"Planted copies of the kind {_listed(missed)} were not found: the audit itself "
            "fails.": bool(missed),
            "The generator gives away whom it learned from: "
            f"{membership.tpr.low if membership else 0:.1%} of the training patients at least, "
            "at 1 % false ones.": membership is not None
            and membership.tpr.low > self.membership
            and membership.p < self.set_level,
        }
        return tuple(sentence for sentence, holds in found.items() if holds)


def verdict_of(reasons: Sequence[str], cases: Sequence[CaseVerdict]) -> Word:
    """Block where a rule blocks, quarantine where a case is withheld, else pass."""
    if reasons:
        return "block"
    return "quarantine" if any(case.flagged for case in cases) else "pass"


def sentence_of(
    word: Word, cases: Sequence[CaseVerdict], statement: SetStatement, blind: Sequence[str]
) -> str:
    """The verdict for a person."""
    flagged = [case.name for case in cases if case.close]
    kin = sum(case.flagged and not case.close for case in cases)
    count = f"{len(flagged)} of {len(cases)} synthetic cases"
    named = f": {_listed(flagged)}" if flagged else ""
    head = {
        "pass": f"Pass: none of {len(cases)} synthetic cases is closer to a training patient "
        "than new patients are.",
        "quarantine": f"Quarantine: {count} are closer to a training patient than new patients "
        f"should be{named}.",
        "block": f"Block: {count} are withheld{named}.",
    }[word]
    if kin:
        head += f" With them stay {kin} more of the same synthetic volumes."
    claim = "" if not blind else f" Nothing is claimed of copies by {_listed(blind)}."
    return f"{head} {statement.sentence}{claim}"


def advice_for(word: Word) -> tuple[str, ...]:
    """What helps."""
    return {"pass": (), "quarantine": (FRESH,), "block": ADVICE}[word]


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
