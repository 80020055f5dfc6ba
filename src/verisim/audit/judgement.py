"""The verdict on every case and on the set, from what the measures saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from verisim.audit.calibration import Calibration, adjusted
from verisim.audit.collection import Collection
from verisim.audit.findings import CaseVerdict, Recall, SetStatement, StratumFacts
from verisim.audit.kinship import withheld_together
from verisim.audit.recall import recall_of
from verisim.audit.seen import Copies, Sets
from verisim.audit.statement import stated
from verisim.audit.verdicts import Policy


@dataclass(frozen=True, eq=False)
class Judgement:
    """What follows from scores by the rules.

    Args:
        policy: The rules.
        training: What all were compared with.
        sets: Everything that was compared.
        seed: Of every lot.
    """

    policy: Policy
    training: Collection
    sets: Sets
    seed: int

    @cached_property
    def calibration(self) -> Calibration:
        """By the held-out patients.

        Raises:
            BadInput: There are too few of them.
        """
        held_out, known = self.sets.held_out, self.sets.training
        # planted copies lie in the strata of training cases
        strata = [*self.sets.synthetic.cases.strata, *self.training.strata]
        return Calibration.of(
            held_out.cases, held_out.scores, strata, known.scores, known.cases.strata
        )

    @cached_property
    def statement(self) -> SetStatement:
        """About all synthetic cases together."""
        held_out, synthetic = self.sets.held_out, self.sets.synthetic
        return stated(
            self.calibration,
            held_out,
            synthetic,
            self.cases,
            self.recalls,
            self.policy.level,
            self.seed,
        )

    @cached_property
    def recalls(self) -> tuple[Recall, ...]:
        """Of planted copies, kind by kind."""
        return tuple(self._recall(copies) for copies in self.sets.copies)

    @cached_property
    def cases(self) -> tuple[CaseVerdict, ...]:
        """The verdict on every case, the highest score first; a volume's slices stay together."""
        made = self.sets.synthetic.cases
        volumes = dict(zip(made.names, made.patients, strict=True))
        return withheld_together(self._alone, volumes)

    @cached_property
    def _alone(self) -> tuple[CaseVerdict, ...]:
        """The verdict on every case for what it shows itself."""
        made, calibration = self.sets.synthetic, self.calibration
        scores, strata = made.scores, made.cases.strata
        p = calibration.p(scores, strata)
        q = adjusted(p)
        limits = calibration.copy_thresholds(self.policy.copy_level, len(scores), strata)
        groups = calibration.groups_of(strata)
        strongest = made.strongest
        return tuple(
            CaseVerdict(
                name=made.cases.names[row],
                digest=made.cases.digests[row],
                stratum=calibration.groups[groups[row]].name,
                score=float(scores[row]),
                p=float(p[row]),
                q=float(q[row]),
                word=self.policy.word(float(scores[row]), float(q[row]), float(limits[row])),
                measure=made.matches[strongest[row]].measure,
                sights=made.sights(int(row), self.training),
            )
            for row in np.argsort(-scores, kind="stable")
        )

    @cached_property
    def strata(self) -> tuple[StratumFacts, ...]:
        """Groups that are calibrated alone."""
        return tuple(
            StratumFacts(
                name=group.name,
                members=group.members,
                held_out_patients=group.patients,
                held_out_scores=tuple(float(score) for score in group.scores),
                held_out_weights=tuple(float(weight) for weight in group.weights),
                synthetic=sum(case.stratum == group.name for case in self.cases),
                flagged=sum(case.stratum == group.name and case.close for case in self.cases),
                threshold=group.threshold(self.policy.level),
                copy_threshold=group.copy_threshold(self.policy.copy_level, len(self.cases)),
            )
            for group in self.calibration.groups
        )

    def _recall(self, copies: Copies) -> Recall:
        seen, strata = copies.seen, copies.seen.cases.strata
        patients = np.array(self.training.patients)
        count = len(self.sets.synthetic.cases)
        return recall_of(
            copies.kind,
            seen.scores,
            self.calibration.thresholds(self.policy.level, strata),
            self.calibration.copy_thresholds(self.policy.copy_level, count, strata),
            patients[seen.nearest] == patients[copies.sources],
            self.policy.recall,
        )
