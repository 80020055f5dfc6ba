"""`verisim import-nnunet` and `verisim export-nnunet`: models of nnU-Net v2, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import COUNT, Terminal

if TYPE_CHECKING:
    from verisim.card import ModelCard
    from verisim.exchange.importing import Wanted


def import_nnunet(
    model_folder: Annotated[
        Path, typer.Argument(help="Folder with plans.json, dataset.json and fold_0, fold_1, …")
    ],
    name: Annotated[
        str, typer.Option(help="Name of the model here. [data set and configuration]")
    ] = "",
    folds: Annotated[str, typer.Option(help="Which folds: 0,1 or all. [those found]")] = "",
    checkpoint: Annotated[
        str, typer.Option(help="Which file of each fold, e.g. checkpoint_best.pth.")
    ] = "checkpoint_final.pth",
    licence: Annotated[str, typer.Option(help="Licence of the training data.")] = "",
    previous: Annotated[
        str, typer.Option(help="For a cascade: the imported model of its first stage.")
    ] = "",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Install a model that nnU-Net v2 trained; no code in its files is run."""
    from verisim.card import write_model
    from verisim.exchange.importing import Wanted, import_model
    from verisim.installed import SHIPPED_MODELS, find_card

    terminal = Terminal(as_json)
    wanted = Wanted(
        name=name,
        folds=tuple(fold.strip() for fold in folds.split(",") if fold.strip()),
        checkpoint=checkpoint,
        licence=licence,
        previous=find_card(previous, SHIPPED_MODELS, models) if previous else None,
    )
    _check_plain(wanted)
    with terminal.warnings_as_notes(), terminal.progress("import", COUNT) as progress:
        imported = import_model(model_folder, wanted, progress)
    card = write_model(_next_version(imported.card, models), imported.weights, models)
    folds_read = ", ".join(imported.folds)
    terminal.answer(
        {"model": card, "folds": imported.folds},
        f"{card.title}: {card.description}",
        f"networks: {card.members} ({folds_read})",
        f"weights: {card.weights_path}",
    )


def export_nnunet(
    model: Annotated[str, typer.Argument(help="One of `verisim models`.")],
    out_folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Write a model as a folder that nnUNetv2_predict_from_modelfolder runs."""
    from verisim.exchange.exporting import export_model
    from verisim.installed import SHIPPED_MODELS, find_card

    terminal = Terminal(as_json)
    card = find_card(model, SHIPPED_MODELS, models)
    with terminal.warnings_as_notes():
        folds = export_model(card, out_folder)
    command = (
        f"nnUNetv2_predict_from_modelfolder -i IMAGES -o LABELS -m {out_folder} "
        f"-f {' '.join(folds)}"
    )
    terminal.answer(
        {"model": card.name, "folder": out_folder, "folds": folds, "command": command},
        f"{card.title}: {out_folder}",
        command,
    )


def _check_plain(wanted: Wanted) -> None:
    """A fold or a file's name must not lead out of the model folder."""
    from verisim.errors import BadInput

    for word in (*wanted.folds, wanted.checkpoint):
        if Path(word).name != word:
            raise BadInput(
                f"{word!r} is no name of a fold or a checkpoint.",
                "Use names inside the model folder: --folds 0,1 --checkpoint checkpoint_best.pth",
            )


def _next_version(card: ModelCard, models: Path) -> ModelCard:
    """A model that is imported again becomes the next version of its name."""
    from dataclasses import replace

    from verisim.installed import SHIPPED_MODELS, find_cards

    present = find_cards(SHIPPED_MODELS, models).get(card.name)
    return replace(card, version=present.version + 1) if present else card
