"""A small report, for tests that need one."""

from __future__ import annotations

import math

from verisim.audit.findings import (
    CaseVerdict,
    Discovery,
    Duplicate,
    Hygiene,
    Membership,
    ModelSide,
    Recall,
    SetFacts,
    SetStatement,
    SetTests,
    Sight,
    StratumFacts,
    Word,
)
from verisim.audit.measure import Alignment
from verisim.audit.report import AuditReport
from verisim.metrics.intervals import Interval

DIGEST = "0" * 64


def a_case(name: str, score: float, word: Word) -> CaseVerdict:
    """A case that two measures looked at."""
    sights = (
        Sight("pearson", 0.8, score, "train_1", Alignment()),
        Sight("tiles", 0.5, score - 1, "train_2", Alignment(sign=-1)),
    )
    return CaseVerdict(name, DIGEST, "all", score, 0.05, 0.1, word, "pearson", sights)


def a_report() -> AuditReport:
    """A report of three cases, one of them a copy."""
    return AuditReport(
        version="1.0",
        made="2025-01-31",
        seed=0,
        level=0.05,
        measures=("pearson", "tiles"),
        training=SetFacts("training", 40, 30, DIGEST),
        held_out=SetFacts("held out", 24, 20, DIGEST),
        synthetic=SetFacts("synthetic", 3, 3, DIGEST),
        strata=(
            StratumFacts(
                "all", ("all",), 20, tuple(k / 10 for k in range(20)), (1.0,) * 20, 3, 1, 1.9, 4.0
            ),
        ),
        cases=(
            a_case("made_2", 9.0, "block"),
            a_case("made_1", 2.0, "quarantine"),
            a_case("made_3", -math.inf, "pass"),
        ),
        statement=SetStatement(
            2, 3, 1, 20, 0.01, Interval(0.6, 0.1, 0.9), 1, 1.0, 0.9, 0.8, "Two of 3 are close."
        ),
        recalls=(
            Recall("copy", 12, 12, 1.0, 0.74, 1.0, 12, 12, False),
            Recall("rotation 15", 12, 3, 0.25, 0.05, 0.57, 0, 2, True),
        ),
        word="block",
        sentence="One case is a copy.",
        hygiene=Hygiene((("train_1", "train_2"),), (Duplicate("held_1", "train_3", 0.99),)),
        discovery=Discovery((1, 3), (1, 2), 0.5),
        model_side=ModelSide(
            Membership(Interval(0.6, 0.5, 0.7), Interval(0.02, 0.0, 0.05), 0.4, 30, 20),
            SetTests(-0.5, 0.6, 0.5, 0.5, 0.6, -3.0),
        ),
        reasons=("made_2 is a copy",),
        advice=("more patients",),
    )
