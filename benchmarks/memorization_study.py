"""Do generators copy, and from how many subjects on do they stop?

    python benchmarks/memorization_study.py DATASET -o FOLDER [--subjects 10 40 97]

Diffusion and StyleGAN learn axial slices with their labels from 10, 40 and all subjects, each for
the same time; those whose cards lie in FOLDER are taken as they are. Of each, new slices are
compared with all slices that it learned from, beside slices of subjects that none has seen (Akbar
2025), and audited: how many are closer than new patients are, with intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from memorization.learning import RATES, a_card, trained
from memorization.slices import Material, real, synthetic
from verisim.audit.auditor import Auditor
from verisim.audit.collection import Collection
from verisim.audit.correlation import Correlation
from verisim.audit.measure import Scores
from verisim.audit.measures import default_measures
from verisim.audit.report import AuditReport
from verisim.audit.verdicts import Policy
from verisim.dataset import open_dataset
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.progress import Progress
from verisim.synthesis import Synthesizer
from verisim.training.kinds import GeneratorKind


@dataclass
class Shown:
    """Progress on the terminal."""

    bar: Bar
    title: str

    def __post_init__(self) -> None:
        self.task = self.bar.add_task(self.title)

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Draw how far it is."""
        told = f"{self.title} {message}"
        self.bar.update(self.task, completed=done, total=total, description=told)


@dataclass(frozen=True, eq=False)
class Found:
    """What one generator remembers.

    Args:
        kind: Of the generator.
        subjects: That it learned from.
        images: That it learned from.
        made: Largest correlation of each synthetic slice with the training slices.
        unseen: Of each held-out slice.
        report: Of the audit.
    """

    kind: str
    subjects: int
    images: int
    made: Scores
    unseen: Scores
    report: AuditReport


def main() -> None:
    """Train what is missing, compare, print, draw."""
    asked = _asked()
    card = find_card("hippocampus-diffusion", SHIPPED_MODELS)
    console, rows = Console(width=130), []
    with Bar(console=Console(stderr=True)) as bar:
        material = Material.of(open_dataset(asked.dataset), card, Shown(bar, "slices"))
        for kind in asked.kinds:
            for count in asked.subjects:
                progress = Shown(bar, f"{kind}, {count} subjects,")
                rows.append(_one(asked, kind, count, material, progress))
    console.print(_table(rows))
    _draw(asked.output / "memorization.png", rows)


def _one(
    asked: argparse.Namespace,
    kind: GeneratorKind,
    count: int,
    material: Material,
    progress: Progress,
) -> Found:
    base = find_card("hippocampus-diffusion", SHIPPED_MODELS)
    learned, held_out = material.training(count), material.held_out
    new = a_card(base, kind, count, asked.width)
    batch, device = asked.batch_size, asked.device
    card = trained(
        new, kind, learned, held_out, asked.output, asked.minutes, batch, device, progress
    )
    cases = Synthesizer(card, device)(range(asked.cases), progress=progress)
    made, training, unseen = synthetic(cases), real(learned), real(held_out)
    index = Correlation(device).prepared(training)
    measures = default_measures(device=device) if asked.all_measures else [Correlation(device)]
    policy = Policy(plants=asked.plants)
    auditor = Auditor(training, _few(unseen, asked.each), measures, policy, work=None)
    report = auditor(made, progress)
    scores = [index(one).scores for one in (made, unseen)]
    found = Found(kind, count, len(training), scores[0], scores[1], report)
    report.write(asked.output / f"{card.name}-audit")
    return found


def _few(collection: Collection, each: int) -> Collection:
    """At most so many slices of each subject and stratum, drawn by lot."""
    order = np.random.default_rng(0).permutation(len(collection))
    taken: dict[tuple[str, str], int] = {}
    kept = []
    for k in order:
        key = (collection.patients[k], collection.strata[k])
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= each:
            kept.append(int(k))
    return collection.subset(sorted(kept))


def _table(rows: Sequence[Found]) -> Table:
    table = Table(title="Largest correlation with a training slice; and what the audit says")
    for column in (
        "generator",
        "subjects",
        "slices",
        "synthetic: mean (95 %)",
        "held out: mean (95 %)",
        "above 95 % of the held out",
        "set p",
        "closer than new patients",
        "verdict",
    ):
        table.add_column(column)
    for row in rows:
        said, limit = row.report.statement, np.quantile(row.unseen, 0.95)
        low, high = said.excess.low, said.excess.high
        table.add_row(
            row.kind,
            str(row.subjects),
            str(row.images),
            f"{row.made.mean():.3f} ({np.quantile(row.made, 0.95):.3f})",
            f"{row.unseen.mean():.3f} ({limit:.3f})",
            f"{(row.made > limit).mean():.0%}",
            f"{said.p:.2g}",
            f"{said.excess.mean:.0%} ({low:.0%} to {high:.0%})",
            row.report.word,
        )
    return table


def _draw(path: Path, rows: Sequence[Found]) -> None:
    kinds, counts = list(dict.fromkeys(r.kind for r in rows)), sorted({r.subjects for r in rows})
    figure = Figure(figsize=(3.2 * len(counts), 2.4 * len(kinds)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(kinds), len(counts), sharex=True, sharey="row", squeeze=False)
    edges = np.linspace(min(float(min(r.made.min(), r.unseen.min())) for r in rows), 1, 41)
    for row in rows:
        panel = panels[kinds.index(row.kind), counts.index(row.subjects)]
        panel.hist(row.unseen, edges, density=True, alpha=0.6, label="real, held out")
        panel.hist(row.made, edges, density=True, alpha=0.6, label="synthetic")
        panel.set_title(f"{row.kind}, {row.subjects} subjects", fontsize=9)
        panel.set_yticks([])
    panels[0, 0].legend(frameon=False, fontsize=8)
    figure.supxlabel("largest correlation with a training slice", fontsize=9)
    figure.savefig(path, dpi=110)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--kinds", choices=tuple(RATES), nargs="+", default=tuple(RATES))
    parser.add_argument("--subjects", type=int, nargs="+", default=[10, 40, 97])
    parser.add_argument("--minutes", type=float, default=60, help="training of each generator")
    parser.add_argument("--width", type=int, default=32, help="feature maps of the finest stage")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cases", type=int, default=300, help="synthetic slices of each")
    parser.add_argument("--each", type=int, default=4, help="held-out slices a subject")
    parser.add_argument("--plants", type=int, default=20, help="planted copies of each kind")
    parser.add_argument(
        "--all-measures", action="store_true", help="not only correlation: some hours"
    )
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
