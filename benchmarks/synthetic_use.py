"""What synthetic cases are worth: segmenters trained on real ones, on synthetic ones, on both.

    python benchmarks/synthetic_use.py SYNTHETIC [--data DATA/hippocampus] [--iterations 1200]

All arms train the same network for as many steps, and are tested on the same held-out real cases;
differences are taken case by case, with bootstrap intervals over subjects. SYNTHETIC is what
`verisim synthesize` wrote; as many of its cases are used as there are real ones. What is trained
stays in --work and is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from beside_nnunet.material import DATA
from beside_nnunet.measuring import keep_to, processors
from uncertainty.scoring import mean_dice, shown_interval
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset, open_dataset
from verisim.ensembles import segmenter_of
from verisim.evaluation import under_model_names
from verisim.files import write
from verisim.files.atomic import make_folder, replacing
from verisim.fingerprint import fingerprint_of
from verisim.installed import find_cards
from verisim.metrics import Interval, bootstrap_mean
from verisim.planning import make_plan
from verisim.training.fit import Fit
from verisim.training.schedule import Schedule

ARMS = ("real", "synthetic", "both")
WIDTH = 120


@dataclass(frozen=True)
class Row:
    """One training.

    Args:
        arm: What it learned from.
        seed: Of the training.
        cases: How many it learned from.
        dice: Of each held-out case.
        subjects: Whose body each is.
    """

    arm: str
    seed: int
    cases: int
    dice: tuple[float, ...]
    subjects: tuple[str, ...]


def main() -> None:
    """Lay out, train what is missing, score, print."""
    arguments = _arguments()
    keep_to(arguments.threads)
    rows: list[Row] = []
    for row in _rows(arguments):
        rows.append(row)
        Console(stderr=True).print(f"{row.arm}, seed {row.seed}: Dice {np.mean(row.dice):.4f}")
        if arguments.output:
            with replacing(arguments.output) as temporary:
                temporary.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n")
    Console(width=WIDTH).print(table(rows))


def _rows(arguments: argparse.Namespace) -> Iterator[Row]:
    real, made = open_dataset(arguments.data), open_dataset(arguments.synthetic)
    plan = make_plan(fingerprint_of(real, "train"))
    card = replace(plan.card("use", plan.default.lighter()), mirrored_axes=(0,))
    dataset = laid_out(card, real, made, arguments.work / "cases", arguments.few)
    for seed in range(arguments.seeds):
        for arm in arguments.arms:
            trained = _trained(
                replace(card, name=f"use-{arm}-{seed}"), dataset, arm, seed, arguments
            )
            cases = dataset.split("val")
            found = tuple(_scores(trained, cases))
            subjects = tuple(case.subject for case in cases)
            yield Row(arm, seed, len(dataset.split(arm)), found, subjects)


def laid_out(card: ModelCard, real: Dataset, made: Dataset, folder: Path, few: int) -> Dataset:
    """One data set with a split for each arm, and the held-out real cases.

    Args:
        card: Names the labels.
        real: With the splits train and val.
        made: Synthetic cases.
        folder: Receives it; left as it is if it is there already.
        few: Real cases to learn from; 0: all.
    """
    teaching = real.split("train")[: few or None]
    others = made.split("all")[: len(real.split("train"))]
    splits = {
        "real": [case.name for case in teaching],
        "synthetic": [case.name for case in others],
        "val": [case.name for case in real.split("val")],
    }
    splits["both"] = [*splits["real"], *splits["synthetic"]]
    if not (folder / "splits.json").is_file():
        for name in ("imagesTr", "labelsTr"):
            make_folder(folder / name)
        for dataset, cases in ((real, [*teaching, *real.split("val")]), (made, others)):
            _copy(cases, under_model_names(card, dataset), card.labels, folder)
        described = {
            "name": "use",
            "channel_names": {"0": "MRI"},
            "labels": {"background": 0, **card.labels},
            "numTraining": sum(len(splits[name]) for name in ("both", "val")),
            "file_ending": ".nii.gz",
        }
        (folder / "dataset.json").write_text(json.dumps(described))
        subjects = {case.name: case.subject for case in (*teaching, *real.split("val"), *others)}
        lines = ["case,subject", *(f"{case},{who}" for case, who in subjects.items())]
        (folder / "subjects.csv").write_text("\n".join(lines) + "\n")
        (folder / "splits.json").write_text(json.dumps(splits))
    return open_dataset(folder)


def _copy(
    cases: Sequence[Case], named: Mapping[str, int], labels: Mapping[str, int], folder: Path
) -> None:
    for case in cases:
        volume, truth = case.pair(named)
        write(folder / "imagesTr" / f"{case.name}_0000.nii.gz", volume)
        write(folder / "labelsTr" / f"{case.name}.nii.gz", truth.valued(labels))


def _trained(
    card: ModelCard, dataset: Dataset, arm: str, seed: int, arguments: argparse.Namespace
) -> ModelCard:
    models = arguments.work / "models"
    present = find_cards(models).get(card.name) if models.is_dir() else None
    if present is not None:
        return present
    # a single look, at the end: the cases that score it choose nothing
    schedule = Schedule(batch_size=2, seed=seed, decay="cosine").lasting(arguments.iterations, 1)
    return Fit(card, dataset, schedule, arm, "val")(arguments.work / card.name, models)


def _scores(card: ModelCard, cases: Sequence[Case]) -> Iterator[float]:
    segmenter = segmenter_of(card)
    for case in cases:
        volume, truth = case.pair(card.labels)
        yield mean_dice(segmenter(volume).label_map, truth)


def table(rows: Sequence[Row]) -> Table:
    """For a person: each arm over all seeds, beside the real one."""
    shown = Table("learned from", "cases", "trainings", "Dice", "of real", "beside real")
    real = _of("real", rows)
    for arm in dict.fromkeys(row.arm for row in rows):
        own = _of(arm, rows)
        dice = _interval([d for row in own for d in row.dice], own)
        share = f"{dice.mean / _mean(real):.1%}" if real else ""
        apart = [
            a - b
            for one, other in zip(own, real, strict=False)
            for a, b in zip(one.dice, other.dice, strict=True)
        ]
        beside = shown_interval(_interval(apart, own), "+.4f") if real and arm != "real" else ""
        counts = (str(own[0].cases), str(len(own)))
        shown.add_row(arm, *counts, shown_interval(dice, ".4f"), share, beside)
    return shown


def _of(arm: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.arm == arm]


def _mean(rows: Sequence[Row]) -> float:
    return float(np.mean([row.dice for row in rows]))


def _interval(values: Sequence[float], rows: Sequence[Row]) -> Interval:
    subjects = [who for row in rows for who in row.subjects]
    return bootstrap_mean(values, subjects[: len(values)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("synthetic", type=Path, help="folder that `verisim synthesize` wrote")
    add("--data", type=Path, default=DATA, help="real cases, train and val [%(default)s]")
    add("--arms", nargs="+", default=list(ARMS), choices=ARMS, help="[all three]")
    add("--few", type=int, default=0, help="real cases to learn from [all]")
    add("--iterations", type=int, default=1200, help="of each training [%(default)s]")
    add("--seeds", type=int, default=1, help="trainings of each arm [%(default)s]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    add("--work", type=Path, default=Path("runs/use"), help="keeps what is trained")
    add("--output", type=Path, help="also write all figures, a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
