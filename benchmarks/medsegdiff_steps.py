"""What more samples and more steps of a diffusion model buy, and what they cost.

    python benchmarks/medsegdiff_steps.py [--models NAME...] [--rows 3x5 10x5 ...]

Each row is STEPSxSAMPLES; rows of very many evaluations are measured on a few volumes (--few).
Rows are compared on the same volumes only: the table shows the Dice of the default on the volumes
of the row, too. --picture draws Dice and calibration against evaluations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from beside_nnunet.material import DATA, cases_of
from beside_nnunet.measuring import keep_to, processors
from uncertainty.scoring import Score, score
from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.ensembles import segmenter_of
from verisim.files.atomic import replacing
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.maps import MAP_KINDS
from verisim.metrics import Interval, bootstrap_mean
from verisim.sampling_wish import SamplingWish

MODEL = "hippocampus-medsegdiff"
ROWS = ("100x10", "50x5", "10x5", "5x5", "3x5", "2x4", "3x1", "1x1")
MANY = 100
"""Evaluations from which a row is measured on a few volumes."""

WIDTH = 160


@dataclass(frozen=True)
class Row:
    """One way to sample, measured.

    Args:
        model: Its title.
        steps: From noise to mask.
        samples: Masks of each volume.
        scores: One a volume.
    """

    model: str
    steps: int
    samples: int
    scores: tuple[Score, ...]

    @property
    def evaluations(self) -> float:
        """Of the network for one volume."""
        return float(np.mean([one.evaluations for one in self.scores]))

    def interval(self, figure: str) -> Interval:
        """Mean of a figure with its bootstrap interval over subjects."""
        values = [getattr(one, figure) for one in self.scores]
        return bootstrap_mean(values, [one.subject for one in self.scores])


def main() -> None:
    """Measure every row, print the table, draw the picture."""
    arguments = _arguments()
    keep_to(arguments.threads)
    console = Console(stderr=True)
    rows: list[Row] = []
    for row in _measured(arguments):
        rows.append(row)
        said = f"{row.model} {row.steps}x{row.samples}: Dice {row.interval('dice').mean:.4f}"
        console.print(said, highlight=False)
        if arguments.output:  # a long run that is stopped leaves what it found
            _write(arguments.output, rows)
    Console(width=WIDTH).print(table(rows))
    if arguments.picture:
        draw(arguments.picture, rows)


def _measured(arguments: argparse.Namespace) -> Iterator[Row]:
    cases = cases_of(arguments.data, arguments.cases)
    for name in arguments.models:
        card = find_card(name, SHIPPED_MODELS, arguments.folder)
        for steps, samples in arguments.rows:
            few = steps * samples > MANY
            yield measured(card, steps, samples, cases[: arguments.few] if few else cases)


def measured(card: ModelCard, steps: int, samples: int, cases: Sequence[Case]) -> Row:
    """Segment every case in this way."""
    wish = SamplingWish(samples, steps, kept=True)
    segmenter = segmenter_of(card, maps=MAP_KINDS, wish=wish)
    scores = []
    for case in cases:
        volume, truth = case.pair(card.labels)
        scores.append(score(case.name, case.subject, segmenter(volume), truth))
    return Row(card.title, steps, samples, tuple(scores))


def table(rows: Sequence[Row]) -> Table:
    """For a person."""
    found = Table()
    for name in (
        "model",
        "steps × samples",
        "volumes",
        "evaluations",
        "Dice",
        "same volumes, best",
    ):
        found.add_column(name)
    for name in ("calibration error", "AUROC entropy", "AUROC votes", "agreement", "seconds"):
        found.add_column(name, justify="right")
    for row in rows:
        figures = (
            f"{row.interval(name).mean:.3f}"
            for name in (
                "calibration_error",
                "entropy_auroc",
                "vote_auroc",
                "agreement",
                "seconds",
            )
        )
        dice = row.interval("dice")
        found.add_row(
            row.model,
            f"{row.steps} × {row.samples}",
            str(len(row.scores)),
            f"{row.evaluations:.0f}",
            f"{dice.mean:.4f} ({dice.low:.3f}–{dice.high:.3f})",
            f"{best_on_the_same(row, rows):.4f}",
            *figures,
        )
    return found


def best_on_the_same(row: Row, rows: Sequence[Row]) -> float:
    """The best mean Dice that any row of the model reached on the volumes of this one."""
    names = {one.case for one in row.scores}
    means = [
        float(np.mean([one.dice for one in other.scores if one.case in names]))
        for other in rows
        if other.model == row.model and names <= {one.case for one in other.scores}
    ]
    return max(means)


def on_the_same(rows: Sequence[Row]) -> list[Row]:
    """The rows with only those volumes that all of them were measured on."""
    names = set.intersection(*({one.case for one in row.scores} for row in rows))
    return [
        replace(row, scores=tuple(one for one in row.scores if one.case in names)) for row in rows
    ]


def draw(path: Path, measured: Sequence[Row]) -> None:
    """Dice and calibration error against evaluations, on volumes that all rows share."""
    rows = on_the_same(measured)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for panel, name, title in zip(
        panels, ("dice", "calibration_error"), ("Dice", "calibration error"), strict=True
    ):
        for model in dict.fromkeys(row.model for row in rows):
            own = sorted((r for r in rows if r.model == model), key=lambda r: r.evaluations)
            intervals = [row.interval(name) for row in own]
            low = [i.mean - i.low for i in intervals]
            high = [i.high - i.mean for i in intervals]
            means = [i.mean for i in intervals]
            x = [row.evaluations for row in own]
            panel.errorbar(x, means, (low, high), marker="o", capsize=3, label=model)
            for row, mean in zip(own, means, strict=True):
                panel.annotate(f"{row.steps}×{row.samples}", (row.evaluations, mean), fontsize=7)
        panel.set_xscale("log")
        panel.set_xlabel("network evaluations a volume (steps × samples)")
        panel.set_ylabel(f"{title}, {len(rows[0].scores)} volumes")
    panels[0].legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def _write(path: Path, rows: Sequence[Row]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def _row(text: str) -> tuple[int, int]:
    try:
        steps, samples = (int(number) for number in text.split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 3x5") from error
    return steps, samples


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", default=[MODEL], help="trained to sample [%(default)s]")
    add("--folder", type=Path, default=SHIPPED_MODELS, help="of your own models")
    add("--rows", nargs="+", type=_row, default=[_row(r) for r in ROWS], help="STEPSxSAMPLES")
    add("--data", type=Path, default=DATA, help="labelled data set, its split val [%(default)s]")
    add("--cases", type=int, default=26, help="how many volumes [%(default)s]")
    add("--few", type=int, default=3, help=f"where there are over {MANY} evaluations [3]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    add("--output", type=Path, help="also write all figures, a JSON file")
    add("--picture", type=Path, help="also draw them, a .png")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
