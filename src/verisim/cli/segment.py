"""`verisim segment`: volumes in, label maps out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import DEFAULT_MODEL, USER_MODELS, AsJson, Device, Models
from verisim.cli.terminal import Terminal

if TYPE_CHECKING:
    from verisim.cases import Answer


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="A file, a DICOM folder, or a folder of cases; several files are the channels "
            "of one case.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write; for a folder of cases a folder.")
    ],
    model: Annotated[str, typer.Option(help="See `verisim models`.")] = DEFAULT_MODEL,
    series: Annotated[
        str, typer.Option(help="SeriesInstanceUID, for a DICOM folder with several series.")
    ] = "",
    suffix: Annotated[
        str, typer.Option(help="Format for a folder of cases: .nii.gz, .nrrd or .seg.nrrd.")
    ] = ".nii.gz",
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the result on the volume, as a .png.")
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option(help="In a folder of cases, keep label maps that exist already.")
    ] = False,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Segment volumes and write label maps on the input's own voxels.

    The suffix of the output chooses the format: .nii.gz, .nii, .nrrd, .seg.nrrd (names and
    colours for 3D Slicer), or .dcm (DICOM SEG, for a DICOM input).
    """
    from verisim.card import SHIPPED_MODELS, find_card
    from verisim.cases import plan_answers, segment_cases
    from verisim.devices import choose
    from verisim.segmentation import NetworkSegmenter

    terminal = Terminal(as_json)
    card = find_card(model, SHIPPED_MODELS, models)
    tasks = plan_answers(inputs, output, len(card.channels), suffix, series)
    segmenter = NetworkSegmenter(card, choose(device))
    with warnings.catch_warnings():
        # what the person must know is in the answer, not between its lines
        warnings.simplefilter("ignore")
        with terminal.progress("segment") as progress:
            answers = segment_cases(segmenter, tasks, skip_existing, picture, progress)
    for answer in answers:
        for warning in (*answer.warnings, answer.error):
            if warning:
                terminal.note(f"{answer.case}: {warning}")
    terminal.answer({"model": card.title, "cases": answers}, _table(answers))
    if any(answer.error for answer in answers):
        raise typer.Exit(2)


def _table(answers: tuple[Answer, ...]) -> Table:
    labels = list(dict.fromkeys(name for answer in answers for name in answer.volumes_ml))
    table = Table("case", *(f"{name} (ml)" for name in labels), "certainty", "seconds")
    table.add_column("file", overflow="fold")
    for answer in answers:
        volumes = [f"{answer.volumes_ml[n]:.3f}" if n in answer.volumes_ml else "" for n in labels]
        table.add_row(
            answer.case,
            *volumes,
            f"{answer.certainty:.3f}",
            f"{answer.seconds:.2f}",
            answer.error or str(answer.output),
        )
    return table
