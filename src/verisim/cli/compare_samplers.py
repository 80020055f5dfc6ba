"""`verisim compare-samplers`: what more evaluations buy on one's own generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import DEFAULT_MODEL, USER_MODELS, AsJson, Device, Models, SubjectPattern
from verisim.cli.terminal import COUNT, PERCENT, Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.diffusion.sampling import Solver
    from verisim.synthesis.comparing import Sampled


def compare_samplers(
    model: Annotated[str, typer.Argument(help="A model that makes cases.")],
    real: Annotated[
        Path, typer.Argument(help="Data set that it learned from, with held-out cases.")
    ],
    evaluations: Annotated[
        str, typer.Option(help="Of the network for an image, separated by commas.")
    ] = "4,8,16,32,64,250",
    solvers: Annotated[
        str, typer.Option(help="Samplers, separated by commas.")
    ] = "ddim,dpm-solver,heun,ddpm",
    cases: Annotated[int, typer.Option(min=6, help="Held-out cases, at most.")] = 26,
    picture: Annotated[Path | None, typer.Option(help="Also draw the table, a .png.")] = None,
    embedding: Annotated[
        str, typer.Option(help="A U-Net trained on such cases: compares features, and segments.")
    ] = DEFAULT_MODEL,
    train_split: Annotated[str, typer.Option(help="What the generator learned from.")] = "train",
    held_out_split: Annotated[str, typer.Option(help="What it did not.")] = "val",
    subject_pattern: SubjectPattern = "",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Make images for held-out label maps by every sampler, and compare them with real images."""
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.evaluation import under_model_names
    from verisim.fidelity import pairs_of
    from verisim.installed import SHIPPED_MODELS, find_card, find_cards
    from verisim.synthesis import fits
    from verisim.synthesis.comparing import Comparison, draw_comparison, students_of, ways_of

    terminal = Terminal(as_json)
    card, known = (find_card(name, SHIPPED_MODELS, models) for name in (model, embedding))
    ways = ways_of(card, _solvers(solvers), _numbers(evaluations))
    with terminal.warnings_as_notes():
        opened = open_dataset(real, subject_pattern)
    names = under_model_names(known, opened)
    with terminal.progress("read", COUNT) as progress:
        training = pairs_of(opened.split(train_split), names, progress)
        held_out = pairs_of(opened.split(held_out_split)[:cases], names, progress)
    fitting = [pair for pair in held_out if fits(card, pair[1])]
    if len(fitting) < len(held_out):
        left_out = len(held_out) - len(fitting)
        terminal.note(f"{left_out} held-out cases are larger than what {card.title} makes.")
    students = students_of(card, find_cards(SHIPPED_MODELS, models).values())
    comparison = Comparison(card, known, training, fitting, choose(device), students)
    rows: list[Sampled] = []
    with terminal.progress("compare", PERCENT) as progress:
        for row in comparison(ways, progress):
            rows.append(row)
            terminal.note(f"{row.name} {row.steps}: Dice {row.dice:.3f}")
    if picture is not None:
        draw_comparison(picture, rows)
    terminal.answer({"model": card.title, "rows": rows}, _table(rows))


def _numbers(text: str) -> list[int]:
    found = text.split(",")
    if not all(one.strip().isdigit() and int(one) > 0 for one in found):
        raise BadInput(f"{text!r} are no numbers of evaluations.", "Write for example 4,16,64.")
    return [int(one) for one in found]


def _solvers(text: str) -> list[Solver]:
    from verisim.synthesis.comparing import SOLVERS

    found: list[Solver] = [one for one in SOLVERS if one in text.split(",")]
    unknown = set(text.split(",")) - set(SOLVERS)
    if unknown:
        raise BadInput(
            f"There is no sampler {', '.join(sorted(unknown))}.",
            f"Choose from: {', '.join(SOLVERS)}.",
        )
    return found


def _table(rows: Sequence[Sampled]) -> Table:
    table = Table("sampler", "steps")
    for title in ("evaluations", "Fréchet", "kernel", "Dice with the label map", "seconds"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            str(row.steps or ""),
            str(row.evaluations or ""),
            f"{row.frechet:.2f}",
            f"{row.kernel:.3f}",
            f"{row.dice:.3f}",
            f"{row.seconds:.2f}" if row.seconds else "",
        )
    return table
