"""The statement about a whole set, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence

from verisim.audit.calibration import Calibration
from verisim.audit.findings import CaseVerdict, Recall, SetStatement
from verisim.audit.recall import lowest_recall
from verisim.audit.seen import Seen
from verisim.audit.set_test import copy_bound, counted, excess_rate, set_p


def stated(
    calibration: Calibration,
    held_out: Seen,
    synthetic: Seen,
    cases: Sequence[CaseVerdict],
    recalls: Sequence[Recall],
    level: float,
    seed: int,
) -> SetStatement:
    """What can be said about all synthetic cases together.

    Args:
        calibration: By held-out patients.
        held_out: Their cases.
        synthetic: The audited cases.
        cases: The verdict on each.
        recalls: Of planted copies.
        level: Share of held-out patients at or above the thresholds.
        seed: Decides which case counts for a patient who has several.
    """
    parts = counted(
        calibration,
        held_out.cases,
        held_out.scores,
        synthetic.cases,
        synthetic.scores,
        level,
        seed,
    )
    blocked = {case.name for case in cases if case.word == "block"}
    whose = zip(synthetic.cases.names, synthetic.cases.patients, strict=True)
    copies = len({patient for name, patient in whose if name in blocked})
    drawn = len(set(synthetic.cases.patients))
    recall, copy_recall = lowest_recall(recalls), lowest_recall(recalls, copies=True)
    bound = copy_bound(copies, drawn, copy_recall)
    p, excess = set_p(parts), excess_rate(parts, recall)
    k, n = sum(part.k for part in parts), sum(part.n for part in parts)
    r, real = sum(part.r for part in parts), sum(part.held_out for part in parts)
    sentence = (
        f"{k} of {n} are above the threshold that {r} of {real} held-out patients reach "
        f"(p = {p:.2g}). {_bounded(bound, recalls, copies)}"
    )
    return SetStatement(k, n, r, real, p, excess, copies, bound, recall, copy_recall, sentence)


def _bounded(bound: float, recalls: Sequence[Recall], copies: int) -> str:
    if not recalls:
        return "No copy was planted, so nothing is known of what the audit overlooks."
    if bound >= 1:
        return "How many copies the generator makes at most cannot be said."
    seen = sum(not one.blind for one in recalls)
    count = "1 copy was" if copies == 1 else f"{copies} copies were"
    found = f"{count} found; at" if copies else "At"
    return (
        f"{found} most {bound:.1%} of what this generator makes are copies of the {seen} kinds "
        "that planted copies show are found (95 % certainty)."
    )
