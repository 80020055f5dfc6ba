"""How many training patients a growing number of synthetic cases gives away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from verisim.audit.collection import Collection
from verisim.audit.findings import CaseVerdict, Discovery
from verisim.audit.seen import Seen

POINTS = 20
"""Of the curve."""


def discovery_of(
    synthetic: Seen, cases: Sequence[CaseVerdict], training: Collection
) -> Discovery | None:
    """Training patients among flagged cases; none where nothing is flagged.

    Args:
        synthetic: In the order in which they were drawn.
        cases: The verdict on each.
        training: Knows the patients.
    """
    flagged = {case.name for case in cases if case.close}
    if not flagged:
        return None
    nearest = synthetic.nearest
    shown = [
        training.patients[int(row)] if name in flagged else ""
        for name, row in zip(synthetic.cases.names, nearest, strict=True)
    ]
    drawn = np.unique(np.linspace(1, len(shown), POINTS).astype(int))
    found = [len(set(shown[:count]) - {""}) for count in drawn]
    counts = Counter(patient for patient in shown if patient)
    return Discovery(tuple(int(one) for one in drawn), tuple(found), unseen(list(counts.values())))


def unseen(counts: Sequence[int]) -> float:
    """How many patients were not met yet, f₁(f₁ - 1)/(2(f₂ + 1)) (Chao 1984, bias-corrected).

    Args:
        counts: How often each patient was met; f₁ of them once, f₂ twice.
    """
    once, twice = counts.count(1), counts.count(2)
    return once * (once - 1) / (2 * (twice + 1))
