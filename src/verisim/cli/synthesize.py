"""`verisim synthesize`: a model in, new labelled cases out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from verisim.cli.options import USER_MODELS, AsJson, Device, Models, Precision, PrecisionOption
from verisim.cli.terminal import COUNT, Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.card import ModelCard
    from verisim.volume import LabelMap


def synthesize(
    model: Annotated[str, typer.Argument(help="A model that makes cases, see `verisim models`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new cases.")],
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
            "--labels", help="A label map, or a folder of them, that the images shall show."
        ),
    ] = None,
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
    from verisim.synthesis.synthesizer import Synthesizer, wished

    terminal = Terminal(as_json)
    found = find_card(model, SHIPPED_MODELS, models)
    card = wished(
        found,
        seed=seed,
        steps=steps,
        solver=solver,
        guidance=guidance,
        truncation=truncation,
    )
    synthesizer = Synthesizer(card, choose(device), precision.value)
    given = list(_label_maps(label_maps, card))
    cases = CaseSet(output, card, kind)
    with terminal.progress("synthesize", COUNT) as progress:
        written = cases.fill(synthesizer, range(first, first + count), given, progress)
    if picture is not None:
        cases.draw(picture)
    kept = count - len(written)
    lines = [f"wrote {path}" for path in written] + ([f"kept {kept} cases"] if kept else [])
    facts = {"model": card.title, "folder": output, "written": written, "kept": kept}
    terminal.answer(facts, *lines)
    terminal.note("Not audited: these cases may copy training patients. Do not share them yet.")


def _label_maps(path: Path | None, card: ModelCard) -> Iterator[LabelMap]:
    from verisim.files import IMAGE_SUFFIXES, read_label_map

    if path is None:
        return
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [one for one in files if one.name.endswith(tuple(IMAGE_SUFFIXES))]
    if not found:
        raise BadInput(f"{path} holds no label maps.", "Name a NIfTI or NRRD file, or a folder.")
    for one in found:
        yield read_label_map(one, card.labels)
