"""Are synthetic cases somebody's? Scores, calibration, planted copies, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from verisim import __version__
from verisim.audit.asking import Asking
from verisim.audit.collecting import check_apart
from verisim.audit.collection import Collection
from verisim.audit.discovery import discovery_of
from verisim.audit.embedded import Embedded
from verisim.audit.findings import ModelSide, SetFacts, Weights
from verisim.audit.hygiene import clean, hygiene_of
from verisim.audit.judgement import Judgement
from verisim.audit.kept_scores import KeptScores, fingerprint_of
from verisim.audit.likeness import Likeness
from verisim.audit.measure import Matches, Measure
from verisim.audit.planting import KINDS, Kind, kinds_for, planted
from verisim.audit.report import AuditReport
from verisim.audit.seen import Copies, Seen, Sets
from verisim.audit.standard import Standard
from verisim.audit.strata_groups import check_enough
from verisim.audit.verdicts import Policy, advice_for, sentence_of, verdict_of
from verisim.errors import BadInput
from verisim.progress import SILENT, Progress, Together

BACKGROUND = 1000
"""Training cases, drawn by lot, that say what is usual among training cases."""


@dataclass(frozen=True)
class Names:
    """What the three sets are called in the report."""

    training: str = "training"
    held_out: str = "held out"
    synthetic: str = "synthetic"


@dataclass(frozen=True, eq=False)
class Auditor:
    """Compares synthetic cases with training patients, as new patients compare with them.

    Args:
        training: What the generator learned from, all of it.
        held_out: Cases of other patients of the same source, whom it never saw; 19 patients at
            least.
        measures: Ways to see how alike cases are; a case is as close as the closest says.
        policy: The rules.
        seed: Decides every random choice: same seed, same report.
        work: Folder of finished scores; an audit that was stopped goes on with them.
        executor: Where blocks of cases are compared at the same time; here without it.
        kinds: Of the copies that are planted.
        names: Of the sets.
        made: Date of the report; today if none is given.
        stand_in: Whether training patients, each beside the others, count among the held-out
            ones: where these are few. Their own patient's cases are left out, so they are
            compared with one patient less than new ones are; of n patients this makes 5 % to
            5 % · (n + 1)/n. No measure may have learned from training cases.

    Raises:
        BadInput: Too few held-out patients, shared patients, other shapes, no measure.
    """

    training: Collection
    held_out: Collection
    measures: Sequence[Measure]
    policy: Policy = field(default_factory=Policy)
    seed: int = 0
    work: Path | None = None
    executor: Executor | None = None
    kinds: Sequence[Kind] = KINDS
    names: Names = field(default_factory=Names)
    made: date | None = None
    stand_in: bool = False

    def __post_init__(self) -> None:
        check_apart({"training": self.training.patients, "held out": self.held_out.patients})
        yardstick = set(self.held_out.patients)
        check_enough(len(yardstick | set(self.training.patients if self.stand_in else ())))
        _check_alike("held-out", self.held_out, self.training)
        if len(set(self.training.patients)) < 2:
            raise BadInput(
                "The training cases show one patient: nobody else says how alike two are.",
                "Name everything that the generator learned from, and whose each case is.",
            )
        check_measures(self.measures, self.stand_in)

    def __call__(
        self,
        synthetic: Collection,
        progress: Progress = SILENT,
        model_side: ModelSide | None = None,
    ) -> AuditReport:
        """Audit synthetic cases.

        Args:
            synthetic: On the grid of the training cases. Cases of one patient, e.g. the slices
                of one synthetic volume, count as one draw.
            progress: Hears of every block of cases; may cancel between two.
            model_side: What was tested on the generator itself.

        Raises:
            BadInput: No case, or cases of another shape.
            BadDataset: The training set changed since an audit in the same folder began.
        """
        _check_alike("synthetic", synthetic, self.training)
        sets = self._seen(synthetic, progress)
        return self._report(sets, model_side or ModelSide())

    def _seen(self, synthetic: Collection, progress: Progress) -> Sets:
        """Every set as all measures see it."""
        kept = KeptScores(self.work)
        kept.begin(self.training)
        masked = self.held_out.masks is not None
        known = self.training if masked else replace(self.training, masks=None)
        copies = [
            planted(kind, known, self.held_out, self.policy.plants, self.seed)
            for kind in kinds_for(known, self.kinds)
        ]
        background = self._background()
        parts = [background, self.held_out, synthetic, *(copy.cases for copy in copies)]
        answers = self._answers(parts, kept, progress)
        standard = Standard.among(answers[0], background.strata)
        near, real, made, *seen = (
            Seen.by(standard, cases, answer) for cases, answer in zip(parts, answers, strict=True)
        )
        found = tuple(
            Copies(copy.kind.name, copy.sources, own)
            for copy, own in zip(copies, seen, strict=True)
        )
        hygiene = hygiene_of(near, real, self.training)
        yardstick = clean(real, [leak.first for leak in hygiene.leaks])
        if self.stand_in:
            twins = [name for cluster in hygiene.clusters for name in cluster]
            yardstick = clean(near, twins).beside(yardstick)
        return Sets(near, yardstick, made, found, hygiene)

    def _answers(
        self, parts: Sequence[Collection], kept: KeptScores, progress: Progress
    ) -> list[tuple[Matches, ...]]:
        """What each measure says about each set; the first leaves out each case's own patient."""
        count = len(self.measures) * sum(len(part) for part in parts)
        done = 0
        table: list[list[Matches]] = [[] for _ in parts]
        for measure in self.measures:
            asking = Asking(measure, self.training, kept, self.executor)
            for k, part in enumerate(parts):
                own = Together(progress, done, len(part), count)
                table[k].append(asking(part, own, None if k else part.patients))
                done += len(part)
        return [tuple(row) for row in table]

    def _background(self) -> Collection:
        draw = np.random.default_rng([self.seed, 0])
        size = min(BACKGROUND, len(self.training))
        return self.training.subset(np.sort(draw.permutation(len(self.training))[:size]))

    def _report(self, sets: Sets, model_side: ModelSide) -> AuditReport:
        judgement = Judgement(self.policy, self.training, sets, self.seed)
        cases, recalls, statement = judgement.cases, judgement.recalls, judgement.statement
        reasons = self.policy.reasons(cases, statement, recalls, model_side.membership)
        word = verdict_of(reasons, cases)
        blind = [one.kind for one in recalls if one.blind]
        return AuditReport(
            version=__version__,
            made=(self.made or datetime.now(UTC).date()).isoformat(),
            seed=self.seed,
            level=self.policy.level,
            measures=tuple(measure.name for measure in self.measures),
            training=_facts(self.names.training, self.training),
            held_out=_facts(self.names.held_out, self.held_out),
            stand_ins=len({*sets.held_out.cases.patients} - {*self.held_out.patients}),
            synthetic=_facts(self.names.synthetic, sets.synthetic.cases),
            strata=judgement.strata,
            cases=cases,
            statement=statement,
            recalls=recalls,
            word=word,
            sentence=sentence_of(word, cases, statement, blind),
            hygiene=sets.hygiene,
            discovery=discovery_of(sets.synthetic, cases, self.training),
            model_side=model_side,
            reasons=reasons,
            advice=advice_for(word),
            weights=tuple(
                Weights(one.name, one.backend.sha256)
                for one in self.measures
                if isinstance(one, Embedded)
            ),
        )


def check_measures(measures: Sequence[Measure], stand_in: bool = False) -> None:
    """Refuse measures that cannot be asked together.

    Args:
        measures: Of an audit.
        stand_in: See `Auditor`.

    Raises:
        BadInput: There is none, two have one name, or one learns from training cases that stand
            in for held-out ones.
    """
    if not measures:
        raise BadInput("No measure was chosen.", "Choose one at least.")
    names = [one.name for one in measures]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"The measure {twice[0]} was chosen twice.", "Choose it once.")
    learned = [one.name for one in measures if isinstance(one, Likeness)]
    if stand_in and learned:
        raise BadInput(
            f"The measure {learned[0]} learns from training cases: they cannot stand in for "
            "held-out patients.",
            "Leave it out, or hold out more patients.",
        )


def _facts(name: str, collection: Collection) -> SetFacts:
    patients = len(set(collection.patients))
    return SetFacts(name, len(collection), patients, fingerprint_of(collection, names=True))


def _check_alike(what: str, collection: Collection, training: Collection) -> None:
    if not len(collection):
        raise BadInput(f"There is no {what} case.", "Name a folder with cases.")
    if collection.images.shape[1:] != training.images.shape[1:]:
        raise BadInput(
            f"The {what} cases are {collection.images.shape[1:]} (channels and voxels), the "
            f"training cases {training.images.shape[1:]}.",
            "Bring all cases onto the grid of the training cases.",
        )
