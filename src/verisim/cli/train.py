"""`verisim train`: a data set in, a model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verisim.cli.options import USER_MODELS, AsJson, Device, Models, SubjectPattern
from verisim.cli.terminal import COUNT, Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.card import ModelCard
    from verisim.dataset import Dataset
    from verisim.training.fit import Improvement


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
    iterations: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = 8000,
    batch_size: Annotated[int, typer.Option(min=1, help="Patches a step.")] = 2,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Highest learning rate of AdamW.")
    ] = 2e-3,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    train_split: Annotated[str, typer.Option(help="Cases to learn from.")] = "train",
    val_split: Annotated[str, typer.Option(help="Cases that choose the best weights.")] = "val",
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 500,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder of checkpoint and curves, continued if it exists. [runs/NAME-vN]"
        ),
    ] = None,
    subject_pattern: SubjectPattern = "",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Train a U-Net on labelled cases; a run that was stopped goes on where it was."""
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card
    from verisim.training.fit import Fit
    from verisim.training.loop import Schedule

    if bool(name) == bool(start_from):
        raise BadInput(
            "Say either --name, for a new model, or --from, to fine-tune one.",
            "For example: verisim train DATASET --name liver-ct",
        )
    terminal = Terminal(as_json)
    present = find_card(start_from, SHIPPED_MODELS, models) if start_from else None
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset, subject_pattern)
    schedule = Schedule(
        iterations=iterations,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validate_every=min(validate_every, iterations),
        seed=seed,
    )
    card = present or _planned(opened, name, description, models)
    fit = Fit(card, opened, schedule, train_split, val_split, choose(device))
    folder = run or Path("runs") / f"{card.name}-v{card.version + bool(present)}"
    terminal.note(f"Checkpoint and curves are in {folder}; the same command continues the run.")
    with terminal.warnings_as_notes(), terminal.progress("train", COUNT) as progress:
        if present:
            improvement = fit.improve(folder, models, progress)
            card = improvement.card
            if not improvement.improved:
                terminal.note(_worse(improvement))
        else:
            card = fit(folder, models, progress)
    terminal.answer({"model": card, "written": card is not present, "run": folder}, *_lines(card))


def _planned(dataset: Dataset, name: str, description: str, models: Path) -> ModelCard:
    """An untrained card for the data set, as the next version of its name."""
    from dataclasses import replace

    from verisim.installed import SHIPPED_MODELS, find_cards
    from verisim.planning import plan

    present = find_cards(SHIPPED_MODELS, models).get(name)
    card = plan(dataset, name)
    return replace(
        card,
        version=present.version + 1 if present else 1,
        description=description or card.description,
    )


def _worse(improvement: Improvement) -> str:
    return (
        f"{improvement.card.title} stays: its validation Dice is {improvement.before:.4f}, "
        f"that of the new weights {improvement.after:.4f}."
    )


def _lines(card: ModelCard) -> tuple[str, str]:
    figures = ", ".join(f"{key} {value:g}" for key, value in card.figures.items())
    return f"{card.title}: {figures}", f"weights: {card.weights_path}"
