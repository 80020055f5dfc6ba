"""How many planted copies an audit finds, kind by kind, beside published rules.

    python benchmarks/audit_recall.py [hippocampus lgg2d] [--count 50] [--further] [--work DIR]

Copies of real training cases are changed and mixed among new cases; each rule is calibrated on the
same held-out patients, so that a new patient is called a copy at most as often as the level says
(2 %). The last lines are the control on the two hippocampi of one scan, which are no copies.
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

from copies.counting import Share, found, p_values, standardized
from copies.material import Split, hippocampus, lgg2d
from copies.rivals import Pairwise, contrastive
from verisim.audit.collection import Collection
from verisim.audit.measure import Index, Measure
from verisim.audit.measures import certain, default_measures
from verisim.audit.planting import FURTHER_KINDS, KINDS, Kind, kinds_for, planted

LEVEL = 0.02
BACKGROUND = 60
"""Training cases, drawn by lot, that say what is usual among training cases."""

OURS = "ours"
WIDTH = 150
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
    ) -> np.ndarray:
        """Scores and nearest rows, (2, N)."""
        path = self.folder / f"{self.measure.name}, {what}.npy".replace("/", "-")
        if path.is_file():
            return np.load(path)
        started = perf_counter()
        if self.index is None:
            self.index = self.measure.prepared(self.training)
        matches = self.index(cases, not_of=not_of)
        table = np.stack([matches.scores, matches.nearest])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, table)
        seconds = (perf_counter() - started) / len(cases)
        print(f"  {self.measure.name}, {what}: {seconds:.2f} s a case", flush=True)
        return table


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
        rivals = [Keeper(m, training, self.folder) for m in _rivals()]
        drawn = np.random.default_rng(0).permutation(len(training))[:BACKGROUND]
        known = training.subset(np.sort(drawn))
        usual = np.stack([k("training", known, known.patients)[0] for k in ours], axis=1)
        held = np.stack([k("held out", real)[0] for k in ours], axis=1)
        base = standardized(held, real.strata, usual, known.strata)
        names = [keeper.measure.name for keeper in ours]
        base_said = certain(base, names).max(1)
        rows: dict[str, dict[str, Share]] = {}
        named: dict[str, float] = {}
        for kind in self.kinds:
            copies = planted(kind, training, real, self.count)
            what = f"{kind.name} {self.count}"
            tables = [k(what, copies.cases) for k in ours]
            z = standardized(
                np.stack([t[0] for t in tables], 1), copies.cases.strata, usual, known.strata
            )
            said = certain(z, names)
            row = {OURS: self._share(said.max(1), copies.cases, base_said)}
            for k, keeper in enumerate(ours):
                name = f"({keeper.measure.name})"
                row[name] = self._share(z[:, k], copies.cases, base[:, k])
            for keeper in rivals:
                alone = keeper("held out", real)[0]
                row[keeper.measure.name] = self._share(
                    keeper(what, copies.cases)[0], copies.cases, alone
                )
            nearest = np.stack([t[1] for t in tables])[said.argmax(1), np.arange(len(z))].astype(
                int
            )
            right = np.array(training.patients)[nearest] == np.array(copies.cases.patients)
            named[kind.name] = float(right.mean())
            rows[kind.name] = row
        self._print(rows, named)
        if self.split.name == "hippocampus":
            self._same_scan(usual, known.strata, base_said)

    def _share(self, scores: np.ndarray, copies: Collection, held: np.ndarray) -> Share:
        return found(p_values(scores, copies.strata, held, self.split.held_out), LEVEL)

    def _same_scan(self, usual: np.ndarray, strata: Sequence[str], base: np.ndarray) -> None:
        """One side of each scan beside all training cases but itself, the other side included."""
        training = self.split.training
        alone = replace(training, patients=training.names)
        whose = training.patients
        sides = [k for k, p in enumerate(whose) if whose.count(p) > 1 and whose.index(p) == k]
        cases = alone.subset(sides)
        folder = self.folder / "same scan"
        tables = [
            Keeper(m, alone, folder)("sides", cases, cases.names)[0]
            for m in default_measures(masked=True)
        ]
        z = standardized(np.stack(tables, 1), cases.strata, usual, strata)
        names = [measure.name for measure in default_measures(masked=True)]
        share = self._share(certain(z, names).max(1), cases, base)
        print(f"The other hippocampus of the same scan is called a copy: {share} %")

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
            best = max(s.found / s.of for n, s in row.items() if not n.startswith("("))
            mine = row[OURS].found / row[OURS].of
            if mine < 0.95 or mine < best - 0.02:
                print(f"  blind or beaten: {kind}: {row[OURS]}, best of all {100 * best:.0f}")


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
