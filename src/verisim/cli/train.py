"""`verisim train`: a data set in, a model out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from verisim.cli.options import (
    ITERATIONS,
    USER_MODELS,
    AsJson,
    Device,
    LearningRate,
    Minutes,
    Models,
    RunFolder,
    SubjectPattern,
    SubjectTable,
    TrainingSeed,
    ValidateEvery,
    check_training,
)
from verisim.cli.terminal import Terminal

if TYPE_CHECKING:
    from verisim.dataset import Dataset


def train(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in the layout of the Decathlon, nnU-Net or MONAI Label.")
    ],
    name: Annotated[str, typer.Option(help="Name of a new model, lower case with dashes.")] = "",
    start_from: Annotated[
        str,
        typer.Option(
            "--from", help="Fine-tune this model; the next version is kept unless it is worse."
        ),
    ] = "",
    description: Annotated[
        str, typer.Option(help="What the new model is for, in one sentence.")
    ] = "",
    plan: Annotated[
        str, typer.Option(help="auto: from the data. Else a file that `verisim plan` wrote.")
    ] = "auto",
    configuration: Annotated[
        str,
        typer.Option(
            help="2d, 3d_fullres, 3d_lowres or 3d_cascade_fullres. [3d_fullres, if planned]"
        ),
    ] = "",
    previous: Annotated[
        str, typer.Option(help="For a cascade: the model of 3d_lowres, trained with --fold all.")
    ] = "",
    network: Annotated[
        Literal["unet", "medsegdiff"],
        typer.Option(help="medsegdiff: diffusion, whose samples tell where they disagree."),
    ] = "unet",
    light: Annotated[
        bool | None,
        typer.Option(
            "--light/--full",
            help="16 features and batch 2, or what the plan says. [light on a processor, "
            "unless a plan is given]",
        ),
    ] = None,
    mirror: Annotated[
        str, typer.Option(help="Axes that augmentation mirrors: xyz, x, … or none.")
    ] = "xyz",
    fold: Annotated[
        str,
        typer.Option(
            help="none: train and validation split. 0 to 4: this fold validates. all: five "
            "networks, one a fold, in one model."
        ),
    ] = "none",
    minutes: Minutes = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help=f"Optimizer steps of each network. [{ITERATIONS}]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Patches a step. [the plan's]")
    ] = None,
    learning_rate: LearningRate = 2e-3,
    decay: Annotated[
        Literal["poly", "cosine"], typer.Option(help="How the learning rate falls to zero.")
    ] = "poly",
    seed: TrainingSeed = 0,
    train_split: Annotated[
        str,
        typer.Option(help="Cases to learn from, or to deal out to folds. [train, if there is]"),
    ] = "",
    val_split: Annotated[
        str, typer.Option(help="Cases that choose the best weights where there are no folds.")
    ] = "val",
    validate_every: ValidateEvery = 500,
    run: RunFolder = None,
    subject_pattern: SubjectPattern = "",
    subject_table: SubjectTable = None,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Plan and train a network on labelled cases; a run that was stopped goes on where it was."""
    started = time.monotonic()
    from verisim.cli.order import Order, Wish
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.training.schedule import Schedule

    check_training("train DATASET --name liver-ct", name, start_from, minutes, iterations)
    terminal = Terminal(as_json)
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset, subject_pattern, subject_table)
    _note_unreleased(terminal, opened, dataset)
    steps = iterations or ITERATIONS
    schedule = Schedule(
        iterations=steps,
        learning_rate=learning_rate,
        validate_every=min(validate_every, steps),
        seed=seed,
        decay=decay,
    )
    wish = Wish(
        name, description, plan, configuration, previous, light, mirror, batch_size, network
    )
    order = Order(
        terminal,
        opened,
        schedule,
        fold,
        train_split,
        val_split,
        run,
        choose(device),
        models,
        minutes,
        started,
    )
    order.improve(start_from) if start_from else order.train(wish)


def _note_unreleased(terminal: Terminal, opened: Dataset, folder: Path) -> None:
    """Synthetic cases may be learned from; that a model may give patients away is said."""
    from verisim.audit.pool import certificates_in, unreleased

    found = unreleased(opened.cases, certificates_in(folder / "certificates"))
    if found:
        terminal.note(
            f"{len(found)} of {len(opened.cases)} cases are synthetic, and no audit has let them "
            "out: they may copy patients, and so may what learns from them. See verisim audit."
        )
