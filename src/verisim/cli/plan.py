"""`verisim plan`: which networks suit a data set, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import AsJson
from verisim.cli.terminal import COUNT, Terminal

if TYPE_CHECKING:
    from verisim.planning import Configuration, Plan


def plan(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in the layout of the Decathlon, nnU-Net or MONAI Label.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the plan, a TOML file to edit.")
    ] = None,
    memory: Annotated[
        float, typer.Option(help="Gigabytes of the graphics card that will train.")
    ] = 8.0,
    preset: Annotated[
        str, typer.Option(help="plain: nnU-Net's own U-Net. residual: its ResEnc M.")
    ] = "plain",
    split: Annotated[str, typer.Option(help="A split of splits.json, or all.")] = "all",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say the reason of every number.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at every case once and choose spacing, patch, network and batch, as nnU-Net does."""
    from verisim.dataset import open_dataset
    from verisim.fingerprint import fingerprint_of
    from verisim.planning import make_plan
    from verisim.questions import check_place

    terminal = Terminal(as_json)
    if output is not None:
        check_place(output)
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset)
        with terminal.progress("look", COUNT) as progress:
            fingerprint = fingerprint_of(opened, split, progress)
    made = make_plan(fingerprint, memory, preset)
    if output is not None:
        made.write(output)
    shown = [_reasons(one) for one in made.configurations] if explain else []
    terminal.answer({"plan": made, "written": output}, _table(made), *shown)


def _table(made: Plan) -> Table:
    table = Table(
        "configuration",
        "spacing (mm)",
        "patch",
        "batch",
        "features",
        title=f"{made.data}: {made.cases} cases, {made.memory_gb:g} GB, {made.preset}",
    )
    for one in made.configurations:
        spacing = "×".join(
            f"{side:.3g}" if side else "own" for side in one.preprocessing.spacing_mm
        )
        patch = "×".join(str(side) for side in one.patch_size)
        features = "/".join(str(width) for width in one.network.features)
        table.add_row(one.name, spacing, patch, str(one.batch_size), features)
    return table


def _reasons(one: Configuration) -> str:
    return "\n".join([f"\n{one.name}", *(f"  {reason}" for reason in one.reasons)])
