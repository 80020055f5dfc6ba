"""`verisim evaluate`: how good a model is on labelled cases."""

from __future__ import annotations

import csv
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import (
    USER_MODELS,
    AsJson,
    Device,
    Fusion,
    Mirror,
    Models,
    Precision,
    PrecisionOption,
    Samples,
    Seed,
    Steps,
    SubjectPattern,
)
from verisim.cli.terminal import COUNT, Terminal

if TYPE_CHECKING:
    from verisim.dataset import Dataset
    from verisim.evaluation import Evaluation
    from verisim.metrics import Interval
    from verisim.rescued_segmenter import RescuedSegmenter


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
    calibrate: Annotated[
        bool,
        typer.Option(
            help="Also find out how sure the model may be: write into the card the temperature of "
            "its probabilities (and of an ensemble the shares of its models), from these cases, "
            "and the correction of the expected Dice, from them and worse copies of them."
        ),
    ] = False,
    subject_pattern: SubjectPattern = "",
    mirror: Mirror = None,
    precision: PrecisionOption = Precision.auto,
    samples: Samples = None,
    steps: Steps = None,
    fusion: Fusion = None,
    seed: Seed = None,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Segment every case of a split and compare with the truth, with intervals over subjects."""
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.evaluation import evaluate as run
    from verisim.installed import SHIPPED_MODELS, find_card, parts_of
    from verisim.questions import check_place
    from verisim.rescued_segmenter import RescuedSegmenter
    from verisim.sampling_wish import SamplingWish

    terminal = Terminal(as_json)
    card = find_card(model, SHIPPED_MODELS, models)
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset, subject_pattern)
    if output is not None:
        check_place(output)
    folders = SHIPPED_MODELS, models
    wish = SamplingWish(samples, steps, fusion=fusion, seed=seed)
    wish.check(parts_of(card, lambda name: find_card(name, *folders, card.folder)))
    segmenter = RescuedSegmenter(card, choose(device), mirror, folders, precision.value, wish=wish)
    with terminal.progress("evaluate", COUNT) as progress:
        evaluation = run(segmenter, opened, split, tolerance_mm, progress)
    if calibrate:
        _calibrate(segmenter, opened, split, terminal)
    for warning in (*evaluation.warnings, *_of_cases(evaluation)):
        terminal.note(warning)
    if output is not None:
        _write(output, evaluation)
    terminal.answer(evaluation, _table(evaluation))


def _calibrate(
    segmenter: RescuedSegmenter, dataset: Dataset, split: str, terminal: Terminal
) -> None:
    """Write into the card how sure the model may be, and how the expected Dice is corrected."""
    from verisim.calibrating import calibrated
    from verisim.card import write_card
    from verisim.expecting import expected_of, told

    with terminal.progress("temperature", COUNT) as progress:
        sure = calibrated(_models(segmenter), dataset, split, progress)
    terminal.note(f"{sure.told}.")
    card = replace(segmenter.card, expectations={}, temperature=sure.temperature)
    if card.ensemble:
        card = replace(card, shares=sure.shares)
    with terminal.progress("calibrate", COUNT) as progress:
        found = expected_of(replace(segmenter, card=card), dataset, split, progress)
    lines = {name: one.line for name, one in found.items()}
    card = write_card(replace(card, expectations=lines))
    for said in told(found):
        terminal.note(said)
    terminal.note(f"Written into {card.card_path}.")


def _models(segmenter: RescuedSegmenter) -> list[RescuedSegmenter]:
    """The model, or those of an ensemble, at temperature 1, made to tell probabilities."""
    from verisim.installed import find_card

    card, folders = segmenter.card, segmenter.folders
    parts = [find_card(name, *folders, card.folder) for name in card.ensemble] or [card]
    return [
        replace(segmenter, card=replace(one, temperature=1.0), maps=("probability",))
        for one in parts
    ]


def _of_cases(evaluation: Evaluation) -> list[str]:
    return [f"{case.case}: {warning}" for case in evaluation.cases for warning in case.warnings]


def _table(evaluation: Evaluation) -> Table:
    table = Table(
        "label",
        "Dice",
        "Hausdorff 95 (mm)",
        f"surface Dice {evaluation.tolerance_mm:g} mm",
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
    """Mean and bounds; one subject has no bounds."""
    if not (isfinite(interval.low) and isfinite(interval.high)):
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def _write(path: Path, evaluation: Evaluation) -> None:
    from dataclasses import astuple, fields

    from verisim.files.atomic import make_folder, replacing
    from verisim.metrics import Agreement

    header = ["case", "subject", *(field.name for field in fields(Agreement))]
    rows = [
        [score.case, score.subject, *astuple(agreement)]
        for score in evaluation.cases
        for agreement in score.agreements
    ]
    make_folder(path.parent)
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
