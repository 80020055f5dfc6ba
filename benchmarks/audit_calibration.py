"""How often an audit flags real new patients, beside the published rules, in the same run.

    python benchmarks/audit_calibration.py 3d HIPPOCAMPUS -o FOLDER [--splits 200]
    python benchmarks/audit_calibration.py 2d LGG2D -o FOLDER

Patients are dealt out again and again: some are the training set, some are held out, and some are
audited as if they were synthetic. They are no copies, so at a nominal 5 % an audit may flag 5 %.
By the default measures; every pair of cases that a split may ask for is scored once and kept in
FOLDER, and a split then only looks up (see `copies.pairs`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from copies.pairs import Deal, Pairs, dealt, pairs_of
from copies.telling import Telling
from verisim.audit.calibration import Calibration
from verisim.audit.collecting import Grid, collected
from verisim.audit.collection import Collection
from verisim.audit.folders import cases_in
from verisim.audit.measure import Scores
from verisim.audit.seen import Seen
from verisim.audit.set_test import counted, set_p
from verisim.audit.standard import Standard
from verisim.audit.strata import StratumRule
from verisim.dataset import Case
from verisim.subjects import subject_of

LEVEL = 0.05
SLICE = r"_(\d+)$"
PATIENT = r"(.+)_\d+$"


@dataclass(frozen=True, eq=False)
class Split:
    """One deal, with the scores of each part beside the training cases."""

    training: Seen
    held_out: Seen
    synthetic: Seen
    smaller: Scores
    """Correlation of training cases to the nearest held-out case, as Dar 2024 calibrates."""


def main() -> None:
    """Score, deal, count, and print."""
    asked = _arguments().parse_args()
    torch.set_num_threads(1)
    whole = _collection(asked.kind, asked.cases, asked.each)
    deals = dealt(whole.patients, asked.held_out, asked.synthetic, asked.splits, asked.seed)
    about = f"{len(whole)} {asked.held_out} {asked.synthetic} {asked.splits} {asked.seed}"
    path = asked.output / f"pairs {asked.kind} {about}.npz"
    pairs = pairs_of(whole, deals, path, Telling())
    _print([_split(whole, pairs, deal) for deal in deals], asked, whole)


def _collection(kind: str, folder: Path, each: int) -> Collection:
    cases = cases_in(folder)
    rule = StratumRule()
    if kind == "2d":
        cases = tuple(replace(c, subject=subject_of(c.name, PATIENT)) for c in cases)
    if each:
        cases = _fewer(cases, each)
    if kind == "2d":
        rule = StratumRule(pattern=SLICE, parts=3).fitted([case.name for case in cases])
    return collected(cases, Grid.among(cases), rule)


def _fewer(cases: Sequence[Case], each: int) -> tuple[Case, ...]:
    """At most so many cases of each patient, from the first to the last of their names."""
    of: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.name):
        of.setdefault(case.subject, []).append(case)
    places = {
        n: np.unique(np.linspace(0, n - 1, each).round().astype(int))
        for n in {len(own) for own in of.values()}
    }
    return tuple(own[k] for own in of.values() for k in places[len(own)])


def _split(whole: Collection, pairs: Pairs, deal: Deal) -> Split:
    training = pairs.beside(deal.known, deal.known)
    standard = Standard.among(training, [whole.strata[k] for k in deal.known])

    def seen(rows: npt.NDArray[np.intp]) -> Seen:
        return Seen.by(standard, _light(whole, rows), pairs.beside(rows, deal.known))

    smaller = pairs.correlation[np.ix_(deal.known, deal.real)].max(axis=1).astype(np.float64)
    known = Seen.by(standard, _light(whole, deal.known), training)
    return Split(known, seen(deal.real), seen(deal.made), smaller)


def _light(whole: Collection, rows: npt.NDArray[np.intp]) -> Collection:
    """Some of the cases, without images: hundreds of splits are kept at once."""
    nothing = np.empty((len(whole), 0), np.float32)
    return replace(whole, images=nothing, masks=None).subset(rows)


Flags = Callable[[Split], npt.NDArray[np.bool_]]
"""Which synthetic cases of a split a rule flags."""


def _calibrated(split: Split, held_out: Seen | None = None) -> Calibration:
    real = held_out or split.held_out
    made, known = split.synthetic, split.training
    return Calibration.of(
        real.cases, real.scores, made.cases.strata, known.scores, known.cases.strata
    )


def ours(split: Split) -> npt.NDArray[np.bool_]:
    """Every case of a held-out patient, its weight one over their number."""
    made = split.synthetic
    return _calibrated(split).p(made.scores, made.cases.strata) <= LEVEL


def stand_ins(split: Split) -> npt.NDArray[np.bool_]:
    """Training patients beside the others, together with the held-out ones."""
    made = split.synthetic
    calibration = _calibrated(split, split.training.beside(split.held_out))
    return calibration.p(made.scores, made.cases.strata) <= LEVEL


def highest(split: Split) -> npt.NDArray[np.bool_]:
    """The highest case of each held-out patient in each stratum."""
    return _chosen(split, lambda rows, scores: int(rows[np.argmax(scores[rows])]))


def lot(split: Split) -> npt.NDArray[np.bool_]:
    """One case of each held-out patient in each stratum, by lot."""
    draw = np.random.default_rng(len(split.held_out.scores))
    return _chosen(split, lambda rows, scores: int(draw.choice(rows)))


def one_threshold(split: Split) -> npt.NDArray[np.bool_]:
    """One threshold for all strata, every held-out case counted as a patient."""
    limit = np.quantile(split.held_out.matches[0].scores, 1 - LEVEL)
    return split.synthetic.matches[0].scores > limit


def other_size(split: Split) -> npt.NDArray[np.bool_]:
    """The 95 % quantile of training cases' nearest in a set of another size (Dar 2024)."""
    return split.synthetic.matches[0].scores > np.quantile(split.smaller, 1 - LEVEL)


RULES: dict[str, Flags] = {
    "ours: cases weighted 1/m": ours,
    "  with training stand-ins": stand_ins,
    "  one case a patient, the highest": highest,
    "  one case a patient, by lot": lot,
    "published: one threshold, cases": one_threshold,
    "published: set of another size": other_size,
}


def _chosen(
    split: Split, choose: Callable[[npt.NDArray[np.intp], Scores], int]
) -> npt.NDArray[np.bool_]:
    cases, scores = split.held_out.cases, split.held_out.scores
    rows: dict[tuple[str, str], list[int]] = {}
    for k, key in enumerate(zip(cases.patients, cases.strata, strict=True)):
        rows.setdefault(key, []).append(k)
    kept = np.array([choose(np.array(own), scores) for own in rows.values()])
    held_out = replace(
        split.held_out,
        cases=cases.subset(kept),
        standardized=split.held_out.standardized[kept],
    )
    made = split.synthetic
    return _calibrated(split, held_out).p(made.scores, made.cases.strata) <= LEVEL


def _print(splits: Sequence[Split], asked: argparse.Namespace, whole: Collection) -> None:
    patients = len(set(whole.patients))
    measures = ", ".join(one.measure for one in splits[0].training.matches)
    table = Table(
        *("rule", "flagged", "worst stratum", "best stratum"),
        title=f"{measures}: {len(splits)} splits of {patients} patients, {len(whole)} cases",
        caption=f"training {patients - asked.held_out - asked.synthetic}, held out "
        f"{asked.held_out}, as synthetic {asked.synthetic} patients; nominal {LEVEL:.0%}",
    )
    strata = sorted(set(whole.strata))
    for name, rule in RULES.items():
        flags = [rule(split) for split in splits]
        kinds = np.concatenate([split.synthetic.cases.strata for split in splits])
        every = np.concatenate(flags)
        rates = [every[kinds == stratum].mean() for stratum in strata]
        mean = float(np.mean([one.mean() for one in flags]))
        table.add_row(name, f"{mean:.1%}", f"{max(rates):.1%}", f"{min(rates):.1%}")
    console = Console(width=120)
    console.print(table)
    p = np.array([_set_p(split, seed) for seed, split in enumerate(splits)])
    copies = np.mean([_copies(split) for split in splits])
    console.print(
        f"set test rejects at 5 %: {np.mean(p <= 0.05):.1%}, at 1 %: {np.mean(p <= 0.01):.1%}; "
        f"sets with a case called a copy (nominal 1 %): {copies:.1%}"
    )


def _set_p(split: Split, seed: int) -> float:
    real, made = split.held_out, split.synthetic
    calibration = _calibrated(split)
    return set_p(
        counted(calibration, real.cases, real.scores, made.cases, made.scores, LEVEL, seed)
    )


def _copies(split: Split) -> bool:
    made = split.synthetic
    limits = _calibrated(split).copy_thresholds(0.01, len(made.scores), made.cases.strata)
    return bool((made.scores > limits).any())


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("3d", "2d"))
    parser.add_argument("cases", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--held-out", type=int, default=39)
    parser.add_argument("--synthetic", type=int, default=20)
    parser.add_argument("--each", type=int, default=0, help="cases of a patient at most; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
