"""`verisim evaluate`: how good a model is on labelled cases."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import USER_MODELS, AsJson, Device, Models, SubjectPattern
from verisim.cli.terminal import Terminal

if TYPE_CHECKING:
    from verisim.evaluation import Evaluation
    from verisim.metrics import Interval


def evaluate(
    model: Annotated[str, typer.Argument(help="Name of a model, see `verisim models`.")],
    dataset: Annotated[
        Path, typer.Argument(help="Folder in the layout of the Decathlon, nnU-Net or MONAI Label.")
    ],
    split: Annotated[str, typer.Option(help="A split of splits.json, or all.")] = "val",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write a CSV with one line per label.")
    ] = None,
    tolerance_mm: Annotated[float, typer.Option(min=0, help="Of the surface Dice.")] = 1.0,
    subject_pattern: SubjectPattern = "",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Segment every case of a split and compare with the truth, with intervals over subjects."""
    from verisim.card import SHIPPED_MODELS, find_card
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.evaluation import evaluate as run
    from verisim.segmentation import NetworkSegmenter

    terminal = Terminal(as_json)
    segmenter = NetworkSegmenter(find_card(model, SHIPPED_MODELS, models), choose(device))
    opened = open_dataset(dataset, subject_pattern)
    with terminal.progress("evaluate") as progress:
        evaluation = run(segmenter, opened, split, tolerance_mm, progress)
    if output is not None:
        _write(output, evaluation)
    terminal.answer(evaluation, _table(evaluation))


def _table(evaluation: Evaluation) -> Table:
    table = Table(
        "label",
        "Dice",
        "Hausdorff 95 (mm)",
        f"surface Dice at {evaluation.tolerance_mm:g} mm",
        title=f"{evaluation.model} on {evaluation.dataset}, split {evaluation.split}: "
        f"{len(evaluation.cases)} cases of {evaluation.subjects} subjects",
        caption=f"95 % bootstrap intervals over subjects · "
        f"{evaluation.mean_seconds:.2f} s per volume",
    )
    for row in evaluation.labels:
        cells = (row.dice, row.hausdorff95_mm, row.surface_dice)
        table.add_row(row.label, *(_shown(cell) for cell in cells))
    return table


def _shown(interval: Interval) -> str:
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _write(path: Path, evaluation: Evaluation) -> None:
    from verisim.files.atomic import replacing

    header = ["case", "subject", "label", "dice", "hausdorff95_mm", "surface_dice"]
    rows = [
        [score.case, score.subject, a.label, a.dice, a.hausdorff95_mm, a.surface_dice]
        for score in evaluation.cases
        for a in score.agreements
    ]
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
