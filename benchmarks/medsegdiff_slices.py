"""MedSegDiff for slices beside a U-Net of as many weights, trained for as long.

    python benchmarks/medsegdiff_slices.py [lgg2d fundus_disc thyroid] [--minutes 4]

Pictures (at most 128 pixels a side) are laid out as slices and split by patient or video; 20 % of
the subjects are held out. Both networks learn from the others for the same minutes on this
machine and are scored on those held out: Dice with a bootstrap interval over subjects, the
difference picture by picture, calibration and how doubt ranks errors. What is trained stays in
--work and is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from beside_nnunet.measuring import keep_to, processors
from slices.material import TASKS, lay_out_slices
from uncertainty.scoring import Score, score, shown_interval
from verisim.card import ModelCard
from verisim.dataset import Dataset, open_dataset
from verisim.devices import choose
from verisim.ensembles import segmenter_of
from verisim.files.atomic import replacing
from verisim.fingerprint import fingerprint_of
from verisim.installed import find_cards
from verisim.maps import MAP_KINDS
from verisim.metrics import Interval, bootstrap_mean
from verisim.planning import Configuration, Plan, make_plan
from verisim.sampling_wish import SamplingWish
from verisim.training.budget import Candidate, Work, plan_for
from verisim.training.fit import Fit
from verisim.training.kinds import of_kind
from verisim.training.schedule import Schedule

DATA = Path(os.environ.get("VERISIM_DATA", "../shared/data"))
"""Where the sets lie."""

DIFFUSION_FEATURES, BATCH = 16, 8
"""Of MedSegDiff's finest stage; and pictures a step, of both."""

WIDTH = 150


@dataclass(frozen=True)
class Row:
    """One network on one set.

    Args:
        task: The set.
        network: Its name.
        parameters: Its weights.
        steps: Of its training.
        scores: One a picture.
    """

    task: str
    network: str
    parameters: int
    steps: int
    scores: tuple[Score, ...]

    def interval(self, figure: str) -> Interval:
        """Mean over the pictures that have it, with an interval over subjects."""
        return bootstrap_mean([getattr(one, figure) for one in self.scores], self._subjects)

    def more_than(self, other: Row) -> Interval:
        """By how much its Dice is higher, picture by picture."""
        pairs = zip(self.scores, other.scores, strict=True)
        return bootstrap_mean([a.dice - b.dice for a, b in pairs], self._subjects)

    @property
    def _subjects(self) -> list[str]:
        return [one.subject for one in self.scores]


def main() -> None:
    """Train what is missing, score, print the table."""
    arguments = _arguments()
    keep_to(arguments.threads)
    rows: list[Row] = []
    for task in arguments.tasks:
        rows += _rows(task, arguments)
        if arguments.output:  # a long run that is stopped leaves what it found
            with replacing(arguments.output) as temporary:
                temporary.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    Console(width=WIDTH).print(table(rows))


def _rows(task: str, arguments: argparse.Namespace) -> Iterator[Row]:
    folder = lay_out_slices(arguments.data / task, arguments.work / task)
    dataset = open_dataset(folder, TASKS[task].subject)
    plan = make_plan(fingerprint_of(dataset, "train"))
    for name, card in alike(plan, task.replace("_", "-")).items():
        trained = _trained(card, dataset, arguments)
        scores = tuple(_scores(trained, dataset))
        steps = trained.training.iterations if trained.training else 0
        yield Row(task, name, weights_in(trained), steps, scores)


def alike(plan: Plan, name: str) -> dict[str, ModelCard]:
    """Untrained models of as many weights: MedSegDiff, and the U-Net that comes closest."""
    flat = plan.configuration("2d")
    ours = _card(
        plan, f"{name}-medsegdiff", flat.lighter(DIFFUSION_FEATURES, BATCH), diffusion=True
    )
    wanted = weights_in(ours)
    widths = range(DIFFUSION_FEATURES, 2 * DIFFUSION_FEATURES + 1, 2)
    candidates = [_card(plan, f"{name}-unet", flat.lighter(width, BATCH)) for width in widths]
    unet = min(candidates, key=lambda card: abs(weights_in(card) - wanted))
    return {"U-Net": unet, "MedSegDiff": ours}


def _card(
    plan: Plan, name: str, configuration: Configuration, diffusion: bool = False
) -> ModelCard:
    card = of_kind(plan.card(name, configuration), "medsegdiff" if diffusion else "unet")
    return replace(card, mirrored_axes=(0,))


def weights_in(card: ModelCard) -> int:
    """Numbers that the network of a card learns."""
    return sum(weight.numel() for weight in card.build().parameters())


def _trained(card: ModelCard, dataset: Dataset, arguments: argparse.Namespace) -> ModelCard:
    models, device = arguments.work / "models", choose(arguments.device)
    present = find_cards(models).get(card.name) if models.is_dir() else None
    if present is not None:
        return present
    started, asked = time.monotonic(), Schedule(seed=arguments.seed, decay="cosine")
    work = Work(dataset.split("train"), dataset.split("val"))
    candidates = (Candidate(card, BATCH),)
    planned = plan_for(arguments.minutes, started, candidates, work, asked, device)
    # a single look, at the end: the pictures that score it choose nothing
    schedule = planned.schedule.lasting(planned.schedule.iterations, looks=1)
    trained = Fit(card, dataset, schedule, device=device)(arguments.work / card.name, models)
    minutes = (time.monotonic() - started) / 60
    Console(stderr=True).print(f"{card.name}: {schedule.iterations} steps, {minutes:.1f} minutes")
    return trained


def _scores(card: ModelCard, dataset: Dataset) -> Iterator[Score]:
    segmenter = segmenter_of(card, maps=MAP_KINDS, wish=SamplingWish(kept=True))
    for case in dataset.split("val"):
        volume, truth = case.pair(card.labels)
        yield score(case.name, case.subject, segmenter(volume), truth)


def table(rows: Sequence[Row]) -> Table:
    """For a person: the two networks of each set below each other."""
    shown = Table()
    for title in ("set", "network", "weights", "steps", "Dice", "beside the U-Net"):
        shown.add_column(title)
    for title in ("calibration error", "AUROC entropy", "AUROC votes", "seconds"):
        shown.add_column(title, justify="right")
    for row in rows:
        peer = next(one for one in rows if one.task == row.task)
        beside = shown_interval(row.more_than(peer), "+.3f") if peer is not row else ""
        names = ("calibration_error", "entropy_auroc", "vote_auroc", "seconds")
        figures = [f"{row.interval(name).mean:.3f}" for name in names]
        counts = (f"{row.parameters:,}", f"{row.steps:,}")
        dice = shown_interval(row.interval("dice"), ".3f")
        shown.add_row(row.task, row.network, *counts, dice, beside, *figures)
    return shown


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("tasks", nargs="*", default=list(TASKS), help="[all three]")
    add("--data", type=Path, default=DATA, help="where their folders lie [%(default)s]")
    add("--minutes", type=float, default=4.0, help="of each training [%(default)s]")
    add("--seed", type=int, default=0, help="[%(default)s]")
    add("--work", type=Path, default=Path("runs/slices"), help="keeps what is trained")
    add("--device", default="auto", help="[%(default)s]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    add("--output", type=Path, help="also write all figures, a JSON file")
    arguments = parser.parse_args()
    unknown = set(arguments.tasks) - set(TASKS)
    if unknown:
        parser.error(f"no set {', '.join(sorted(unknown))}: choose from {', '.join(TASKS)}")
    return arguments


if __name__ == "__main__":
    main()
