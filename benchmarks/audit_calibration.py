"""How often an audit flags real new patients, beside the published rules, in the same run.

    python benchmarks/audit_calibration.py 3d HIPPOCAMPUS -o FOLDER [--splits 200]
    python benchmarks/audit_calibration.py 2d LGG2D/images -o FOLDER

Patients are dealt out again and again: some are the training set, some are held out, and some are
audited as if they were synthetic. They are no copies, so at a nominal 5 % an audit may flag 5 %.
Every case is scored beside every other once, and kept in FOLDER; a split then only looks up.
The scores: plain correlation, the best of all poses and shifts, the best of all tiles.
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
from rich.progress import track
from rich.table import Table

from verisim.audit.calibration import Calibration
from verisim.audit.collecting import Grid, collected
from verisim.audit.collection import Collection
from verisim.audit.folders import cases_in
from verisim.audit.laying import Laying, LayingIndex
from verisim.audit.measure import Alignment, Matches, Scores
from verisim.audit.seen import Seen
from verisim.audit.set_test import counted, set_p
from verisim.audit.standard import Standard
from verisim.audit.strata import StratumRule
from verisim.audit.texture import as_tensor, pooled
from verisim.subjects import subject_of

LEVEL = 0.05
SLICE = r"_(\d+)$"
PATIENT = r"(.+)_\d+$"
MEASURES = ("correlation", "poses and shifts", "tiles")

Pairs = npt.NDArray[np.float32]
"""Scores of every case (rows) beside every case (columns), (measures, N, N)."""


@dataclass(frozen=True)
class Shares:
    """How many patients have each part; the rest is the training set."""

    held_out: int = 39
    synthetic: int = 39


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
    whole = _collection(asked.kind, asked.cases)
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.plain:
        pairs = _correlations(whole)[np.newaxis]
    else:
        pairs = _pairs(whole, asked.output / f"pairs_{asked.kind}.npy")
    shares = Shares(asked.held_out, asked.synthetic)
    draw = np.random.default_rng(asked.seed)
    for names in (MEASURES[:1],) if asked.plain else (MEASURES, MEASURES[:1]):
        chosen = pairs[: len(names)]
        splits = [_split(whole, chosen, names, shares, draw) for _ in range(asked.splits)]
        _print(splits, " + ".join(names), shares, whole)


def _collection(kind: str, folder: Path) -> Collection:
    cases = cases_in(folder)
    rule = StratumRule()
    if kind == "2d":
        cases = tuple(replace(c, subject=subject_of(c.name, PATIENT)) for c in cases)
        rule = StratumRule(pattern=SLICE, parts=3).fitted([case.name for case in cases])
    return replace(collected(cases, Grid.among(cases), rule), masks=None)


def _pairs(whole: Collection, path: Path) -> Pairs:
    if path.is_file():
        found: Pairs = np.load(path)
        return found
    torch.set_num_threads(1)
    pairs = np.zeros((len(MEASURES), len(whole), len(whole)), np.float32)
    pairs[0] = _correlations(whole)
    index, everybody = LayingIndex.of(whole, Laying()), torch.ones(len(whole), dtype=torch.bool)
    for k in track(range(len(whole)), "scoring", console=Console(stderr=True)):
        image = pooled(as_tensor(whole.images[k][np.newaxis], "cpu"), index.step)
        for m, search in enumerate((index.search.whole, index.search.parts), start=1):
            found = search(image, everybody, len(whole))
            pairs[m, k, found.rows.numpy()] = found.peaks.abs().numpy()
    np.save(path, pairs)
    return pairs


def _correlations(whole: Collection) -> Pairs:
    rows = whole.images.reshape(len(whole), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    products: Pairs = rows @ rows.T
    return products


def _split(
    whole: Collection,
    pairs: Pairs,
    names: Sequence[str],
    shares: Shares,
    draw: np.random.Generator,
) -> Split:
    people = draw.permutation(sorted(set(whole.patients)))
    parts = np.split(people, [shares.held_out, shares.held_out + shares.synthetic])
    owner = np.array(whole.patients)
    real, made, known = (np.flatnonzero(np.isin(owner, part)) for part in parts)
    apart = owner[known][:, None] != owner[known][None]
    table = [np.where(apart, pairs[m][np.ix_(known, known)], -1) for m in range(len(names))]
    training = _matches(names, table)
    standard = Standard.among(training, [whole.strata[k] for k in known])

    def seen(rows: npt.NDArray[np.intp]) -> Seen:
        beside = [pairs[m][np.ix_(rows, known)] for m in range(len(names))]
        return Seen.by(standard, whole.subset(rows), _matches(names, beside))

    smaller = pairs[0][np.ix_(known, real)].max(axis=1).astype(np.float64)
    return Split(Seen.by(standard, whole.subset(known), training), seen(real), seen(made), smaller)


def _matches(names: Sequence[str], tables: Sequence[Pairs]) -> tuple[Matches, ...]:
    return tuple(
        Matches(
            name,
            table.max(axis=1).astype(np.float64),
            table.argmax(axis=1),
            (Alignment(),) * len(table),
        )
        for name, table in zip(names, tables, strict=True)
    )


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


def _print(splits: Sequence[Split], names: str, shares: Shares, whole: Collection) -> None:
    patients = len(set(whole.patients))
    table = Table(
        *("rule", "flagged", "worst stratum", "best stratum"),
        title=f"{names}: {len(splits)} splits of {patients} patients, {len(whole)} cases",
        caption=f"training {patients - shares.held_out - shares.synthetic}, held out "
        f"{shares.held_out}, as synthetic {shares.synthetic} patients; nominal {LEVEL:.0%}",
    )
    strata = sorted(set(whole.strata))
    for name, rule in RULES.items():
        flags = [rule(split) for split in splits]
        kinds = np.concatenate([split.synthetic.cases.strata for split in splits])
        every = np.concatenate(flags)
        rates = [every[kinds == stratum].mean() for stratum in strata]
        mean = float(np.mean([one.mean() for one in flags]))
        table.add_row(name, f"{mean:.1%}", f"{max(rates):.1%}", f"{min(rates):.1%}")
    console = Console()
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
    parser.add_argument("--plain", action="store_true", help="By plain correlation alone: fast.")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--held-out", type=int, default=39)
    parser.add_argument("--synthetic", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
