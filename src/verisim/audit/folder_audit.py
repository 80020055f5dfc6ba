"""An audit of folders: read onto one grid, compared, judged, and looked at once more."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

from verisim.audit.auditor import Auditor, Names, check_measures
from verisim.audit.collecting import Grid, check_apart, check_unchanged, collected
from verisim.audit.collection import Collection
from verisim.audit.findings import Membership, ModelSide
from verisim.audit.folders import cases_in
from verisim.audit.measure import Measure
from verisim.audit.measures import default_measures
from verisim.audit.membership import denoising_losses, membership_of
from verisim.audit.planting import KINDS, Kind
from verisim.audit.principal import Principal
from verisim.audit.report import AuditReport
from verisim.audit.set_tests import set_tests
from verisim.audit.strata import StratumRule
from verisim.audit.strata_groups import check_enough
from verisim.audit.verdicts import Policy
from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.progress import SILENT, Progress, Share

FEWEST = 3
"""Cases of each set that tests of whole sets need."""


@dataclass(frozen=True)
class Source:
    """Where cases lie.

    Args:
        folder: A data set, a synthetic set, or images side by side.
        split: Of a data set.
        subject_pattern: See `verisim.subjects.SubjectRule`.
        subject_table: Likewise.
    """

    folder: Path
    split: str = "all"
    subject_pattern: str = ""
    subject_table: Path | None = None

    @property
    def name(self) -> str:
        """For tables."""
        name = self.folder.resolve().name
        return name if self.split == "all" else f"{name}:{self.split}"

    def cases(self) -> tuple[Case, ...]:
        """What lies there."""
        return cases_in(self.folder, self.split, self.subject_pattern, self.subject_table)


@dataclass(frozen=True, eq=False)
class Audited:
    """A report, and what was looked at.

    Args:
        report: Of the audit.
        training: On the common grid.
        held_out: On the same.
        synthetic: On the same.
        spacing_mm: Of the grid.
    """

    report: AuditReport
    training: Collection
    held_out: Collection
    synthetic: Collection
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class FolderAudit:
    """What is to be audited, and how.

    Args:
        training: What the generator learned from, all of it.
        held_out: Cases of other patients of the same source.
        synthetic: What it made.
        strata: How the strata are found; one stratum without it.
        policy: The rules.
        seed: Decides every random choice.
        generator: The generator's card, if it is there: then its losses are tested, too.
        device: Where the generator computes.
        work: Folder of finished scores; an audit that was stopped goes on with them.
        kinds: Of the copies that are planted.
        stand_in: See `Auditor`.
        further: Measures that are asked besides the usual ones.
    """

    training: Source
    held_out: Source
    synthetic: Source
    strata: StratumRule = field(default_factory=StratumRule)
    policy: Policy = field(default_factory=Policy)
    seed: int = 0
    generator: ModelCard | None = None
    device: str = "cpu"
    work: Path | None = None
    kinds: Sequence[Kind] = KINDS
    stand_in: bool = False
    further: Sequence[Measure] = ()

    def __call__(
        self,
        progress: Progress = SILENT,
        executor: Executor | None = None,
        measures: Sequence[Measure] = (),
    ) -> Audited:
        """Audit.

        Args:
            progress: Hears of every case; may cancel between two.
            executor: See `Auditor`.
            measures: Ways to see how alike cases are; the default ones if none are named.

        Raises:
            BadInput: Too few held-out patients, shared patients, images that cannot be compared.
            BadDataset: A file changed meanwhile, or since a stopped audit began.
        """
        known, real, made = (one.cases() for one in (self.training, self.held_out, self.synthetic))
        # what needs no image is refused before an hour is spent on reading
        whose = {"training": _subjects(known), "held out": _subjects(real)}
        check_apart(whose)
        check_enough(len({*whose["held out"], *(whose["training"] if self.stand_in else ())}))
        check_measures([*(measures or self._usual(False)), *self.further], self.stand_in)
        rule = self.strata.fitted([case.name for case in known])
        grid = Grid.among(known)
        training, held_out, synthetic = (
            collected(cases, grid, rule, progress=Share(progress, 5 * k, 5 * k + 5))
            for k, cases in enumerate((known, real, made))
        )
        if any(one.masks is None for one in (training, held_out, synthetic)):
            # masks are compared with masks: all three sets have them, or none
            training, held_out, synthetic = (
                replace(one, masks=None) for one in (training, held_out, synthetic)
            )
        auditor = Auditor(
            training,
            held_out,
            [*(measures or self._usual(training.masks is not None)), *self.further],
            policy=self.policy,
            seed=self.seed,
            work=self.work,
            executor=executor,
            kinds=self.kinds,
            stand_in=self.stand_in,
            names=Names(self.training.name, self.held_out.name, self.synthetic.name),
        )
        membership = self._membership(known, real, Share(progress, 15, 25))
        side = self._model_side(training, held_out, synthetic, membership)
        report = auditor(synthetic, Share(progress, 25, 100), side)
        for cases, collection in ((known, training), (real, held_out), (made, synthetic)):
            check_unchanged(cases, collection)
        return Audited(report, training, held_out, synthetic, grid.spacing_mm)

    def _usual(self, masked: bool) -> Sequence[Measure]:
        return default_measures(masked=masked, device=self.device)

    def _membership(
        self, known: Sequence[Case], real: Sequence[Case], progress: Progress
    ) -> Membership | None:
        if self.generator is None:
            return None
        both = [*known, *real]
        losses = denoising_losses(self.generator, both, self.device, progress)
        return membership_of(
            losses[: len(known)],
            _subjects(known),
            losses[len(known) :],
            _subjects(real),
            self.seed,
        )

    def _model_side(
        self,
        training: Collection,
        held_out: Collection,
        synthetic: Collection,
        membership: Membership | None,
    ) -> ModelSide:
        if min(len(training), len(held_out), len(synthetic)) < FEWEST:
            return ModelSide(membership)
        principal = Principal.among(training, self.seed)
        tests = set_tests(
            principal(training), principal(held_out), principal(synthetic), self.seed
        )
        return ModelSide(membership, tests)


def _subjects(cases: Sequence[Case]) -> list[str]:
    return [case.subject for case in cases]
