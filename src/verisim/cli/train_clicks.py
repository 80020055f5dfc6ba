"""`verisim train-clicks`: labelled cases and a model in, a click network for its labels out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verisim.cli.options import (
    DEFAULT_MODEL,
    USER_MODELS,
    AsJson,
    Device,
    LearningRate,
    Models,
    RunFolder,
    SubjectPattern,
    SubjectTable,
    TrainingSeed,
    ValidateEvery,
)
from verisim.cli.terminal import COUNT, Terminal

STEPS = 4400
"""Optimizer steps when nothing is said: three quarters of an hour on one thread."""


def train_clicks(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in the layout of the Decathlon, nnU-Net or MONAI Label.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new model, lower case with dashes.")],
    of: Annotated[
        str,
        typer.Option(help="U-Net whose answers to noisy copies are corrected, and whose labels."),
    ] = DEFAULT_MODEL,
    iterations: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = STEPS,
    batch_size: Annotated[int, typer.Option(min=1, help="Patches a step.")] = 2,
    learning_rate: LearningRate = 2e-3,
    seed: TrainingSeed = 0,
    train_split: Annotated[
        str, typer.Option(help="Cases to learn from; a few subjects choose the best weights.")
    ] = "train",
    val_split: Annotated[
        str, typer.Option(help="Cases that are measured at the end, and decide nothing.")
    ] = "val",
    validate_every: ValidateEvery = 400,
    run: RunFolder = None,
    subject_pattern: SubjectPattern = "",
    subject_table: SubjectTable = None,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Train a network that corrects by clicks; a run that was stopped goes on where it was.

    `verisim refine` takes it for every model with the same labels.
    """
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card, next_version
    from verisim.training.click_fit import ClickFit, clicker_of
    from verisim.training.schedule import Schedule

    terminal = Terminal(as_json)
    corrected = find_card(of, SHIPPED_MODELS, models)
    card = clicker_of(corrected, name, next_version(name, SHIPPED_MODELS, models))
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset, subject_pattern, subject_table)
    every = min(validate_every, iterations)
    schedule = Schedule(iterations, batch_size, learning_rate, validate_every=every, seed=seed)
    fit = ClickFit(card, corrected, opened, schedule, train_split, val_split, choose(device))
    folder = run or Path("runs") / f"{card.name}-v{card.version}"
    terminal.note(f"Checkpoint and curves are in {folder}; the same command continues the run.")
    with terminal.warnings_as_notes(), terminal.progress("train", COUNT) as progress:
        trained = fit(folder, models, progress)
    figures = ", ".join(f"{key} {value:g}" for key, value in trained.figures.items())
    lines = (f"{trained.title}: {figures}", f"weights: {trained.weights_path}")
    terminal.answer({"model": trained, "run": folder}, *lines)
