"""Folders of small synthetic cases, with the report of an audit of them made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from verisim.audit.findings import (
    CaseVerdict,
    Duplicate,
    Hygiene,
    Recall,
    SetFacts,
    SetStatement,
    Sight,
    StratumFacts,
    Word,
)
from verisim.audit.folders import cases_in, digest_of
from verisim.audit.measure import Alignment
from verisim.audit.report import AuditReport
from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.metrics.intervals import Interval
from verisim.synthesis import Synthesizer
from verisim.synthesis.case_set import CaseSet, Format

PATIENTS = ("Mustermann_Erika", "Doe_John", "Kowalska_Anna")
"""Names of training cases."""


def a_set(folder: Path, generator: ModelCard, count: int = 4, kind: Format = "nifti") -> Path:
    """Synthetic cases as `verisim synthesize` writes them."""
    CaseSet(folder, generator, kind).fill(Synthesizer(generator), range(count))
    return folder


def a_report_on(
    folder: Path, words: Mapping[int, Word] | None = None, word: Word = "pass"
) -> AuditReport:
    """The report of an audit of a folder.

    Args:
        folder: Of synthetic cases.
        words: Verdict on some of them by their number; the others pass.
        word: Verdict on the whole set.
    """
    cases = cases_in(folder)
    verdicts = tuple(
        _verdict(k, case, (words or {}).get(k, "pass")) for k, case in enumerate(cases)
    )
    flagged = sum(one.flagged for one in verdicts)
    scores = tuple(0.1 * k for k in range(40))
    return AuditReport(
        version="0.1.0",
        made="2026-01-31",
        seed=3,
        level=0.05,
        measures=("correlation", "tiles"),
        training=SetFacts("hippocampus", 12, 9, "a" * 64),
        held_out=SetFacts("hippocampus", 40, 40, "b" * 64),
        synthetic=SetFacts("made", len(cases), len(cases), "c" * 64),
        strata=(
            StratumFacts("all", ("all",), 40, scores, (1.0,) * 40, len(cases), flagged, 3.7, 9.0),
        ),
        cases=tuple(sorted(verdicts, key=lambda one: -one.score)),
        statement=_statement(len(cases), flagged),
        recalls=(
            Recall("copy", 60, 60, 1.0, 0.94, 1.0, 60, 60, False),
            Recall("inversion", 60, 3, 0.05, 0.01, 0.14, 0, 1, True),
        ),
        word=word,
        sentence=f"{flagged} of {len(cases)} cases are closer than new patients are.",
        hygiene=Hygiene((PATIENTS[:2],), (Duplicate("Roe_Jane", PATIENTS[2], 0.99),)),
        reasons=(f"One case shows {PATIENTS[0]}.",),
    )


def a_quiet_report_on(folder: Path) -> AuditReport:
    """The report of an audit that found nothing wrong with anything."""
    return replace(a_report_on(folder), hygiene=Hygiene(), reasons=())


def _verdict(number: int, case: Case, word: Word) -> CaseVerdict:
    score = 2.0 + 0.1 * number + 10.0 * (word != "pass")
    p = 0.4 if word == "pass" else 1 / 41
    sights = (
        Sight("correlation", 0.6, score, PATIENTS[number % 3], Alignment()),
        Sight("tiles", 0.5, score - 1, PATIENTS[(number + 1) % 3], Alignment()),
    )
    return CaseVerdict(
        case.name, digest_of(case), "all", score, p, min(1.0, 2 * p), word, "correlation", sights
    )


def _statement(cases: int, flagged: int) -> SetStatement:

    return SetStatement(
        *(flagged, cases, 1, 40, 0.5, Interval(0.0, 0.0, 0.1), flagged, 0.03, 0.94, 0.9),
        f"{flagged} of {cases} drawn cases are above.",
    )
