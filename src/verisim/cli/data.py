"""`verisim data`: public data sets, with their licence shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verisim.cli.options import AsJson
from verisim.cli.terminal import Terminal

app = typer.Typer(help="Download public data sets.")

LICENCE = (
    "Medical Segmentation Decathlon, task 04 Hippocampus (Vanderbilt University Medical Center); "
    "CC BY-SA 4.0; Simpson 2019 (arXiv:1902.09063), Antonelli 2022."
)


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """Download public data sets."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


@app.command()
def hippocampus(
    folder: Annotated[Path, typer.Argument(help="Where the data set's folder will lie.")],
    archive: Annotated[
        Path | None, typer.Option(help="A Task04_Hippocampus.tar downloaded earlier.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Get the hippocampus task of the Medical Segmentation Decathlon (28 MB)."""
    from verisim.download import decathlon_hippocampus

    terminal = Terminal(as_json)
    terminal.note(LICENCE)
    place, dataset = decathlon_hippocampus(folder, archive)
    facts = {"folder": place, "cases": len(dataset.cases), "licence": dataset.licence}
    terminal.answer(facts, f"{len(dataset.cases)} labelled cases in {place}")
