"""`verisim synthesize`: a model in, new labelled cases out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from verisim.cli.compare_samplers import compare_samplers
from verisim.cli.evaluate_use import use_of, use_table
from verisim.cli.options import (
    USER_MODELS,
    AsJson,
    Device,
    Models,
    Precision,
    PrecisionOption,
    attributes_of,
)
from verisim.cli.terminal import COUNT, Terminal
from verisim.errors import BadInput


def synthesize(
    model: Annotated[str, typer.Argument(help="A model that makes cases, see `verisim models`.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the new cases.")
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many cases.")] = 1,
    first: Annotated[
        int, typer.Option(min=0, help="Number of the first: several machines share a set by it.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Which endless set of cases. [as the model's card says]")
    ] = None,
    label_maps: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="A label map, a folder of them, or a data set, that the images shall show.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Of a data set whose label maps are shown.")
    ] = "train",
    steps: Annotated[
        int | None, typer.Option(min=1, help="From noise to image. [as the model's card says]")
    ] = None,
    solver: Annotated[
        Literal["ddim", "ddpm", "dpm-solver", "heun"] | None,
        typer.Option(help="The sampler. [as the model's card says]"),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="How strongly images follow labels; 1 as learned. [as the card says]"),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE that the cases shall have, as size=large; again for another. "
            "`verisim models` shows what a model knows."
        ),
    ] = None,
    attribute_guidance: Annotated[
        float | None,
        typer.Option(
            help="How strongly label maps follow attributes; 1 as learned. [as the card says]"
        ),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="How far a StyleGAN goes from the mean case; 1 as learned. [as the card says]"
        ),
    ] = None,
    kind: Annotated[
        Literal["nifti", "nrrd", "dicom"],
        typer.Option("--format", help="Of the images; dicom: a folder of slices a case."),
    ] = "nifti",
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the cases beside each other, a .png.")
    ] = None,
    evaluate_use: Annotated[
        Path | None,
        typer.Option(
            help="Real data set with held-out cases: then train segmenters on the real cases, on "
            "these, on both; see `verisim evaluate-use`."
        ),
    ] = None,
    by_samplers: Annotated[
        Path | None,
        typer.Option(
            "--compare-samplers",
            help="Real data set with held-out cases: compare samplers in place of making cases; "
            "see `verisim compare-samplers`.",
        ),
    ] = None,
    precision: PrecisionOption = Precision.auto,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Make labelled cases that are nobody's, each with a record of where it comes from.

    The folder is a data set: `verisim train` and nnU-Net learn from it. Cases that are there
    already are kept. Whether they copy training patients is for an audit to say: until then do
    not share them.
    """
    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card
    from verisim.synthesis.case_set import CaseSet
    from verisim.synthesis.given import for_label_maps, read_folder
    from verisim.synthesis.provenance import warning_of
    from verisim.synthesis.synthesizer import Synthesizer, wished

    if (output is None) == (by_samplers is None):
        raise BadInput(
            "Say either where the new cases go, or what samplers are compared by.",
            "For example: -o synthetic, or --compare-samplers DATA.",
        )
    if output is None:
        _compare(model, by_samplers, picture, device, models, as_json)
        return
    terminal = Terminal(as_json)
    wish = wished(
        find_card(model, SHIPPED_MODELS, models),
        seed=seed,
        steps=steps,
        solver=solver,
        guidance=guidance,
        attributes=attributes_of(attribute or ()),
        attribute_guidance=attribute_guidance,
        truncation=truncation,
    )
    with terminal.progress("read", COUNT) as progress:
        given = read_folder(label_maps, wish, split, progress) if label_maps else []
    card = for_label_maps(wish, given)
    synthesizer = Synthesizer(card, choose(device), precision.value)
    cases = CaseSet(output, card, kind)
    with terminal.progress("synthesize", COUNT) as progress:
        written = cases.fill(synthesizer, range(first, first + count), given, progress)
    if picture is not None:
        cases.draw(picture)
    use = use_of(terminal, evaluate_use, output, choose(device)) if evaluate_use else []
    kept = count - len(written)
    facts = {"model": card.title, "folder": output, "written": written, "kept": kept, "use": use}
    terminal.answer(facts, *_lines(written, kept), *([use_table(use)] if use else []))
    terminal.note(warning_of(card))


def _lines(written: Sequence[Path], kept: int) -> list[str]:
    """What was done, for a person."""
    return [f"wrote {path}" for path in written] + ([f"kept {kept} cases"] if kept else [])


def _compare(
    model: str, real: Path | None, picture: Path | None, device: str, models: Path, as_json: bool
) -> None:
    assert real is not None, "one of both is said"
    compare_samplers(model, real, picture=picture, device=device, models=models, as_json=as_json)
