"""`verisim refine`: a segmentation, corrected by clicks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from verisim.cli.options import DEFAULT_MODEL, USER_MODELS, AsJson, Device, Models
from verisim.cli.terminal import Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.card import ModelCard
    from verisim.progress import Progress
    from verisim.refinement import Click, ClickNetwork, Method
    from verisim.segmentation import Segmentation
    from verisim.volume import LabelMap, Volume

EXAMPLE = "Write it like 12.5,-20,7=anterior: x, y and z in RAS mm, then the label."


def refine(
    image: Annotated[Path, typer.Argument(help="A file, or a DICOM folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    label_map: Annotated[
        Path | None, typer.Argument(help="What is corrected. [what the model says]")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Whose answer, or whose labels. See `verisim models`.")
    ] = DEFAULT_MODEL,
    click: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,Z=LABEL", help="A place that belongs to a label, in RAS mm."),
    ] = None,
    no: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="X,Y,Z=LABEL", help="A place that does not belong to it."),
    ] = None,
    by: Annotated[
        Literal["auto", "network", "walker"],
        typer.Option(
            help="auto: a click network with the model's labels, if there is one. walker: none."
        ),
    ] = "auto",
    series: Annotated[
        str, typer.Option(help="SeriesInstanceUID, for a DICOM folder with several series.")
    ] = "",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Correct a segmentation around places that do or do not belong to a label.

    All clicks are given each time: leave one out, and it is undone. The suffix of the output
    chooses the format, as with `verisim segment`.
    """
    from verisim.files import read, write
    from verisim.installed import SHIPPED_MODELS, find_card
    from verisim.questions import check_place
    from verisim.refinement import name_of
    from verisim.refinement import refine as corrected

    terminal = Terminal(as_json)
    clicks = [
        *(_click(one, True) for one in click or ()),
        *(_click(one, False) for one in no or ()),
    ]
    card = find_card(model, SHIPPED_MODELS, models)
    _check_output(output, image, label_map)
    check_place(output)
    with terminal.warnings_as_notes(), terminal.progress("refine") as progress:
        network = _network(card, by, models)
        volume = read(image, series or None)
        start = _start(card, volume, label_map, device, models, progress)
        began = time.perf_counter()
        found = corrected(volume, start, clicks, progress, network)
        seconds = time.perf_counter() - began
    write(output, found.label_map, card.colors, image if image.is_dir() else None, series or None)
    for warning in found.warnings:
        terminal.note(warning)
    by_what = name_of(network)
    facts = {
        "model": card.title,
        "by": by_what,
        "output": output,
        "clicks": clicks,
        "volumes_ml": {name: round(ml, 4) for name, ml in found.label_map.volumes_ml.items()},
        "seconds": round(seconds, 4),
        "warnings": found.warnings,
    }
    said = f"wrote {output}, {len(clicks)} click(s) answered by {by_what} in {seconds:.2f} s"
    terminal.answer(facts, _table(start.label_map, found.label_map), said)


def _network(card: ModelCard, method: Method, models: Path) -> ClickNetwork | None:
    """What knows the shapes of the labels, if anything does."""
    from verisim.installed import SHIPPED_MODELS
    from verisim.refinement import ClickNetwork, corrector_of, known_cards

    corrector = corrector_of(card, known_cards(SHIPPED_MODELS, models), method)
    return ClickNetwork(corrector) if corrector else None


def _start(
    card: ModelCard,
    volume: Volume,
    label_map: Path | None,
    device: str,
    models: Path,
    progress: Progress,
) -> Segmentation:
    """What is corrected."""
    from verisim.devices import choose
    from verisim.files import read_label_map
    from verisim.installed import SHIPPED_MODELS
    from verisim.refinement import as_segmentation
    from verisim.rescued_segmenter import RescuedSegmenter

    if label_map is not None:
        return as_segmentation(read_label_map(label_map, card.labels))
    folders = SHIPPED_MODELS, models
    segmenter = RescuedSegmenter(card, choose(device), folders=folders, maps=("probability",))
    return segmenter(volume, progress)


def _check_output(output: Path, image: Path, label_map: Path | None) -> None:
    from verisim.files.source import DICOM, LABEL_MAP_SUFFIXES, suffix_of

    if suffix_of(output) not in LABEL_MAP_SUFFIXES:
        raise BadInput(
            f"The output {output} has no known format.",
            f"Let it end in {', '.join(LABEL_MAP_SUFFIXES)}.",
        )
    if suffix_of(output) == DICOM and not image.is_dir():
        raise BadInput(
            f"{output} would be a DICOM SEG, which refers to the DICOM series of its input.",
            "Refine on a DICOM folder, or write .seg.nrrd.",
        )
    if output.resolve() in {one.resolve() for one in (image, label_map) if one is not None}:
        raise BadInput(f"The output {output} would replace an input.", "Choose another name.")


def _click(text: str, belongs: bool) -> Click:
    """A click as a person writes it.

    Raises:
        BadInput: It is none.
    """
    from verisim.refinement import Click

    place, _, label = text.partition("=")
    try:
        x, y, z = (float(mm) for mm in place.split(","))
    except ValueError as error:
        raise BadInput(f"{text!r} is no click.", EXAMPLE) from error
    if not label:
        raise BadInput(f"{text!r} names no label.", EXAMPLE)
    return Click((x, y, z), label, belongs)


def _table(before: LabelMap, after: LabelMap) -> Table:
    table = Table("label", "ml before", "ml")
    for label, ml in after.volumes_ml.items():
        table.add_row(label, f"{before.volumes_ml[label]:.3f}", f"{ml:.3f}")
    return table
