"""`verisim segment`: volumes in, label maps out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import (
    DEFAULT_MODEL,
    USER_MODELS,
    Anchor,
    AsJson,
    Device,
    Fusion,
    Mirror,
    Models,
    Precision,
    PrecisionOption,
    Samples,
    Seed,
    Settled,
    Start,
    Steps,
)
from verisim.cli.terminal import Terminal
from verisim.errors import SeveralSeries

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
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, or a folder.")],
    model: Annotated[str, typer.Option(help="See `verisim models`.")] = DEFAULT_MODEL,
    series: Annotated[
        str, typer.Option(help="SeriesInstanceUID, for a DICOM folder with several series.")
    ] = "",
    suffix: Annotated[
        str, typer.Option(help="Format where the output is a folder: .nii.gz, .nrrd or .seg.nrrd.")
    ] = ".nii.gz",
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the result on the volume, as a .png; for a folder of cases a folder."
        ),
    ] = None,
    probability: Annotated[
        Path | None,
        typer.Option(
            help="Also write the probability of each label: to the file FILE-LABEL.nii.gz for "
            "FILE.nii.gz; for a folder of cases a folder."
        ),
    ] = None,
    uncertainty: Annotated[
        Path | None,
        typer.Option(
            help="Also write how uncertain each voxel is, 0 to 1; for a folder of cases a folder."
        ),
    ] = None,
    each_sample: Annotated[
        Path | None,
        typer.Option(
            help="Also write the label map of each sample of a diffusion model: to FILE-1.nii.gz, "
            "FILE-2.nii.gz, … for FILE.nii.gz; for a folder of cases a folder."
        ),
    ] = None,
    samples: Samples = None,
    steps: Steps = None,
    fusion: Fusion = None,
    seed: Seed = None,
    settled: Settled = None,
    anchor: Anchor = None,
    start: Start = None,
    skip_existing: Annotated[
        bool, typer.Option(help="In a folder of cases, keep label maps that exist already.")
    ] = False,
    mirror: Mirror = None,
    precision: PrecisionOption = Precision.auto,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Segment volumes and write label maps on the input's own voxels.

    The suffix of the output chooses the format: .nii.gz, .nii, .nrrd, .seg.nrrd (names and
    colours for 3D Slicer), or .dcm (DICOM SEG, for a DICOM input).
    """
    from verisim.cases import segment_cases
    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card, parts_of
    from verisim.questions import Wish, plan_questions
    from verisim.rescued_segmenter import RescuedSegmenter
    from verisim.sampling_wish import SamplingWish

    terminal = Terminal(as_json)
    card = find_card(model, SHIPPED_MODELS, models)
    labels = tuple(card.labels)
    kept = each_sample is not None
    sampled = SamplingWish(samples, steps, None, fusion, seed, settled, anchor, start, kept)
    folders = SHIPPED_MODELS, models
    sampled.check(parts_of(card, lambda name: find_card(name, *folders, card.folder)))
    count = sampled.count(card)
    maps = probability, uncertainty
    wish = Wish(output, suffix, series or None, picture, *maps, labels, each_sample, count)
    questions = plan_questions(inputs, wish, len(card.channels))
    kinds = questions[0].maps.kinds
    segmenter = RescuedSegmenter(
        card, choose(device), mirror, folders, precision.value, kinds, sampled
    )
    try:
        with warnings.catch_warnings(), terminal.progress("segment") as progress:
            # what the person must know is in the answer, not between its lines
            warnings.simplefilter("ignore")
            answers = segment_cases(segmenter, questions, skip_existing, progress)
    except SeveralSeries as error:
        raise SeveralSeries(error.message, "Choose one with --series UID.") from error
    for answer in answers:
        for warning in (*answer.warnings, *_reason(answer)):
            terminal.note(f"{answer.case}: {warning}")
    facts = {"model": card.title, "cases": answers}
    terminal.answer(facts, _table(answers), *_lines(answers))
    if any(answer.error for answer in answers):
        raise typer.Exit(2)


def _reason(answer: Answer) -> tuple[str, ...]:
    return (f"{answer.error.message} {answer.error.remedy}",) if answer.error else ()


def _lines(answers: tuple[Answer, ...]) -> Iterator[str]:
    for answer in answers:
        yield _line(answer)
        yield from _prior_line(answer)
        yield from _map_lines(answer)


def _prior_line(answer: Answer) -> Iterator[str]:
    """A truncated start may hand the prior back: how much of the answer is its own?"""
    if answer.sampled and answer.sampled.prior:
        prior = answer.sampled.prior
        shared = ", ".join(f"{name} {dice:.3f}" for name, dice in prior.dice.items())
        yield f"{answer.case}: started from {prior.model}, Dice with it: {shared}"


def _map_lines(answer: Answer) -> Iterator[str]:
    return (f"{answer.case}: wrote {path}" for path in (*answer.maps.paths, *answer.samples))


def _table(answers: tuple[Answer, ...]) -> Table:
    table = Table()
    table.add_column("case", overflow="fold")
    table.add_column("label", overflow="fold")
    table.add_column("ml", justify="right")
    for answer in answers:
        for k, (label, ml) in enumerate(answer.volumes_ml.items()):
            table.add_row(answer.case if k == 0 else "", label, _volume(answer, label, ml))
    return table


def _volume(answer: Answer, label: str, ml: float) -> str:
    """Of several samples the range, too."""
    if answer.sampled is None:
        return f"{ml:.3f}"
    low, high = answer.sampled.range_ml[label]
    return f"{ml:.3f} ({low:.3f} to {high:.3f})"


def _line(answer: Answer) -> str:
    if answer.error:
        return f"{answer.case}: no label map ({answer.error.code})"
    if not answer.volumes_ml:
        return f"{answer.case}: kept {answer.output}"
    return (
        f"{answer.case}: wrote {answer.output} "
        f"in {answer.seconds:.2f} s, certainty {answer.certainty:.3f}"
    )
