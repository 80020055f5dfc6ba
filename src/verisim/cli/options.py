"""Options that several commands share, described once."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from verisim.errors import BadInput

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else, to stdout.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda:0.")]
Models = Annotated[
    Path,
    typer.Option(
        "--models",
        envvar="VERISIM_MODELS",
        help="Folder of your own models; those that come with the package are always there.",
    ),
]
Mirror = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror",
        help="Average over mirror images: slower, a little better. [as the model's card says]",
    ),
]


class Precision(StrEnum):
    """How exactly a network computes."""

    auto = "auto"
    single = "single"


PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="single: slower, alike on every machine; auto: bfloat16 where it changes a few "
        "voxels at most.",
    ),
]
Samples = Annotated[
    int | None, typer.Option(help="Masks of a diffusion model. [as its card says]")
]
Steps = Annotated[
    int | None, typer.Option(help="Of a diffusion model, from noise to mask. [as its card says]")
]
Fusion = Annotated[
    Literal["mean", "staple"] | None,
    typer.Option(help="How a diffusion model's masks become one. [as its card says]"),
]
Seed = Annotated[
    int | None, typer.Option(help="Of a diffusion model's noise: the same seed, the same answer.")
]
Settled = Annotated[
    float | None,
    typer.Option(
        help="End a diffusion model's sampling early, when another mask moves the mean "
        "probabilities by less than this; 0.01, say. [as its card says]"
    ),
]
Anchor = Annotated[
    str | None,
    typer.Option(
        help="Model whose answer a diffusion model's samples start from. [as its card says]"
    ),
]
Start = Annotated[
    float | None,
    typer.Option(help="How much of that is noise, 0 to 1. [as its card says, else 0.3]"),
]
SubjectPattern = Annotated[
    str,
    typer.Option(
        help="Regular expression on a case's name; its first group is the subject: '(p\\d+)_'."
    ),
]
SubjectTable = Annotated[
    Path | None,
    typer.Option(
        help="CSV file with the columns case and subject. [subjects.csv in the data set's folder]"
    ),
]

ITERATIONS = 8000
"""Optimizer steps when nothing is said about time: hours on a processor, minutes on a GPU."""

Minutes = Annotated[
    float | None, typer.Option(min=0.1, help="Plan the schedule to end in this time.")
]
LearningRate = Annotated[float, typer.Option(min=0, help="Highest learning rate of AdamW.")]
TrainingSeed = Annotated[int, typer.Option(help="Decides every random choice.")]
ValidateEvery = Annotated[int, typer.Option(min=1, help="Steps between validations.")]
RunFolder = Annotated[
    Path | None,
    typer.Option(help="Folder of checkpoint and curves, continued if it exists. [runs/NAME-vN]"),
]


def attributes_of(said: Sequence[str]) -> dict[str, str]:
    """Name to value of what is said as NAME=VALUE.

    Raises:
        BadInput: Something else is said, or two values of one attribute.
    """
    asked: dict[str, str] = {}
    for one in said:
        name, equals, value = (part.strip() for part in one.partition("="))
        if not (name and equals and value):
            raise BadInput(f"{one!r} is no attribute with its value.", "Say it as size=large.")
        if name in asked:
            raise BadInput(
                f"The attribute {name!r} is asked for twice: {asked[name]} and {value}.",
                "Say it once; make the cases of each value by a command of its own.",
            )
        asked[name] = value
    return asked


def check_training(
    command: str, name: str, start_from: str, minutes: float | None, iterations: int | None
) -> None:
    """Refuse a training that contradicts itself.

    Raises:
        BadInput: A new model and one to fine-tune, or neither; or two lengths.
    """
    if bool(name) == bool(start_from):
        raise BadInput(
            "Say either --name, for a new model, or --from, to fine-tune one.",
            f"For example: verisim {command}",
        )
    if minutes and iterations:
        raise BadInput("Both --minutes and --iterations were given.", "Say one of them.")


USER_MODELS = Path(typer.get_app_dir("verisim")) / "models"
"""Where trained models go when nothing else is said."""

DEFAULT_MODEL = "hippocampus-unet"
"""The model that comes with the package."""
