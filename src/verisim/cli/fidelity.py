"""`verisim fidelity`: how like real cases synthetic ones are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import DEFAULT_MODEL, USER_MODELS, AsJson, Models, SubjectPattern
from verisim.cli.terminal import COUNT, Terminal

if TYPE_CHECKING:
    from verisim.fidelity import Distances, Fidelity, ShapeRange
    from verisim.radiomics import Likeness, Spread

SETS = ("real, learned from", "real, held out", "synthetic")


def fidelity(
    synthetic: Annotated[Path, typer.Argument(help="Folder that `verisim synthesize` wrote.")],
    real: Annotated[
        Path, typer.Argument(help="Data set that the generator learned from, with held-out cases.")
    ],
    embedding: Annotated[
        str, typer.Option(help="A U-Net trained on such cases, whose features are compared.")
    ] = DEFAULT_MODEL,
    train_split: Annotated[str, typer.Option(help="What the generator learned from.")] = "train",
    held_out_split: Annotated[str, typer.Option(help="What it did not.")] = "val",
    subject_pattern: SubjectPattern = "",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Compare synthetic cases with the real ones, beside held-out real ones as the floor.

    Fréchet and kernel distances of a network's features to the training cases, precision, recall,
    density and coverage, the shapes of the label maps and the insides of labels, and how alike
    images are to each other. None of it sees copies.
    """
    from verisim.dataset import open_dataset
    from verisim.embedding import Embedding
    from verisim.evaluation import under_model_names
    from verisim.fidelity import fidelity as compare
    from verisim.fidelity import pairs_of, shapes
    from verisim.installed import SHIPPED_MODELS, find_card
    from verisim.radiomics import textures, variety

    terminal = Terminal(as_json)
    card = find_card(embedding, SHIPPED_MODELS, models)
    with terminal.warnings_as_notes():
        theirs = open_dataset(real, subject_pattern)
        ours = open_dataset(synthetic)
    with terminal.progress("read", COUNT) as progress:
        training, held_out, made = (
            pairs_of(opened.split(split), under_model_names(card, opened), progress)
            for opened, split in ((theirs, train_split), (theirs, held_out_split), (ours, "all"))
        )
    with terminal.progress("compare", COUNT) as progress:
        found = [
            compare(Embedding(card, random), training, held_out, made, progress)
            for random in (False, True)
        ]
    with terminal.progress("measure", COUNT) as progress:
        insides = textures(training, held_out, made, progress)
        alike = dict(zip(SETS, variety((training, held_out, made), progress), strict=True))
    forms = shapes([*training, *held_out], made)
    facts = {"features": found, "shapes": forms, "cases": len(made)}
    facts |= {"textures": insides, "likeness": alike}
    tables = (_shapes(forms), _textures(insides), _likeness(alike))
    terminal.answer(facts, *(_table(one) for one in found), *tables)


def _table(found: Fidelity) -> Table:
    table = Table(
        *("", "Fréchet distance", "kernel distance", "precision", "recall", "density", "coverage"),
        title=f"Features of {found.embedding}, to the training cases",
        caption=f"Sets of {found.size}; 95 % of the draws · Fréchet {found.ratio:.2f} × its floor",
    )
    table.add_row("synthetic", *_cells(found.synthetic))
    table.add_row("real, held out", *_cells(found.held_out))
    return table


def _cells(found: Distances) -> list[str]:
    low, high = found.frechet_range
    least, most = found.kernel_range
    shares = found.coverage
    return [
        f"{found.frechet:.2f} ({low:.2f}–{high:.2f})",
        f"{found.kernel:.3f} ({least:.3f}–{most:.3f})",
        *(
            f"{share:.2f}"
            for share in (shares.precision, shares.recall, shares.density, shares.coverage)
        ),
    ]


def _shapes(found: Mapping[str, ShapeRange]) -> Table:
    table = Table("label maps", "real", "synthetic", "within the real range")
    for name, one in found.items():
        real = f"{one.real:.3f} ({one.low:.3f}–{one.high:.3f})"
        table.add_row(name, real, f"{one.synthetic:.3f}", f"{one.within:.0%}")
    return table


def _textures(found: Mapping[str, Spread]) -> Table:
    table = Table(
        *("insides of labels", "synthetic", "real, held out"),
        title="Wasserstein distance to the training cases, in their deviations",
    )
    for name, one in found.items():
        low, high = one.synthetic_range
        table.add_row(name, f"{one.synthetic:.2f} ({low:.2f}–{high:.2f})", f"{one.held_out:.2f}")
    return table


def _likeness(found: Mapping[str, Likeness]) -> Table:
    table = Table(
        *("images", "MS-SSIM of two"), caption="The same twice: 1; more alike than real: too few"
    )
    for name, one in found.items():
        low, high = one.spread
        table.add_row(name, f"{one.mean:.3f} ({low:.3f}–{high:.3f})")
    return table
