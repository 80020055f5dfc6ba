"""How many planted copies an audit finds, kind by kind, beside published rules.

    python benchmarks/audit_recall.py [hippocampus lgg2d] [--count 50] [--further] [--work DIR]

Copies of real training cases are changed and mixed among new cases; each rule is calibrated on the
same held-out patients, so that a new patient is called a copy at most as often as the level says
(2 %); ours is the audit's own rule, scale and combination. The last lines are the control on the
two hippocampi of one scan, which are no copies, and on noisy copies.
Scores stay in --work and are not computed again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from copies.counting import Share, found, p_values
from copies.material import Split, hippocampus, lgg2d
from copies.rivals import Pairwise, contrastive
from copies.twins import first_sides, held_out_twins
from verisim.audit.changes import noise
from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment, Index, Matches, Measure
from verisim.audit.measures import default_measures
from verisim.audit.planting import FURTHER_KINDS, KINDS, Kind, kinds_for, planted
from verisim.audit.seen import Seen
from verisim.audit.standard import Standard

LEVEL = 0.02
OURS = "ours"
IMAGES = "without masks"
"""Ours, were there no label maps: those of most kinds are copied unchanged."""

NOISY = Kind("noise 0.3", (noise(0.3),))
WIDTH = 190
DATA = Path(os.environ.get("VERISIM_DATA", "../shared/data"))


@dataclass(eq=False)
class Keeper:
    """One measure whose scores stay on disk."""

    measure: Measure
    training: Collection
    folder: Path
    index: Index | None = None

    def __call__(
        self, what: str, cases: Collection, not_of: Sequence[str] | None = None
    ) -> Matches:
        """Scores and nearest rows."""
        path = self.folder / f"{self.measure.name}, {what}.npy".replace("/", "-")
        if path.is_file():
            return _matches(self.measure.name, np.load(path))
        started = perf_counter()
        if self.index is None:
            self.index = self.measure.prepared(self.training)
        matches = self.index(cases, not_of=not_of)
        table = np.stack([matches.scores, matches.nearest])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, table)
        seconds = (perf_counter() - started) / len(cases)
        print(f"  {self.measure.name}, {what}: {seconds:.2f} s a case", flush=True)
        return _matches(self.measure.name, table)


def _matches(name: str, table: np.ndarray) -> Matches:
    still = (Alignment(),) * table.shape[1]
    return Matches(name, table[0], table[1].astype(np.intp), still)


@dataclass(frozen=True, eq=False)
class Rule:
    """Several measures together, as an audit takes them.

    Args:
        standard: What is usual among training cases.
        held_out: The new patients that it is calibrated on.
        measures: Which of the answers count.
    """

    standard: Standard
    held_out: Seen
    measures: slice

    @classmethod
    def of(
        cls,
        known: Sequence[Matches],
        strata: Sequence[str],
        real: Collection,
        held_out: Sequence[Matches],
        measures: slice,
    ) -> Rule:
        """From answers on training cases and on held-out ones."""
        standard = Standard.among(known[measures], strata)
        return cls(standard, Seen.by(standard, real, tuple(held_out[measures])), measures)

    def seen(self, cases: Collection, answers: Sequence[Matches]) -> Seen:
        """Cases on the common scale."""
        return Seen.by(self.standard, cases, tuple(answers[self.measures]))

    def share(self, seen: Seen) -> Share:
        """How many are found."""
        real, strata = self.held_out, seen.cases.strata
        return found(p_values(seen.scores, strata, real.scores, real.cases), LEVEL)


@dataclass(frozen=True, eq=False)
class Recalls:
    """One data set, all measures, all kinds."""

    split: Split
    kinds: Sequence[Kind]
    count: int
    folder: Path

    def __call__(self) -> None:
        """Count and print."""
        training, real = self.split.training, self.split.held_out
        ours = [Keeper(m, training, self.folder) for m in default_measures(masked=True)]
        known = [keeper("training", training, training.patients) for keeper in ours]
        held = [keeper("held out", real) for keeper in ours]
        everything = slice(None)

        def rule(measures: slice) -> Rule:
            return Rule.of(known, training.strata, real, held, measures)

        rules = {OURS: rule(everything), IMAGES: rule(slice(-1))}
        rules |= {f"({k.measure.name})": rule(slice(n, n + 1)) for n, k in enumerate(ours)}
        rows: dict[str, dict[str, Share]] = {}
        named: dict[str, float] = {}
        for kind in self.kinds:
            copies = planted(kind, training, real, self.count).cases
            what = f"{kind.name} {self.count}"
            answers = [keeper(what, copies) for keeper in ours]
            rows[kind.name] = {n: r.share(r.seen(copies, answers)) for n, r in rules.items()}
            rows[kind.name] |= self._of_rivals(what, copies)
            nearest = rules[OURS].seen(copies, answers).nearest
            right = np.array(training.patients)[nearest] == np.array(copies.patients)
            named[kind.name] = float(right.mean())
        self._print(rows, named)
        if self.split.name == "hippocampus":
            self._same_scan(rules[OURS])

    def _of_rivals(self, what: str, copies: Collection) -> dict[str, Share]:
        shares = {}
        for measure in _rivals():
            keeper = Keeper(measure, self.split.training, self.folder)
            alone = keeper("held out", self.split.held_out).scores
            scores = keeper(what, copies).scores
            p = p_values(scores, copies.strata, alone, self.split.held_out)
            shares[measure.name] = found(p, LEVEL)
        return shares

    def _same_scan(self, ours: Rule) -> None:
        """One side of each scan beside all training cases but itself, the other side included."""
        training = self.split.training
        alone = replace(training, patients=training.names)
        sides = first_sides(training)
        cases = alone.subset(sides)
        folder = self.folder / "same scan"
        measures = default_measures(masked=True)
        answers = [Keeper(m, alone, folder)("sides", cases, cases.names) for m in measures]
        share = ours.share(ours.seen(cases, answers))
        print(f"The other hippocampus of the same scan is called a copy: {share} %")
        noisy = planted(NOISY, alone.subset(sides), self.split.held_out, len(sides)).cases
        answers = [Keeper(m, training, folder)("noisy", noisy) for m in measures]
        print(f"A noisy copy of it: {ours.share(ours.seen(noisy, answers))} %")
        index, twins = held_out_twins(self.split)
        answers = [Keeper(m, index, folder)("held-out twins", twins) for m in measures]
        for reached, strangers, measure in zip(
            ours.seen(twins, answers).standardized.max(axis=0),
            ours.held_out.standardized.max(axis=0),
            measures,
            strict=True,
        ):
            print(
                f"  {measure.name}: {len(twins)} held-out twins reach {reached:.1f} deviations, "
                f"strangers {strangers:.1f}"
            )

    def _print(self, rows: Mapping[str, Mapping[str, Share]], named: Mapping[str, float]) -> None:
        real = self.split.held_out
        console = Console(width=WIDTH)
        table = Table(
            title=f"{self.split.name}: found at {100 * LEVEL:g} % false positives, % (95 % "
            f"interval); {len(self.split.training)} training cases, {len(real)} held out of "
            f"{len(set(real.patients))} patients"
        )
        first = next(iter(rows.values()))
        for name in ("kind", *first, "named"):
            table.add_column(name)
        for kind, row in rows.items():
            table.add_row(kind, *map(str, row.values()), f"{100 * named[kind]:.0f}")
        console.print(table)
        for kind, row in rows.items():
            others = [s for n, s in row.items() if n == "(correlation)" or n in RIVALS]
            best = max(s.found / s.of for s in others)
            mine = row[OURS].found / row[OURS].of
            if mine < 0.95 or mine < best - 0.02:
                print(
                    f"  blind or beaten: {kind}: {row[OURS]}, best of the others {100 * best:.0f}"
                )


RIVALS = ("ssim", "relative distance", "embedding")


def _rivals() -> tuple[Measure, ...]:
    return (Pairwise("ssim"), Pairwise("relative distance"), contrastive(150))


def main() -> None:
    """Print the tables."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("sets", nargs="*", default=["hippocampus", "lgg2d"])
    words.add_argument("--count", type=int, default=50, help="copies of each kind")
    words.add_argument("--further", action="store_true", help="kinds that no measure was made for")
    words.add_argument("--data", type=Path, default=DATA)
    words.add_argument("--work", type=Path, default=Path("audit-recall"))
    asked = words.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for name in asked.sets:
        split = hippocampus(asked.data) if name == "hippocampus" else lgg2d(asked.data, asked.work)
        kinds = kinds_for(split.training, FURTHER_KINDS if asked.further else KINDS)
        Recalls(split, kinds, asked.count, asked.work / f"{name} scores")()


if __name__ == "__main__":
    main()
