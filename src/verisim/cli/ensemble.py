"""`verisim ensemble`: several models become one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verisim.cli.options import USER_MODELS, AsJson, Device, Models
from verisim.cli.terminal import COUNT, Terminal
from verisim.errors import Conflict

if TYPE_CHECKING:
    from verisim.card import ModelCard


def ensemble(
    name: Annotated[str, typer.Argument(help="Name of the new model.")],
    members: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Two or more models of one data set.")
    ],
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="Whether it answers with the mean over mirror images. [as the first model]",
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Write weights in half precision, in half the space.")
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for, in one sentence.")] = "",
    dataset: Annotated[
        Path | None, typer.Option(help="Measure it on this data set; the card keeps the figures.")
    ] = None,
    split: Annotated[str, typer.Option(help="Cases to measure it on.")] = "val",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Make one model of several: the folds of a training, or different configurations."""
    from dataclasses import replace

    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card, find_cards
    from verisim.joining import join

    terminal = Terminal(as_json)
    if name in find_cards(SHIPPED_MODELS, models):
        raise Conflict(f"There is a model {name} already.", "Choose another name.")
    cards = [find_card(member, SHIPPED_MODELS, models) for member in members]
    if mirror is not None:
        cards = [replace(card, mirroring=mirror) for card in cards]
    card = join(cards, name, models, description, half)
    if dataset is not None:
        card = _measured(card, dataset, split, choose(device), terminal, models)
    figures = ", ".join(f"{key} {value:g}" for key, value in card.figures.items())
    terminal.answer({"model": card}, f"{card.title}: {figures or 'not measured yet'}")


def _measured(
    card: ModelCard, folder: Path, split: str, device: str, terminal: Terminal, models: Path
) -> ModelCard:
    """The card with its Dice on a split, written again."""
    from dataclasses import replace

    from verisim.card import write_card
    from verisim.dataset import open_dataset
    from verisim.ensembles import segmenter_of
    from verisim.evaluation import evaluate
    from verisim.installed import SHIPPED_MODELS

    opened = open_dataset(folder)
    segmenter = segmenter_of(card, device, folders=(SHIPPED_MODELS, models))
    with terminal.progress("measure", COUNT) as progress:
        seen = evaluate(segmenter, opened, split, progress=progress)
    by_label = {f"dice.{split}.{row.label}": round(row.dice.mean, 4) for row in seen.labels}
    mean = sum(by_label.values()) / max(1, len(by_label))
    figures = {f"dice.{split}": round(mean, 4), **by_label}
    return write_card(
        replace(card, figures=figures, seconds_per_volume=round(seen.mean_seconds, 2))
    )
